"""What senders wish of the queue: urgency, a time to begin, a time to end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from eilpost.config.schema import HOUR, MINUTE, Duration
from eilpost.deliver.agent import Attempt, Job
from eilpost.journal import Attempted, Reported, Warned
from eilpost.mail.envelope import ByMode, DeliverBy, MailParameters
from tests.unit.queue.world import World, addresses

Make = Callable[..., Awaitable[World]]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    worlds: list[World] = []

    async def make(*arguments: object, **settings: object) -> World:
        world = World(*arguments, **settings)  # type: ignore[arg-type]
        worlds.append(world)
        await world.manager.start()
        return world

    yield make
    for world in worlds:
        await world.manager.stop(0.0)


async def test_rfc6710_urgent_mail_overtakes_in_the_line(make: Make) -> None:
    """What waits for a destination goes by priority, and by arrival where that is the same."""
    world = await make(None, destination_concurrency=1)

    async def slow(job: Job) -> Attempt:
        await world.clock.sleep(1.0)
        return world.relayed(job)

    world.agent.script = slow
    people = list(addresses(6))
    for person, priority in zip(people, (None, None, -3, 9, None, 9), strict=True):
        await world.send(person, wishes=MailParameters(priority=priority))
    await world.clock.advance(10.0)
    assert world.tried() == [people[index] for index in (0, 3, 5, 1, 4, 2)]


async def test_rfc4865_held_mail_is_not_tried_before_its_time(make: Make) -> None:
    """Mail for tomorrow waits a day and no more, and nobody thinks that the clock was set back."""
    world = await make()
    tomorrow = world.clock.now() + 24 * HOUR
    await world.send("b@there.test", wishes=MailParameters(hold=86_400), due=tomorrow, hand_over=False)
    await world.clock.advance(24 * HOUR - 1)
    assert world.tried() == []
    await world.clock.advance(61)  # the claimer looks once a minute
    assert world.tried() == ["b@there.test"]
    assert not world.seen(Warned)


async def test_rfc2852_mail_that_is_late_is_returned(make: Make) -> None:
    """With R it is tried until its deadline, and returned then with 5.4.7."""
    world = await make()
    world.agent.script = world.deferred
    await world.send("b@there.test", wishes=MailParameters(deliver_by=DeliverBy(600, ByMode.RETURN)))
    await world.clock.advance(599)
    assert not world.seen(Reported)
    world.agent.script = world.relayed
    await world.clock.advance(2)
    [report] = world.seen(Reported)
    assert isinstance(report, Reported)
    assert report.kind == "failed"
    last = world.seen(Attempted)[-2]
    assert isinstance(last, Attempted)
    assert (last.fate, last.status) == ("failed", "5.4.7")
    assert world.tried().count("b@there.test") < 4


async def test_rfc2852_a_sender_is_told_when_mail_is_late(make: Make) -> None:
    """With N a delay is told at the deadline, and the mail is tried on."""
    world = await make(retry=(Duration(5 * MINUTE),), jitter=0.0)
    world.agent.script = world.deferred
    await world.send("b@there.test", wishes=MailParameters(deliver_by=DeliverBy(420, ByMode.NOTIFY)))
    await world.clock.advance(419)
    assert not world.seen(Reported)
    await world.clock.advance(2)
    [report] = world.seen(Reported)
    assert isinstance(report, Reported)
    assert report.kind == "delayed"
    await world.clock.advance(HOUR)
    assert world.tried().count("b@there.test") > 10
    assert len(world.seen(Reported)) == 1
