"""``aiosmtpd.handlers``: the handlers that come with it (deeds)."""

from __future__ import annotations

import asyncio
import mailbox
import sys
from email import message_from_bytes, message_from_string
from email.message import Message as EmailMessage
from pathlib import Path
from typing import Any, Final, TextIO

from eilpost.client import Client, ClientError, Receipt
from eilpost.compat.aiosmtpd.smtp import SMTP, Envelope, Session

__all__ = ["AsyncMessage", "Debugging", "Mailbox", "Message", "Proxy", "Sink"]

_FOLLOWS: Final = "---------- MESSAGE FOLLOWS ----------"
_ENDS: Final = "------------ END MESSAGE ------------"
OK: Final = "250 OK"


class Sink:
    """Takes everything and forgets it."""


class Debugging:
    """Prints messages to ``stream``, which is standard output unless given."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = sys.stdout if stream is None else stream

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Prints one message, with the options of MAIL and RCPT and an X-Peer line behind its header."""
        content = envelope.content or b""
        text = content if isinstance(content, str) else content.decode("utf-8", "backslashreplace")
        lines = [_FOLLOWS]
        if envelope.mail_options:
            lines.append(f"mail options: {envelope.mail_options}")
        if envelope.rcpt_options:
            lines.append(f"rcpt options: {envelope.rcpt_options}\n")
        in_header = True
        for line in text.splitlines():
            if in_header and not line:
                lines.append(f"X-Peer: {session.peer!r}")
                in_header = False
            lines.append(line)
        print(*lines, _ENDS, sep="\n", file=self.stream)
        return OK


class Proxy:
    """Passes every message on to another server, with an X-Peer line."""

    def __init__(self, remote_hostname: str, remote_port: int) -> None:
        self._hostname = remote_hostname
        self._port = remote_port

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """What the other server said; 451 when it cannot be reached."""
        content = envelope.original_content or b""
        header, blank, body = content.partition(b"\r\n\r\n")
        peer = session.peer[0] if session.peer else "local"
        marked = header + f"\r\nX-Peer: {peer}".encode() + blank + body
        sender = "" if envelope.mail_from in (None, "<>") else envelope.mail_from
        try:
            async with Client(self._hostname, self._port) as client:
                receipt = await client.send(marked, sender=sender, recipients=envelope.rcpt_tos)
        except ClientError as error:
            return f"451 4.4.1 {error}"
        return _status_of(receipt)


def _status_of(receipt: Receipt) -> str:
    if receipt.is_complete:
        return OK
    codes = [outcome.diagnostic for outcome in receipt.outcomes]
    refused = "; ".join(str(each) for each in codes)
    return f"554 5.0.0 Not delivered to all: {refused}"


class Message:
    """Makes a message object of the content and hands it to ``handle_message``, which a subclass has."""

    def __init__(self, message_class: type[EmailMessage] | None = None) -> None:
        self.message_class = message_class

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Hands it on."""
        self.handle_message(self.prepare_message(session, envelope))
        return OK

    def prepare_message(self, session: Session, envelope: Envelope) -> EmailMessage:
        """The message, with the envelope in X-Peer, X-MailFrom and X-RcptTo."""
        content = envelope.content or b""
        kind: Any = self.message_class or EmailMessage
        parse: Any = message_from_bytes if isinstance(content, bytes) else message_from_string
        message: EmailMessage = parse(content, kind)
        message["X-Peer"] = str(session.peer)
        message["X-MailFrom"] = envelope.mail_from or ""
        message["X-RcptTo"] = ", ".join(envelope.rcpt_tos)
        return message

    def handle_message(self, message: EmailMessage) -> None:
        """What is to be done with a message."""
        raise NotImplementedError


class AsyncMessage(Message):
    """The same with an ``async`` method."""

    def __init__(
        self, message_class: type[EmailMessage] | None = None, *, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        super().__init__(message_class)
        self.loop = loop

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Hands it on and waits."""
        await self.handle_message(self.prepare_message(session, envelope))
        return OK

    async def handle_message(self, message: EmailMessage) -> None:  # type: ignore[override]
        """What is to be done with a message."""
        raise NotImplementedError


class Mailbox(Message):
    """Delivers into a Maildir."""

    def __init__(self, mail_dir: str | Path, message_class: type[EmailMessage] | None = None) -> None:
        self.mailbox = mailbox.Maildir(str(mail_dir))
        self.mail_dir = mail_dir
        super().__init__(message_class)

    def handle_message(self, message: EmailMessage) -> None:
        """Delivers."""
        self.mailbox.add(message)

    def reset(self) -> None:
        """Forgets all messages."""
        self.mailbox.clear()
