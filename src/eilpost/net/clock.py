"""The time of day, a steady time, and timers (a deed).

``now`` is Unix time: for people, headers and what outlives the process; it may jump. ``steady``
only grows, at one second a second, also while the machine sleeps: for waits and deadlines.
Tests put ``eilpost.testing.VirtualClock`` in its place.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """It will not be made; harmless when it was."""
        ...


class Clock(Protocol):
    """What the rooms that wait know of time."""

    def now(self) -> float:
        """Unix time."""
        ...

    def steady(self) -> float:
        """Seconds since some moment, never going back."""
        ...

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Calls back after ``delay`` seconds of steady time."""
        ...

    async def sleep(self, delay: float) -> None:
        """Returns after ``delay`` seconds of steady time."""
        ...


# Linux has a clock that counts suspended time too; elsewhere the nearest one serves.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The machine's clocks and the running event loop's timers."""

    __slots__ = ()

    def now(self) -> float:
        """Unix time."""
        return time.time()

    def steady(self) -> float:
        """Seconds since the machine started."""
        return time.clock_gettime(_STEADY)

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Calls back after ``delay`` seconds."""
        return asyncio.get_running_loop().call_later(delay, callback)

    async def sleep(self, delay: float) -> None:
        """Returns after ``delay`` seconds."""
        await asyncio.sleep(delay)
