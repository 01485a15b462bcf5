"""TLS with others: their clients at our doors, our mail at Postfix's, each with certificates that are checked."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from eilpost.net.dev_certificate import DevCertificate, prepare
from tests.interop.conftest import BERTA, arrived
from tests.interop.contents import as_stored, content
from tests.peers import postfix as postfix_peer
from tests.peers.eilpost import Eilpost, Setup, eilpost
from tests.peers.postfix import delivering, postfix, relaying
from tests.peers.tools import missing, program, run, scratch

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]
SENDER = "anna@sender.example"
CARL = "carl@elsewhere.example"


@dataclass
class Secured:
    """Eilpost with a certificate for localhost, and that certificate's files."""

    system: Eilpost
    made: DevCertificate

    @property
    def submissions(self) -> int:
        """The port of the listener that is encrypted from the first octet."""
        return self.system.ports["submissions"]


def tls(made: DevCertificate) -> dict[str, str]:
    """The settings for it."""
    return {"tls.certificate": made.pair.certificate, "tls.key": made.pair.key}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def secured() -> AsyncIterator[Secured]:
    """A system that listens in all three ways."""
    with scratch("tls") as directory:
        made = prepare(directory / "tls", ["mx.example.test"], time.time())
        setup = Setup(accounts=(BERTA,), roles=("mx", "submission", "submissions"), settings=tls(made))
        async with eilpost(directory, setup) as system:
            yield Secured(system, made)


async def check(secured: Secured, identity: str) -> None:
    """It came, and over TLS."""
    octets = await arrived(secured.system.maildir(BERTA), identity)
    assert b"with ESMTPS id" in octets
    assert b"\n\ttls TLS_" in octets


async def test_openssl_checks_starttls_and_the_chain(secured: Secured) -> None:
    """openssl s_client finds our certificate valid in both versions; TLS 1.1 is refused."""
    if reason := missing("openssl"):
        pytest.skip(reason)
    base = [program("openssl"), "s_client", "-brief", "-verify_return_error", "-CAfile", secured.made.authority]
    base += ["-servername", "mx.example.test", "-verify_hostname", "mx.example.test"]
    way = ["-connect", f"127.0.0.1:{secured.system.port}", "-starttls", "smtp"]
    for version in ("-tls1_2", "-tls1_3"):
        await run(*base, *way, version, stdin=b"QUIT\r\n")
    await run(*base, "-connect", f"127.0.0.1:{secured.submissions}", "-tls1_3", stdin=b"QUIT\r\n")
    old = await asyncio.create_subprocess_exec(
        *base, *way, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0", stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await old.wait() != 0


async def test_openssl_renegotiates_nothing(secured: Secured) -> None:
    """F036: a client that asks for another handshake inside TLS 1.2 does not get it."""
    if reason := missing("openssl"):
        pytest.skip(reason)
    command = [program("openssl"), "s_client", "-connect", f"127.0.0.1:{secured.submissions}", "-tls1_2"]
    heard = await run(*command, stdin=b"R\nR\n", check=False)
    assert b"Secure Renegotiation IS supported" in heard
    assert b"250 " not in heard


@pytest.mark.parametrize("way", ["--tls", "--tls-on-connect"])
async def test_swaks(secured: Secured, way: str, tmp_path: Path) -> None:
    """swaks verifies us over STARTTLS and over implicit TLS."""
    if reason := missing("swaks"):
        pytest.skip(reason)
    (tmp_path / "message").write_bytes(content("plain", f"tls-swaks{way}"))
    port = secured.system.port if way == "--tls" else secured.submissions
    command = [program("swaks"), "--server", f"localhost:{port}", way, "--tls-verify"]
    command += ["--tls-ca-path", secured.made.authority, "--from", SENDER, "--to", BERTA]
    await run(*command, "--data", f"@{tmp_path / 'message'}")
    await check(secured, f"tls-swaks{way}")


@pytest.mark.parametrize("starttls", ["on", "off"])
async def test_msmtp(secured: Secured, starttls: str) -> None:
    """msmtp trusts our authority, and no other."""
    if reason := missing("msmtp"):
        pytest.skip(reason)
    port = secured.system.port if starttls == "on" else secured.submissions
    command = [program("msmtp"), "--host=localhost", f"--port={port}", "--tls=on", f"--tls-starttls={starttls}",
               f"--tls-trust-file={secured.made.authority}", "--auth=off", f"--from={SENDER}", "--", BERTA]  # fmt: skip
    await run(*command, stdin=as_stored(content("plain", f"tls-msmtp-{starttls}")))
    await check(secured, f"tls-msmtp-{starttls}")


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_curl(secured: Secured, scheme: str, tmp_path: Path) -> None:
    """curl insists on TLS and checks the certificate."""
    if reason := missing("curl"):
        pytest.skip(reason)
    (tmp_path / "message").write_bytes(content("plain", f"tls-curl-{scheme}"))
    port = secured.system.port if scheme == "smtp" else secured.submissions
    await run(program("curl"), "--silent", "--show-error", "--ssl-reqd", "--cacert", secured.made.authority,
              f"{scheme}://localhost:{port}/curl.example", "--mail-from", SENDER, "--mail-rcpt", BERTA,
              "--upload-file", tmp_path / "message")  # fmt: skip
    await check(secured, f"tls-curl-{scheme}")


async def test_smtplib(secured: Secured) -> None:
    """Python's own client, both ways."""

    def send() -> None:
        context = ssl.create_default_context(cafile=secured.made.authority)
        with smtplib.SMTP("localhost", secured.system.port) as client:
            client.starttls(context=context)
            client.sendmail(SENDER, [BERTA], content("plain", "tls-smtplib"))
        with smtplib.SMTP_SSL("localhost", secured.submissions, context=context) as client:
            client.sendmail(SENDER, [BERTA], content("plain", "tls-smtplib-implicit"))

    await asyncio.to_thread(send)
    await check(secured, "tls-smtplib")
    await check(secured, "tls-smtplib-implicit")


async def test_postfix_sends_to_us(secured: Secured) -> None:
    """Postfix, told to encrypt, relays to us over TLS."""
    if reason := postfix_peer.unavailable():
        pytest.skip(f"no Postfix: {reason}")
    with scratch("postfix-tls") as directory:
        settings = relaying(secured.system.port) | {
            "smtp_tls_security_level": "secure",
            "smtp_tls_CAfile": secured.made.authority,
            "smtp_tls_secure_cert_match": "mx.example.test",
        }
        async with postfix(directory / "postfix", settings) as peer:

            def send() -> None:
                with smtplib.SMTP("127.0.0.1", peer.port) as client:
                    client.sendmail(SENDER, [BERTA], content("plain", "tls-postfix"))

            await asyncio.to_thread(send)
            await check(secured, "tls-postfix")


@pytest.mark.parametrize("url", ["smtp://localhost:{port}", "smtp://localhost:{port}?tls=verify"])
async def test_we_send_to_postfix(url: str) -> None:
    """We relay to Postfix over TLS, with its certificate checked where the smarthost's URL says so."""
    if reason := postfix_peer.unavailable():
        pytest.skip(f"no Postfix: {reason}")
    with scratch("to-postfix-tls") as directory:
        made = prepare(directory / "tls", ["postfix.example.test"], time.time())
        settings = delivering("elsewhere.example", directory / "mail", "carl") | {
            "smtpd_tls_security_level": "encrypt",
            "smtpd_tls_cert_file": made.pair.certificate,
            "smtpd_tls_key_file": made.pair.key,
            "smtpd_tls_received_header": "yes",
        }
        async with postfix(directory / "postfix", settings) as peer:
            ways = {"relay.smarthost": url.format(port=peer.port), "delivery.authorities": made.authority}
            async with eilpost(directory / "ours", Setup(settings=ways)) as system:

                def send() -> None:
                    with smtplib.SMTP("127.0.0.1", system.port) as client:
                        client.sendmail(SENDER, [CARL], content("plain", "to-postfix"))

                await asyncio.to_thread(send)
                octets = await arrived(directory / "mail" / "carl", "to-postfix")
                assert b"using TLSv1.3 with cipher" in octets
                assert b"with ESMTPS" in octets


async def test_what_must_be_verified_waits(secured: Secured) -> None:
    """F039: a smarthost whose certificate nobody vouches for gets nothing; the mail is deferred, 4.7.5."""
    with scratch("verify") as directory:
        smarthost = f"smtps://localhost:{secured.submissions}"
        async with eilpost(directory, Setup(settings={"relay.smarthost": smarthost})) as system:

            def send() -> None:
                with smtplib.SMTP("127.0.0.1", system.port) as client:
                    client.sendmail(SENDER, [CARL], content("plain", "never"))

            await asyncio.to_thread(send)
            end = time.monotonic() + 10
            while "status=4.7.5" not in system.service.text() and time.monotonic() < end:
                await asyncio.sleep(0.05)
            assert "the certificate is not accepted" in system.service.text()
            assert await system.queued() == 1
