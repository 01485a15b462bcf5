"""How many attempts at once a destination is given."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eilpost.mail.address import Address
from eilpost.mail.outcome import Fate, Outcome
from eilpost.mail.status import status
from eilpost.queue.concurrency import START, Health, Window, is_pressed


def outcome(fate: Fate, text: str) -> Outcome:
    return Outcome(Address("a", "b.test"), fate, status(text), "", None, 0.0)


@given(st.integers(1, 100), st.lists(st.sampled_from(["good", "pressed", "silent", "down", "probe"]), max_size=400))
def test_the_window_keeps_its_bounds(most: int, events: list[str]) -> None:
    """Whatever happens, at least one and at most the configured number of attempts are allowed."""
    window = Window(most)
    for event in events:
        match event:
            case "good" | "pressed":
                window.answered(pressed=event == "pressed")
            case "silent":
                window.unanswered("no route")
            case "down":
                window.put_down(10.0)
            case "probe":
                window.probe()
        assert 1 <= window.limit <= most
        assert window.health is Health.UP or window.limit == 1


def test_it_grows_by_one_for_each_windowful() -> None:
    """Success lets the window grow slowly, up to its most."""
    window = Window(20)
    for _ in range(START + 1):
        window.answered(pressed=False)
    assert window.limit == START + 1
    for _ in range(400):
        window.answered(pressed=False)
    assert window.limit == 20


def test_it_shrinks_with_pressure() -> None:
    """A host that answers with trouble of its own gets fewer attempts at once."""
    window = Window(20)
    for _ in range(10):
        window.answered(pressed=True)
    assert window.limit == 1


def test_a_destination_never_reached_is_down_at_once() -> None:
    """The first silence of an unknown destination puts it down; nobody else need wait for it."""
    assert Window(20).unanswered("no answer")


def test_a_proven_destination_gets_a_second_chance() -> None:
    """One broken attempt at a destination that works does not stop its mail."""
    window = Window(20)
    window.answered(pressed=False)
    assert not window.unanswered("no answer")
    assert not window.is_proven
    assert window.unanswered("no answer")


def test_e49_recovery_starts_slowly() -> None:
    """A big destination that comes back is given the starting number, not all it had before."""
    window = Window(100)
    for _ in range(10_000):
        window.answered(pressed=False)
    assert window.limit == 100
    window.put_down(60.0)
    assert window.is_resting(59.0)
    assert not window.is_resting(60.0)
    window.probe()
    assert window.limit == 1
    assert window.answered(pressed=False)
    assert (window.health, window.limit) == (Health.UP, START)


def test_a_failed_probe_puts_it_down_again() -> None:
    """A probe that finds nobody leaves the destination down."""
    window = Window(20)
    window.put_down(60.0)
    window.probe()
    assert window.unanswered("still no answer")
    assert window.why == "still no answer"


def test_pressure_is_trouble_of_the_host_alone() -> None:
    """A full mailbox says nothing of the host; 4.3.2 and a broken connection do."""
    assert is_pressed([outcome(Fate.DEFERRED, "4.3.2")])
    assert is_pressed([outcome(Fate.DEFERRED, "4.2.2"), outcome(Fate.DEFERRED, "4.4.2")])
    assert not is_pressed([outcome(Fate.DEFERRED, "4.2.2")])
    assert not is_pressed([outcome(Fate.DEFERRED, "4.3.2"), outcome(Fate.RELAYED, "2.0.0")])
    assert not is_pressed([])
