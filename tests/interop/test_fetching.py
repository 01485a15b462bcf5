"""curl, fetchmail, mpop, getmail and poplib fetch from us; we fetch from Dovecot, and send after POP."""

from __future__ import annotations

import asyncio
import os
import poplib
import smtplib
import ssl
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from eilpost.net.dev_certificate import DevCertificate, prepare
from tests.peers.dovecot_pop3 import dovecot_pop3, unavailable
from tests.peers.eilpost import Eilpost, Setup, Value, eilpost
from tests.peers.tools import missing, program, run, scratch

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]
ANNA = "anna@example.test"
PASSWORD = "correct horse battery staple"
MAIL = b"From: berta@example.test\r\nTo: anna@example.test\r\nSubject: one\r\n\r\n.dot\r\n..\r\nend\r\n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> DevCertificate:
    """For localhost."""
    return prepare(tmp_path_factory.mktemp("keys"), ("localhost",), time.time())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ours(certificate: DevCertificate) -> AsyncIterator[Eilpost]:
    """Eilpost with POP3 in both forms, submission, and SMTP-after-POP."""
    settings: dict[str, Value] = {
        "tls.certificate": certificate.pair.certificate,
        "tls.key": certificate.pair.key,
        "auth.plain_on_loopback": True,
        "smtp_after_pop.enabled": True,
    }
    with scratch("pop3") as directory:
        roles = ("mx", "submission", "pop3", "pop3s")
        async with eilpost(directory, Setup(roles=roles, trusted=False, accounts=(ANNA,), settings=settings)) as system:
            yield system


@pytest.fixture
def home(ours: Eilpost) -> Path:
    """Anna's Maildir with one message and nothing else."""
    home = ours.maildir(ANNA)
    for part in ("new", "cur", "tmp"):
        (home / part).mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in (home / part).iterdir():
            path.unlink()
    (home / "new" / f"{time.time_ns()}.V1.host").write_bytes(MAIL)
    return home


def left(home: Path) -> int:
    """How many messages there still are."""
    return len(list((home / "new").iterdir()))


@pytest.mark.parametrize("way", ["pop3", "stls", "pop3s"])
async def test_curl(ours: Eilpost, home: Path, certificate: DevCertificate, way: str) -> None:
    """curl lists and fetches in clear, after STLS and over TLS."""
    if reason := missing("curl"):
        pytest.skip(reason)
    port = ours.ports["pop3s" if way == "pop3s" else "pop3"]
    scheme = "pop3s" if way == "pop3s" else "pop3"
    command = [program("curl"), "-s", "-S", "--cacert", certificate.authority, "-u", f"{ANNA}:{PASSWORD}"]
    command += ["--ssl-reqd"] if way == "stls" else []
    assert await run(*command, f"{scheme}://localhost:{port}/") == f"1 {len(MAIL)}\r\n".encode()
    assert await run(*command, f"{scheme}://localhost:{port}/1") == MAIL


async def test_fetchmail(ours: Eilpost, home: Path, certificate: DevCertificate, tmp_path: Path) -> None:
    """fetchmail takes the mail over TLS and deletes it."""
    if reason := missing("fetchmail"):
        pytest.skip(reason)
    file = tmp_path / "fetchmailrc"
    file.write_text(
        f'poll localhost service {ours.ports["pop3s"]} protocol pop3 user "{ANNA}" password "{PASSWORD}" '
        f'ssl sslcertck sslcertfile "{certificate.authority}" mda "cat > {tmp_path}/mail" fetchall no keep\n'
    )
    file.chmod(0o600)
    await run(program("fetchmail"), "-f", file, "--pidfile", tmp_path / "pid", "-i", tmp_path / "ids", "--nosyslog")
    assert (tmp_path / "mail").read_bytes().replace(b"\r\n", b"\n").endswith(b"\n\n.dot\n..\nend\n")
    assert left(home) == 0


async def test_mpop(ours: Eilpost, home: Path, certificate: DevCertificate, tmp_path: Path) -> None:
    """mpop takes the mail after STLS with pipelining, and deletes it."""
    if reason := missing("mpop"):
        pytest.skip(reason)
    file = tmp_path / "mpoprc"
    file.write_text(
        f"account default\nhost localhost\nport {ours.ports['pop3']}\nuser {ANNA}\npassword {PASSWORD}\n"
        f"tls on\ntls_starttls on\ntls_trust_file {certificate.authority}\nkeep off\nreceived_header off\n"
        f"delivery mbox {tmp_path}/mail\nuidls_file {tmp_path}/uidls\n"
    )
    file.chmod(0o600)
    await run(program("mpop"), "-C", file)
    assert (tmp_path / "mail").read_bytes().rstrip(b"\n").endswith(b"\n\n.dot\n..\nend")
    assert left(home) == 0


async def test_getmail(ours: Eilpost, home: Path, certificate: DevCertificate, tmp_path: Path) -> None:
    """getmail takes the mail over TLS, and deletes it."""
    if reason := missing("getmail"):
        pytest.skip(reason)
    (tmp_path / "getmailrc").write_text(
        f"[retriever]\ntype = SimplePOP3SSLRetriever\nserver = localhost\nport = {ours.ports['pop3s']}\n"
        f"username = {ANNA}\npassword = {PASSWORD}\nca_certs = {certificate.authority}\n"
        f'[destination]\ntype = MDA_external\npath = /bin/sh\narguments = ("-c", "cat > {tmp_path}/mail")\n'
        "allow_root_commands = true\n[options]\ndelete = true\nread_all = false\n"
    )
    (tmp_path / "getmailrc").chmod(0o600)
    await run(program("getmail"), "--getmaildir", tmp_path, "--rcfile", "getmailrc")
    assert (tmp_path / "mail").read_bytes().replace(b"\r\n", b"\n").rstrip(b"\n").endswith(b"\n\n.dot\n..\nend")
    assert left(home) == 0


async def test_poplib(ours: Eilpost, home: Path, certificate: DevCertificate) -> None:
    """Python's own client says STLS, reads and deletes."""

    def session() -> list[bytes]:
        client = poplib.POP3("localhost", ours.ports["pop3"])
        client.stls(ssl.create_default_context(cafile=certificate.authority))
        client.user(ANNA)
        client.pass_(PASSWORD)
        lines = client.retr(1)[1]
        client.dele(1)
        client.quit()
        return lines

    assert b"\r\n".join(await asyncio.to_thread(session)) + b"\r\n" == MAIL
    assert left(home) == 0


async def test_smtp_after_pop(ours: Eilpost, home: Path, certificate: DevCertificate) -> None:
    """Before a POP3 login submission refuses this address; after one over TLS it may send, as that user alone."""

    def submit(sender: str, client_address: str) -> int:
        port = ours.ports["submission"]
        with smtplib.SMTP("127.0.0.1", port, source_address=(client_address, 0)) as client:
            client.ehlo()
            return client.mail(sender)[0]

    await asyncio.to_thread(_log_in, ours.ports["pop3s"], certificate.authority)
    assert await asyncio.to_thread(submit, ANNA, "127.0.0.2") == 530
    assert await asyncio.to_thread(submit, ANNA, "127.0.0.1") == 250
    assert await asyncio.to_thread(submit, "mallory@example.test", "127.0.0.1") == 553


def _log_in(port: int, authority: str) -> None:
    client = poplib.POP3_SSL("localhost", port, context=ssl.create_default_context(cafile=authority))
    client.user(ANNA)
    client.pass_(PASSWORD)
    client.quit()


@pytest.mark.parametrize("auth", ["auto", "PLAIN", "CRAM-MD5", "SCRAM-SHA-256", "USER"])
async def test_our_fetch_from_dovecot(certificate: DevCertificate, tmp_path: Path, auth: str) -> None:
    """``eilpost fetch`` takes mail from Dovecot after STLS, by every login, and deletes it."""
    if reason := unavailable():
        pytest.skip(f"no Dovecot: {reason}")
    with scratch("dovecot-pop3") as directory:
        async with dovecot_pop3(directory, certificate.pair.certificate, certificate.pair.key) as theirs:
            theirs.put("anna", "1.V1.host", MAIL.replace(b"\r\n", b"\n"))
            words = ["fetch", "save", str(tmp_path / "saved"), "--server", f"localhost:{theirs.port}", "--user", "anna"]
            words += ["--tls", "starttls", "--ca-file", certificate.authority, "--auth", auth, "--delete"]
            script = "import sys; from eilpost.cli.main import main; sys.exit(main())"
            environment = {**os.environ, "EILPOST_PASSWORD": "geheim"}
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", script, *words, env=environment,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            out, _ = await process.communicate()
            assert process.returncode == 0, out.decode() + (directory / "dovecot.log").read_text()
            [saved] = (tmp_path / "saved" / "new").iterdir()
            assert saved.read_bytes() == MAIL
            assert not [path for part in ("new", "cur") for path in (directory / "mail/anna" / part).iterdir()]
