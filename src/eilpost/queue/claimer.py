"""Claims what is due from the spool, in batches, by one timer (a deed).

It sleeps until the next recipient is due, or until it is woken: by a deferral that is due sooner,
by room that became free, by an operator. Waits are cut into slices of a minute, so that a wall
clock that was set forward is noticed soon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from eilpost.config.schema import Queue
from eilpost.journal import Faulted, Journal, Warned
from eilpost.net.clock import Clock, Timer
from eilpost.queue.retry import ClockWatch, is_astray
from eilpost.spool.contract import Entry, Filter, Spool, SpoolBusy, SpoolClosed, SpoolError, SpoolFull, SpoolUnfit

BATCH: Final = 500  # recipients in one claim
_SLICE: Final = 60.0
_BLOCKED: Final = 1.0  # what is due belongs to saturated destinations: look again after this
_CALM: Final = 0.25  # after such a look nobody's wish makes for another one sooner: it reads past all that is blocked
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
_FULL_PAUSE: Final = 5.0  # room may come back at any time


class Claimer:
    """One task that turns due recipients into work while ``space`` says there is some."""

    def __init__(
        self,
        spool: Spool,
        settings: Queue,
        take: Callable[[Sequence[Entry]], None],
        space: Callable[[], int],
        saturated: Callable[[], frozenset[str]],
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._spool = spool
        self._settings = settings
        self._take = take
        self._space = space
        self._saturated = saturated
        self._journal = journal
        self._clock = clock
        self._wake = asyncio.Event()
        self._alarm_at = float("inf")
        self._starved = False
        self._calm_until = 0.0
        self._called = False
        self._task: asyncio.Task[None] | None = None
        self.watch = ClockWatch(clock.now(), clock.steady())
        # Held while claiming, and by operators, so that nothing they take out is claimed again under them.
        self.lock = asyncio.Lock()

    def start(self) -> None:
        """Begins to claim."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="claimer")

    async def stop(self) -> None:
        """Ends; a claim under way is finished and taken."""
        async with self.lock:
            if self._task is not None:
                self._task.cancel()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """Looks again now, or soon when it was just in vain."""
        calm = self._calm_until - self._clock.steady()
        if calm <= 0:
            self._wake.set()
        elif not self._called:
            self._called = True
            self._clock.call_later(calm, self._wake.set)

    def due(self, at: float) -> None:
        """Something was deferred until ``at``, Unix time."""
        if at < self._alarm_at:
            self._wake.set()

    def room(self) -> None:
        """Room became free."""
        if self._starved and self._space() >= BATCH:
            self._wake.set()

    async def _run(self) -> None:
        pause = _FIRST_PAUSE
        is_waiting = False
        while True:
            self._wake.clear()
            self._called = False
            try:
                wait = await self._claim()
                pause, is_waiting = _FIRST_PAUSE, False
            except (SpoolFull, SpoolBusy, SpoolUnfit) as error:
                if not is_waiting:
                    self._journal(Warned("nothing can be claimed; the queue waits", str(error)))
                wait, pause, is_waiting = min(pause, _FULL_PAUSE), min(pause * 2, _LONGEST_PAUSE), True
            except SpoolClosed as error:
                self._journal(Warned("the queue stands still: the spool is closed", str(error)))
                return
            except Exception as error:  # a bug or a sick disk must not end deliveries for ever
                self._journal(Faulted("claim", type(error).__name__, str(error)))
                wait, pause = pause, min(pause * 2, _LONGEST_PAUSE)
            if wait > 0:
                await self._sleep(wait)

    async def _claim(self) -> float:
        """Claims one batch; how long to wait for the next."""
        now = self._look_at_clock()
        self._alarm_at = float("inf")  # until the spool has been asked, whatever is deferred may be the next
        space = self._space()
        self._starved = space < BATCH
        if self._starved:
            return _SLICE
        async with self.lock:
            entries = await self._spool.claim(now, min(space, BATCH), without=self._saturated())
            self._take(entries)
        if entries:
            return 0.0
        return await self._until_next(now)

    async def _until_next(self, now: float) -> float:
        due = await self._spool.next_due()
        if due is None:
            return _SLICE
        if is_astray(due, now, self._settings):
            await self._recall(now)
            return _BLOCKED
        self._alarm_at = due
        if due > now:
            return min(due - now, _SLICE)
        self._calm_until = self._clock.steady() + _CALM
        return _BLOCKED

    async def _recall(self, now: float) -> None:
        """The clock was set back since these times were written; nobody would live to see them (case E32)."""
        number = await self._spool.retry(Filter(), now)
        self._journal(Warned("the clock was set back", f"{number} deferred recipients are tried now"))

    def _look_at_clock(self) -> float:
        now = self._clock.now()
        jump = self.watch.look(now, self._clock.steady(), self._settings)
        if jump:
            self._journal(Warned("the wall clock jumped", f"by {jump:+.0f} seconds"))
        return now

    async def _sleep(self, seconds: float) -> None:
        timer: Timer = self._clock.call_later(seconds, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()

    async def give_back(self, entries: Sequence[Entry]) -> None:
        """Releases claims; when the spool cannot, they are due at its next start."""
        try:
            await self._spool.release(entries)
        except SpoolError as error:
            self._journal(Warned("claims were not given back; they are due at the next start", str(error)))
