"""What all sessions share: rates, memory, the date."""

from __future__ import annotations

import re

from eilpost.config.schema import Limits, Role, Size
from eilpost.policy.peer import identify
from eilpost.receive import house as houses
from tests.unit.receive.running import Running, jump


async def test_f135_rates_of_many_networks(world: Running) -> None:
    """However many networks come by, no more than so many rates are kept, and the most recent ones are."""
    house = world.house
    house.limits = Limits(messages_per_minute=1)
    regular = identify(Role.MX, "192.0.2.1", ())
    assert house.may_begin(regular)
    for number in range(houses.RATES_KEPT + 1000):
        if number == houses.RATES_KEPT // 2:
            assert not house.may_begin(regular)  # heard of again, so remembered
        house.may_begin(identify(Role.MX, f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1", ()))
    assert len(house._rates) == houses.RATES_KEPT
    assert not house.may_begin(regular)
    assert house.may_begin(identify(Role.MX, "2001:db8:0:0::1", ()))  # forgotten
    assert not house.may_begin(identify(Role.MX, "2001:db8:1:0::1", ()))


async def test_no_rate(world: Running) -> None:
    """With messages_per_minute 0 nobody is counted."""
    world.house.limits = Limits(messages_per_minute=0)
    client = identify(Role.MX, "192.0.2.1", ())
    assert all(world.house.may_begin(client) for _ in range(1000))


async def test_f129_a_rate_comes_back(world: Running) -> None:
    """A minute's allowance may come at once; then one message is free every so many seconds."""
    world.house.limits = Limits(messages_per_minute=6)
    client = identify(Role.MX, "192.0.2.1", ())
    assert [world.house.may_begin(client) for _ in range(8)] == [True] * 6 + [False] * 2
    jump(11)
    assert [world.house.may_begin(client) for _ in range(2)] == [True, False]


async def test_f127_memory(world: Running) -> None:
    """What is held is bounded, and what is given back can be held again."""
    house = world.house
    house.limits = Limits(memory=Size(100))
    assert house.hold(60)
    assert not house.hold(41)
    assert house.hold(40)
    house.let_go(100)
    assert house.hold(100)
    house.let_go(100)


async def test_date(world: Running) -> None:
    """One form of a second's date, made once."""
    first = world.house.date(1_700_000_000.1)
    assert world.house.date(1_700_000_000.9) is first
    assert re.fullmatch(r"\w{3}, \d\d? Nov 2023 \d\d:\d\d:20 [+-]\d{4}", first)
    assert world.house.date(1_700_000_001.0) != first
