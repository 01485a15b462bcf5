"""Logins against a query of the operator's: SQLite, or PostgreSQL where psycopg is installed (a deed).

The query runs in one thread of its own, over a connection that is opened again when it broke. Its
parameters are bound, never written into the text.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Protocol, cast

from eilpost.config.schema import Directory
from eilpost.directory.kept import User
from eilpost.directory.source import SourceError, kept_by_hash
from eilpost.mail.address import Address

_NAMED: Final = re.compile(r"(?<!:):(user|local|domain)\b")


class _Rows(Protocol):
    @property
    def description(self) -> Any: ...

    def fetchone(self) -> Sequence[Any] | None: ...


class _Connection(Protocol):
    def execute(self, query: str, values: Mapping[str, str], /) -> _Rows: ...

    def close(self) -> object: ...


class SqlQuery:
    """One row with a column ``password``, and ``account`` if the address is spelled otherwise there."""

    def __init__(self, settings: Directory) -> None:
        self._settings = settings
        self._open: Callable[[], _Connection]
        if settings.database:
            self._open, self._errors = _postgresql(settings)
            self._query = _NAMED.sub(r"%(\1)s", settings.query.replace("%", "%%"))
        else:
            self._open, self._errors = _sqlite(settings), (sqlite3.Error,)
            self._query = settings.query
        self._connection: _Connection | None = None
        self._thread = ThreadPoolExecutor(1, "sql-directory")

    async def find(self, address: Address) -> User | None:
        """The first row for that address; SourceError when there is none in time."""
        try:
            async with asyncio.timeout(self._settings.timeout):
                row = await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, address)
        except TimeoutError:
            raise SourceError("the database did not answer in time") from None
        if row is None or row.get("password") is None:
            return None
        return User(str(row.get("account") or address), kept_by_hash(str(row["password"])))

    def _ask(self, address: Address) -> dict[str, Any] | None:
        values = {"user": str(address), "local": address.local_part, "domain": address.domain}
        try:
            if self._connection is None:
                self._connection = self._open()
            rows = self._connection.execute(self._query, values)
            row = rows.fetchone()
            return dict(zip((column[0] for column in rows.description), row, strict=True)) if row is not None else None
        except self._errors as error:
            self._forget()
            raise SourceError(f"the database says: {error}") from error

    def _forget(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Ends the thread and its connection."""
        self._thread.submit(self._forget)
        self._thread.shutdown(wait=False)


def _sqlite(settings: Directory) -> Callable[[], _Connection]:
    """Read alone: a query that changes something is a mistake."""
    location = f"{Path(settings.file).absolute().as_uri()}?mode=ro"

    def connect() -> _Connection:
        return sqlite3.connect(
            location, uri=True, timeout=settings.timeout, isolation_level=None, check_same_thread=False
        )

    return connect


def _postgresql(settings: Directory) -> tuple[Callable[[], _Connection], tuple[type[Exception], ...]]:
    try:
        import psycopg
    except ImportError:
        raise SourceError("directory.database needs psycopg, which is not installed: pip install psycopg") from None

    def connect() -> _Connection:
        wait = max(1, int(settings.timeout))
        return cast(_Connection, psycopg.connect(settings.database, autocommit=True, connect_timeout=wait))

    return connect, (psycopg.Error,)
