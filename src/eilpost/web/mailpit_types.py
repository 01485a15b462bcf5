"""What Mailpit's API v1 asks and answers, as far as client libraries use it (words).

Names of fields are Mailpit's own, so that a test written for it moves over by changing nothing but the process.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from eilpost.inbox import mime
from eilpost.inbox.contract import Kept, Mailbox, Summary
from eilpost.message import dates
from eilpost.message.encoded_words import display
from eilpost.message.header import scan


class Selection(msgspec.Struct):
    """Which messages, and what their read flag becomes."""

    IDs: list[str] = msgspec.field(default_factory=list)
    Read: bool = False
    Search: str = ""


class TagSelection(msgspec.Struct):
    """Which messages get which tags."""

    IDs: list[str] = msgspec.field(default_factory=list)
    Tags: list[str] = msgspec.field(default_factory=list)


class TagName(msgspec.Struct):
    """A tag's new name."""

    Name: str


class ReleaseTo(msgspec.Struct):
    """To whom."""

    To: list[str] = msgspec.field(default_factory=list)


class Person(msgspec.Struct):
    """An address of a message to send."""

    Email: str
    Name: str = ""


class File(msgspec.Struct):
    """A file of a message to send; ``Content`` is base64."""

    Content: str
    Filename: str = ""
    ContentType: str = ""
    ContentID: str = ""


class Sending(msgspec.Struct):
    """A message to send, that is, to put into the inbox."""

    From: Person
    To: list[Person] = msgspec.field(default_factory=list)
    Cc: list[Person] = msgspec.field(default_factory=list)
    Bcc: list[str] = msgspec.field(default_factory=list)
    ReplyTo: list[Person] = msgspec.field(default_factory=list)
    Subject: str = ""
    Text: str = ""
    HTML: str = ""
    Tags: list[str] = msgspec.field(default_factory=list)
    Headers: dict[str, str] = msgspec.field(default_factory=dict)
    Attachments: list[File] = msgspec.field(default_factory=list)


class Trigger(msgspec.Struct):
    """One of Mailpit's three chaos triggers: ``Probability`` is of a hundred."""

    ErrorCode: int = 451
    Probability: int = 0


class Chaos(msgspec.Struct):
    """All three."""

    Sender: Trigger = msgspec.field(default_factory=Trigger)
    Recipient: Trigger = msgspec.field(default_factory=Trigger)
    Authentication: Trigger = msgspec.field(default_factory=lambda: Trigger(535))


def octets_of(text: str) -> bytes | None:
    """What base64 says; None when it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def person(mailbox: Mailbox) -> dict[str, str]:
    """An address."""
    return {"Name": mailbox.name, "Address": mailbox.address}


def people(mailboxes: tuple[Mailbox, ...]) -> list[dict[str, str]]:
    """Addresses."""
    return [person(each) for each in mailboxes]


def when(received: float) -> str:
    """A time as Go writes it."""
    return f"{dates.iso(received)}.{int(received % 1 * 1000):03}Z"


def _shared(each: Summary) -> dict[str, Any]:
    return {
        "ID": each.id,
        "MessageID": each.message_id,
        "From": person(each.sender),
        "To": people(each.to),
        "Cc": people(each.cc),
        "Bcc": [{"Name": "", "Address": address} for address in each.bcc],
        "ReplyTo": people(each.reply_to),
        "Subject": each.subject,
        "Tags": list(each.tags),
        "Size": each.size,
    }


def listed(each: Summary, username: str = "") -> dict[str, Any]:
    """A message in a list."""
    return {
        **_shared(each),
        "Read": each.is_read,
        "Created": when(each.received),
        "Username": username,
        "Attachments": each.attachments,
        "Snippet": each.preview,
    }


def whole(kept: Kept, content: bytes) -> dict[str, Any]:
    """A message by itself."""
    each, root = kept.summary, mime.parse(content)
    text, rich = mime.bodies(content, root)
    unsubscribe = display(scan(content).first(b"list-unsubscribe") or b"")
    written = dates.parse(each.date)
    return {
        **_shared(each),
        "Read": True,
        "ReturnPath": each.reverse_path,
        "Date": when(float(written) if written is not None else each.received),
        "Username": kept.via.login,
        "ListUnsubscribe": {"Header": unsubscribe, "Links": [], "Errors": "", "HeaderPost": ""},
        "Text": text,
        "HTML": rich,
        "Inline": [_file(content, part) for part in root.leaves() if part.is_inline],
        "Attachments": [_file(content, part) for part in root.leaves() if part.is_attachment],
    }


def _file(content: bytes, part: mime.Part) -> dict[str, Any]:
    return {
        "PartID": part.path,
        "FileName": part.name,
        "ContentType": part.kind,
        "ContentID": part.content_id,
        "Size": len(mime.decoded(content, part)),
    }


def headers(content: bytes) -> dict[str, list[str]]:
    """All fields of the header, by name as Go spells it."""
    found: dict[str, list[str]] = {}
    for field in scan(content).fields():
        name = "-".join(word.capitalize() for word in field.name.decode("ascii", "replace").split("-"))
        found.setdefault(name, []).append(display(field.value, 10_000))
    return found
