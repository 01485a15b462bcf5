"""The thread that alone writes: what waits goes into one commit, and sweeping is done when nothing waits (a deed)."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from eilpost.inbox.contract import InboxError

_MOST_JOBS: Final = 256
_MOST_OCTETS: Final = 8 << 20

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
Sweep = Callable[[sqlite3.Connection], bool]
"""Does a little cleaning in the open transaction; True when more is left."""


@dataclass(slots=True, eq=False)
class _Job:
    work: Work[Any]
    future: asyncio.Future[Any]
    octets: int


class Writer:
    """Owns the writing connection; ``run`` returns when what was asked for is committed."""

    def __init__(self, connection: sqlite3.Connection, sweep: Sweep) -> None:
        self._connection = connection
        self._sweep = sweep
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._stopped = False
        self._dirty = True
        self._thread = threading.Thread(target=self._run, name="inbox-writer", daemon=True)
        self._thread.start()

    async def run(self, work: Work[T], octets: int = 0) -> T:
        """The result of ``work``, once it is committed with all that waited beside it. InboxError."""
        if self._stopped:
            raise InboxError("the inbox is closed")
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Job(work, future, octets))
        return await future

    def stop(self) -> None:
        """Waits until all that was asked for is done, and closes the connection. Blocks."""
        if not self._stopped:
            self._stopped = True
            self._queue.put(None)
            self._thread.join()
            self._connection.close()

    def _run(self) -> None:
        while (jobs := self._collect()) is not None:
            if jobs:
                self._hand_over(self._commit(jobs))
                self._dirty = True
            self._clean()

    def _collect(self) -> list[_Job] | None:
        """What waits; empty when there is only sweeping to do; None at the end."""
        try:
            job = self._queue.get(block=not self._dirty)
        except Empty:
            return []
        jobs: list[_Job] = []
        octets = 0
        while job is not None:
            jobs.append(job)
            octets += job.octets
            if octets >= _MOST_OCTETS or len(jobs) >= _MOST_JOBS:
                return jobs
            try:
                job = self._queue.get_nowait()
            except Empty:
                return jobs
        if jobs:
            self._queue.put(None)
            return jobs
        return None

    def _commit(self, jobs: list[_Job]) -> list[tuple[_Job, Any, Exception | None]]:
        try:
            return self._transact(jobs)
        except Exception as error:
            self._roll_back()
            if len(jobs) == 1:
                return [(jobs[0], None, _told(error))]
        return [told for job in jobs for told in self._commit([job])]

    def _transact(self, jobs: list[_Job]) -> list[tuple[_Job, Any, Exception | None]]:
        self._connection.execute("BEGIN IMMEDIATE")
        done = [(job, job.work(self._connection), None) for job in jobs]
        self._connection.execute("COMMIT")
        return [*done]

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _clean(self) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._dirty = self._sweep(self._connection)
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            # What could not be swept now is swept after the next commit; nobody sees it meanwhile.
            self._roll_back()
            self._dirty = False

    def _hand_over(self, told: list[tuple[_Job, Any, Exception | None]]) -> None:
        try:
            self._loop.call_soon_threadsafe(_resolve, told)
        except RuntimeError:
            return  # The loop is closed: nobody waits any more.


def _resolve(told: list[tuple[_Job, Any, Exception | None]]) -> None:
    for job, result, error in told:
        if job.future.done():
            continue
        if error is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(error)


def _told(error: Exception) -> Exception:
    if isinstance(error, sqlite3.Error):
        told = InboxError(f"the inbox could not be written: {error}")
        told.__cause__ = error
        return told
    return error
