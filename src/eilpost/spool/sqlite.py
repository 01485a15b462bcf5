"""The embedded store: SQLite with group commit, for one process (a deed)."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, Self
from zlib import crc32

from eilpost import journal as events
from eilpost.config.schema import Spool as Settings
from eilpost.mail.envelope import Envelope
from eilpost.spool import changes, database, entries, queries, records, statements, trouble
from eilpost.spool.contents import ContentDraft, FileWriter, Folder, MemoryContent, Shelf, StoredContent
from eilpost.spool.contract import (
    Content,
    Draft,
    Entry,
    Filter,
    NewMessage,
    Settlement,
    SpoolBusy,
    SpoolClosed,
    SpoolError,
    State,
    Stats,
)
from eilpost.spool.numbers import Numbers, to_text
from eilpost.spool.queries import Loaded, Reader
from eilpost.spool.readonly import find
from eilpost.spool.records import MessageRecord
from eilpost.spool.room import Room
from eilpost.spool.statements import Key
from eilpost.spool.trouble import Trouble
from eilpost.spool.writer import Batch, Insertion, Request, Work, Writer

_SLICE: Final = 250
"""An operator's change of many recipients goes in slices: a commit waits for one of them, some milliseconds."""

OnTrouble = Callable[[SpoolError], None]


class SqliteSpool:
    """The store; made by ``open``, used from one event loop."""

    def __init__(self, directory: Path, opened: database.Opened, settings: Settings, journal: events.Journal) -> None:
        self._directory = directory
        self._inline = int(settings.inline)
        self._lock = opened.lock
        self._loop = asyncio.get_running_loop()
        self._journal = journal
        self._on_trouble: OnTrouble | None = None
        self._closed: SpoolClosed | None = None
        self._full = False
        self._unmarkable: set[int] = set()
        self._rebuilt = False
        self._claiming = asyncio.Lock()
        self._background: set[asyncio.Task[None]] = set()
        room = Room(directory, int(settings.reserve), opened.connection)
        room.look()
        self._folder = Folder(directory / "content", room.admits_file)
        self._leftover, self._foreign = self._folder.listed()
        self._numbers = Numbers(max([opened.last, *self._leftover]))
        self._queue = Reader(database.connect_reader(directory), "spool-queue")
        self._operators = Reader(database.connect_reader(directory), "spool-operators")
        self._shelf = Shelf(self._folder, self._queue, self._set_message_aside)
        self._writer = Writer(
            opened.connection,
            asyncio.get_running_loop(),
            deliver=self._deliver,
            room=room,
            is_full=lambda: database.is_full(directory),
            forget=lambda: database.forget_unfinished(directory),
        )

    @classmethod
    async def open(
        cls,
        directory: Path,
        *,
        settings: Settings,
        journal: events.Journal,
        on_trouble: OnTrouble | None = None,
    ) -> Self:
        """Opens the store in ``directory``, made if need be. SpoolLocked, SpoolUnknown, SpoolClosed.

        ``on_trouble`` is called once, when the store closes itself because the disk failed.
        """
        opened = await asyncio.to_thread(database.open_database, directory)
        try:
            spool = cls(directory, opened, settings, journal)
        except (OSError, sqlite3.Error) as error:
            opened.connection.close()
            os.close(opened.lock)
            raise SpoolClosed(f"cannot open the spool in {directory}: {error}") from error
        spool._on_trouble = on_trouble
        spool._writer.start()
        spool._spawn(spool._sweep())
        return spool

    # ── mail comes in ──

    def draft(self) -> ContentDraft:
        """A new empty draft."""
        return ContentDraft(self._folder, self._inline, self._number, self._break, self._regain)

    async def _regain(self) -> None:
        # Only the writer can give back what the database does not need: any request lets it look.
        future = self._loop.create_future()
        self._submit(Request(future))
        await future

    def _number(self) -> int:
        return self._numbers.next(time.time())

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

        SpoolFull, SpoolClosed; ValueError when an envelope holds text that is none.
        """
        if not isinstance(draft, ContentDraft):
            raise TypeError("a draft belongs to the store that made it")
        if self._closed is not None:
            raise self._closed
        file = await draft.finish()
        octets = draft.octets(prefix) if file is None else prefix
        record = MessageRecord(
            draft.number,
            entries.storable_time(received),
            len(octets) if file is None else draft.size + len(prefix),
            not octets.isascii() or (file is not None and file.has_8bit),
            envelope.reverse_path,
            account,
            session,
            message_id,
            envelope.parameters,
            file is not None,
            crc32(octets) if file is None else records.content_check(file.check, prefix),
        )
        content: Content = MemoryContent(octets) if file is None else StoredContent(record, self._shelf)
        return await self._insert(record, envelope, octets, content, claim=claim, due=due, file=file)

    async def _insert(
        self,
        record: MessageRecord,
        envelope: Envelope,
        octets: bytes,
        content: Content,
        *,
        claim: bool,
        due: float | None,
        file: FileWriter | None,
    ) -> Entry:
        state = State.ACTIVE if claim else State.DEFERRED
        due = None if due is None else entries.storable_time(due)
        entry = entries.new_entry(record, envelope, content, state, due)
        future = self._loop.create_future()
        undo = (lambda _: self._give_back((entry,))) if claim else None
        try:
            self._submit(Request(future, insertions=(_insertion(record, entry, octets, state),), undo=undo))
            await future
        except Exception:
            # After a failed sync nobody knows whether the row is there: then its file stays.
            if file is not None and self._closed is None:
                await self._folder.run(file.discard)
            raise
        return entry

    # ── mail goes out ──

    async def claim(self, now: float, limit: int, *, without: frozenset[str] = frozenset()) -> tuple[Entry, ...]:
        """Leases up to ``limit`` recipients that are due, oldest due first; the lease lasts as long as this run."""
        if limit <= 0:
            return ()
        async with self._claiming:
            loaded = await self._candidates(now, limit, without)
            await self._set_damaged_aside(loaded)
            return await self._take(self._entries(loaded), statements.CLAIM)

    async def _candidates(self, now: float, limit: int, without: frozenset[str]) -> Loaded:
        try:
            return await self._queue.run(queries.candidates, now, limit, without, frozenset(self._unmarkable))
        except sqlite3.DatabaseError as error:
            if trouble.of_database(error) in (Trouble.FULL, Trouble.DOUBTFUL, Trouble.BUSY):
                raise SpoolBusy(f"the spool cannot be read now: {error}") from error
            if self._rebuilt or not trouble.is_damage(error):
                raise SpoolClosed(f"the spool cannot be read: {error}") from error
        await self._rebuild_indexes()
        return await self._candidates(now, limit, without)

    async def _rebuild_indexes(self) -> None:
        # A damaged index hides sound rows: it is made anew from them, once in a run.
        self._rebuilt = True
        self._journal(events.Warned("spool-index-rebuilt", "an index of the spool's database was damaged"))
        await self._change(changes.rebuild_indexes)

    async def _take(self, found: Sequence[Entry], statement: str) -> tuple[Entry, ...]:
        """Claims what is still free of ``found``."""
        if not found:
            return ()
        keys = entries.keys_of(found)
        undo = lambda taken: self._give_back(entries.claimed_only(found, taken.__contains__))  # noqa: E731
        taken = await self._change(changes.taking(statement, keys), undo)
        return entries.claimed_only(found, taken.__contains__)

    def _entries(self, loaded: Loaded) -> list[Entry]:
        return [
            entries.stored_entry(record, recipients, StoredContent(record, self._shelf), State.ACTIVE)
            for record, recipients in loaded.entries
        ]

    async def next_due(self) -> float | None:
        """When the next unclaimed recipient is due; None when nothing waits."""
        return await self._queue.run(queries.next_due)

    async def settle(self, settlements: Sequence[Settlement], reports: Sequence[NewMessage] = ()) -> tuple[Entry, ...]:
        """Makes outcomes and the reports they cause durable in one step; the reports come back claimed."""
        if not settlements and not reports:
            return ()
        settled, deferred = entries.sort_settlements(settlements)
        insertions, made = [], []
        for report in reports:
            insertion, entry = self._report(report)
            insertions.append(insertion)
            made.append(entry)
        future = self._loop.create_future()
        undo = (lambda _: self._give_back(made)) if made else None
        self._submit(Request(future, insertions, settled, deferred, undo=undo))
        await future
        return tuple(made)

    def _report(self, report: NewMessage) -> tuple[Insertion, Entry]:
        octets, envelope = report.octets, report.envelope
        record = MessageRecord(
            number=self._numbers.next(report.received),
            received=entries.storable_time(report.received),
            size=len(octets),
            has_8bit=not octets.isascii(),
            reverse_path=envelope.reverse_path,
            account="",
            session="",
            message_id="",
            parameters=envelope.parameters,
            in_file=False,
            content_check=crc32(octets),
        )
        entry = entries.new_entry(record, envelope, MemoryContent(octets), State.ACTIVE)
        return _insertion(record, entry, octets, State.ACTIVE), entry

    async def release(self, claimed: Sequence[Entry], due: float | None = None) -> None:
        """Gives claims back untried; ``due`` changes when they are due, None leaves it."""
        if claimed:
            time_ = None if due is None else entries.storable_time(due)
            await self._change(changes.changing(statements.RELEASE, (time_,), entries.keys_of(claimed)))

    def _give_back(self, claimed: Sequence[Entry]) -> None:
        if claimed and self._closed is None:
            self._spawn(self.release(claimed))

    # ── operators ──

    async def find(self, wanted: Filter, *, limit: int = 100, after: str = "") -> tuple[Entry, ...]:
        """Entries for operators, oldest first, at most ``limit`` messages, behind the id ``after``.

        ValueError when a filter or ``after`` makes no sense.
        """
        return await find(self._operators, self._shelf, wanted, limit, after)

    async def stats(self) -> Stats:
        """Counts for operators."""
        return await self._operators.run(queries.stats)

    async def hold(self, wanted: Filter) -> int:
        """Deferred recipients become held; how many."""
        return await self._operate(wanted, (records.DEFERRED,), statements.HOLD)

    async def retry(self, wanted: Filter, now: float) -> int:
        """Deferred recipients become due; how many."""
        return await self._operate(wanted, (records.DEFERRED,), statements.RETRY, now, but_later=not wanted.messages)

    async def unhold(self, wanted: Filter, now: float) -> int:
        """Held recipients become due; how many."""
        return await self._operate(wanted, (records.HELD,), statements.UNHOLD, now)

    async def reroute(self, wanted: Filter, next_hop: str, now: float) -> int:
        """Sends unclaimed recipients to ``next_hop``, due now; held ones stay held; how many."""
        states = (records.DEFERRED, records.HELD)
        return await self._operate(wanted, states, statements.REROUTE, records.storable(next_hop), now)

    async def drop(self, wanted: Filter) -> int:
        """Forgets recipients that are not claimed, damaged ones too, without a report; how many."""
        states = (records.DEFERRED, records.HELD, records.DAMAGED)
        dropped = 0
        async for keys in self._slices(wanted, states):
            dropped += await self._change(changes.dropping(keys))
        return dropped

    async def seize(self, wanted: Filter) -> tuple[Entry, ...]:
        """Claims recipients that match and are not claimed, due or not: for ``fail``."""
        seized: list[Entry] = []
        async for keys in self._slices(wanted, (records.DEFERRED, records.HELD)):
            loaded = await self._operators.run(queries.load, keys)
            await self._set_damaged_aside(loaded)
            seized += await self._take(self._entries(loaded), statements.SEIZE)
        return tuple(seized)

    async def _operate(
        self, wanted: Filter, states: Sequence[int], statement: str, *parameters: object, but_later: bool = False
    ) -> int:
        """``but_later``: what waits for a time of its own is not meant."""
        changed = 0
        async for keys in self._slices(wanted, states, but_later):
            changed += await self._change(changes.changing(statement, parameters, keys))
        return changed

    async def _slices(self, wanted: Filter, states: Sequence[int], but_later: bool = False) -> AsyncIterator[list[Key]]:
        found = queries.conditions(wanted, database.unix_time()) + ([queries.NOT_LATER] if but_later else [])
        after: Key = (-1, -1)
        while keys := await self._operators.run(queries.keys, found, states, after, _SLICE):
            after = keys[-1]
            yield keys

    # ── damage ──

    async def _set_damaged_aside(self, loaded: Loaded) -> None:
        """Marks the rows that cannot be read; a key without a row means that the index lies."""
        lies = False
        for key, why in loaded.damaged:
            if not await self._set_aside(changes.changing(statements.SET_ASIDE, (), [key]), key[0], why):
                lies = True
                if self._rebuilt:
                    self._unmarkable.add(key[0])
        if lies and not self._rebuilt:
            await self._rebuild_indexes()

    async def _set_message_aside(self, number: int, why: str) -> None:
        await self._set_aside(changes.setting_aside(number), number, why)

    async def _set_aside(self, work: Work, number: int, why: str) -> bool:
        """Marks recipients damaged and tells; False when there was nothing to mark."""
        try:
            changed = bool(await self._change(work))
        except SpoolError as error:
            # Even the mark cannot be written: this run passes over it.
            self._unmarkable.add(number)
            changed, why = True, f"{why} (and cannot be marked: {error})"
        if changed:
            self._journal(events.SetAside(to_text(number), why))
        return changed

    # ── the house of the store ──

    def _submit(self, request: Request) -> None:
        if self._closed is not None:
            raise self._closed
        self._writer.submit(request)

    async def _change(self, work: Work, undo: Callable[[Any], None] | None = None) -> Any:
        future = self._loop.create_future()
        self._submit(Request(future, work=work, undo=undo))
        return await future

    def _deliver(self, batch: Batch) -> None:
        """Tells everybody of a batch what became of it; runs on the event loop."""
        if batch.broken is not None:
            self._shut(batch.broken)
        for request, result in batch.done:
            if not request.future.done():
                request.future.set_result(result)
            elif request.undo is not None:
                request.undo(result)
        for request, error in batch.failed:
            if not request.future.done():
                request.future.set_exception(error)
        if batch.files:
            self._folder.remove_soon(batch.files)
        self._tell_room(batch)

    def _tell_room(self, batch: Batch) -> None:
        if batch.full and not self._full:
            self._full = True
            self._journal(events.IntakeChanged("full", batch.full))
        elif self._full and not batch.full and any(request.insertions for request, _ in batch.done):
            self._full = False
            self._journal(events.IntakeChanged("open", "there is room again"))

    def _break(self, error: OSError) -> SpoolClosed:
        """A content file could not be written or synced: the store closes."""
        closed = SpoolClosed(f"the spool is closed: {error.strerror}")
        self._shut(closed)
        return closed

    def _shut(self, why: SpoolClosed) -> None:
        if self._closed is not None:
            return
        self._closed = why
        self._journal(events.IntakeChanged("closed", str(why)))
        if self._on_trouble is not None:
            self._on_trouble(why)

    def _spawn(self, deed: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._quietly(deed))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _quietly(self, deed: Coroutine[Any, Any, None]) -> None:
        try:
            await deed
        except SpoolError:
            return  # The store has closed meanwhile, and has said so.
        except Exception as error:
            self._journal(events.Faulted("spool", type(error).__name__, str(error)))

    async def _sweep(self) -> None:
        """Removes content files that a crash left behind: those of earlier runs that no row names."""
        leftover, self._leftover = self._leftover, []
        orphans = await self._operators.run(queries.unnamed, leftover)
        if orphans:
            await self._folder.run(self._folder.remove, orphans)
        if self._foreign:
            self._journal(events.Warned("spool-foreign-files", f"{self._foreign} names in content/ are not ours"))

    async def close(self) -> None:
        """Ends all work and closes the store; what was claimed is due at the next start."""
        if self._lock < 0:
            return
        lock, self._lock = self._lock, -1
        if self._closed is None:
            self._closed = SpoolClosed("the spool is shut")
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        # The readers close after the writer: SQLite would remove the log with the last connection
        # that may write, and the next start would have to make its name durable again.
        for step in (self._writer.stop, self._folder.close, self._queue.close, self._operators.close):
            await asyncio.to_thread(step)
        os.close(lock)


def _insertion(record: MessageRecord, entry: Entry, octets: bytes, state: State) -> Insertion:
    rows = entries.recipient_rows(record, entry, records.NUMBER_OF[state])
    return Insertion(records.encode_message(record), octets, rows)


__all__ = ["OnTrouble", "SqliteSpool"]
