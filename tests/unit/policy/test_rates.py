"""How fast something may happen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eilpost.policy.rates import spend


def count(moments: list[float], per_minute: int) -> list[float]:
    """The moments at which it was allowed."""
    allowed, whole_at = [], 0.0
    for now in moments:
        may, whole_at = spend(whole_at, now, per_minute)
        if may:
            allowed.append(now)
    return allowed


def test_f129_a_minutes_allowance_may_come_at_once() -> None:
    """Then it goes on at the rate."""
    assert len(count([1000.0] * 50, 10)) == 10
    assert len(count([1000.0] * 50 + [1006.0] * 5, 10)) == 11
    assert len(count([1000.0] * 50 + [1060.0] * 50, 10)) == 20


def test_what_is_refused_costs_nothing() -> None:
    """Who tries in vain waits no longer for it."""
    _, whole_at = spend(2000.0, 1000.0, 10)
    assert spend(2000.0, 1000.0, 10) == (False, 2000.0)
    assert whole_at == 2000.0


def test_who_keeps_the_rate_is_never_refused() -> None:
    """One event an interval is allowed for ever."""
    moments = [5.0 + step * 0.1 for step in range(2000)]
    assert count(moments, 600) == moments


@given(st.lists(st.floats(0, 500), max_size=200).map(sorted), st.integers(1, 60))
def test_the_rate_is_kept(moments: list[float], per_minute: int) -> None:
    """In any span of time there are at most a minute's allowance and what the rate gives for the span."""
    allowed = count(moments, per_minute)
    for first in range(len(allowed)):
        for last in range(first, len(allowed)):
            span = allowed[last] - allowed[first]
            assert last - first + 1 <= per_minute + span * per_minute / 60 + 0.51


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.integers(1, 100_000))
def test_the_number_to_keep_is_bounded(whole_at: float, now: float, per_minute: int) -> None:
    """What is kept lies at most some two minutes ahead when something was allowed, so that it can be forgotten."""
    allowed, kept = spend(whole_at, now, per_minute)
    assert kept >= whole_at
    assert not allowed or kept - now <= 120
