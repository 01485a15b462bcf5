"""Who may start the next attempt."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eilpost.queue.slots import Slots


@given(st.integers(1, 20), st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.booleans()), max_size=200))
def test_slots_are_bounded_and_nobody_is_forgotten(most: int, events: list[tuple[int, bool, bool]]) -> None:
    """Never more slots are taken than there are, and all who stand in line are called in the end."""
    slots: Slots[int] = Slots(most)
    taken: list[bool] = []
    waiting: set[int] = set()
    for who, proven, leaves in events:
        if leaves and taken:
            slots.leave(taken.pop())
        elif slots.is_free(proven):
            slots.take(proven)
            taken.append(proven)
        elif who not in waiting:
            slots.queue(who, proven)
            waiting.add(who)
        assert slots.busy == len(taken) <= most
        assert sum(not item for item in taken) <= max(1, most // 2)
    while taken:
        slots.leave(taken.pop())
    called = set()
    while (who_next := slots.next()) is not None:
        called.add(who_next)
    assert called == waiting


def test_the_unproven_hold_half_at_most() -> None:
    """However many destinations were never reached, the others find slots."""
    slots: Slots[str] = Slots(10)
    while slots.is_free(False):
        slots.take(False)
    assert slots.busy == 5
    assert slots.is_free(True)


def test_each_gets_one_in_its_turn() -> None:
    """Who stands in line first is called first, and standing twice is standing once."""
    slots: Slots[str] = Slots(2)
    slots.take(True)
    slots.take(True)
    for who in ("a", "b", "a", "c"):
        slots.queue(who, True)
    assert slots.is_wanted(True)
    assert slots.next() is None
    order = []
    for _ in range(3):
        slots.leave(True)
        order.append(slots.next())
        slots.take(True)
    assert order == ["a", "b", "c"]
    assert not slots.is_wanted(True)


def test_a_slot_is_not_wanted_by_who_could_not_use_it() -> None:
    """A proven worker goes on when only those wait whose half is full."""
    slots: Slots[str] = Slots(4)
    slots.take(False)
    slots.take(False)
    slots.queue("dead", False)
    assert not slots.is_wanted(True)
    assert slots.is_wanted(False)
