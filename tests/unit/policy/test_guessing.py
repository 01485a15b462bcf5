"""Who may try a password now."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.config.schema import DAY, MINUTE, Auth
from eilpost.policy.guessing import NETWORK_FACTOR, UNKNOWN, Pace, Places, Tally, counted, current, judge, places

RULES = Auth()
NOW = 20_000 * DAY + 5.0


def tally(in_minute: int = 0, in_day: int = 0) -> Tally:
    """So many failures until now."""
    return counted(UNKNOWN, NOW, in_minute, in_day)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.77", Places("192.0.2.77", "192.0.2.0/24")),
        ("2001:db8:1:2:3::4", Places("2001:db8:1:2::/64", "2001:db8:1::/48")),
        ("", Places("", "")),
    ],
)
def test_f107_tries_are_counted_by_address_and_network(address: str, expected: Places) -> None:
    """An IPv6 /64 is one address: its owner has them all (F135)."""
    assert places(address) == expected


@pytest.mark.parametrize(
    ("address", "network", "pace"),
    [
        (tally(9, 49), tally(29, 149), Pace.AT_ONCE),
        (tally(10, 10), UNKNOWN, Pace.NOT_NOW),
        (tally(0, 50), UNKNOWN, Pace.NOT_NOW),
        (UNKNOWN, tally(30, 30), Pace.NOT_NOW),
        (UNKNOWN, tally(0, 150), Pace.NOT_NOW),
    ],
)
def test_f107_an_address_and_its_network_have_their_measure(address: Tally, network: Tally, pace: Pace) -> None:
    """A minute's and a day's; a network has three times an address's."""
    found = judge(RULES, NOW, address=address, network=network, account=UNKNOWN, trusted=False, at_home=False)
    assert found is pace
    assert NETWORK_FACTOR == 3


def test_f107_an_account_is_slowed_and_never_closed() -> None:
    """Whatever failed on it; its owner's networks notice nothing."""
    for at_home, pace in ((False, Pace.SLOWLY), (True, Pace.AT_ONCE)):
        account = tally(10**6, 10**6)
        found = judge(RULES, NOW, address=UNKNOWN, network=UNKNOWN, account=account, trusted=False, at_home=at_home)
        assert found is pace


def test_a_trusted_client_speaks_for_many() -> None:
    """A web mail's users share its address: only accounts count there."""
    full = tally(1000, 1000)
    assert judge(RULES, NOW, address=full, network=full, account=UNKNOWN, trusted=True, at_home=False) is Pace.AT_ONCE


def test_a_tally_ends_with_its_minute_and_its_day() -> None:
    """What is over counts no more."""
    full = tally(5, 7)
    assert current(full, NOW + MINUTE) == Tally(int((NOW + MINUTE) // MINUTE), 0, int(NOW // DAY), 7)
    assert current(full, NOW + DAY).in_day == 0


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(-3, 3)), max_size=30))
def test_a_tally_is_never_negative(steps: list[tuple[float, int]]) -> None:
    """However often a try is forgiven."""
    found = UNKNOWN
    for now, failures in sorted(steps):
        found = counted(found, now, failures, failures)
        assert found.in_minute >= 0
        assert found.in_day >= 0
