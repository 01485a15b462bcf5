"""Opens the embedded store's directory, lock and database (a deed)."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import struct
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from eilpost.spool import schema, trouble
from eilpost.spool.contract import SpoolClosed, SpoolLocked, SpoolUnknown

_BUSY_TIMEOUT: Final = 10.0  # seconds that somebody else's tool may hold the database
_STATEMENTS: Final = 256
_PROBE: Final = 256 << 10
# SQLite's file format, https://www.sqlite.org/walformat.html: of the index's header the version, whether it is
# initialised, the page size and the number of valid frames; it stands there twice.
_INDEX_HEADER: Final = struct.Struct("=I8xBxHI28x")
_INDEX_VERSION: Final = 3_007_000
_LOG_HEADER: Final = 32
_FRAME_HEADER: Final = 24
_PAGE_SIZE: Final = 4096
_DISSOLVE: Final = "UPDATE recipient SET state = 1 WHERE state = 0"


@dataclass(frozen=True, slots=True)
class Opened:
    """A store that is open: its writing connection, its lock, and the highest number that may be in use."""

    connection: sqlite3.Connection
    lock: int
    last: int


def open_database(directory: Path) -> Opened:
    """Locks the directory, brings its database to the newest version and ends the leases of dead runs."""
    try:
        _make_directory(directory)
        _make_directory(directory / "content")
        lock = lock_directory(directory)
    except OSError as error:
        raise SpoolClosed(f"cannot use {directory} as spool: {error.strerror}") from error
    try:
        connection = _connect_writer(directory)
    except BaseException:
        os.close(lock)
        raise
    try:
        last = _begin_run_mended(connection)
        # The log's own entry in the directory must survive, or all it holds is lost with it.
        sync_directory(directory)
    except (sqlite3.Error, OSError) as error:
        connection.close()
        os.close(lock)
        raise SpoolClosed(f"cannot open the spool in {directory}: {error}") from error
    return Opened(connection, lock, last)


def _make_directory(directory: Path) -> None:
    if not directory.is_dir():
        directory.mkdir(mode=0o700, parents=True)
        sync_directory(directory.parent)


def sync_directory(directory: Path) -> None:
    """Makes names in ``directory`` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lock_directory(directory: Path) -> int:
    """The descriptor that holds the lock until it is closed; SpoolLocked names who has it."""
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise SpoolLocked(f"the spool {directory} is in use by process {holder or 'unknown'}") from error
        raise
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    return descriptor


def _connect_writer(directory: Path) -> sqlite3.Connection:
    path = directory / schema.DATABASE
    try:
        connection = sqlite3.connect(
            path, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS
        )
    except sqlite3.Error as error:
        raise SpoolClosed(f"cannot open {path}: {error}") from error
    try:
        migrate(connection, schema.MIGRATIONS)
        _run_all(connection, schema.SETTINGS)
    except sqlite3.Error as error:
        connection.close()
        raise SpoolClosed(f"cannot open {path}: {error}") from error
    except SpoolUnknown:
        connection.close()
        raise
    return connection


def check_version(connection: sqlite3.Connection, known: int) -> int:
    """The version of the database; SpoolUnknown if it is beyond ``known`` or not ours."""
    application = _value(connection, "PRAGMA application_id")
    version = _value(connection, "PRAGMA user_version")
    tables = _value(connection, "SELECT count(*) FROM sqlite_schema")
    if application != schema.APPLICATION and (application or tables):
        raise SpoolUnknown("the database in the spool belongs to another program")
    if version > known:
        raise SpoolUnknown(
            f"the spool has version {version}, this program knows up to {known}: use a newer Eilpost, or another spool"
        )
    return version


def migrate(connection: sqlite3.Connection, migrations: Sequence[tuple[str, ...]]) -> None:
    """Does the migrations that the database has not seen, each in one transaction."""
    version = check_version(connection, len(migrations))
    if version == 0:
        _run_all(connection, schema.FIRST_SETTINGS)
    _run_all(connection, schema.SETTINGS)
    for number, statements in enumerate(migrations[version:], start=version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            _run_all(connection, statements)
            # A pragma takes no parameters; both are numbers of ours.
            connection.execute(f"PRAGMA user_version = {number:d}")
            connection.execute(f"PRAGMA application_id = {schema.APPLICATION:d}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _begin_run_mended(connection: sqlite3.Connection) -> int:
    try:
        return _begin_run(connection)
    except sqlite3.DatabaseError as error:
        if not trouble.is_damage(error):
            raise
    if connection.in_transaction:
        connection.execute("ROLLBACK")
    connection.execute("BEGIN IMMEDIATE")
    rebuild_indexes(connection)
    connection.execute("COMMIT")
    return _begin_run(connection)


def rebuild_indexes(connection: sqlite3.Connection) -> None:
    """Makes the indexes anew, in the open transaction.

    REINDEX and DROP INDEX walk the old pages first and fail at the damaged one. So the schema
    forgets the old index, whose pages stay unused.
    """
    connection.execute("PRAGMA writable_schema = ON").close()
    try:
        names = [(name,) for name in schema.INDEXES]
        connection.executemany("DELETE FROM sqlite_schema WHERE type = 'index' AND name = ?", names).close()
    finally:
        connection.execute("PRAGMA writable_schema = RESET").close()
    _run_all(connection, tuple(schema.INDEXES.values()))


def _begin_run(connection: sqlite3.Connection) -> int:
    # Counting the run is a write that must reach the disk: trouble shows here and not at the first message.
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE fact SET value = value + 1 WHERE name = 'runs'")
    connection.execute(_DISSOLVE)
    connection.execute("COMMIT")
    highest = _value(connection, "SELECT coalesce(max(id), 0) FROM message")
    ceiling = _value(connection, "SELECT coalesce(max(value), 0) FROM fact WHERE name = 'ceiling'")
    return max(highest, ceiling)


def connect_reader(directory: Path) -> sqlite3.Connection:
    """A connection that only reads, beside a writer of this process. Text comes as octets."""
    return _connect_readonly(directory, "mode=ro")


def connect_untouched(directory: Path) -> sqlite3.Connection:
    """A connection that reads a store whose server may be down, and writes nothing.

    A database with a log needs its shared index. With ``readonly_shm`` SQLite builds its own in
    memory when no server keeps it. Where the index is gone and the log is empty, the database
    alone is all there is. Only a log without an index (a copied spool) makes SQLite create one.
    """
    log, index = directory / f"{schema.DATABASE}-wal", directory / f"{schema.DATABASE}-shm"
    if not (directory / schema.DATABASE).is_file():
        raise SpoolClosed(f"there is no spool in {directory}")
    if index.exists():
        options = "mode=ro&readonly_shm=1"
    elif not log.exists() or log.stat().st_size == 0:
        options = "mode=ro&immutable=1"
    else:
        options = "mode=ro"
    try:
        connection = _connect_readonly(directory, options)
        version = check_version(connection, len(schema.MIGRATIONS))
    except sqlite3.Error as error:
        raise SpoolClosed(f"cannot read the spool in {directory}: {error}") from error
    if version < len(schema.MIGRATIONS):
        connection.close()
        raise SpoolUnknown(f"the spool has version {version}: start the server once to bring it up to date")
    return connection


def _connect_readonly(directory: Path, options: str) -> sqlite3.Connection:
    address = f"file:{quote(str((directory / schema.DATABASE).absolute()))}?{options}"
    connection = sqlite3.connect(
        address, uri=True, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
    )
    connection.text_factory = bytes
    _run_all(connection, schema.READ_SETTINGS)
    return connection


def is_full(directory: Path) -> bool:
    """Whether a small file cannot be written for want of room: asks the disk, where SQLite gave no reason."""
    try:
        with tempfile.TemporaryFile(dir=directory, buffering=0) as probe:
            probe.write(bytes(_PROBE))
    except OSError as error:
        return trouble.is_shortage(error)
    return False


def forget_unfinished(directory: Path) -> None:
    """Ends the log behind its last finished commit, after one failed: what was refused must not come back.

    The failed commit may lie whole in the log, and the next start would take it for a good one:
    mail that was answered 451 would be delivered, and again when it is resent. The log's index
    names the last good frame. Nothing is synced: that is what failed. Reading the index drops
    SQLite's locks in this process; the writer is done, and readers alone need none.
    """
    with open(directory / f"{schema.DATABASE}-shm", "rb") as index:
        header = index.read(2 * _INDEX_HEADER.size)
    one, two = header[: _INDEX_HEADER.size], header[_INDEX_HEADER.size :]
    version, initialised, page_size, frames = _INDEX_HEADER.unpack(one)
    if one != two or (version, initialised, page_size) != (_INDEX_VERSION, 1, _PAGE_SIZE):
        return
    with open(directory / f"{schema.DATABASE}-wal", "r+b", buffering=0) as log:
        log.seek(_LOG_HEADER + frames * (_FRAME_HEADER + _PAGE_SIZE))
        log.write(bytes(_FRAME_HEADER))


def unix_time() -> float:
    """The wall clock, for what only an operator asks."""
    return time.time()


def _run_all(connection: sqlite3.Connection, statements: Sequence[str]) -> None:
    for statement in statements:
        connection.execute(statement).close()


def _value(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])
