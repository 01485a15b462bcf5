"""What programs send with arrives in the developer's inbox as it was sent: subject, people, attachment."""

from __future__ import annotations

import asyncio
import json
import smtplib
import ssl
from collections.abc import AsyncIterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.peers.dev import Dev, eilpost_dev
from tests.peers.tools import PeerError, missing, program, run, scratch

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

SENDER: Final = "shop@shop.example"
TO: Final = "anna@customer.example"
COPIED: Final = "archive@shop.example"
NAME, PASSWORD = "shop", "any password is good"
TABLE: Final = b"number,title\n1,A chair\n2,A t\xc3\xa4ble\n"
FILE: Final = "orders.csv"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def dev() -> AsyncIterator[Dev]:
    """One inbox for all of them."""
    with scratch("senders") as directory:
        async with eilpost_dev(directory) as running:
            yield running


def subject(sender: str) -> str:
    """Not ASCII, and the sender's own."""
    return f"Größe bestätigt by {sender}"


def letter(sender: str) -> EmailMessage:
    """A letter with an attachment, as the standard library writes it."""
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"], made["Cc"], made["Subject"] = SENDER, TO, COPIED, subject(sender)
    made.set_content("Your order has been shipped.\n")
    made.add_attachment(TABLE, maintype="text", subtype="csv", filename=FILE)
    return made


async def arrived(
    dev: Dev, sender: str, *, protocol: str = "ESMTPSA", recipients: tuple[str, ...] = (TO, COPIED)
) -> None:
    """The inbox has it, with its envelope, its way, its words and its file."""
    found = await dev.found(f"subject:{sender}")
    summary, via = found["message"]["summary"], found["message"]["via"]
    assert (summary["subject"], summary["reverse_path"]) == (subject(sender), SENDER)
    assert sorted(summary["recipients"]) == sorted(recipients)
    assert [each["address"] for each in summary["to"]] == [TO]
    assert "Your order has been shipped." in found["text"]
    assert via["protocol"] == protocol
    assert (via["login"], bool(via["tls"])) == (NAME if "A" in protocol else "", "SS" in protocol or "SA" in protocol)
    [file] = [part for part in leaves(found["parts"]) if part["name"]]
    assert (file["name"], file["disposition"]) == (FILE, "attachment")
    assert (await dev.part(summary["id"], file["path"])).replace(b"\r\n", b"\n") == TABLE


def leaves(part: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts that hold something."""
    return [leaf for each in part["parts"] for leaf in leaves(each)] if part["parts"] else [part]


def trusting(dev: Dev) -> ssl.SSLContext:
    """The inbox's own authority, and no other."""
    return ssl.create_default_context(cafile=str(dev.authority))


async def test_smtplib(dev: Dev) -> None:
    """smtplib with a verified certificate and a login."""

    def send() -> None:
        with smtplib.SMTP("localhost", dev.port, timeout=30) as client:
            client.starttls(context=trusting(dev))
            client.login(NAME, PASSWORD)
            client.send_message(letter("smtplib"))

    await asyncio.to_thread(send)
    await arrived(dev, "smtplib")


async def test_django(dev: Dev) -> None:
    """Django's own SMTP backend, with a login, without TLS."""
    pytest.importorskip("django", reason="Django is not installed")
    from django.conf import settings
    from django.core.mail import EmailMessage as Letter
    from django.core.mail import get_connection

    if not settings.configured:
        settings.configure()

    def send() -> None:
        connection = get_connection(
            "django.core.mail.backends.smtp.EmailBackend",
            host=dev.host, port=dev.port, username=NAME, password=PASSWORD, timeout=30,
        )  # fmt: skip
        made = Letter(
            subject("Django"), "Your order has been shipped.\n", SENDER, [TO], cc=[COPIED],
            attachments=[(FILE, TABLE.decode(), "text/csv")], connection=connection,
        )  # fmt: skip
        assert made.send() == 1

    await asyncio.to_thread(send)
    await arrived(dev, "Django", protocol="ESMTPA")


async def test_flask_mail(dev: Dev) -> None:
    """Flask-Mail, as an application configures it."""
    flask = pytest.importorskip("flask", reason="Flask is not installed")
    flask_mail = pytest.importorskip("flask_mail", reason="Flask-Mail is not installed")
    application = flask.Flask("shop")
    application.config.update(
        MAIL_SERVER=dev.host, MAIL_PORT=dev.port, MAIL_USE_TLS=True, MAIL_USERNAME=NAME, MAIL_PASSWORD=PASSWORD
    )

    def send() -> None:
        made = flask_mail.Message(subject("Flask"), [TO], "Your order has been shipped.\n", sender=SENDER, cc=[COPIED])
        made.attach(FILE, "text/csv", TABLE)
        with application.app_context():
            flask_mail.Mail(application).send(made)

    await asyncio.to_thread(send)
    await arrived(dev, "Flask")


async def test_aiosmtplib(dev: Dev) -> None:
    """aiosmtplib, which takes STARTTLS by itself where it is offered."""
    aiosmtplib = pytest.importorskip("aiosmtplib", reason="aiosmtplib is not installed")
    await aiosmtplib.send(
        letter("aiosmtplib"), hostname="localhost", port=dev.port, username=NAME, password=PASSWORD,
        tls_context=trusting(dev), timeout=30,
    )  # fmt: skip
    await arrived(dev, "aiosmtplib")


DEBIANS: Final = Path("/usr/share/nodejs/nodemailer")
NODEMAILER: Final = """
const [host, port, name, password, message] = process.argv.slice(1);
const transport = require("nodemailer").createTransport({
  host, port: Number(port), requireTLS: true, tls: {servername: "localhost"}, auth: {user: name, pass: password},
});
transport.sendMail(JSON.parse(message)).then(
  () => process.exit(0), error => { console.error(error); process.exit(1); });
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nodemailer() -> AsyncIterator[Path]:
    """Where node finds nodemailer: Debian's, else npm's in a directory of its own."""
    if reason := missing("node"):
        pytest.skip(reason)
    if DEBIANS.is_dir():
        yield DEBIANS.parent
        return
    if reason := missing("npm"):
        pytest.skip(f"no nodemailer: {reason}")
    with scratch("nodemailer") as directory:
        try:
            quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
            await run(program("npm"), "install", "--prefix", directory, *quiet, "nodemailer@6", deadline=60)
        except PeerError as error:
            pytest.skip(f"no nodemailer: {str(error).splitlines()[0]}")
        yield directory / "node_modules"


async def test_nodemailer(dev: Dev, nodemailer: Path) -> None:
    """nodemailer, with a verified certificate and a login."""
    file = {"filename": FILE, "contentType": "text/csv", "content": TABLE.decode()}
    message = {
        "from": SENDER, "to": TO, "cc": COPIED, "subject": subject("nodemailer"),
        "text": "Your order has been shipped.", "attachments": [file],
    }  # fmt: skip
    variables = [f"NODE_PATH={nodemailer}", f"NODE_EXTRA_CA_CERTS={dev.authority}"]
    told = [dev.host, str(dev.port), NAME, PASSWORD, json.dumps(message)]
    await run(program("env"), *variables, program("node"), "-e", NODEMAILER, *told)
    await arrived(dev, "nodemailer")


async def test_swaks(dev: Dev, tmp_path: Path) -> None:
    """swaks, with its own attachments."""
    if reason := missing("swaks"):
        pytest.skip(reason)
    (tmp_path / FILE).write_bytes(TABLE)
    await run(
        program("swaks"), "--server", f"{dev.host}:{dev.port}", "--tls", "--auth", "LOGIN", "--auth-user", NAME,
        "--auth-password", PASSWORD, "--from", SENDER, "--to", f"{TO},{COPIED}", "--h-To", TO,
        "--h-Subject", "=?utf-8?q?Gr=C3=B6=C3=9Fe_best=C3=A4tigt_by_swaks?=",
        "--body", "Your order has been shipped.", "--attach-type", "text/csv", "--attach-name", FILE,
        "--attach", f"@{tmp_path / FILE}",
    )  # fmt: skip
    await arrived(dev, "swaks")


async def test_curl(dev: Dev, tmp_path: Path) -> None:
    """curl, with a verified certificate; it sends DATA as it is given."""
    if reason := missing("curl"):
        pytest.skip(reason)
    (tmp_path / "letter").write_bytes(letter("curl").as_bytes())
    await run(
        program("curl"), "-sS", f"smtp://localhost:{dev.port}", "--ssl-reqd", "--cacert", dev.authority,
        "--user", f"{NAME}:{PASSWORD}", "--mail-from", SENDER, "--mail-rcpt", TO, "--mail-rcpt", COPIED,
        "--upload-file", tmp_path / "letter",
    )  # fmt: skip
    await arrived(dev, "curl")


async def test_msmtp(dev: Dev) -> None:
    """msmtp, which people have as their sendmail."""
    if reason := missing("msmtp"):
        pytest.skip(reason)
    await run(
        program("msmtp"), "--host=localhost", f"--port={dev.port}", "--tls=on", f"--tls-trust-file={dev.authority}",
        "--auth=plain", f"--user={NAME}", "--passwordeval=echo secret", f"--from={SENDER}", TO, COPIED,
        stdin=letter("msmtp").as_bytes(),
    )  # fmt: skip
    await arrived(dev, "msmtp")
