"""Message numbers: unique for ever, sorted by arrival, short to read (decisions).

A number is the time of arrival in microseconds, or one more than the last if the clock has not
moved or went back. People see it in base32hex (RFC 4648 §7), whose letters sort as the numbers
do; eleven of them last until the year 3110.
"""

from __future__ import annotations

import re
from typing import Final

WIDTH: Final = 11
RESERVE: Final = 10_000_000
"""So far ahead, ten seconds, the store notes which numbers it may have given."""

_LETTERS: Final = "0123456789abcdefghijklmnopqrstuv"
_PAIRS: Final = tuple(a + b for a in _LETTERS for b in _LETTERS)
_TEXT: Final = re.compile(rf"[0-9a-v]{{{WIDTH}}}", re.ASCII)
_HIGHEST: Final = 32**WIDTH - 1


def to_text(number: int) -> str:
    """The public id of a number."""
    # Pairs of letters from a table: a loop over eleven letters costs three times as much.
    pairs = _PAIRS
    return (
        _LETTERS[number >> 50 & 31]
        + pairs[number >> 40 & 1023]
        + pairs[number >> 30 & 1023]
        + pairs[number >> 20 & 1023]
        + pairs[number >> 10 & 1023]
        + pairs[number & 1023]
    )


def to_number(text: str) -> int:
    """The number of a public id; ValueError if ``text`` is none."""
    if not _TEXT.fullmatch(text):
        raise ValueError(f"not a message id: {text!r}")
    return int(text, 32)


class Numbers:
    """Gives numbers, each greater than all before; ``last`` is the highest that may be in use."""

    __slots__ = ("last",)

    def __init__(self, last: int) -> None:
        self.last = last

    def next(self, time: float) -> int:
        """A new number for something that arrived at ``time``."""
        number = int(time * 1e6) if 0.0 <= time < _HIGHEST / 1e6 else 0
        if number <= self.last:
            number = self.last + 1
        self.last = number
        return number
