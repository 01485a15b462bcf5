"""What the developer's inbox keeps and tells: the words that its page and its API are built on (words).

``store.Inbox`` is what holds them. All text in them came from strangers: it is bounded and holds no
control characters, but it is not escaped; whoever shows it does that.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from eilpost.mail.value import value


class InboxError(Exception):
    """The inbox cannot do what it was asked; the message names the cause and the mend."""


class NoMessage(InboxError):
    """There is no message of this id (any more)."""


class Sorting(Enum):
    """What keeps mailboxes apart."""

    __hash__ = object.__hash__

    NONE = "none"
    """One mailbox, named ``""``, for all."""
    LOGIN = "login"
    """The name that was logged in with; without a login ``""``."""
    DOMAIN = "domain"
    """Each recipient's domain: a message for two domains lies in two mailboxes."""
    TAG = "tag"
    """Each tag of the message; without a tag ``""``."""


@value(frozen=True, slots=True)
class Via:
    """How a message came in. ``tls`` is version and cipher, empty without; ``protocol`` as in Received."""

    peer: str = ""
    helo: str = ""
    protocol: str = ""
    login: str = ""
    mechanism: str = ""
    tls: str = ""


@value(frozen=True, slots=True)
class Arrival:
    """What is around a message that is being taken.

    ``reverse_path`` is empty for ``<>``; ``parameters`` are those of MAIL and RCPT as people write
    them; ``transcript`` is the session so far, a line for each line, ``C: `` and ``S: `` in front.
    ``received`` is Unix time.
    """

    reverse_path: str
    recipients: tuple[str, ...]
    received: float
    via: Via = Via()
    tags: tuple[str, ...] = ()
    parameters: str = ""
    transcript: str = ""
    is_read: bool = False


@value(frozen=True, slots=True)
class Mailbox:
    """An address of a header field: the name, and the address as it is written there."""

    name: str
    address: str


@value(frozen=True, slots=True)
class Summary:
    """A message as a list shows it; ``number`` grows with each arrival, ``id`` cannot be guessed.

    ``sender``, ``to`` and ``cc`` are the header's; ``reverse_path`` and ``recipients`` the
    envelope's. ``date`` is the header's as written. ``preview`` is the beginning of its text.
    """

    id: str
    number: int
    received: float
    size: int
    subject: str
    sender: Mailbox
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    reply_to: tuple[Mailbox, ...]
    date: str
    message_id: str
    reverse_path: str
    recipients: tuple[str, ...]
    attachments: int
    is_read: bool
    tags: tuple[str, ...]
    mailboxes: tuple[str, ...]
    preview: str

    @property
    def bcc(self) -> tuple[str, ...]:
        """Recipients of the envelope that the header does not name."""
        named = {each.address.lower() for each in (*self.to, *self.cc)}
        return tuple(each for each in self.recipients if each.lower() not in named)


@value(frozen=True, slots=True)
class Kept:
    """A message with how it came in; its content and transcript are asked for by themselves."""

    summary: Summary
    via: Via
    parameters: str


@value(frozen=True, slots=True)
class Listing:
    """A part of a list, the newest first: ``total`` and ``unread`` count all that was asked for."""

    messages: tuple[Summary, ...]
    start: int
    total: int
    unread: int


@value(frozen=True, slots=True)
class Count:
    """A mailbox or a tag: its name, its messages, and how many of them are unread."""

    name: str
    total: int
    unread: int


@value(frozen=True, slots=True)
class Stats:
    """What the inbox holds and has done since it was started; ``octets`` is the database's size."""

    total: int
    unread: int
    octets: int
    started: float
    taken: int
    taken_octets: int
    refused: int
    deleted: int


@value(frozen=True, slots=True)
class Retention:
    """How long messages stay: the newest ``messages`` (0: all), for ``age`` seconds (0: for ever)."""

    messages: int = 0
    age: float = 0.0


FOR_EVER: Final = Retention()


# ── what happens, for those who watch ──


@value(frozen=True, slots=True)
class Arrived:
    """A message was taken."""

    message: Summary


@value(frozen=True, slots=True)
class Changed:
    """Messages were read, unread or tagged; no ids: too many to name, read the list again."""

    ids: tuple[str, ...]


@value(frozen=True, slots=True)
class Deleted:
    """Messages are gone; no ids: too many to name, or all; read the list again."""

    ids: tuple[str, ...]


@value(frozen=True, slots=True)
class Missed:
    """The watcher was too slow, so some of what happened was left out; read the list again."""


@value(frozen=True, slots=True)
class Told:
    """Something else that a page may show: faults were set, a release was done. ``topic`` names it."""

    topic: str
    text: str


Happening = Arrived | Changed | Deleted | Missed | Told

MOST_NAMED: Final = 200
"""Ids that one happening names at most."""
