"""Makes outcomes durable, many jobs in one step, while workers go on (a deed).

A worker hands its job's settlement over and takes the next job; what has gathered when one step
ends goes into the next. An outcome is durable before its entry is forgotten (invariant I12): what
a crash may deliver twice is what lies here and what is in flight, and both are bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from eilpost.journal import Faulted, Journal, Warned
from eilpost.mail.value import value
from eilpost.net.clock import Clock
from eilpost.queue.destination import Waiting
from eilpost.report.notices import Notice
from eilpost.spool.contract import (
    Entry,
    NewMessage,
    Settlement,
    Spool,
    SpoolBusy,
    SpoolClosed,
    SpoolError,
    SpoolFull,
    SpoolUnfit,
)

_MOST_AT_ONCE: Final = 500  # jobs in one step: keeps the store's write lock short
_MOST_WAITING: Final = 1000  # jobs whose outcome is not yet durable, before workers wait
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 5.0  # nothing leaves meanwhile


@value(frozen=True, slots=True, eq=False)
class Settling:
    """One job's settlements with its reports, to be made durable together; then ``done`` is called."""

    settlements: tuple[Settlement, ...]
    notices: tuple[Notice, ...]
    reports: tuple[NewMessage, ...]
    item: Waiting
    done: Callable[[Settling, Sequence[Entry]], None]


class Settler:
    """A line of settlements, and one task that empties it into the spool."""

    def __init__(self, spool: Spool, journal: Journal, clock: Clock, closed: Callable[[], None]) -> None:
        self._spool = spool
        self._journal = journal
        self._clock = clock
        self._closed = closed
        self._line: list[Settling] = []
        self._under_way = 0
        self._wake = asyncio.Event()
        self._calm = asyncio.Event()
        self._calm.set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._troubled = False
        self._again = asyncio.Event()
        self._hurried = False
        self._over = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to empty the line."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="settler")

    def put(self, item: Settling) -> None:
        """Hands over one job's settlements; when the end has come they are as good as never made."""
        if self._over:
            return
        if not self._line:
            self._empty.clear()
            self._wake.set()
        self._line.append(item)
        if len(self._line) + self._under_way >= _MOST_WAITING:
            self._calm.clear()

    @property
    def is_calm(self) -> bool:
        """True while a worker may go on at once."""
        return self._calm.is_set()

    async def calm(self) -> None:
        """Returns when a worker may go on: the store takes outcomes and not too many wait."""
        await self._calm.wait()

    def hurry(self) -> None:
        """The end is near: what cannot be stored at once is given up, and its claims are due at the next start."""
        self._hurried = True
        self._again.set()
        self._calm.set()

    async def drain(self) -> None:
        """Returns when all that was put is durable, or the store is closed."""
        await self._empty.wait()

    async def close(self) -> None:
        """Ends; what is not durable by now is not."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        try:
            while True:
                await self._wake.wait()
                batch = self._line[:_MOST_AT_ONCE]
                del self._line[:_MOST_AT_ONCE]
                self._under_way = len(batch)
                await self._settle(batch)
                self._under_way = 0
                self._rest()
        except SpoolError:  # closed, or in trouble while there is no time
            self._over = True
            self._line.clear()
            self._closed()
            self._calm.set()
            self._empty.set()

    def _rest(self) -> None:
        if not self._line:
            self._wake.clear()
            self._empty.set()
        if len(self._line) < _MOST_WAITING // 2:
            self._calm.set()

    async def _settle(self, batch: Sequence[Settling]) -> None:
        """One step for all; if a fault of one spoils it, one step for each."""
        settlements = [row for item in batch for row in item.settlements]
        reports = [report for item in batch for report in item.reports]
        pause = _FIRST_PAUSE
        while True:
            try:
                entries = await self._spool.settle(settlements, reports)
                break
            except SpoolUnfit as error:
                await self._isolate(batch, error)
                return
            except SpoolError as error:
                if isinstance(error, SpoolClosed) and not isinstance(error, SpoolBusy):
                    raise
                if isinstance(error, SpoolFull) and len(batch) > 1:
                    await self._halve(batch)
                    return
                pause = await self._pause(pause, error)
            except Exception as error:  # a bug must not stop the mail of others
                await self._isolate(batch, error)
                return
        self._recovered()
        self._tell(batch, entries)

    async def _halve(self, batch: Sequence[Settling]) -> None:
        """What frees room may go where all together, with their reports, did not."""
        middle = len(batch) // 2
        await self._settle(batch[:middle])
        await self._settle(batch[middle:])

    async def _isolate(self, batch: Sequence[Settling], error: Exception) -> None:
        if len(batch) > 1:
            for item in batch:
                await self._settle([item])
            return
        # Its claim stays, so it is not tried again before the next start: better once late than often twice.
        ids = " ".join(sorted({row.message for row in batch[0].settlements}))
        self._journal(Faulted("settle", type(error).__name__, f"{ids}: {error}"))
        batch[0].done(batch[0], ())

    async def _pause(self, seconds: float, error: SpoolError) -> float:
        """Nobody goes on delivering while outcomes cannot be kept; raises ``error`` when there is no time to wait."""
        if self._hurried:
            raise error
        self._calm.clear()
        if not self._troubled:
            self._troubled = True
            self._journal(Warned("outcomes cannot be stored; deliveries pause", str(error)))
        timer = self._clock.call_later(seconds, self._again.set)
        try:
            await self._again.wait()
        finally:
            timer.cancel()
            self._again.clear()
        return min(seconds * 2, _LONGEST_PAUSE)

    def _recovered(self) -> None:
        if self._troubled:
            self._troubled = False
            self._journal(Warned("outcomes are stored again", "deliveries go on"))

    def _tell(self, batch: Sequence[Settling], entries: Sequence[Entry]) -> None:
        start = 0
        for item in batch:
            end = start + len(item.reports)
            item.done(item, entries[start:end] if item.reports else ())
            start = end
