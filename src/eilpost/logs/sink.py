"""Writes journal events to a file descriptor, and never makes mail wait (a deed).

A call puts the event into a bounded buffer and returns; a thread renders and writes. When the
reader of the log is slow or gone, events are dropped, counted, and told by ``LinesLost`` as soon
as there is room (E29).
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from eilpost.config.schema import LogFormat
from eilpost.journal import Event, Level, LinesLost
from eilpost.logs import render
from eilpost.message import dates

_RENDERERS: Final = {LogFormat.KEY_VALUE: render.key_value, LogFormat.JSON: render.as_json}

# So few lines go into one write that the event loop never waits long for the interpreter's lock,
# which the write itself lets go.
_BATCH: Final = 64
_PATIENCE: Final = 1.0  # seconds until a descriptor that failed is tried again


class LogSink:
    """A ``Journal``: call it with an event from any thread.

    ``fd`` stays open after ``close``. ``capacity`` is how many events wait at most.
    """

    def __init__(
        self,
        level: Level = Level.INFO,
        format: LogFormat = LogFormat.KEY_VALUE,
        *,
        fd: int = 2,
        clock: Callable[[], float] = time.time,
        capacity: int = 20_000,
    ) -> None:
        self.level = level
        self._render = _RENDERERS[format]
        self._fd = fd
        self._clock = clock
        self._capacity = capacity
        self._events: deque[tuple[float, Event]] = deque()
        self._dropped = 0  # by callers: the buffer was full
        self._failed = 0  # by the thread: the descriptor took no more
        self._told = 0
        self._second = (-1, "")
        self._idle = False
        self._closing = False
        self._deadline = float("inf")
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="eilpost-log", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """How many events were dropped since the start."""
        return self._dropped + self._failed

    def __call__(self, event: Event) -> None:
        """Takes the event; never waits, never raises."""
        if event.level > self.level:
            return
        if len(self._events) >= self._capacity or self._closing:
            self._dropped += 1
            return
        self._events.append((self._clock(), event))
        if self._idle:
            self._idle = False
            self._wake.set()

    def close(self, timeout: float = 2.0) -> None:
        """Writes what waits, for at most ``timeout`` seconds, and ends the thread."""
        self._deadline = time.monotonic() + timeout
        self._closing = True
        self._wake.set()
        self._thread.join(timeout + _PATIENCE)

    def _run(self) -> None:
        while True:
            lost = self.lost
            events = self._take()
            if lost > self._told:
                told = self._line(self._clock(), LinesLost(lost - self._told))
                if self._write(told, 0):
                    self._told = lost
            if events:
                self._write("".join(self._line(when, event) for when, event in events), len(events))
            elif self._closing:
                return
            else:
                self._sleep()

    def _sleep(self) -> None:
        # The flag is raised before the last look: an event that comes between the look and the
        # wait finds it and sets the wake.
        self._wake.clear()
        self._idle = True
        if not self._events and not self._closing:
            self._wake.wait()
        self._idle = False

    def _take(self) -> list[tuple[float, Event]]:
        waiting = self._events
        return [waiting.popleft() for _ in range(min(len(waiting), _BATCH))]

    def _line(self, when: float, event: Event) -> str:
        second = int(when // 1)
        if self._second[0] != second:
            self._second = (second, dates.iso(second))
        return self._render(event, f"{self._second[1]}.{int(when % 1 * 1000):03}Z") + "\n"

    def _write(self, text: str, events: int) -> bool:
        """Writes all of it, or counts its events as lost: a broken log never stops mail."""
        view = memoryview(text.encode("utf-8", "backslashreplace"))
        while view:
            if time.monotonic() > self._deadline:
                return False
            try:
                view = view[os.write(self._fd, view) :]
            except BlockingIOError:
                self._wait_until_writable()
            except OSError:
                self._failed += events
                self._pause()
                return False
        return True

    def _pause(self) -> None:
        self._wake.clear()
        if not self._closing:
            self._wake.wait(_PATIENCE)

    def _wait_until_writable(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            select.select((), (self._fd,), (), 0.1)
