"""Who is told what happens in the inbox, and never makes it wait (a deed)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from eilpost.inbox.contract import Happening, Missed

_MOST_WAITING: Final = 1_000


class Watcher:
    """One listener's happenings, in order; one that is too slow finds ``Missed`` in place of what it missed."""

    __slots__ = ("_closed", "_happenings", "_wake")

    def __init__(self) -> None:
        self._happenings: deque[Happening] = deque()
        self._wake = asyncio.Event()
        self._closed = False

    def tell(self, happening: Happening) -> None:
        """Notes what happened."""
        if len(self._happenings) >= _MOST_WAITING:
            self._happenings.clear()
            self._happenings.append(Missed())
        else:
            self._happenings.append(happening)
        self._wake.set()

    def close(self) -> None:
        """No more will come."""
        self._closed = True
        self._wake.set()

    async def next(self) -> Happening | None:
        """The next happening; None at the end."""
        while not self._happenings:
            if self._closed:
                return None
            self._wake.clear()
            await self._wake.wait()
        return self._happenings.popleft()

    async def __aiter__(self) -> AsyncIterator[Happening]:
        while (happening := await self.next()) is not None:
            yield happening


class Watchers:
    """All listeners of one inbox."""

    def __init__(self) -> None:
        self._watchers: set[Watcher] = set()

    @property
    def count(self) -> int:
        """How many listen."""
        return len(self._watchers)

    def add(self) -> Watcher:
        """A new listener; it hears what happens from now on."""
        watcher = Watcher()
        self._watchers.add(watcher)
        return watcher

    def remove(self, watcher: Watcher) -> None:
        """It hears nothing more."""
        self._watchers.discard(watcher)
        watcher.close()

    def tell(self, happening: Happening) -> None:
        """Tells all."""
        for watcher in self._watchers:
            watcher.tell(happening)

    def close(self) -> None:
        """Ends all."""
        for watcher in list(self._watchers):
            self.remove(watcher)
