"""Real clients log in at our submission port, and we log in at a smarthost."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from eilpost.client import Client, NotConnected
from eilpost.net.dev_certificate import prepare
from tests.interop.conftest import BERTA, arrived
from tests.interop.contents import content
from tests.peers.eilpost import Eilpost, Setup, eilpost
from tests.peers.tools import missing, program, run, scratch

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]
PASSWORD: Final = "correct horse battery staple"
OFFERED: Final = ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ours() -> AsyncIterator[tuple[Eilpost, str]]:
    """Eilpost that takes mail from Berta after her login, and the authority of its certificate."""
    with scratch("login") as directory:
        made = prepare(directory / "tls", ["mx.example.test"], time.time())
        setup = Setup(
            accounts=(BERTA,),
            roles=("submission", "submissions"),
            trusted=False,
            settings={
                "tls.certificate": made.pair.certificate,
                "tls.key": made.pair.key,
                "auth.mechanisms": OFFERED,
                "auth.failure_delay": "0s",
                "limits.connections_per_client": 1000,
            },
        )
        async with eilpost(directory / "eilpost", setup) as system:
            await system.command("user", "passwd", BERTA, "--cram", "--password-stdin", stdin=PASSWORD.encode() + b"\n")
            yield system, made.authority


def letter(name: str) -> bytes:
    """From Berta, to herself."""
    return content("plain", name).replace(b"anna@sender.example", BERTA.encode())


async def came(system: Eilpost, name: str, login: bytes = b"ESMTPSA") -> None:
    """It is in her mailbox, and the trace tells of her login (RFC 3848)."""
    assert b"with " + login in await arrived(system.maildir(BERTA), name)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
async def test_swaks(ours: tuple[Eilpost, str], mechanism: str, tmp_path: Path) -> None:
    """swaks logs in over STARTTLS."""
    if reason := missing("swaks"):
        pytest.skip(reason)
    system, _ = ours
    (tmp_path / "message").write_bytes(letter(f"swaks-{mechanism}"))
    await run(
        program("swaks"), "--server", f"127.0.0.1:{system.ports['submission']}", "--tls", "--auth", mechanism,
        "--auth-user", BERTA, "--auth-password", PASSWORD, "--from", BERTA, "--to", BERTA,
        "--data", f"@{tmp_path / 'message'}",
    )  # fmt: skip
    await came(system, f"swaks-{mechanism}")


@pytest.mark.parametrize("mechanism", ["on", "scram-sha-256", "scram-sha-1", "cram-md5", "plain", "login"])
async def test_msmtp(ours: tuple[Eilpost, str], mechanism: str, tmp_path: Path) -> None:
    """msmtp logs in, by GNU SASL where it is SCRAM."""
    if reason := missing("msmtp"):
        pytest.skip(reason)
    system, authority = ours
    options = tmp_path / "msmtprc"
    options.write_text(
        f"account default\nhost localhost\nport {system.ports['submissions']}\ntls on\ntls_starttls off\n"
        f"tls_trust_file {authority}\nauth {mechanism}\nuser {BERTA}\npassword {PASSWORD}\nfrom {BERTA}\n"
    )
    options.chmod(0o600)
    await run(program("msmtp"), f"--file={options}", BERTA, stdin=letter(f"msmtp-{mechanism}").replace(b"\r\n", b"\n"))
    await came(system, f"msmtp-{mechanism}")


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "PLAIN", "LOGIN"])
async def test_curl(ours: tuple[Eilpost, str], mechanism: str, tmp_path: Path) -> None:
    """curl logs in; where it was built without GNU SASL it knows no SCRAM."""
    if reason := missing("curl"):
        pytest.skip(reason)
    if mechanism.startswith("SCRAM") and b"gsasl" not in (await run(program("curl"), "--version")).lower():
        pytest.skip("this curl knows no SCRAM")
    system, authority = ours
    (tmp_path / "message").write_bytes(letter(f"curl-{mechanism}"))
    await run(
        program("curl"), "--silent", "--show-error", "--ssl-reqd", "--cacert", authority,
        "--user", f"{BERTA}:{PASSWORD}", "--login-options", f"AUTH={mechanism}",
        f"smtp://localhost:{system.ports['submission']}/curl.example", "--mail-from", BERTA, "--mail-rcpt", BERTA,
        "--upload-file", tmp_path / "message",
    )  # fmt: skip
    await came(system, f"curl-{mechanism}")


async def test_smtplib(ours: tuple[Eilpost, str]) -> None:
    """Python's own client logs in."""
    system, authority = ours

    def send() -> None:
        context = ssl.create_default_context(cafile=authority)
        with smtplib.SMTP_SSL("localhost", system.ports["submissions"], context=context) as client:
            client.login(BERTA, PASSWORD)
            client.sendmail(BERTA, [BERTA], letter("smtplib"))

    await asyncio.to_thread(send)
    await came(system, "smtplib")


@pytest.mark.parametrize("mechanism", OFFERED)
async def test_our_own_client(ours: tuple[Eilpost, str], mechanism: str) -> None:
    """Each mechanism, with the server's certificate verified."""
    system, authority = ours
    async with Client(
        "localhost", system.ports["submission"], tls="starttls", ca_file=authority, user=BERTA, password=PASSWORD,
        auth=mechanism,
    ) as client:  # fmt: skip
        receipt = await client.send(letter(f"own-{mechanism}"), sender=BERTA, recipients=[BERTA])
    assert receipt.is_complete
    await came(system, f"own-{mechanism}")


async def test_f118_no_login_in_clear(ours: tuple[Eilpost, str]) -> None:
    """Without TLS only SCRAM is offered, and a wrong password is told as one."""
    system, _ = ours
    with pytest.raises(NotConnected, match="535"):
        await Client("127.0.0.1", system.ports["submission"], user=BERTA, password="wrong").__aenter__()
    with pytest.raises(NotConnected, match="does not offer PLAIN"):
        await Client(
            "127.0.0.1", system.ports["submission"], user=BERTA, password=PASSWORD, auth="PLAIN", plain_on_loopback=True
        ).__aenter__()


async def test_a_smarthost_with_a_login(ours: tuple[Eilpost, str]) -> None:
    """Another Eilpost logs in at ours, with the password in a file, and relays to it."""
    system, authority = ours
    with scratch("leaf") as directory:
        secret = directory / "password"
        secret.write_text(PASSWORD + "\n")
        secret.chmod(0o600)
        setup = Setup(
            domains={"leaf.example": "maildir"},
            settings={
                "relay.smarthost": f"smtps://localhost:{system.ports['submissions']}",
                "relay.user": BERTA,
                "relay.password_file": str(secret),
                "delivery.authorities": authority,
            },
        )
        async with eilpost(directory / "eilpost", setup) as leaf:
            async with Client("127.0.0.1", leaf.port) as client:
                await client.send(letter("smarthost"), sender=BERTA, recipients=[BERTA])
            await came(system, "smarthost")
