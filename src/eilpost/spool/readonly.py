"""The embedded store only looked at, by a process that is not its server (a deed)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from eilpost.spool import database, entries, queries
from eilpost.spool.contents import Folder, Shelf, StoredContent
from eilpost.spool.contract import Entry, Filter, Stats
from eilpost.spool.numbers import to_number
from eilpost.spool.queries import Reader


async def find(reader: Reader, shelf: Shelf, wanted: Filter, limit: int, after: str) -> tuple[Entry, ...]:
    """Entries for operators; ValueError when the filter or ``after`` makes no sense."""
    found = queries.conditions(wanted, database.unix_time())
    behind = to_number(after) if after else -1
    rows = await reader.run(queries.find, found, limit, behind)
    return tuple(entries.stored_entry(record, items, StoredContent(record, shelf)) for record, items in rows)


class ReadOnlySpool:
    """A store that is only looked at, while its server is down or up; made by ``open_readonly``."""

    def __init__(self, directory: Path) -> None:
        self._reader = Reader(database.connect_untouched(directory), "spool-readonly")
        self._folder = Folder(directory / "content")
        self._shelf = Shelf(self._folder, self._reader, _leave_alone)

    async def find(self, wanted: Filter, *, limit: int = 100, after: str = "") -> tuple[Entry, ...]:
        """As the store's own."""
        return await find(self._reader, self._shelf, wanted, limit, after)

    async def stats(self) -> Stats:
        """As the store's own."""
        return await self._reader.run(queries.stats)

    async def close(self) -> None:
        """Closes what was opened to read."""
        await asyncio.to_thread(self._reader.close)
        await asyncio.to_thread(self._folder.close)


def open_readonly(directory: Path) -> ReadOnlySpool:
    """The store in ``directory`` for reading, without its lock and without a change. SpoolClosed, SpoolUnknown."""
    return ReadOnlySpool(directory)


async def _leave_alone(_number: int, _why: str) -> None:
    return
