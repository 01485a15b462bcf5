"""pytest: the fixture ``smtp_inbox`` comes with the package. ``pytest test_pytest.py``."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage

import pytest

from eilpost.testing.smtp_inbox import SmtpInbox


def welcome(host: str, port: int, address: str) -> None:
    """What is tested: a program that sends mail."""
    message = EmailMessage()
    message["From"] = "shop@shop.example"
    message["To"] = address
    message["Subject"] = "Welcome"
    message.set_content("Hello!\nConfirm here: https://shop.example/confirm/1234\n")
    with smtplib.SMTP(host, port) as client:
        client.send_message(message)


def test_the_customer_is_welcomed(smtp_inbox: SmtpInbox) -> None:
    """The mail arrives, and its link is the right one."""
    welcome(smtp_inbox.host, smtp_inbox.port, "anna@a.example")
    message = smtp_inbox.wait_for(to="anna@a.example", subject="Welcome")
    message.assert_envelope(sender="shop@shop.example", recipients=["anna@a.example"])
    message.assert_link("https://shop.example/confirm/1234")


def test_a_full_mailbox_is_reported(smtp_inbox: SmtpInbox) -> None:
    """The program meets a server that refuses."""
    smtp_inbox.refuse_recipient("anna@*", "452 4.2.2 Mailbox full")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        welcome(smtp_inbox.host, smtp_inbox.port, "anna@a.example")
    smtp_inbox.assert_empty()


@pytest.mark.smtp_inbox(tls=True, accounts={"shop": "secret"}, login_required=True)
def test_login_over_tls(smtp_inbox: SmtpInbox) -> None:
    """A marker says how the inbox is to be."""
    with smtplib.SMTP("localhost", smtp_inbox.port) as client:
        client.starttls(context=smtp_inbox.client_context())
        client.login("shop", "secret")
        client.sendmail("shop@shop.example", ["anna@a.example"], "Subject: x\r\n\r\n")
    assert smtp_inbox.messages[0].login == "shop"
