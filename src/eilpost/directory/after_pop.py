"""SMTP-after-POP: which address may send as which account, and until when (a deed).

``<data>/after-pop.db`` survives a restart; the server answers from memory. One address has one account:
the last one that logged in from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from eilpost.directory.store import connect, create_file, told

FILE_NAME: Final = "after-pop.db"
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS opened (address TEXT PRIMARY KEY, account TEXT NOT NULL, until REAL NOT NULL)"
    " WITHOUT ROWID"
)


class AfterPop:
    """The table. ``opened`` counts the logins that have opened relaying since the start."""

    def __init__(self, data: Path | str, clock: Callable[[], float] = time.time) -> None:
        self._path = Path(data) / FILE_NAME
        self._clock = clock
        self.opened = 0
        create_file(self._path)
        with self._open() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(_TABLE)
            connection.execute("DELETE FROM opened WHERE until <= ?", (clock(),))
            rows = connection.execute("SELECT address, account, until FROM opened").fetchall()
        self._known: dict[str, tuple[str, float]] = {address: (account, until) for address, account, until in rows}

    async def open(self, address: str, account: str, seconds: float) -> None:
        """From now on, for so long; on disk when it returns. DirectoryError."""
        until = self._clock() + seconds
        await asyncio.to_thread(self._write, address, account, until)
        self._known[address] = (account, until)
        self.opened += 1

    def account(self, address: str) -> str:
        """Who that address may send as; empty: nobody."""
        account, until = self._known.get(address, ("", 0.0))
        if account and until <= self._clock():
            del self._known[address]
            return ""
        return account

    def _write(self, address: str, account: str, until: float) -> None:
        with self._open() as connection:
            connection.execute("DELETE FROM opened WHERE until <= ?", (self._clock(),))
            connection.execute("INSERT OR REPLACE INTO opened VALUES (?, ?, ?)", (address, account, until))

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with told(self._path), contextlib.closing(connect(self._path)) as connection:
            yield connection
