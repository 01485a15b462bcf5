"""The inbox for tests: it takes mail, waits for it, and fails on demand."""

from __future__ import annotations

import asyncio
import smtplib
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from eilpost.inbox.fault_rules import FaultError
from eilpost.testing.smtp_inbox import SmtpInbox
from eilpost.testing.unittests import SmtpInboxMixin

CONTENT = "Subject: {}\r\n\r\nHello.\r\n"
ROOT = Path(__file__).resolve().parents[3]


def send(inbox: SmtpInbox, subject: str = "hello", to: str = "bob@b.example") -> None:
    """A message, by smtplib."""
    with smtplib.SMTP(inbox.host, inbox.port) as client:
        client.sendmail("anna@a.example", [to], CONTENT.format(subject))


def test_what_was_sent_is_there() -> None:
    """A message is there as soon as its client was told so, with its transcript, until it is forgotten."""
    with SmtpInbox() as inbox:
        inbox.assert_empty()
        send(inbox, "one")
        send(inbox, "two", "carl@c.example")
        assert [message.subject for message in inbox] == ["one", "two"]
        assert len(inbox) == 2
        inbox.messages[0].assert_envelope(sender="anna@a.example", recipients=["bob@b.example"])
        inbox.messages[1].assert_transcript("C: mail FROM:<anna@a.example>", "C: rcpt TO:<carl@c.example>", "C: data")
        with pytest.raises(AssertionError, match=r"there are 2:\n  1. from anna@a.example to bob@b.example: 'one'"):
            inbox.assert_empty()
        inbox.clear()
        inbox.assert_empty()
    with pytest.raises(RuntimeError, match="not running"):
        inbox.clear()


def test_waiting_ends_with_the_message() -> None:
    """``wait_for`` returns the newest message that fits, also one that is still on its way."""
    with SmtpInbox() as inbox:
        sender = threading.Timer(0.05, send, (inbox, "late"))
        sender.start()
        assert inbox.wait_for(to="BOB@b.example", sender="anna@a.example", subject="la", text="Hello").subject == "late"
        sender.join()


def test_waiting_in_vain_says_what_came_instead() -> None:
    """After the deadline the failure lists what was asked for and what came."""
    with SmtpInbox() as inbox:
        with pytest.raises(AssertionError, match=r"no message with anything came within 0 s; none came at all"):
            inbox.wait_for(timeout=0)
        send(inbox)
        with pytest.raises(AssertionError, match=r"no message with subject='x' (.|\n)*1\. from anna@a.example to bob"):
            inbox.wait_for(subject="x", timeout=0)


async def test_waiting_in_an_event_loop() -> None:
    """``arrives`` does not hold up the loop."""
    with SmtpInbox() as inbox:
        waiting = asyncio.create_task(inbox.arrives(subject="hello"))
        await asyncio.to_thread(send, inbox)
        assert (await waiting).text == "Hello.\n"


def test_faults_are_methods() -> None:
    """Each fault holds until it is removed."""
    with SmtpInbox() as inbox:
        with (
            inbox.refuse_recipient("bob@*", "452 4.2.2 Full"),
            pytest.raises(smtplib.SMTPRecipientsRefused, match="452"),
        ):
            send(inbox)
        with inbox.refuse_sender(reply=553), pytest.raises(smtplib.SMTPSenderRefused, match="553"):
            send(inbox)
        with inbox.refuse_message(), pytest.raises(smtplib.SMTPDataError, match="554"):
            send(inbox)
        with inbox.drop_connection(), pytest.raises(smtplib.SMTPServerDisconnected):
            send(inbox)
        refused = pytest.raises(smtplib.SMTPAuthenticationError, match="535")
        with inbox.refuse_login(), smtplib.SMTP(inbox.host, inbox.port) as client, refused:
            client.login("anna", "secret")
        inbox.delay("mail", 0.01)
        inbox.fault("rcpt", from_="nobody@*", reply=550)
        with pytest.raises(FaultError):
            inbox.fault("nowhere", reply=550)
        inbox.clear_faults()
        inbox.assert_empty()
        send(inbox)
        assert len(inbox) == 1


@pytest.mark.parametrize("implicit", [False, True], ids=["STARTTLS", "implicit"])
def test_tls_by_its_own_authority(implicit: bool) -> None:
    """A client that trusts the inbox's authority verifies its certificate; the login is told."""
    with SmtpInbox(tls=True, implicit_tls=implicit, accounts={"anna": "secret"}, login_required=True) as inbox:
        context = inbox.client_context()
        if implicit:
            client: smtplib.SMTP = smtplib.SMTP_SSL("localhost", inbox.port, context=context)
        else:
            client = smtplib.SMTP("localhost", inbox.port)
            client.starttls(context=context)
        with client:
            with pytest.raises(smtplib.SMTPAuthenticationError, match="535"):
                client.login("anna", "wrong")
            client.login("anna", "secret")
            client.sendmail("anna@a.example", ["bob@b.example"], CONTENT)
        [message] = inbox.messages
        assert (message.login, message.tls[:4]) == ("anna", "TLSv")
    with SmtpInbox() as plain, pytest.raises(RuntimeError, match="tls=True"):
        plain.client_context()


def test_a_start_that_fails_says_why() -> None:
    """A port that is taken is an error of the start."""
    with SmtpInbox() as inbox, pytest.raises(Exception, match=str(inbox.port)):
        SmtpInbox(port=inbox.port).start()


class TestUnittest(SmtpInboxMixin):
    """The mixin for unittest."""

    def test_each_test_has_its_own(self) -> None:
        """``self.smtp_inbox`` runs and is empty."""
        self.smtp_inbox.assert_empty()
        send(self.smtp_inbox)
        self.smtp_inbox.wait_for(subject="hello")

    def test_the_next_one_is_empty(self) -> None:
        """What another test sent is not there."""
        self.smtp_inbox.assert_empty()


def test_the_plugin_loads_nothing_until_it_is_asked() -> None:
    """Importing the plugin loads neither the inbox nor the server."""
    program = (
        "import sys, pytest; import eilpost.testing.pytest_plugin; "
        "print(*sorted(name for name in sys.modules if name.startswith('eilpost')))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == ["eilpost", "eilpost.testing", "eilpost.testing.pytest_plugin"]


def test_the_examples_run() -> None:
    """What examples/ shows works: pytest, unittest, Django, Flask, and a server of one's own."""
    if not (ROOT / "examples").is_dir():
        pytest.skip("the examples are not beside the tests")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:eilpost", "-rs"]
    command += ["-p", "eilpost.testing.pytest_plugin", "--import-mode=importlib", "-c", "/dev/null", "examples"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
