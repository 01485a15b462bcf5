"""Django: mail goes by real SMTP to an inbox, and ``mail.outbox`` is filled as with ``locmem``."""

from __future__ import annotations

import pytest

pytest.importorskip("django", reason="Django is not installed")

from django.conf import settings
from django.core import mail

if not settings.configured:
    settings.configure(DEFAULT_FROM_EMAIL="shop@shop.example")

from eilpost.testing.django import django_inbox


def test_mail_of_django_arrives() -> None:
    """What ``send_mail`` sends has an envelope, and a transcript, and stands in ``mail.outbox``."""
    with django_inbox() as inbox:
        assert mail.send_mail("Welcome", "Hello!", None, ["anna@a.example"]) == 1
        inbox.wait_for(to="anna@a.example", subject="Welcome").assert_text("Hello!")
        assert [message.subject for message in mail.outbox] == ["Welcome"]


def test_a_server_that_refuses() -> None:
    """What ``locmem`` cannot show: the server's reply."""
    with django_inbox() as inbox, inbox.refuse_recipient():
        with pytest.raises(OSError, match="550"):
            mail.send_mail("Welcome", "Hello!", None, ["anna@a.example"])
        assert mail.outbox == []
