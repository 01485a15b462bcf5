"""What a spool is: mail at rest between "250" and its fate (words).

A store keeps messages and, for each, its recipients. A claim is a lease: whoever holds it alone
may attempt these recipients until it settles them, or until the lease ends and another may. The
embedded store is for one process; a store shared by several machines keeps the same contract.

The verbs: ``draft`` collects content, ``commit`` makes it durable with its recipients, ``claim``
leases what is due, ``settle`` makes outcomes durable. What returns from ``commit`` and ``settle``
without an exception survives a power cut.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from enum import Enum
from typing import Protocol

from eilpost.mail.address import Address
from eilpost.mail.envelope import Envelope, MailParameters, Recipient, ReversePath
from eilpost.mail.outcome import Outcome
from eilpost.mail.value import value


class SpoolError(Exception):
    """The spool could not do it; never raised itself."""


class SpoolFull(SpoolError):
    """No space, no inodes or over quota: 452 4.3.1, and later it may work again."""


class SpoolClosed(SpoolError):
    """A sync failed or the store is shut: 451 4.3.0, nothing was made durable."""


class SpoolBusy(SpoolClosed):
    """Somebody else holds the store; it is open, and later it may work again."""


class SpoolUnfit(SpoolClosed):
    """This one request cannot be done; the store is open for all others."""


class SpoolLocked(SpoolError):
    """Another process has this spool; the message names it."""


class SpoolUnknown(SpoolError):
    """The directory holds a store of a newer version, or of another program; nothing was touched."""


class State(Enum):
    """Where a recipient stands in the queue."""

    __hash__ = object.__hash__  # as good for singletons, and what Enum has is Python, for each look-up

    ACTIVE = "active"  # claimed: an attempt is due or under way
    DEFERRED = "deferred"  # waits for its time
    HELD = "held"  # waits for an operator
    DAMAGED = "damaged"  # set aside: its entry cannot be read


class Content(Protocol):
    """The octets of a committed message, readable as often as needed."""

    @property
    def size(self) -> int:
        """Octets."""
        ...

    @property
    def octets(self) -> bytes | None:
        """All of it when it is in memory, else None."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """It in order; ContentDamaged if the store no longer holds what was committed."""
        ...


class ContentDamaged(SpoolError):
    """The content does not match its checksum, or is gone."""


@value(frozen=True, slots=True)
class QueuedMessage:
    """A message without its recipients.

    ``id`` is unique for ever, sorts by arrival and is what people see. ``received`` is Unix time.
    ``has_8bit`` tells whether any octet of the content is above 127.
    """

    id: str
    reverse_path: ReversePath
    parameters: MailParameters
    received: float
    size: int
    has_8bit: bool
    content: Content
    account: str = ""
    session: str = ""
    message_id: str = ""


@value(frozen=True, slots=True)
class QueuedRecipient:
    """A recipient in the spool; ``position`` is its number within the message.

    ``attempts`` counts those made; ``next_hop`` is an operator's reroute or empty.
    ``warned`` tells that a delay report was made. ``last`` is the latest outcome.
    """

    position: int
    recipient: Recipient
    state: State
    attempts: int
    due: float
    warned: bool = False
    next_hop: str = ""
    last: Outcome | None = None


@value(frozen=True, slots=True)
class Entry:
    """A message with those of its recipients that were claimed, or listed, together."""

    message: QueuedMessage
    recipients: tuple[QueuedRecipient, ...]


@value(frozen=True, slots=True)
class Settlement:
    """One recipient's new place after an attempt.

    A final outcome removes it. Another one defers it until ``due``. ``warned``: this settlement
    carries a delay report. ``tried`` is False when it is deferred without an attempt, because its
    destination is down: then attempts are not counted up.
    """

    message: str
    position: int
    outcome: Outcome
    due: float | None = None
    warned: bool = False
    tried: bool = True


@value(frozen=True, slots=True)
class NewMessage:
    """A message to commit that is made here: a report. ``received`` is Unix time."""

    envelope: Envelope
    octets: bytes
    received: float


@value(frozen=True, slots=True)
class Filter:
    """Which recipients an operator means; an empty field asks nothing.

    ``to`` and ``sender`` are an address, or ``@domain``; ``older`` is seconds since acceptance.
    """

    messages: tuple[str, ...] = ()
    to: str = ""
    sender: str = ""
    older: float = 0.0
    state: State | None = None


@value(frozen=True, slots=True)
class Stats:
    """Counts over the whole queue; ``oldest`` is Unix time, None when empty."""

    messages: int
    recipients: dict[State, int]
    octets: int
    oldest: float | None
    domains: tuple[tuple[str, int], ...]


class Draft(Protocol):
    """Content on its way in. It lies in memory up to a threshold, then in a file."""

    @property
    def id(self) -> str:
        """The id the message will have: known before ``commit``, for our own Received field."""
        ...

    @property
    def size(self) -> int:
        """Octets written so far."""
        ...

    async def write(self, octets: bytes) -> None:
        """Appends; SpoolFull when there is no room."""
        ...

    async def discard(self) -> None:
        """Forgets the draft; harmless after commit."""
        ...


class Spool(Protocol):
    """The store. All methods may be called from the event loop at any time."""

    def draft(self) -> Draft:
        """A new empty draft."""
        ...

    async def commit(
        self,
        draft: Draft,
        envelope: Envelope,
        *,
        received: float,
        account: str = "",
        session: str = "",
        message_id: str = "",
        prefix: bytes = b"",
        claim: bool = False,
        due: float | None = None,
    ) -> Entry:
        """Makes the message durable: ``prefix`` (our trace fields) and the draft's octets.

        With ``claim`` all recipients are leased to the caller; without, they are due at the Unix
        time ``due``, or at once.
        SpoolFull, SpoolClosed.
        """
        ...

    async def claim(self, now: float, limit: int, *, without: frozenset[str] = frozenset()) -> tuple[Entry, ...]:
        """Leases up to ``limit`` recipients that are due, but none whose domain is in ``without``.

        Those of higher priority come first (RFC 6710 §4.3), then those due for longest.
        """
        ...

    async def next_due(self) -> float | None:
        """When the next unclaimed recipient is due; None when nothing waits.

        Mail that its sender wants held (``parameters.hold``, RFC 4865) does not count; ``claim`` finds it.
        """
        ...

    async def settle(self, settlements: Sequence[Settlement], reports: Sequence[NewMessage] = ()) -> tuple[Entry, ...]:
        """Makes outcomes and the reports they cause durable in one step; the reports come back claimed."""
        ...

    async def release(self, entries: Sequence[Entry], due: float | None = None) -> None:
        """Gives claims back untried; ``due`` changes when they are due, None leaves it."""
        ...

    async def find(self, wanted: Filter, *, limit: int = 100, after: str = "") -> tuple[Entry, ...]:
        """Entries for operators, oldest first, at most ``limit`` messages, behind the id ``after``."""
        ...

    async def stats(self) -> Stats:
        """Counts for operators."""
        ...

    async def hold(self, wanted: Filter) -> int:
        """Deferred recipients become held; how many. Claimed ones are not touched."""
        ...

    async def retry(self, wanted: Filter, now: float) -> int:
        """Deferred recipients become due; how many. Mail that its sender wants held must be named by its id."""
        ...

    async def unhold(self, wanted: Filter, now: float) -> int:
        """Held recipients become due; how many."""
        ...

    async def drop(self, wanted: Filter) -> int:
        """Forgets recipients that are not claimed, without a report; how many."""
        ...

    async def reroute(self, wanted: Filter, next_hop: str, now: float) -> int:
        """Sends unclaimed recipients to ``next_hop`` (empty: by rule again), due now; how many."""
        ...

    async def seize(self, wanted: Filter) -> tuple[Entry, ...]:
        """Claims recipients that match and are not claimed, due or not: for ``fail``."""
        ...

    async def close(self) -> None:
        """Ends all work and closes the store; what was claimed is due at the next start."""
        ...


__all__ = [
    "Address", "Content", "ContentDamaged", "Draft", "Entry", "Filter", "NewMessage", "QueuedMessage",
    "QueuedRecipient", "Settlement", "Spool", "SpoolBusy", "SpoolClosed", "SpoolError", "SpoolFull", "SpoolLocked",
    "SpoolUnfit", "SpoolUnknown", "State", "Stats",
]  # fmt: skip
