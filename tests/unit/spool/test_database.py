"""The database: versions, lock, settings, and queries that use an index."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from eilpost.spool import database, queries, schema, statements
from eilpost.spool.contract import Filter, SpoolClosed, SpoolLocked, SpoolUnknown
from eilpost.spool.sqlite import SqliteSpool
from tests.unit.spool.sample import alter, opened, put


def value(connection: sqlite3.Connection, query: str) -> object:
    return connection.execute(query).fetchone()[0]


def test_a_new_database_is_durable_by_its_settings(tmp_path: Path) -> None:
    """A new database is in WAL mode, syncs each commit and has all migrations."""
    with_lock = database.open_database(tmp_path / "spool")
    connection = with_lock.connection
    assert value(connection, "PRAGMA journal_mode") == "wal"
    assert value(connection, "PRAGMA synchronous") == 2
    assert value(connection, "PRAGMA user_version") == len(schema.MIGRATIONS)
    assert value(connection, "PRAGMA application_id") == schema.APPLICATION
    assert (tmp_path / "spool").stat().st_mode & 0o077 == 0
    with pytest.raises(SpoolLocked):
        database.open_database(tmp_path / "spool")
    connection.close()


def test_migrations_run_once_each_in_order() -> None:
    """An old database gets the migrations it lacks; its rows stay."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    first = ("CREATE TABLE mail (id INTEGER)", "INSERT INTO mail VALUES (1)")
    second = ("ALTER TABLE mail ADD COLUMN size INTEGER DEFAULT 7",)
    database.migrate(connection, (first,))
    database.migrate(connection, (first, second))
    database.migrate(connection, (first, second))
    assert connection.execute("SELECT id, size FROM mail").fetchall() == [(1, 7)]
    assert value(connection, "PRAGMA user_version") == 2
    connection.close()


def test_a_migration_that_fails_changes_nothing() -> None:
    """A migration is one transaction: if its last statement fails, its first is undone."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    first = ("CREATE TABLE mail (id INTEGER)",)
    database.migrate(connection, (first,))
    with pytest.raises(sqlite3.OperationalError):
        database.migrate(connection, (first, ("CREATE TABLE other (id INTEGER)", "NONSENSE")))
    assert value(connection, "PRAGMA user_version") == 1
    assert value(connection, "SELECT count(*) FROM sqlite_schema") == 1
    connection.close()


async def test_a_newer_spool_is_refused_untouched(directory: Path) -> None:
    """E8: a spool of a newer version is refused by its number, and can be opened by its own program still."""
    spool = await opened(directory)
    await put(spool)
    await spool.close()
    newer = len(schema.MIGRATIONS) + 1
    alter(directory, f"PRAGMA user_version = {newer}")
    with pytest.raises(SpoolUnknown, match=f"version {newer}"):
        await opened(directory)
    alter(directory, f"PRAGMA user_version = {newer - 1}")
    spool = await opened(directory)
    assert (await spool.stats()).messages == 1
    await spool.close()


async def test_a_foreign_database_is_refused(directory: Path) -> None:
    """A database of another program, and a file that is none, are refused and left as they are."""
    database._make_directory(directory)
    alter(directory, "CREATE TABLE moz_places (id INTEGER)")
    with pytest.raises(SpoolUnknown, match="another program"):
        await opened(directory)
    (directory / "spool.db").write_bytes(b"not a database at all, but long enough to be read as one" * 40)
    with pytest.raises(SpoolClosed, match=r"spool\.db"):
        await opened(directory)
    assert (directory / "spool.db").read_bytes().startswith(b"not a database")


async def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """A path that is a file is refused in one sentence."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SpoolClosed, match="cannot use"):
        await opened(tmp_path / "file" / "spool")


def plan(connection: sqlite3.Connection, query: str, parameters: tuple[object, ...]) -> str:
    return "\n".join(str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", parameters))


def test_what_the_queue_asks_uses_indexes(tmp_path: Path) -> None:
    """Claiming, the next time, settling and changing read an index, never all recipients."""
    connection = database.open_database(tmp_path / "spool").connection
    candidates = plan(connection, queries.CANDIDATES, (0, 0.0, "[]"))
    assert "SEARCH recipient USING COVERING INDEX due (rank=? AND due<?)" in candidates
    assert "TEMP B-TREE" not in candidates
    assert "USING COVERING INDEX due (rank=?)" in plan(connection, queries.NEXT_DUE, (0,))
    assert "USING COVERING INDEX due (rank>?)" in plan(connection, queries.NEXT_RANK, (0,))
    for query in (statements.DELETE_SETTLED, statements.DELETE_UNCLAIMED, statements.CLAIM, statements.HOLD):
        assert "(message=? AND position=?)" in plan(connection, query, ("[]",))
    deferring = plan(connection, statements.DEFER[-1][1], (1, 0, 0.0, 1, 0, ""))
    assert "(message=? AND position=?)" in deferring
    for query in (statements.DELETE_MESSAGE, statements.DELETE_CONTENT):
        steps = plan(connection, query, ("[]",))
        assert "SCAN recipient" not in steps
        assert "(rowid=?)" in steps
    assert "SCAN recipient" not in plan(connection, statements.SET_MESSAGE_ASIDE, (1,))
    assert "USING INDEX active" in plan(connection, database._DISSOLVE, ())
    assert "USING INTEGER PRIMARY KEY" in plan(connection, queries.MESSAGE, (1,))
    connection.close()


def test_an_operators_slices_go_by_the_key(tmp_path: Path) -> None:
    """Slices of an operation continue behind the last key instead of counting from the start."""
    connection = database.open_database(tmp_path / "spool").connection
    found = queries.conditions(Filter(to="@example.org", sender="@example.test", older=1.0), 100.0)
    assert len(queries.keys(connection, found, (1,), (0, 0), 10)) == 0
    steps = plan(
        connection,
        "SELECT message FROM recipient r WHERE (r.message, r.position) > (?, ?) ORDER BY r.message, r.position",
        (0, 0),
    )
    assert "SEARCH r USING PRIMARY KEY" in steps
    connection.close()


async def test_a_closed_store_leaves_its_log(spool: SqliteSpool, directory: Path) -> None:
    """Closing keeps the log's directory entry, so that the next start need not make it durable again."""
    await put(spool)
    await spool.close()
    assert (directory / "spool.db-wal").exists()
