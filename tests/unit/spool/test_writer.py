"""What a batch does when the database raises: who fails, who goes on, and when the store closes."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from eilpost.spool import trouble
from eilpost.spool.contract import SpoolBusy, SpoolClosed, SpoolError, SpoolFull, SpoolUnfit
from eilpost.spool.room import Room
from eilpost.spool.sqlite import SqliteSpool
from eilpost.spool.trouble import Trouble
from eilpost.spool.writer import Work
from tests.unit.spool.sample import SETTINGS, Notebook, opened, put


def error(code: int) -> sqlite3.OperationalError:
    made = sqlite3.OperationalError("as if from the database")
    made.sqlite_errorcode = code
    return made


def raising(problem: Exception, times: int = 1) -> Work:
    """Work that raises so many times, then returns "done"."""
    left = [problem] * times

    def work(_connection: sqlite3.Connection, _emptied: set[int]) -> str:
        if left:
            raise left.pop()
        return "done"

    return work


async def together(spool: SqliteSpool, work: Work) -> list[object]:
    """What becomes of two commits and the work between them, all in one batch."""
    loop = asyncio.get_running_loop()
    begun, gate = asyncio.Event(), threading.Event()

    def hold(_connection: sqlite3.Connection, _emptied: set[int]) -> None:
        loop.call_soon_threadsafe(begun.set)
        gate.wait()

    holding = asyncio.create_task(spool._change(hold))
    await begun.wait()
    deeds = (put(spool, b"one"), spool._change(work), put(spool, b"two"))
    tasks = [asyncio.create_task(deed) for deed in deeds]
    for _ in range(5):
        await asyncio.sleep(0)
    gate.set()
    await holding
    return list(await asyncio.gather(*tasks, return_exceptions=True))


def kinds(results: list[object]) -> list[type]:
    return [type(item) if isinstance(item, BaseException) else object for item in results]


async def test_one_that_cannot_be_done_fails_alone(spool: SqliteSpool) -> None:
    """An error that is one request's own fails that request; the others are committed."""
    results = await together(spool, raising(error(sqlite3.SQLITE_CORRUPT), 2))
    assert kinds(results) == [object, SpoolUnfit, object]
    assert (await spool.stats()).messages == 2


async def test_full_refuses_what_adds_and_does_the_rest(spool: SqliteSpool, notebook: Notebook) -> None:
    """When the disk is full, new mail of the batch is refused and the rest is tried without it."""
    results = await together(spool, raising(error(sqlite3.SQLITE_FULL), 1))
    assert kinds(results) == [SpoolFull, object, SpoolFull]
    assert results[1] == "done"
    assert (await spool.stats()).messages == 0
    await put(spool, b"later")
    assert [event.state for event in notebook.named("intake")] == ["full", "open"]


async def test_full_for_all(spool: SqliteSpool) -> None:
    """When not even the rest fits, all are told full, and the store stays open."""
    results = await together(spool, raising(error(sqlite3.SQLITE_FULL), 2))
    assert kinds(results) == [SpoolFull, SpoolFull, SpoolFull]
    await put(spool, b"later")


async def test_a_held_database_is_no_damage(spool: SqliteSpool) -> None:
    """A tool that holds the database too long fails the batch, and only it."""
    results = await together(spool, raising(error(sqlite3.SQLITE_BUSY)))
    assert kinds(results) == [SpoolBusy, SpoolBusy, SpoolBusy]
    await put(spool, b"later")


@pytest.mark.parametrize(
    "problem", [error(sqlite3.SQLITE_IOERR_FSYNC), error(sqlite3.SQLITE_IOERR_WRITE), error(sqlite3.SQLITE_READONLY)]
)
async def test_a_failed_disk_closes_the_store(directory: Path, problem: Exception) -> None:
    """P2: after an I/O error everything fails, nothing is tried again, and it is told once."""
    notebook, told = Notebook(), list[SpoolError]()
    spool = await SqliteSpool.open(directory, settings=SETTINGS, journal=notebook, on_trouble=told.append)
    results = await together(spool, raising(problem))
    assert kinds(results) == [SpoolClosed, SpoolClosed, SpoolClosed]
    with pytest.raises(SpoolClosed):
        await put(spool, b"later")
    with pytest.raises(SpoolClosed):
        await spool._change(raising(problem, 0))
    assert len(told) == 1
    assert [event.state for event in notebook.named("intake")] == ["closed"]
    await spool.close()
    spool = await opened(directory)
    assert (await spool.stats()).messages == 0
    await spool.close()


async def test_a_bug_in_the_writer_leaves_nobody_waiting(
    spool: SqliteSpool, directory: Path, notebook: Notebook
) -> None:
    """Should the writer itself raise, who waits is told, and the store closes."""

    class Broken(Room):
        def admits(self, octets: int) -> bool:
            raise RuntimeError("a bug")

    spool._writer._room = Broken(directory, 0, spool._writer._connection)
    with pytest.raises(SpoolClosed, match="a bug"):
        await put(spool, b"x")
    assert [event.state for event in notebook.named("intake")] == ["closed"]


@pytest.mark.parametrize(
    ("made", "what"),
    [
        (lambda: error(sqlite3.SQLITE_FULL), Trouble.FULL),
        (lambda: error(sqlite3.SQLITE_IOERR_FSYNC), Trouble.BROKEN),
        (lambda: error(sqlite3.SQLITE_IOERR_READ), Trouble.BROKEN),
        (lambda: error(sqlite3.SQLITE_IOERR_WRITE), Trouble.DOUBTFUL),
        (lambda: error(sqlite3.SQLITE_CANTOPEN_ISDIR), Trouble.BROKEN),
        (lambda: error(sqlite3.SQLITE_BUSY_SNAPSHOT), Trouble.BUSY),
        (lambda: error(sqlite3.SQLITE_CONSTRAINT_UNIQUE), Trouble.SINGLE),
        (lambda: sqlite3.ProgrammingError("binding"), Trouble.SINGLE),
        (lambda: OverflowError("too big"), Trouble.SINGLE),
        (MemoryError, Trouble.SINGLE),
    ],
)
def test_errors_have_their_meaning(made: Callable[[], Exception], what: Trouble) -> None:
    """A failed sync is broken, no room is full, a failed write is asked about, the rest is one request's own."""
    assert trouble.of_database(made()) is what
