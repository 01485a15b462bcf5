"""For Django: an ``EMAIL_BACKEND`` that sends by SMTP and fills ``mail.outbox`` as ``locmem`` does (a deed)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core import mail
from django.core.mail.backends.smtp import EmailBackend as SmtpBackend
from django.test.utils import override_settings

from eilpost.testing.smtp_inbox import SmtpInbox

BACKEND = "eilpost.testing.django.EmailBackend"


class EmailBackend(SmtpBackend):
    """Sends to ``EMAIL_HOST`` and ``EMAIL_PORT``; what was taken stands in ``django.core.mail.outbox``, too."""

    def send_messages(self, email_messages: Sequence[Any]) -> int:
        """How many were sent."""
        messages = list(email_messages)
        sent = super().send_messages(messages) or 0
        outbox: list[Any] = vars(mail).setdefault("outbox", [])
        outbox.extend(messages[:sent])
        return int(sent)


@contextmanager
def django_inbox(**parameters: Any) -> Iterator[SmtpInbox]:
    """A running inbox that Django's settings point to, and an empty ``mail.outbox``."""
    with SmtpInbox(**parameters) as inbox:
        settings = {
            "EMAIL_BACKEND": BACKEND,
            "EMAIL_HOST": inbox.host,
            "EMAIL_PORT": inbox.port,
            "EMAIL_USE_TLS": False,
            "EMAIL_USE_SSL": False,
        }
        with override_settings(**settings):
            vars(mail)["outbox"] = []
            yield inbox
