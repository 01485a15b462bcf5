"""A spool in memory that keeps the contract and can be crashed, for tests of what uses one (a deed).

What ``commit`` and ``settle`` returned is durable: ``crash`` keeps it, and claims become due again.
``fail_next`` makes what follows a commit fail. Each verb takes a turn of the loop, as a disk would.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from eilpost.mail.envelope import Envelope
from eilpost.queue.filter import matches
from eilpost.spool.contract import (
    Content,
    ContentDamaged,
    Draft,
    Entry,
    Filter,
    NewMessage,
    QueuedMessage,
    QueuedRecipient,
    Settlement,
    SpoolClosed,
    SpoolError,
    State,
    Stats,
)


@dataclass(slots=True)
class MemoryContent:
    """Octets in memory; ``damaged`` makes them unreadable."""

    data: bytes
    damaged: bool = False

    @property
    def size(self) -> int:
        """Octets."""
        return len(self.data)

    @property
    def octets(self) -> bytes | None:
        """All of it, unless damaged."""
        return None if self.damaged else self.data

    async def chunks(self) -> AsyncIterator[bytes]:
        """It, in one piece."""
        if self.damaged:
            raise ContentDamaged("the content does not match its checksum")
        yield self.data


@dataclass(slots=True)
class MemoryDraft:
    """Octets on their way in."""

    id: str
    data: bytearray = field(default_factory=bytearray)

    @property
    def size(self) -> int:
        """Octets so far."""
        return len(self.data)

    async def write(self, octets: bytes) -> None:
        """Appends."""
        self.data += octets

    async def discard(self) -> None:
        """Forgets them."""
        self.data.clear()


@dataclass(slots=True)
class _Stored:
    message: QueuedMessage
    recipients: dict[int, QueuedRecipient]

    def entry(self, rows: Sequence[QueuedRecipient]) -> Entry:
        return Entry(self.message, tuple(rows))


class MemorySpool:
    """Implements ``eilpost.spool.contract.Spool``."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._numbers = count(1)
        self._stored: dict[str, _Stored] = {}
        self._failures: list[SpoolError] = []
        self._closed = False
        self.settlements = 0

    # ── what a test does to it ──

    def fail_next(self, *errors: SpoolError) -> None:
        """The next calls of ``claim`` and ``settle`` raise these, one each."""
        self._failures.extend(errors)

    def crash(self) -> MemorySpool:
        """What a start after a crash finds; this one is closed."""
        survivor = MemorySpool(self._now)
        survivor._numbers = self._numbers
        survivor._stored = {
            key: _Stored(stored.message, {position: _unclaimed(row) for position, row in stored.recipients.items()})
            for key, stored in self._stored.items()
        }
        self._closed = True
        return survivor

    def rows(self) -> Iterator[tuple[QueuedMessage, QueuedRecipient]]:
        """Every recipient there is."""
        for stored in self._stored.values():
            for row in stored.recipients.values():
                yield stored.message, row

    async def _turn(self) -> None:
        await asyncio.sleep(0)
        if self._closed:
            raise SpoolClosed("the spool is closed")

    def _fail_if_told(self) -> None:
        if self._failures:
            raise self._failures.pop(0)

    # ── the contract ──

    def draft(self) -> Draft:
        """A new empty draft."""
        return MemoryDraft(self._new_id())

    def _new_id(self) -> str:
        return f"{next(self._numbers):08d}"

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
        """Stores the message."""
        await self._turn()
        assert isinstance(draft, MemoryDraft)
        entry = self._store(draft.id, envelope, prefix + bytes(draft.data), received, claim, due)
        stored = self._stored[draft.id]
        stored.message = replace(entry.message, account=account, session=session, message_id=message_id)
        return Entry(stored.message, entry.recipients)

    def _store(
        self, key: str, envelope: Envelope, octets: bytes, received: float, claim: bool, due: float | None = None
    ) -> Entry:
        content: Content = MemoryContent(octets)
        message = QueuedMessage(
            id=key,
            reverse_path=envelope.reverse_path,
            parameters=envelope.parameters,
            received=received,
            size=len(octets),
            has_8bit=not octets.isascii(),
            content=content,
        )
        state = State.ACTIVE if claim else State.DEFERRED
        rows = {
            position: QueuedRecipient(position, recipient, state, 0, received if due is None else due)
            for position, recipient in enumerate(envelope.recipients)
        }
        self._stored[key] = _Stored(message, rows)
        return Entry(message, tuple(rows.values()))

    async def claim(self, now: float, limit: int, *, without: frozenset[str] = frozenset()) -> tuple[Entry, ...]:
        """Leases what is due."""
        await self._turn()
        self._fail_if_told()
        due = sorted(
            (
                (-(stored.message.parameters.priority or 0), row.due, key, row)
                for key, stored in self._stored.items()
                for row in stored.recipients.values()
                if row.state is State.DEFERRED and row.due <= now and row.recipient.address.domain not in without
            ),
            key=lambda item: item[:3],
        )
        return self._change(((key, row) for _, _, key, row in due[:limit]), State.ACTIVE)

    def _change(self, rows: Iterator[tuple[str, QueuedRecipient]], state: State) -> tuple[Entry, ...]:
        changed: dict[str, list[QueuedRecipient]] = {}
        for key, row in rows:
            new = replace(row, state=state)
            self._stored[key].recipients[row.position] = new
            changed.setdefault(key, []).append(new)
        return tuple(self._stored[key].entry(new) for key, new in changed.items())

    async def next_due(self) -> float | None:
        """The earliest time of what waits."""
        waiting = (
            row.due for message, row in self.rows() if row.state is State.DEFERRED and not _is_later(message, row)
        )
        return min(waiting, default=None)

    async def settle(self, settlements: Sequence[Settlement], reports: Sequence[NewMessage] = ()) -> tuple[Entry, ...]:
        """Stores outcomes and reports."""
        await self._turn()
        self._fail_if_told()
        self.settlements += 1
        for item in settlements:
            self._settle(item)
        return tuple(
            self._store(self._new_id(), report.envelope, report.octets, report.received, True) for report in reports
        )

    def _settle(self, item: Settlement) -> None:
        stored = self._stored.get(item.message)
        row = stored.recipients.get(item.position) if stored else None
        if stored is None or row is None or row.state is not State.ACTIVE:
            return
        if item.outcome.fate.is_final:
            self._remove(stored, row)
            return
        assert item.due is not None, item
        stored.recipients[item.position] = replace(
            row,
            state=State.DEFERRED,
            due=item.due,
            attempts=row.attempts + item.tried,
            warned=row.warned or item.warned,
            last=item.outcome,
        )

    def _remove(self, stored: _Stored, row: QueuedRecipient) -> None:
        del stored.recipients[row.position]
        if not stored.recipients:
            del self._stored[stored.message.id]

    async def release(self, entries: Sequence[Entry], due: float | None = None) -> None:
        """Gives claims back."""
        if self._closed:
            raise SpoolClosed("the spool is closed")
        for entry in entries:
            stored = self._stored.get(entry.message.id)
            for item in entry.recipients:
                row = stored.recipients.get(item.position) if stored else None
                if stored is not None and row is not None and row.state is State.ACTIVE:
                    new = row.due if due is None else due
                    stored.recipients[item.position] = replace(row, state=State.DEFERRED, due=new)

    def _meant(self, wanted: Filter, *states: State) -> list[tuple[_Stored, QueuedRecipient]]:
        return [
            (stored, row)
            for stored in list(self._stored.values())
            for row in list(stored.recipients.values())
            if row.state in states and matches(wanted, stored.message, row, row.state, self._now())
        ]

    async def find(self, wanted: Filter, *, limit: int = 100, after: str = "") -> tuple[Entry, ...]:
        """Entries, oldest first."""
        found: dict[str, list[QueuedRecipient]] = {}
        for stored, row in self._meant(wanted, *State):
            found.setdefault(stored.message.id, []).append(row)
        ids = sorted(key for key in found if key > after)[:limit]
        return tuple(self._stored[key].entry(found[key]) for key in ids)

    async def stats(self) -> Stats:
        """Counts."""
        rows = list(self.rows())
        states = Counter(row.state for _, row in rows)
        messages = [stored.message for stored in self._stored.values()]
        domains = Counter(row.recipient.address.domain for _, row in rows).most_common(20)
        oldest = min((message.received for message in messages), default=None)
        return Stats(len(messages), dict(states), sum(message.size for message in messages), oldest, tuple(domains))

    def _update(self, wanted: Filter, states: tuple[State, ...], **changes: object) -> int:
        meant = self._meant(wanted, *states)
        for stored, row in meant:
            stored.recipients[row.position] = replace(row, **changes)  # type: ignore[arg-type]
        return len(meant)

    async def hold(self, wanted: Filter) -> int:
        """Deferred ones become held."""
        return self._update(wanted, (State.DEFERRED,), state=State.HELD)

    async def retry(self, wanted: Filter, now: float) -> int:
        """Deferred ones become due; what waits for a time of its own only by its name."""
        meant = self._meant(wanted, State.DEFERRED)
        if not wanted.messages:
            meant = [(stored, row) for stored, row in meant if not _is_later(stored.message, row)]
        for stored, row in meant:
            stored.recipients[row.position] = replace(row, due=now)
        return len(meant)

    async def unhold(self, wanted: Filter, now: float) -> int:
        """Held ones become due."""
        return self._update(wanted, (State.HELD,), state=State.DEFERRED, due=now)

    async def drop(self, wanted: Filter) -> int:
        """Forgets what is not claimed."""
        meant = self._meant(wanted, State.DEFERRED, State.HELD, State.DAMAGED)
        for stored, row in meant:
            self._remove(stored, row)
        return len(meant)

    async def reroute(self, wanted: Filter, next_hop: str, now: float) -> int:
        """Another next hop for what is not claimed."""
        return self._update(wanted, (State.DEFERRED, State.HELD), next_hop=next_hop, due=now)

    async def seize(self, wanted: Filter) -> tuple[Entry, ...]:
        """Claims what is not claimed."""
        meant = self._meant(wanted, State.DEFERRED, State.HELD)
        return self._change(((stored.message.id, row) for stored, row in meant), State.ACTIVE)

    async def close(self) -> None:
        """Refuses everything from here."""
        self._closed = True


def _is_later(message: QueuedMessage, row: QueuedRecipient) -> bool:
    """It waits for the time that its sender chose (RFC 4865)."""
    return message.parameters.hold is not None and not row.attempts


def _unclaimed(row: QueuedRecipient) -> QueuedRecipient:
    return replace(row, state=State.DEFERRED) if row.state is State.ACTIVE else row
