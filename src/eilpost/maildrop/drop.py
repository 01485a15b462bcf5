"""What a mailbox is to those who fetch from it (words).

A ``Drop`` is one mailbox as it was when it was opened: what comes later does not change it, and
nobody else has it open meanwhile. Maildirs are one kind; the developer's inbox is another.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Protocol

from eilpost.mail.value import value


class InUse(Exception):
    """Another session has the mailbox."""


class DropError(Exception):
    """The mailbox cannot be used now; the message says why, for our own log."""


class Vanished(Exception):
    """The message is not there any more."""


@value(frozen=True, slots=True)
class Item:
    """A message: its name that never changes, and its size with CR LF as line ends."""

    uidl: str
    octets: int


class Drop(Protocol):
    """An open mailbox. Messages are numbered from 0 here."""

    @property
    def items(self) -> Sequence[Item]:
        """All messages, oldest first."""

    def at_hand(self, number: int) -> bytes | None:
        """The whole message with CR LF as line ends, when it waits in memory; None: it has to be read."""

    def read(self, number: int) -> AsyncIterator[bytes]:
        """The message's octets with CR LF as line ends, in pieces. Vanished, DropError."""

    async def delete(self, numbers: Collection[int]) -> int:
        """Removes messages for good; how many could not be removed."""

    async def close(self) -> None:
        """Gives the mailbox back; harmless twice."""


class Drops(Protocol):
    """Where mailboxes are."""

    async def open(self, account: str) -> Drop:
        """The account's mailbox, for one session alone. InUse, DropError."""
