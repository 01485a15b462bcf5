"""How much room the disk and the database still have, and what may be taken of it (a deed).

The reserve is what the queue needs to go on when intake has stopped: claims and outcomes are
written to the log first, and the log into the database after it. So what counts as free is what
the disk has, less what the log has yet to add to the database. Pages that are free within the
database are room for content too, though the file does not shrink.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Final

from eilpost.spool import schema

PAGE: Final = 4096
LEAST_RESERVE: Final = 1 << 20
"""Octets: with less, one step of the queue could find no room, and nothing would ever free any."""
LONGEST_LOG: Final = 2048
"""Pages. 8 MB of log: a checkpoint took 1 ms when the mail in it was already gone (the usual case), 15 ms
when all of it stayed. A bigger log makes longer stalls, a smaller one more syncs."""

_SHORTEST_LOG: Final = 32
_LOOK_EVERY: Final = 1.0  # seconds: others use the disk too
_AGAIN_AFTER: Final = 1.0  # seconds, when somebody reads the log and it could not be cut
_READERS: Final = 200  # milliseconds that they are waited for
_PATIENCE: Final = 10_000  # milliseconds that the database may be held by another tool
_UNKNOWN: Final = 1 << 62
_HOLLOW: Final = 4 << 20  # octets in use that are quickly written anew


class Room:
    """What the last look found, less what was admitted since; ``connection`` is the writer's, for its thread."""

    def __init__(self, directory: Path, reserve: int, connection: sqlite3.Connection) -> None:
        self._directory = directory
        self._reserve = max(reserve, LEAST_RESERVE)
        self._connection = connection
        self._lock = threading.Lock()  # content files are written in other threads
        self._disk = 0
        self._promised = 0
        self._inside = 0
        self._used = 0
        self._next_look = 0.0
        self._next_try = 0.0
        self._is_closed = False
        self._asked = 0  # octets of a content file that found no room

    # ── for the writer's thread ──

    def admits(self, octets: int) -> bool:
        """Takes room for new rows of so many octets, twice: in the log and in the database; False if there is none.

        Once it said no, it wants a little more than the reserve: intake does not come and go.
        """
        if time.monotonic() >= self._next_look or not self._fits(octets):
            self.look()
            self._is_closed = not self._fits(octets)
            if self._is_closed:
                return False
        with self._lock:
            inside = min(octets, self._inside)
            self._inside -= inside
            self._disk -= 2 * octets - inside
        return True

    def refresh(self) -> None:
        """Looks if the last look is old."""
        if time.monotonic() >= self._next_look:
            self.look()

    def look(self) -> None:
        """Asks disk and database."""
        pages, free = (_value(self._connection, f"PRAGMA {name}") for name in ("page_count", "freelist_count"))
        with self._lock:
            self._promised = max(0, pages * PAGE - _size(self._directory / schema.DATABASE))
            self._inside = free * PAGE
            self._used = (pages - free) * PAGE
            self._ask_disk()

    def regain(self, least: int | None = None) -> None:
        """Cuts the log if it is longer than ``least``; writes a database anew that is nearly empty. sqlite3.Error."""
        asked, self._asked = self._asked, 0
        least = self._reserve // 8 if least is None else least
        if _size(self._directory / f"{schema.DATABASE}-wal") > least:
            self._cut_log()
        self.look()
        if self._disk - asked < self._wanted() and self._is_hollow() and self._may_try():
            self._connection.execute("VACUUM").close()
            self._cut_log()
            self._next_try = time.monotonic() + _AGAIN_AFTER
            self.look()

    @property
    def is_wanted(self) -> bool:
        """True when a content file found none and waits for the writer."""
        return self._asked > 0

    @property
    def log_pages(self) -> int:
        """How long the log may grow before it is written into the database: shorter where room is short."""
        return max(_SHORTEST_LOG, min(LONGEST_LOG, self._disk // (4 * PAGE)))

    def _fits(self, octets: int) -> bool:
        disk = self._disk - 2 * octets + min(octets, self._inside)
        # Free pages make up for half of the reserve: what is written into them needs the log's room all the same.
        return self._disk + self._inside - 2 * octets >= self._wanted() and 2 * disk >= self._wanted()

    def _wanted(self) -> int:
        return self._reserve + (self._reserve // 4 if self._is_closed else 0)

    def _is_hollow(self) -> bool:
        return self._used <= min(_HOLLOW, self._inside // 2, self._disk // 2)

    def _may_try(self) -> bool:
        return time.monotonic() >= self._next_try

    def _cut_log(self) -> None:
        """All of the log goes into the database and its room back to the disk, unless somebody still reads it."""
        if not self._may_try():
            return
        self._connection.execute(f"PRAGMA busy_timeout = {_READERS:d}").close()
        try:
            is_busy = _value(self._connection, "PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {_PATIENCE:d}").close()
        if is_busy:
            self._next_try = time.monotonic() + _AGAIN_AFTER

    # ── for any thread ──

    def admits_file(self, octets: int) -> bool:
        """Takes room for so many octets of a content file; False, and the writer is to regain room, if there is none.

        Free pages of the database are no room for files.
        """
        with self._lock:
            if self._disk - octets < self._reserve:
                self._ask_disk()
            if self._disk - octets < self._reserve:
                self._asked = max(octets, self._asked)
                return False
            self._disk -= octets
            return True

    def _ask_disk(self) -> None:
        self._next_look = time.monotonic() + _LOOK_EVERY
        try:
            disk = os.statvfs(self._directory)
        except OSError:
            self._disk = _UNKNOWN  # The write itself will tell what is wrong.
            return
        self._disk = disk.f_bavail * disk.f_frsize - self._promised


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _value(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])
