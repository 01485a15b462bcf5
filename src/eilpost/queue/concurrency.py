"""How many attempts at once a destination is given (decisions).

A window grows by one for each windowful of answered attempts and shrinks by one for each attempt
that a destination answered with trouble of its own. A destination that cannot be talked to is
down: it is left alone for a back-off time, then one attempt probes it. After a recovery the window
starts small again, so that a long queue does not fall on a host that has just come back.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final

from eilpost.mail.outcome import Fate, Outcome

START: Final = 5
_PROOF: Final = 2  # attempts in a row without any answer, before a destination that once answered is down

# The subjects and details of 4yz replies that tell of the host, not of one recipient or message.
_PRESSURE: Final = frozenset({(3, 0), (3, 1), (3, 2), (4, 1), (4, 2), (4, 5)})


class Health(Enum):
    """What is known of a destination."""

    UP = "up"
    DOWN = "down"
    PROBED = "probed"  # one attempt finds out whether it is up again


def is_pressed(outcomes: Iterable[Outcome]) -> bool:
    """True when a host deferred for its own sake: fewer attempts at once may help it."""
    pressed = False
    for outcome in outcomes:
        if outcome.fate is not Fate.DEFERRED:
            return False
        status = outcome.status
        pressed = pressed or (status.subject, status.detail) in _PRESSURE
    return pressed


class Window:
    """The feedback of one destination; times are of a steady clock.

    ``failures`` counts the times in a row that it was found down; ``why`` is the last reason.
    """

    __slots__ = ("_most", "_proven", "_silent", "_size", "failures", "health", "until", "why")

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = float(min(START, most))
        self._proven = False
        self._silent = 0
        self.health = Health.UP
        self.failures = 0
        self.until = 0.0
        self.why = ""

    @property
    def limit(self) -> int:
        """Attempts at once, now."""
        return int(self._size) if self.health is Health.UP else 1

    @property
    def is_proven(self) -> bool:
        """True while its latest word was an answer: it does not hold a slot for nothing."""
        return self._proven and self._silent == 0

    def answered(self, *, pressed: bool) -> bool:
        """An attempt was answered; True when that ends its being down."""
        recovered = self.health is not Health.UP
        if recovered:
            self._reset()
        elif pressed:
            self._size = max(1.0, self._size - 1.0)
        elif self._size < self._most:
            self._size = min(float(self._most), self._size + 1.0 / self._size)
        self._proven = True
        self._silent = 0
        return recovered

    def _reset(self) -> None:
        self.health = Health.UP
        self._size = float(min(START, self._most))
        self.failures = 0
        self.why = ""

    def unanswered(self, why: str) -> bool:
        """No host could be talked to; True when the destination is to be put down."""
        self.why = why
        self._silent += 1
        self._size = max(1.0, self._size / 2)
        return self.health is Health.PROBED or (
            self.health is Health.UP and self._silent >= (_PROOF if self._proven else 1)
        )

    def put_down(self, until: float) -> None:
        """Leaves the destination alone until then."""
        self.health = Health.DOWN
        self.until = until

    def is_resting(self, steady: float) -> bool:
        """True while it is down and its back-off time is not over."""
        return self.health is Health.DOWN and steady < self.until

    def probe(self) -> None:
        """The next attempt finds out."""
        self.health = Health.PROBED
