"""The thread that alone writes: what waits while one commit syncs goes into the next (a deed)."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Final

from eilpost.spool import statements, trouble
from eilpost.spool.contract import SpoolBusy, SpoolClosed, SpoolError, SpoolFull, SpoolUnfit
from eilpost.spool.numbers import RESERVE
from eilpost.spool.records import Row
from eilpost.spool.room import PAGE, Room
from eilpost.spool.statements import Key
from eilpost.spool.trouble import Trouble

_MOST_REQUESTS: Final = 512
_MOST_OCTETS: Final = 8 << 20
_RECIPIENT: Final = 256  # octets of a row, with its indexes

Work = Callable[[sqlite3.Connection, set[int]], Any]
"""A rare change: runs inside the batch's transaction and notes messages that may have lost their
last recipient."""


@dataclass(slots=True)
class Insertion:
    """A message on its way into the database; ``content`` is all of it, or what goes before its file."""

    message: Row
    content: bytes
    recipients: list[Row]

    @property
    def octets(self) -> int:
        """What it takes in the database, rather too much than too little."""
        return len(self.content) + PAGE + _RECIPIENT * len(self.recipients)


@dataclass(slots=True, eq=False)
class Request:
    """What one caller wants done; its future gets what ``work`` returned.

    ``undo`` is asked for when the caller is gone by the time it is done: a claim nobody holds
    would wait for the next start.
    """

    future: asyncio.Future[Any]
    insertions: Sequence[Insertion] = ()
    settled: Sequence[Key] = ()
    deferred: Sequence[Row] = ()
    work: Work | None = None
    undo: Callable[[Any], None] | None = None

    @property
    def octets(self) -> int:
        """The room that it takes."""
        return sum([item.octets for item in self.insertions])

    @property
    def only_adds(self) -> bool:
        """True when it makes the store bigger and does nothing else."""
        return bool(self.insertions) and not self.settled and not self.deferred


@dataclass(slots=True)
class Batch:
    """What came out of a group of requests; ``files`` are content files that no row names any more."""

    done: list[tuple[Request, Any]] = field(default_factory=list)
    failed: list[tuple[Request, SpoolError]] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    full: str = ""
    broken: SpoolClosed | None = None


class Writer:
    """Owns the writing connection. ``deliver`` is called on the event loop, once for each batch."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        loop: asyncio.AbstractEventLoop,
        *,
        deliver: Callable[[Batch], None],
        room: Room,
        is_full: Callable[[], bool],
        forget: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._loop = loop
        self._deliver = deliver
        self._room = room
        self._is_full = is_full
        self._forget = forget
        self._queue: SimpleQueue[Request | None] = SimpleQueue()
        self._broken: SpoolClosed | None = None
        self._stopping = False
        self._pages = 0
        self._ceiling = 0
        self._thread = threading.Thread(target=self._run, name="spool-writer", daemon=True)

    def start(self) -> None:
        """Begins to write."""
        self._thread.start()

    def submit(self, request: Request) -> None:
        """Queues a request; its future is resolved when its batch is durable."""
        self._queue.put(request)

    def stop(self) -> None:
        """Waits until all that was submitted is done, and closes the connection. Blocks."""
        self._queue.put(None)
        if self._thread.ident is not None:
            self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while not self._stopping:
            requests, octets = self._collect()
            if requests:
                self._hand_over(self._safely(requests, octets))
            if self._pages >= self._room.log_pages or (self._stopping and not self._broken):
                self._checkpoint()

    def _collect(self) -> tuple[list[Request], int]:
        """What waits, and the room that it takes."""
        requests: list[Request] = []
        octets = 0
        request = self._queue.get()
        while request is not None:
            requests.append(request)
            octets += sum([item.octets for item in request.insertions])
            if octets >= _MOST_OCTETS or len(requests) >= _MOST_REQUESTS:
                return requests, octets
            try:
                request = self._queue.get_nowait()
            except Empty:
                return requests, octets
        self._stopping = True
        return requests, octets

    def _hand_over(self, batch: Batch) -> None:
        try:
            self._loop.call_soon_threadsafe(self._deliver, batch)
        except RuntimeError:
            # The loop is closed: nobody waits any more. What was committed stays committed.
            self._stopping = True

    def _safely(self, requests: list[Request], octets: int) -> Batch:
        batch = Batch()
        try:
            self._process(requests, octets, batch)
        except Exception as error:
            # A bug. A writer that died silently would leave every session waiting for ever.
            told = {id(request) for request, _ in (*batch.done, *batch.failed)}
            self._break([request for request in requests if id(request) not in told], batch, error)
        return batch

    # ── one batch ──

    def _process(self, requests: list[Request], octets: int, batch: Batch) -> None:
        if self._broken is None:
            requests = self._admit(requests, octets, batch)
        if requests and self._broken is None:
            try:
                self._transact(requests, batch)
            except Exception as error:
                self._recover(requests, batch, error)
        elif self._broken is not None:
            batch.failed += [(request, self._broken) for request in requests]

    def _admit(self, requests: list[Request], octets: int, batch: Batch) -> list[Request]:
        """Fails what only adds and has no room; nothing else is ever held up by the reserve."""
        room = self._room
        try:
            if room.is_wanted:
                self._regain(batch)
            if not octets:
                room.refresh()
                return requests
            if room.admits(octets):
                return requests
            self._regain(batch)
            refused = {id(request) for request in requests if request.only_adds and not room.admits(request.octets)}
        except sqlite3.Error:
            return requests  # The transaction will meet it, and be told what it means.
        if not refused:
            return requests
        why = "the disk has less room than spool.reserve"
        self._refuse([request for request in requests if id(request) in refused], batch, why)
        return [request for request in requests if id(request) not in refused]

    def _regain(self, batch: Batch, least: int | None = None) -> None:
        try:
            self._room.regain(least)
        except sqlite3.Error as error:
            if self._what(error) is Trouble.BROKEN:
                self._break((), batch, error)

    def _refuse(self, requests: list[Request], batch: Batch, why: str) -> list[Request]:
        """Fails what only adds; the rest may free room."""
        batch.full = why
        batch.failed += [(request, SpoolFull(why)) for request in requests if request.only_adds]
        return [request for request in requests if not request.only_adds]

    def _recover(self, requests: list[Request], batch: Batch, error: Exception, *, again: bool = True) -> None:
        """Nothing of the requests was committed: finds out for whom it can be. ``again``: room may be looked for."""
        what = self._what(error)
        try:
            self._roll_back()
        except sqlite3.Error as second:
            what, error = Trouble.BROKEN, second
        match what:
            case Trouble.BROKEN | Trouble.DOUBTFUL:
                self._break(requests, batch, error)
            case Trouble.FULL:
                self._after_full(requests, batch, error, again)
            case Trouble.BUSY:
                busy = SpoolBusy("another program holds the spool's database")
                batch.failed += [(request, busy) for request in requests]
            case Trouble.SINGLE:
                self._one_by_one(requests, batch, error)

    def _what(self, error: Exception) -> Trouble:
        what = trouble.of_database(error)
        if what is Trouble.DOUBTFUL:
            return Trouble.FULL if self._is_full() else Trouble.BROKEN
        return what

    def _break(self, requests: Sequence[Request], batch: Batch, error: Exception) -> None:
        # A sync that failed is never tried again: the kernel may have dropped the pages and call the next one good.
        self._broken = batch.broken = SpoolClosed(f"the spool is closed: {error}")
        with suppress(OSError):  # The disk is broken; this was worth a try.
            self._forget()
        batch.failed += [(request, self._broken) for request in requests]

    def _after_full(self, requests: list[Request], batch: Batch, error: Exception, again: bool) -> None:
        rest = self._refuse(requests, batch, str(error))
        if rest and again:
            self._regain(batch, least=0)
            self._retry(rest, batch)
        elif len(rest) > 1:  # What frees room may need less of it alone.
            for request in rest:
                self._retry([request], batch)
        else:
            batch.failed += [(request, SpoolFull(str(error))) for request in rest]

    def _retry(self, requests: list[Request], batch: Batch) -> None:
        if self._broken is not None:
            batch.failed += [(request, self._broken) for request in requests]
            return
        try:
            self._transact(requests, batch)
        except Exception as error:
            self._recover(requests, batch, error, again=False)

    def _one_by_one(self, requests: list[Request], batch: Batch, error: Exception) -> None:
        if len(requests) == 1:
            failure = SpoolUnfit(f"this could not be stored: {error}")
            failure.__cause__ = error
            batch.failed.append((requests[0], failure))
            return
        for request in requests:
            if self._broken is not None:
                batch.failed.append((request, self._broken))
                continue
            try:
                self._transact([request], batch)
            except Exception as own:
                self._recover([request], batch, own)

    def _roll_back(self) -> None:
        self._ceiling = 0  # What was noted in this transaction is not.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _transact(self, requests: Sequence[Request], batch: Batch) -> None:
        """All requests in one transaction; what it returns from is on the disk."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE").close()
        self._insert(requests)
        emptied = self._settle(requests)
        changes = connection.total_changes
        done = [(request, None if request.work is None else request.work(connection, emptied)) for request in requests]
        self._pages += 2 * (connection.total_changes - changes)
        files = self._remove(emptied) if emptied else []
        connection.execute("COMMIT").close()
        batch.done += done
        batch.files += files

    def _insert(self, requests: Sequence[Request]) -> None:
        insertions = [item for request in requests for item in request.insertions]
        if not insertions:
            return
        connection = self._connection
        messages = [item.message for item in insertions]
        statements.write_rows(connection, statements.INSERT_MESSAGE, messages)
        contents = [(item.message[0], item.content) for item in insertions]
        statements.write_rows(connection, statements.INSERT_CONTENT, contents)
        recipients = [row for item in insertions for row in item.recipients]
        statements.write_rows(connection, statements.INSERT_RECIPIENT, recipients)
        highest = max([row[0] for row in messages])
        if highest >= self._ceiling:
            ceiling = highest + RESERVE
            connection.execute(statements.RAISE_CEILING, (ceiling, ceiling)).close()
            self._ceiling = ceiling
        self._pages += 6 + 2 * len(insertions) + sum([len(item.content) for item in insertions]) // PAGE

    def _settle(self, requests: Sequence[Request]) -> set[int]:
        connection = self._connection
        settled = [key for request in requests for key in request.settled]
        if settled:
            connection.execute(statements.DELETE_SETTLED, (statements.keys_text(settled),)).close()
        deferred = [row for request in requests for row in request.deferred]
        if deferred:
            statements.write_rows(connection, statements.DEFER, deferred)
        self._pages += 6 + 2 * len(settled) + 2 * len(deferred)
        return {message for message, _ in settled}

    def _remove(self, emptied: set[int]) -> list[int]:
        """Deletes the messages that have no recipient left; which of them leave a file."""
        connection = self._connection
        numbers = (statements.numbers_text(emptied),)
        files = statements.listed(connection.execute(statements.FILES_OF, numbers).fetchone())
        connection.execute(statements.DELETE_CONTENT, numbers).close()
        connection.execute(statements.DELETE_MESSAGE, numbers).close()
        if not files:
            return []
        remaining = statements.listed(connection.execute(statements.REMAINING, numbers).fetchone())
        return [number for number in files if number not in remaining]

    def _checkpoint(self) -> None:
        # After the answers are given: nobody of this batch waits for it. Passive: readers are not waited for.
        self._pages = 0
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            if self._what(error) is Trouble.BROKEN:
                batch = Batch()
                self._break((), batch, error)
                self._hand_over(batch)
