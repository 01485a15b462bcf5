"""What a message submission server mends, and what it must not let pass (a grammar).

RFC 6409 §8: a missing Date and Message-ID are added; RFC 5321 §7.2: Bcc goes. Fields are put in
front or taken out whole, never re-written: a signature over the others stays good. What is wrong
with the author (RFC 5322 §3.6.2) is told to policy, which decides.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from eilpost.mail.address import Address
from eilpost.mail.value import value
from eilpost.message.header import Header, Span

_BLIND: Final = (b"bcc", b"resent-bcc")
_MAX_FROM: Final = 16_384  # octets of From that are looked at for a second mailbox


class Trouble(Enum):
    """What is wrong with the author of a message (F094)."""

    NO_FROM = "the message has no From field"
    SEVERAL_FROM = "the message has more than one From field"
    EMPTY_FROM = "the From field is empty"
    NO_SENDER = "several authors need a Sender field"
    SEVERAL_SENDERS = "the message has more than one Sender field"


@value(frozen=True, slots=True)
class Repairs:
    """What makes a submitted message complete: fields to put in front, spans to leave out.

    ``message_id`` is the one that was added, empty when there was one.
    """

    prefix: bytes
    cuts: tuple[Span, ...]
    troubles: tuple[Trouble, ...]
    message_id: str = ""


def repairs(header: Header, *, date: str, message_id: str, author: Address | None = None) -> Repairs:
    """What this header lacks and has too much of.

    ``date`` is by ``dates.format``; ``message_id`` comes with its angle brackets. Both are used
    only where there is none, as is ``author``: a person at a terminal leaves From out.
    """
    added = []
    found = troubles(header)
    if author is not None and Trouble.NO_FROM in found:
        added.append(f"From: {author}\r\n")  # F094: fixed rather than refused; Sender is judged as it is
        found = tuple(trouble for trouble in found if trouble is not Trouble.NO_FROM)
    if not header.has(b"date"):
        added.append(f"Date: {date}\r\n")  # RFC 6409 §8.2
    lacks_id = not header.has(b"message-id")
    if lacks_id:
        added.append(f"Message-ID: {message_id}\r\n")  # RFC 6409 §8.3
    prefix = "".join(added).encode()
    return Repairs(prefix, header.spans(*_BLIND), found, message_id if lacks_id else "")


def message_id(token: str, hostname: str) -> str:
    """A Message-ID (RFC 5322 §3.6.4) of a token that never comes twice."""
    return f"<{token}@{hostname}>"


def troubles(header: Header) -> tuple[Trouble, ...]:
    """What is wrong with From and Sender; empty when all is well."""
    authors, senders = header.count(b"from"), header.count(b"sender")
    found = []
    if authors == 0:
        found.append(Trouble.NO_FROM)
    elif authors > 1:
        found.append(Trouble.SEVERAL_FROM)
    else:
        mailboxes = count_mailboxes(header.first(b"from") or b"")
        if mailboxes == 0:
            found.append(Trouble.EMPTY_FROM)
        elif mailboxes > 1 and senders == 0:
            found.append(Trouble.NO_SENDER)
    if senders > 1:
        found.append(Trouble.SEVERAL_SENDERS)
    return tuple(found)


def count_mailboxes(value: bytes) -> int:
    """How many mailboxes a list names: its commas outside of quotes, comments and brackets."""
    if b"," not in value:
        return 1 if value.strip(b" \t") else 0
    count, pending, depth, quoted, escaped, angle = 0, False, 0, False, False, False
    for octet in value[:_MAX_FROM]:
        if escaped:
            escaped = False
        elif octet == 0x5C:  # backslash
            escaped = True
        elif quoted:
            quoted = octet != 0x22
        elif octet == 0x28:  # (
            depth += 1
        elif depth:
            depth -= octet == 0x29
        elif octet == 0x2C and not angle:
            count, pending = count + pending, False
        elif octet not in b" \t":
            pending, quoted = True, octet == 0x22
            angle = octet == 0x3C or (angle and octet != 0x3E)
    return count + pending
