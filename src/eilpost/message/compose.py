"""Messages that people write: fields, a text and attachments (a grammar).

This is for the way out of a person's hands only. On the server's roads no message is built this way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.errors import MessageDefect
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

_NAME: Final = re.compile(r"[!-9;-~]+", re.ASCII)
_LISTS: Final = frozenset({"from", "sender", "to", "cc", "bcc", "reply-to"})


class ComposeError(ValueError):
    """What was given makes no message; the message of the error is a sentence."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file to go along; ``kind`` is its media type, as ``image/png``."""

    name: str
    kind: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """What a person gives. Addresses are as they stand in a header; ``headers`` are ``Name: value``."""

    sender: str
    to: Sequence[str] = ()
    cc: Sequence[str] = ()
    subject: str = ""
    text: str = ""
    headers: Sequence[str] = ()
    attachments: Sequence[Attachment] = ()


def compose(letter: Letter, *, date: str, message_id: str) -> EmailMessage:
    """The message; ComposeError. ``date`` and ``message_id`` are used unless the person gave them."""
    message = EmailMessage(policy=SMTP)
    fields = [
        ("From", letter.sender),
        ("To", ", ".join(letter.to)),
        ("Cc", ", ".join(letter.cc)),
        ("Subject", letter.subject),
        ("Date", date),
        ("Message-ID", message_id),
    ]
    given = [_split(text) for text in letter.headers]
    names = {name.lower() for name, _ in given}
    for name, value in [*(row for row in fields if row[1] and row[0].lower() not in names), *given]:
        _add(message, name, value)
    message.set_content(letter.text if letter.text.endswith("\n") or not letter.text else letter.text + "\n")
    for attachment in letter.attachments:
        main, _, sub = attachment.kind.partition("/")
        message.add_attachment(attachment.octets, maintype=main, subtype=sub, filename=attachment.name)
    return message


def _split(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not _NAME.fullmatch(name):
        raise ComposeError(f"{text!r} is no header field; write it as 'Name: value'")
    return name, value.strip()


def _add(message: EmailMessage, name: str, value: str) -> None:
    if "\r" in value or "\n" in value or "\0" in value:
        raise ComposeError(f"{name} must be a single line")  # F095
    try:
        message[name] = value
        defects: Sequence[MessageDefect] = getattr(message[name], "defects", ())
    except IndexError:
        defects = [MessageDefect()]  # what the parser of addresses ends in when one is cut off
    except ValueError as error:
        raise ComposeError(f"{name}: {error}") from None
    if defects and name.lower() in _LISTS:
        raise ComposeError(f"{name}: {value!r} is not an address, or a list of them")
