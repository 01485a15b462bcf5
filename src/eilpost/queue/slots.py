"""Who may start the next attempt, when all together may make only so many (decisions).

Destinations that want an attempt and find no slot free stand in line, and each gets one slot in
its turn: one with a long queue takes no more than one with a short queue. Those whose latest word
was no answer, or who were never talked to, may hold half of the slots at most: however many hosts
are dead, the living do not wait for their timeouts (case 151).
"""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Slots(Generic[T]):
    """The slots for attempts and the two lines before them: of the proven and of the others."""

    __slots__ = ("_busy", "_lines", "_most", "_turn", "_unproven_busy", "_unproven_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._unproven_most = max(1, most // 2)
        self._busy = 0
        self._unproven_busy = 0
        self._lines: tuple[dict[T, None], dict[T, None]] = ({}, {})
        self._turn = False

    @property
    def busy(self) -> int:
        """Slots in use."""
        return self._busy

    def is_free(self, proven: bool) -> bool:
        """Whether a slot could be taken now."""
        return self._busy < self._most and (proven or self._unproven_busy < self._unproven_most)

    def take(self, proven: bool) -> None:
        """Takes a slot that is free."""
        self._busy += 1
        self._unproven_busy += not proven

    def leave(self, proven: bool) -> None:
        """Gives a slot back that was taken with the same word."""
        self._busy -= 1
        self._unproven_busy -= not proven

    def queue(self, who: T, proven: bool) -> None:
        """Stands at the end of its line, or where it stands already."""
        self._lines[proven].setdefault(who)

    def is_wanted(self, proven: bool) -> bool:
        """Whether somebody waits who could use the slot that the asker holds."""
        if self._lines[True]:
            return True
        return bool(self._lines[False]) and (not proven or self._unproven_busy < self._unproven_most)

    def next(self) -> T | None:
        """Takes out of line whoever may take a slot now, the lines in turn; None when nobody."""
        self._turn = not self._turn
        for proven in (self._turn, not self._turn):
            line = self._lines[proven]
            if line and self.is_free(proven):
                who = next(iter(line))
                del line[who]
                return who
        return None

    def forget(self, who: T) -> None:
        """Takes it out of the lines."""
        self._lines[True].pop(who, None)
        self._lines[False].pop(who, None)
