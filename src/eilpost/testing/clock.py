"""A clock that a test moves, so that days pass in no time and nothing sleeps (a deed)."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Final

_PASSES: Final = 30  # turns of the event loop in which a chain of callbacks and awaits has run dry


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


class VirtualTimer:
    """A call that a virtual clock will make."""

    __slots__ = ("_callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """It will not be made."""
        self._callback = None

    @property
    def is_cancelled(self) -> bool:
        """True when nothing is left to do."""
        return self._callback is None

    def fire(self) -> None:
        """Makes the call, once."""
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class VirtualClock:
    """Implements ``eilpost.net.clock.Clock``; time stands still until ``advance``."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._steady = 0.0
        self._offset = now
        self._timers: list[tuple[float, int, VirtualTimer]] = []
        self._numbers = count()

    def now(self) -> float:
        """The virtual Unix time."""
        return self._offset + self._steady

    def steady(self) -> float:
        """The virtual seconds that have passed."""
        return self._steady

    def call_later(self, delay: float, callback: Callable[[], None]) -> VirtualTimer:
        """Calls back once the clock has been moved by ``delay`` seconds."""
        timer = VirtualTimer(callback)
        heapq.heappush(self._timers, (self._steady + max(0.0, delay), next(self._numbers), timer))
        return timer

    async def sleep(self, delay: float) -> None:
        """Returns once the clock has been moved by ``delay`` seconds."""
        if delay <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.call_later(delay, partial(_wake, woken))
        try:
            await woken
        finally:
            timer.cancel()

    def jump(self, seconds: float) -> None:
        """Sets the wall clock forward or back; no time passes."""
        self._offset += seconds

    def next_timer(self) -> float | None:
        """Seconds until the next timer; None when none is set."""
        while self._timers and self._timers[0][2].is_cancelled:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - self._steady) if self._timers else None

    async def advance(self, seconds: float) -> None:
        """Lets ``seconds`` pass: each timer fires at its time, and what it wakes runs before the next."""
        end = self._steady + seconds
        await self.run()
        while (wait := self.next_timer()) is not None and self._steady + wait <= end:
            at, _, timer = heapq.heappop(self._timers)
            self._steady = max(self._steady, at)
            timer.fire()
            await self.run()
        self._steady = end

    async def run(self) -> None:
        """Lets everything run that needs no time."""
        for _ in range(_PASSES):
            await asyncio.sleep(0)
