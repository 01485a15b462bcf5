"""What an error of SQLite or of the disk means for the store (a table; decisions)."""

from __future__ import annotations

import errno
import sqlite3
from enum import Enum
from typing import Final


class Trouble(Enum):
    """What is to be done about an error."""

    FULL = "full"  # nothing was written; it may work again later
    DOUBTFUL = "doubtful"  # a write failed and SQLite does not say why: full if the disk says so, else broken
    BROKEN = "broken"  # nobody knows what the disk holds: never try again
    BUSY = "busy"  # another tool holds the database
    SINGLE = "single"  # one request cannot be done; the others may


_PRIMARY: Final = {
    sqlite3.SQLITE_FULL: Trouble.FULL,
    sqlite3.SQLITE_IOERR: Trouble.BROKEN,
    sqlite3.SQLITE_READONLY: Trouble.BROKEN,
    sqlite3.SQLITE_CANTOPEN: Trouble.BROKEN,
    sqlite3.SQLITE_PROTOCOL: Trouble.BROKEN,
    sqlite3.SQLITE_NOTADB: Trouble.BROKEN,
    sqlite3.SQLITE_BUSY: Trouble.BUSY,
    sqlite3.SQLITE_LOCKED: Trouble.BUSY,
}

# SQLite says FULL for ENOSPC in the database alone: over quota is a failed write, and no room for the
# log's index has a name of its own. A failed sync is none of these.
_DOUBTFUL: Final = frozenset({sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMOPEN})

_SHORTAGES: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EFBIG, errno.ENOBUFS}
)


def of_database(error: Exception) -> Trouble:
    """What an exception out of a transaction means."""
    code = getattr(error, "sqlite_errorcode", None) if isinstance(error, sqlite3.Error) else None
    if code is None:
        return Trouble.SINGLE
    if code in _DOUBTFUL:
        return Trouble.DOUBTFUL
    return _PRIMARY.get(code & 0xFF, Trouble.SINGLE)


def is_damage(error: sqlite3.Error) -> bool:
    """True when the database says that its own pages make no sense."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT


def is_shortage(error: OSError) -> bool:
    """True when a file could not be written for want of room, descriptors or memory: later it may work."""
    return error.errno in _SHORTAGES
