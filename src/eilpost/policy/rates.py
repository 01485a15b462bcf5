"""How fast may something happen? The generic cell rate algorithm (decisions).

One number a key: when the key's allowance is whole again. It needs no history and no clean-up
but forgetting keys whose number lies in the past.
"""

from __future__ import annotations

from typing import NamedTuple


class Spent(NamedTuple):
    """The answer: whether it may happen, and the number to keep."""

    allowed: bool
    whole_at: float


def spend(whole_at: float, now: float, per_minute: int) -> Spent:
    """One event at ``now``: a minute's allowance may come at once, then at its rate."""
    interval = 60.0 / per_minute
    next_whole = max(whole_at, now) + interval
    if next_whole - now > 60.0 + interval / 2:
        return Spent(False, whole_at)
    return Spent(True, next_whole)
