"""When and from where each app password was used last: ``<data>/logins.db`` (a deed).

It is a file of its own: whoever looks up accounts notices every change of theirs, and reads all of
them again. It also holds the secret by which answers about unknown users stay the same.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from eilpost.directory.store import connect, create_file, told

FILE_NAME: Final = "logins.db"
_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS app_use (
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        used REAL NOT NULL,
        client TEXT NOT NULL,
        PRIMARY KEY (account, name)
    ) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, octets BLOB NOT NULL) WITHOUT ROWID",
)


class LastUse:
    """The file, made if it is missing; from any thread."""

    def __init__(self, data: Path | str) -> None:
        self._path = Path(data) / FILE_NAME
        create_file(self._path)
        with told(self._path), contextlib.closing(connect(self._path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            for table in _TABLES:
                connection.execute(table)

    def note(self, account: str, name: str, used: float, client: str) -> None:
        """It was used now."""
        with self._open() as connection:
            connection.execute("INSERT OR REPLACE INTO app_use VALUES (?, ?, ?, ?)", (account, name, used, client))

    def of(self, account: str) -> dict[str, tuple[float, str]]:
        """Time and client by the name of the app password."""
        with self._open() as connection:
            rows = connection.execute("SELECT name, used, client FROM app_use WHERE account = ?", (account,))
            return {name: (used, client) for name, used, client in rows}

    def forget(self, account: str, name: str = "") -> None:
        """The app password is gone, or with an empty name the account."""
        with self._open() as connection:
            connection.execute("DELETE FROM app_use WHERE account = ? AND ? IN ('', name)", (account, name))

    def pepper(self) -> bytes:
        """A secret of this server, made once: what unknown users are answered is derived from it."""
        with self._open() as connection:
            connection.execute("INSERT OR IGNORE INTO secrets VALUES ('pepper', ?)", (secrets.token_bytes(32),))
            return bytes(connection.execute("SELECT octets FROM secrets WHERE name = 'pepper'").fetchone()[0])

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with told(self._path), contextlib.closing(connect(self._path)) as connection:
            yield connection
