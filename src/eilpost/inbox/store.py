"""The inbox: takes messages, keeps them, finds them, lets them go (a deed).

One thread writes, in groups; reading a file is done beside it, reading memory by it. A big content is written block
by block while it comes, so nobody waits for it and it is never whole in memory until somebody looks at it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Self, TypeVar

from eilpost.inbox import database, schema, statements
from eilpost.inbox.contract import (
    FOR_EVER,
    MOST_NAMED,
    Arrival,
    Arrived,
    Changed,
    Count,
    Deleted,
    Happening,
    InboxError,
    Kept,
    Listing,
    NoMessage,
    Retention,
    Sorting,
    Stats,
    Summary,
)
from eilpost.inbox.digest import Digest, digest, tag_names
from eilpost.inbox.queries import Query, compile_search
from eilpost.inbox.rows import fresh
from eilpost.inbox.schema import BLOCK
from eilpost.inbox.search import EVERYTHING, Search
from eilpost.inbox.watch import Watcher, Watchers
from eilpost.inbox.writer import Writer

T = TypeVar("T")

_READERS: Final = 2
_EXPIRE_EVERY: Final = 10.0
_SLACK: Final = 64  # arrivals between two looks at how many there are
_TOKEN_OCTETS: Final = 12
_SMALL: Final = 128 << 10  # octets whose reading takes less than handing it to a thread


class Inbox:
    """Use ``async with Inbox(...)``. ``path`` None keeps everything in memory until the end."""

    def __init__(
        self, path: Path | None = None, *, retention: Retention = FOR_EVER, sorting: Sorting = Sorting.NONE
    ) -> None:
        self._path = path
        self.retention = retention
        self.sorting = sorting
        self._watchers = Watchers()
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._pool: ThreadPoolExecutor | None = None
        self._writer: Writer | None = None
        self._expiring: asyncio.Task[None] | None = None
        self._number = self._content = 0
        self._started = time.time()
        self._taken = self._taken_octets = self._refused = self._deleted = 0
        self._since_look = 0
        self._random: list[bytes] = []
        self._lock: int | None = None

    async def __aenter__(self) -> Self:
        """Opens the database; InboxError says why it cannot be."""
        if self._path is not None:
            self._lock = database.lock(self._path)
        try:
            connection = database.open_writer(self._path)
        except InboxError:
            self._unlock()
            raise
        statements.forget_drafts(connection)
        self._number, self._content = statements.last_numbers(connection)
        self._writer = Writer(connection, statements.sweep)
        if self._path is not None:
            self._pool = ThreadPoolExecutor(_READERS, "inbox-reader")
        await self._expire()
        self._expiring = asyncio.create_task(self._expire_for_ever())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Waits for what is being written, then closes."""
        self._watchers.close()
        if self._expiring is not None:
            self._expiring.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._expiring
        if self._pool is not None:
            await asyncio.to_thread(self._pool.shutdown)
        for connection in self._readers:
            connection.close()
        if self._writer is not None:
            await asyncio.to_thread(self._writer.stop)
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # ── taking ──

    def draft(self) -> Draft:
        """A content that is about to come."""
        self._content += 1
        return Draft(self, self._content)

    async def take(self, arrival: Arrival, content: bytes) -> Summary:
        """Keeps a message whose content is here already; returns when it is committed."""
        draft = self.draft()
        await draft.write(content)
        return await draft.commit(arrival)

    def count_refused(self) -> None:
        """A message was turned away by a fault that was asked for."""
        self._refused += 1

    # ── reading ──

    async def newest(self, mailbox: str | None = None, *, start: int = 0, limit: int = 50) -> Listing:
        """The newest messages of one mailbox or (None) of all, from the ``start``-th on."""
        return await self.search(EVERYTHING, mailbox, start=start, limit=limit)

    async def search(self, search: Search, mailbox: str | None = None, *, start: int = 0, limit: int = 50) -> Listing:
        """What a search finds, the newest first."""
        query = compile_search(search, self._mailbox(mailbox))
        return await self._read(functools.partial(_listing, query=query, start=max(0, start), limit=max(0, limit)))

    async def after(self, number: int, *, limit: int = 1000, mailbox: str | None = None) -> list[Summary]:
        """The messages that came after ``number``, in order of arrival."""
        return await self._read(lambda at: statements.after(at, number, limit, self._mailbox(mailbox)))

    async def get(self, token: str) -> Kept:
        """A message by its id; NoMessage."""
        return await self._read(lambda at: statements.kept(at, token))

    async def latest(self) -> str:
        """The id of the newest message; NoMessage."""
        return await self._read(statements.latest)

    async def content(self, token: str) -> bytes:
        """A message's whole content; NoMessage."""
        return await self._read(lambda at: statements.content_of(at, token))

    async def content_if_there(self, token: str) -> bytes | None:
        """A message's content, or None when it is gone: for those who walk over all."""
        try:
            return await self.content(token)
        except NoMessage:
            return None

    async def blocks(self, token: str) -> AsyncIterator[bytes]:
        """A message's content, piece by piece; NoMessage."""
        number, size = await self._read(lambda at: statements.content_number(at, token))
        for position in range((size + BLOCK - 1) // BLOCK):
            yield await self._read(functools.partial(_block, content=number, position=position))

    async def transcript(self, token: str) -> str:
        """How a message came in, line by line; NoMessage."""
        return await self._read(lambda at: statements.transcript(at, token))

    async def mailboxes(self) -> tuple[Count, ...]:
        """The mailboxes that hold something, by name."""
        return await self._read(lambda at: statements.counts(at, schema.MAILBOX))

    async def tags(self) -> tuple[Count, ...]:
        """The tags in use, by name."""
        return await self._read(lambda at: statements.counts(at, schema.TAG))

    async def stats(self) -> Stats:
        """Numbers about the inbox."""
        total, unread, octets = await self._read(statements.totals)
        return Stats(
            total, unread, octets, self._started, self._taken, self._taken_octets, self._refused, self._deleted
        )

    # ── changing ──

    async def mark(self, which: Iterable[str] | Search, *, read: bool, mailbox: str | None = None) -> int:
        """Sets the read flag of these ids, or of all that a search finds; how many there are."""

        def work(connection: sqlite3.Connection, numbers: list[int]) -> None:
            statements.mark(connection, numbers, not read)

        return await self._change(which, mailbox, work, Changed)

    async def set_tags(self, which: Iterable[str] | Search, tags: Iterable[str]) -> int:
        """Gives messages exactly these tags; names that cannot be tags are left out."""
        names = tag_names(tuple(tags))

        def work(connection: sqlite3.Connection, numbers: list[int]) -> None:
            statements.set_tags(connection, numbers, names, self.sorting)

        return await self._change(which, None, work, Changed)

    async def rename_tag(self, old: str, new: str | None) -> int:
        """Gives a tag another name, or (None) takes it from all messages; how many had it."""
        if new is not None and tag_names((new,)) != (new,):
            raise InboxError(f"{new[:60]!r} cannot be a tag; use letters, digits, blanks, dots and hyphens")
        numbers = await self._write(lambda at: statements.rename_tag(at, old, new, self.sorting))
        self.tell(Changed(()))
        return len(numbers)

    async def delete(self, which: Iterable[str] | Search, *, mailbox: str | None = None) -> int:
        """Deletes these ids, or all that a search finds; how many there were. An empty search deletes everything."""
        if isinstance(which, Search) and not which.terms and mailbox is None:
            count = await self._write(statements.clear)
            self.tell(Deleted(()))
        else:
            count = await self._change(which, mailbox, statements.delete, Deleted)
        self._deleted += count
        return count

    # ── watching ──

    @contextlib.contextmanager
    def watch(self) -> Iterator[Watcher]:
        """Hears all that happens from now on: ``with inbox.watch() as watcher: async for happening in watcher``."""
        watcher = self._watchers.add()
        try:
            yield watcher
        finally:
            self._watchers.remove(watcher)

    def tell(self, happening: Happening) -> None:
        """Tells all who watch."""
        self._watchers.tell(happening)

    @property
    def watched_by(self) -> int:
        """How many watch."""
        return self._watchers.count

    def end_watching(self) -> None:
        """Ends all who watch, so that a page's open streams do not hold up a shutdown."""
        self._watchers.close()

    # ── inside ──

    def _mailbox(self, mailbox: str | None) -> str | None:
        return None if self.sorting is Sorting.NONE else mailbox

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._pool is None:
            return await self._write(work)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._with_reader, work)
        except sqlite3.Error as error:
            raise InboxError(f"the inbox could not be read: {error}") from error

    def _with_reader(self, work: Callable[[sqlite3.Connection], T]) -> T:
        assert self._path is not None
        connection: sqlite3.Connection | None = vars(self._local).get("connection")
        if connection is None:
            connection = self._local.connection = database.open_reader(self._path)
            self._readers.append(connection)
        return work(connection)

    async def _write(self, work: Callable[[sqlite3.Connection], T], octets: int = 0) -> T:
        if self._writer is None:
            raise InboxError("the inbox is not open: use it in `async with`")
        return await self._writer.run(work, octets)

    async def _change(
        self,
        which: Iterable[str] | Search,
        mailbox: str | None,
        work: Callable[[sqlite3.Connection, list[int]], object],
        happening: type[Changed] | type[Deleted],
    ) -> int:
        if isinstance(which, Search):
            find = statements.by_query(compile_search(which, self._mailbox(mailbox)))
        else:
            find = statements.by_ids(which)

        def change(connection: sqlite3.Connection) -> tuple[int, list[str]]:
            numbers = find(connection)
            ids = statements.ids_of(connection, numbers) if 0 < len(numbers) <= MOST_NAMED else []
            if numbers:
                work(connection, numbers)
            return len(numbers), ids

        count, ids = await self._write(change)
        if count:
            self.tell(happening(tuple(ids)))
        return count

    async def _write_block(self, content: int, position: int, octets: bytes) -> None:
        await self._write(lambda at: statements.insert_block(at, content, position, octets), len(octets))

    async def _drop_draft(self, content: int) -> None:
        await self._write(lambda at: statements.drop_content(at, content))

    async def _digest_written(self, content: int) -> Digest:
        octets = await self._read(lambda at: statements.draft_octets(at, content))
        return await asyncio.to_thread(digest, octets)

    async def _keep(self, arrival: Arrival, known: Digest, content: int, octets: bytes | None, size: int) -> Summary:
        self._number += 1
        token = self._token()
        item = fresh(arrival, known, size, self._number, token, content, self.sorting)
        await self._write(lambda at: statements.insert(at, item, octets), len(octets or b""))
        self._taken += 1
        self._taken_octets += size
        self.tell(Arrived(item.summary))
        self._since_look += 1
        if self._since_look >= min(_SLACK, self.retention.messages or _SLACK):
            await self._expire()
        return item.summary

    def _token(self) -> str:
        """An id; randomness is asked for in bulk, for a call to the system costs as much as reading a small message."""
        if not self._random:
            octets = secrets.token_bytes(256 * _TOKEN_OCTETS)
            self._random = [octets[at : at + _TOKEN_OCTETS] for at in range(0, len(octets), _TOKEN_OCTETS)]
        return self._random.pop().hex()

    async def _expire(self) -> None:
        self._since_look = 0
        keep, age = self.retention.messages, self.retention.age
        if not keep and not age:
            return
        before = time.time() - age if age else 0.0

        def work(connection: sqlite3.Connection) -> int:
            numbers = statements.oldest_beyond(connection, keep, before)
            return statements.delete(connection, numbers) if numbers else 0

        count = await self._write(work)
        if count:
            self._deleted += count
            self.tell(Deleted(()))

    async def _expire_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_EXPIRE_EVERY)
            with contextlib.suppress(InboxError):  # A full disk is told to those who send; it may have room again.
                await self._expire()


class Draft:
    """A content on its way in. What is not committed leaves nothing."""

    __slots__ = ("_inbox", "_number", "_pieces", "_position", "_waiting", "size")

    def __init__(self, inbox: Inbox, number: int) -> None:
        self._inbox = inbox
        self._number = number
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._position = 0
        self.size = 0

    def feed(self, octets: bytes) -> Awaitable[None] | None:
        """Adds octets; something to wait for only when whole blocks have come together."""
        self._pieces.append(octets)
        self.size += len(octets)
        self._waiting += len(octets)
        return self._flush() if self._waiting >= 2 * BLOCK else None

    async def write(self, octets: bytes) -> None:
        """As ``feed``, and waits."""
        waits = self.feed(octets)
        if waits is not None:
            await waits

    async def commit(self, arrival: Arrival) -> Summary:
        """Keeps the message; returns when it is written."""
        if self._position == 0:
            content = b"".join(self._pieces)
            known = digest(content) if self.size < _SMALL else await asyncio.to_thread(digest, content)
            return await self._inbox._keep(arrival, known, self._number, content, self.size)
        await self._flush(last=True)
        known = await self._inbox._digest_written(self._number)
        return await self._inbox._keep(arrival, known, self._number, None, self.size)

    async def abandon(self) -> None:
        """Forgets what was written."""
        self._pieces = []
        if self._position:
            await self._inbox._drop_draft(self._number)

    async def _flush(self, *, last: bool = False) -> None:
        octets = b"".join(self._pieces)
        whole = len(octets) if last else len(octets) // BLOCK * BLOCK
        for start in range(0, whole, BLOCK):
            block = octets[start : min(start + BLOCK, whole)]
            await self._inbox._write_block(self._number, self._position, block)
            self._position += 1
        self._pieces = [octets[whole:]] if whole < len(octets) else []
        self._waiting = len(octets) - whole


def _listing(connection: sqlite3.Connection, *, query: Query, start: int, limit: int) -> Listing:
    return statements.listing(connection, query, start, limit)


def _block(connection: sqlite3.Connection, *, content: int, position: int) -> bytes:
    return statements.block(connection, content, position)
