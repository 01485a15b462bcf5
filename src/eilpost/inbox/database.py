"""Opens the inbox's database: a file, or memory (a deed)."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from eilpost.inbox import schema
from eilpost.inbox.contract import InboxError

MEMORY = ":memory:"


def open_writer(path: Path | None) -> sqlite3.Connection:
    """The connection that writes; makes what is not there. InboxError."""
    where = MEMORY if path is None else str(path)
    try:
        if path is not None:
            _make(path)
        connection = sqlite3.connect(where, isolation_level=None, check_same_thread=False, cached_statements=256)
        _prepare(connection, where)
    except OSError as error:
        raise InboxError(f"{where}: {error.strerror}; name a file in a directory that you may write to") from None
    except sqlite3.Error as error:
        raise InboxError(f"{where}: cannot be used as an inbox: {error}; name another file") from None
    return connection


def lock(path: Path) -> int:
    """A descriptor that keeps other processes out until it is closed; InboxError when one is in."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Beside the database: closing a descriptor of the file itself would drop SQLite's own locks.
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise InboxError(f"{path}: {error.strerror}; name a file in a directory that you may write to") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise InboxError(f"{path}: another inbox keeps its mail there; end it, or name another file") from None
    return descriptor


def _make(path: Path) -> None:
    """Other people's mail is readable by nobody else, from the first moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _prepare(connection: sqlite3.Connection, where: str) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if tables and application != schema.APPLICATION:
        raise InboxError(f"{where}: belongs to another program; name another file")
    if version > schema.VERSION:
        raise InboxError(f"{where}: was written by a newer Eilpost; use that, or name another file")
    _all(connection, schema.FIRST_SETTINGS if not tables else ())
    _all(connection, schema.SETTINGS)
    connection.execute("PRAGMA busy_timeout = 2000")
    if not tables:
        connection.execute("BEGIN IMMEDIATE")
        _all(connection, schema.TABLES)
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION:d}")
        connection.execute(f"PRAGMA user_version = {schema.VERSION:d}")
        connection.execute("COMMIT")


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads, beside the writer."""
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False, timeout=10)
    _all(connection, schema.READ_SETTINGS)
    return connection


def _all(connection: sqlite3.Connection, statements: tuple[str, ...]) -> None:
    for statement in statements:
        connection.execute(statement).close()
