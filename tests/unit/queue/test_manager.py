"""From the spool, by the right agent, to an outcome."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from eilpost.config.schema import DAY, HOUR, MINUTE, Duration
from eilpost.deliver.agent import Attempt, Job
from eilpost.journal import (
    Attempted,
    DestinationChanged,
    Faulted,
    Removed,
    Reported,
    ReportOmitted,
    Warned,
)
from eilpost.mail.address import parse_address
from eilpost.mail.envelope import Envelope, Notify, Recipient, ReversePath
from eilpost.mail.next_hop import Means
from eilpost.mail.outcome import Fate
from eilpost.mail.status import status
from eilpost.queue import manager as module
from eilpost.queue.traffic import SHARE
from eilpost.spool.contract import ContentDamaged, Filter, SpoolClosed, SpoolFull, State
from eilpost.testing.agents import answer
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


async def test_fresh_mail_goes_out_at_once_and_leaves_nothing(make: Make) -> None:
    """What was handed over is delivered without a read of the spool, settled and forgotten."""
    world = await make()
    await world.send("b@there.test")
    await world.clock.run()
    assert world.tried() == ["b@there.test"]
    assert list(world.spool.rows()) == []
    assert world.manager.in_memory == 0
    [event] = world.seen(Attempted)
    assert (event.fate, event.next_hop, event.attempt, event.remote) == ("relayed", "mx:there.test", 1, "there.test")
    assert len(world.seen(Removed)) == 1


async def test_recipients_are_grouped_by_next_hop(make: Make) -> None:
    """One message makes one job for each next hop, whatever the order of its recipients."""
    world = await make()
    await world.send("x@one.test", "y@two.test", "z@one.test", "a@here.test")
    await world.clock.run()
    jobs = {str(job.next_hop): [str(item.address) for item in job.recipients] for job in world.agent.jobs}
    assert jobs == {
        "mx:one.test": ["x@one.test", "z@one.test"],
        "mx:two.test": ["y@two.test"],
        "maildir": ["a@here.test"],
    }


async def test_unclaimed_mail_is_claimed_when_woken(make: Make) -> None:
    """A commit that was not handed over is found in the spool."""
    world = await make()
    await world.send("b@there.test", hand_over=False)
    await world.clock.run()
    assert world.tried() == ["b@there.test"]


async def test_deferred_mail_is_tried_again_when_due_and_not_before(make: Make) -> None:
    """A deferral waits by the schedule, in the spool, and its time is told in the log."""
    world = await make(None, jitter=0.0)
    world.agent.script = world.deferred
    await world.send("b@there.test")
    await world.clock.run()
    row = world.row()
    assert (row.state, row.attempts, row.due) == (State.DEFERRED, 1, world.clock.now() + 5 * MINUTE)
    assert world.manager.in_memory == 0
    await world.clock.advance(5 * MINUTE - 1)
    assert len(world.agent.jobs) == 1
    await world.clock.advance(1)
    assert len(world.agent.jobs) == 2
    assert [event.attempt for event in world.seen(Attempted)] == [1, 2]
    assert world.seen(Attempted)[0].next_attempt == row.due


async def test_a_failure_is_reported_in_the_same_step(make: Make) -> None:
    """The sender gets a report that was made durable with the outcome, and it is mail like any other."""
    world = await make()
    world.agent.script = lambda job: world.relayed(job) if job.next_hop.means is Means.MAILDIR else world.failed(job)
    entry = await world.send("b@there.test")
    await world.clock.run()
    assert list(world.spool.rows()) == []
    [reported] = world.seen(Reported)
    assert (reported.message, reported.kind, reported.recipient) == (entry.message.id, "failed", "b@there.test")
    report = world.agent.jobs[-1]
    assert report.message.id == reported.report
    assert report.message.reverse_path.is_null
    assert str(report.recipients[0].address) == "a@here.test"
    assert b"550 no such user" in (report.message.content.octets or b"")


async def test_f158_a_report_that_fails_is_not_reported(make: Make) -> None:
    """Nothing is ever sent to the null reverse-path; the log says so."""
    world = await make()
    world.agent.script = world.failed
    await world.send("b@there.test", sender=None)
    await world.clock.run()
    assert world.seen(Reported) == []
    assert [event.why for event in world.seen(ReportOmitted)] == ["null reverse-path"]
    assert list(world.spool.rows()) == []


async def test_success_is_reported_when_asked(make: Make) -> None:
    """NOTIFY=SUCCESS gets a report of relaying."""
    world = await make()
    await world.send("b@there.test", notify=frozenset({Notify.SUCCESS}))
    await world.clock.run()
    assert [event.kind for event in world.seen(Reported)] == ["relayed"]


async def test_expiry_fails_with_the_last_reason(make: Make) -> None:
    """After the configured time a recipient fails; its report carries what went wrong last."""
    world = await make()
    world.agent.script = world.deferred
    await world.send("b@there.test", sender="s@there.test")
    await world.clock.advance(5 * DAY + 1)
    final = [event for event in world.seen(Attempted) if event.fate == "expired"]
    assert [(event.diagnostic, event.status) for event in final] == [("smtp; 450 later", "5.2.0")]
    assert [event.kind for event in world.seen(Reported)] == ["delayed", "failed"]


async def test_delay_is_told_once(make: Make) -> None:
    """A sender is warned once that mail waits, after the configured time."""
    world = await make()
    world.agent.script = lambda job: world.relayed(job) if job.next_hop.means is Means.MAILDIR else world.deferred(job)
    await world.send("b@there.test")
    await world.clock.advance(3.5 * HOUR)
    assert world.seen(Reported) == []
    await world.clock.advance(20 * HOUR)
    assert [event.kind for event in world.seen(Reported)] == ["delayed"]
    assert world.row().warned


async def test_f151_a_dead_destination_is_left_alone_and_delays_nobody(make: Make) -> None:
    """Of 1,000 messages for a dead host few are tried; all are deferred, and others go out at once."""
    world = await make()
    world.agent.script = lambda job: world.unreachable(job) if job.next_hop.host == "dead.test" else world.relayed(job)
    for address in addresses(1000, "dead.test"):
        await world.send(address)
    await world.send("b@there.test")
    await world.clock.run()
    tried = world.tried()
    assert "b@there.test" in tried
    assert len(tried) <= 1 + 5
    rows = [row for _, row in world.spool.rows()]
    assert len(rows) == 1000
    assert sum(row.attempts for row in rows) == len(tried) - 1
    assert all(row.state is State.DEFERRED and row.due >= world.clock.now() + 5 * MINUTE for row in rows)
    assert all(row.last is not None and row.last.diagnostic == "no answer" for row in rows)
    [down] = world.seen(DestinationChanged)
    assert (down.next_hop, down.state, down.why) == ("mx:dead.test", "down", "no answer")


async def test_one_probe_reopens_a_destination(make: Make) -> None:
    """When the rest is over one attempt finds out; its success lets all others go, slowly at first."""
    world = await make(None, jitter=0.0)
    world.agent.script = world.unreachable
    for address in addresses(100):
        await world.send(address)
    await world.clock.run()
    world.agent.jobs.clear()
    world.agent.most_busy = 0
    world.agent.script = world.slow
    await world.clock.advance(5 * MINUTE)
    assert len(world.agent.jobs) == 1
    await world.clock.advance(10.0)
    assert world.agent.most_busy == 5
    await world.clock.advance(HOUR)
    assert list(world.spool.rows()) == []
    assert world.agent.most_busy <= 20
    assert [event.state for event in world.seen(DestinationChanged)] == ["down", "up"]


async def test_mail_for_what_is_down_is_written_once(make: Make) -> None:
    """A new message for a destination that rests is left in the spool until it may be tried, and the log tells why."""
    world = await make(None, jitter=0.0)
    world.agent.script = world.unreachable
    there = [Recipient(parse_address("a@there.test"))]
    assert world.manager.waits_until(there) is None
    await world.send("a@there.test")
    await world.clock.run()
    due = world.manager.waits_until(there)
    assert due == world.clock.now() + 5 * MINUTE
    draft = world.spool.draft()
    entry = await world.spool.commit(
        draft, Envelope(ReversePath(None), tuple(there)), received=world.clock.now(), claim=False, due=due
    )
    world.agent.script = world.relayed
    world.agent.jobs.clear()
    world.manager.leave(entry)
    await world.clock.advance(4 * MINUTE)
    assert world.agent.jobs == []
    told = world.events[-1]
    assert isinstance(told, Attempted)
    assert (told.fate, told.diagnostic, told.attempt, told.next_attempt) == ("deferred", "no answer", 0, due)
    await world.clock.advance(2 * MINUTE)
    assert list(world.spool.rows()) == []
    assert world.manager.waits_until(there) is None


async def test_mail_with_one_living_destination_is_handed_over(make: Make) -> None:
    """A new message waits only where all its destinations are down."""
    world = await make(None)
    world.agent.script = lambda job: world.unreachable(job) if job.next_hop.host == "dead.test" else world.relayed(job)
    await world.send("a@dead.test")
    await world.clock.run()
    dead, living = (Recipient(parse_address(text)) for text in ("b@dead.test", "b@there.test"))
    assert world.manager.waits_until([dead]) is not None
    assert world.manager.waits_until([dead, living]) is None


async def test_a_probe_that_fails_lengthens_the_rest(make: Make) -> None:
    """A destination that stays dead is probed ever more rarely, at most twice an hour."""
    world = await make(None, jitter=0.0)
    world.agent.script = world.unreachable
    for address in addresses(50):
        await world.send(address, sender=None)
    await world.clock.advance(12 * HOUR)
    assert len(world.agent.jobs) <= 5 + 4 + 24
    assert [event.state for event in world.seen(DestinationChanged)] == ["down"]


async def test_e48_many_dead_destinations_leave_the_living_alone(make: Make) -> None:
    """With 1,000 hosts that time out slowly, mail for a host that works still flows."""

    async def dead(job: Job) -> Attempt:
        await world.clock.sleep(30.0)
        return world.unreachable(job)

    world = await make(None, concurrency=50)
    world.agent.script = lambda job: dead(job) if job.next_hop.host.startswith("dead") else world.relayed(job)
    await world.send("b@there.test")
    await world.clock.run()
    for number in range(1000):
        await world.send(f"x@dead{number}.test")
    for address in addresses(500):
        await world.send(address)
    await world.clock.run()
    assert len([text for text in world.tried() if text.endswith("@there.test")]) == 501
    assert world.agent.most_busy <= 50
    await world.clock.advance(1000 / 25 * 30.0 + 30.0)
    assert len({text for text in world.tried() if "dead" in text}) == 1000


async def test_slots_are_shared_fairly(make: Make) -> None:
    """When slots are scarce a destination with few messages does not wait for one with many."""
    world = await make(None, concurrency=4)
    world.agent.script = world.slow
    for address in addresses(200, "big.test"):
        await world.send(address)
    await world.send("b@small.test")
    await world.clock.advance(25.0)
    assert "b@small.test" in world.tried()
    assert world.agent.most_busy <= 4
    await world.clock.advance(HOUR)
    assert list(world.spool.rows()) == []


async def test_concurrency_keeps_its_bounds(make: Make) -> None:
    """One destination never has more attempts at once than configured."""
    world = await make(None, destination_concurrency=7)
    world.agent.script = world.slow
    for address in addresses(300):
        await world.send(address)
    await world.clock.advance(HOUR)
    assert world.agent.most_busy == 7
    assert list(world.spool.rows()) == []


async def test_e7_a_bug_in_an_agent_loses_nothing(make: Make) -> None:
    """An exception out of an agent is noted and defers the mail; other mail goes on."""

    def script(job: Job) -> Attempt:
        if job.next_hop.host == "bug.test":
            raise KeyError("oops")
        return world.relayed(job)

    world = await make()
    world.agent.script = script
    await world.send("a@bug.test", "b@there.test")
    await world.clock.run()
    [fault] = world.seen(Faulted)
    assert (fault.where, fault.exception) == ("deliver to mx:bug.test", "KeyError")
    row = world.row()
    assert row.last is not None
    assert (row.state, str(row.last.status)) == (State.DEFERRED, "4.3.0")


async def test_a_wrong_number_of_outcomes_is_a_bug(make: Make) -> None:
    """An agent that does not say what became of each recipient has delivered none."""
    world = await make(lambda job: Attempt(()))
    await world.send("b@there.test")
    await world.clock.run()
    assert [event.exception for event in world.seen(Faulted)] == ["RuntimeError"]
    assert world.row().state is State.DEFERRED


async def test_a_reroute_that_cannot_be_read_defers_that_recipient_alone(make: Make) -> None:
    """A fault in routing is noted, defers its recipient, and the others go."""
    world = await make()
    await world.send("x@one.test", "y@two.test", hand_over=False)
    await world.spool.reroute(Filter(to="x@one.test"), "nonsense", world.clock.now())
    await world.clock.advance(1.0)
    assert world.tried() == ["y@two.test"]
    assert [event.where for event in world.seen(Faulted)] == ["route"]
    assert world.row().state is State.DEFERRED


async def test_damaged_content_is_set_aside_and_others_go_on(make: Make) -> None:
    """An entry that cannot be read, which the spool has noted, holds up nothing."""

    def script(job: Job) -> Attempt:
        if job.next_hop.host == "rot.test":
            raise ContentDamaged("the checksum differs")
        return world.relayed(job)

    world = await make()
    world.agent.script = script
    await world.send("a@rot.test")
    await world.send("b@there.test")
    await world.clock.run()
    assert [event.recipient for event in world.seen(Attempted)] == ["b@there.test"]
    assert "b@there.test" in world.tried()
    assert world.manager.in_memory == 0


async def test_e19_a_full_disk_keeps_the_outcome_until_there_is_space(make: Make) -> None:
    """While an outcome cannot be stored nothing more is delivered; then it is, and each recipient is tried once."""
    world = await make()
    await world.clock.run()
    await world.send("b@there.test")
    world.spool.fail_next(*[SpoolFull("no space")] * 3)
    await world.clock.run()
    assert world.row().state is State.ACTIVE
    await world.send("c@there.test")
    await world.clock.advance(0.5)
    assert world.tried() == ["b@there.test"]
    await world.clock.advance(10.0)
    assert list(world.spool.rows()) == []
    assert world.tried() == ["b@there.test", "c@there.test"]
    assert len(world.seen(Warned)) == 2


async def test_a_closed_spool_ends_deliveries(make: Make) -> None:
    """Without a place for outcomes no further attempt is made; the claims are due at the next start."""
    world = await make()
    await world.clock.run()
    await world.send("b@there.test")
    world.spool.fail_next(SpoolClosed("a sync failed"))
    await world.clock.run()
    assert not world.manager.has_room()
    world.manager.accept(await world.send("c@there.test", hand_over=False))
    await world.clock.advance(HOUR)
    assert world.tried() == ["b@there.test"]
    await world.crash()
    await world.clock.run()
    assert sorted(world.tried()) == ["b@there.test", "b@there.test", "c@there.test"]


async def test_stop_lets_attempts_finish_and_gives_the_rest_back(make: Make) -> None:
    """At the end what is under way is settled, and what waits is due in the spool."""
    world = await make()
    world.agent.script = world.slow
    for address in addresses(20):
        await world.send(address)
    await world.clock.run()
    assert world.agent.busy == 5
    stop = asyncio.create_task(world.manager.stop(30.0))
    await world.clock.advance(15.0)
    await stop
    rows = [row for _, row in world.spool.rows()]
    assert len(rows) == 15
    assert {row.state for row in rows} == {State.DEFERRED}
    assert len(world.agent.jobs) == 5


async def test_stop_does_not_wait_longer_than_its_grace(make: Make) -> None:
    """An attempt that takes too long is broken off and its mail is due again."""
    world = await make()
    world.agent.script = world.slow
    await world.send("b@there.test")
    await world.clock.run()
    stop = asyncio.create_task(world.manager.stop(3.0))
    await world.clock.advance(4.0)
    await stop
    assert world.row().state is State.DEFERRED


async def test_memory_is_bounded(make: Make) -> None:
    """Beyond its room the manager wants nothing handed over, and claims no more than it has room for."""
    world = await make()
    world.agent.script = world.slow
    for _ in range(module.ROOM // 100):
        await world.send(*addresses(100))
    assert not world.manager.has_room()
    for _ in range(2 * module.ROOM // 100):
        await world.send(*addresses(100), hand_over=False)
    await world.clock.run()
    assert world.manager.in_memory <= 2 * module.ROOM
    await world.clock.advance(HOUR)
    assert list(world.spool.rows()) == []
    assert world.manager.has_room()


async def test_content_in_memory_is_bounded(make: Make) -> None:
    """Big messages fill the room before many do."""
    world = await make()
    world.agent.script = world.slow
    content = bytes(module.OCTETS // 10)
    for address in addresses(10):
        assert world.manager.has_room()
        await world.send(address, content=content)
    assert not world.manager.has_room()


async def test_a_saturated_destination_leaves_the_claims_to_others(make: Make) -> None:
    """When enough waits for a slow destination, what is due for others is claimed past it."""
    world = await make()

    async def never(job: Job) -> Attempt:
        await world.clock.sleep(DAY)
        return world.relayed(job)

    world.agent.script = lambda job: never(job) if job.next_hop.host == "slow.test" else world.relayed(job)
    for number in range(SHARE + 1500):
        await world.send(f"u{number}@slow.test", hand_over=False)
    await world.send("b@there.test", hand_over=False)
    await world.clock.advance(5.0)
    assert "b@there.test" in world.tried()


async def test_f165_no_storm_of_warnings_after_an_outage(make: Make) -> None:
    """When thousands of messages pass the age of warning together, their warnings are spread."""
    world = await make(None, jitter=0.1)
    world.agent.script = lambda job: world.relayed(job) if job.next_hop.means is Means.MAILDIR else world.deferred(job)
    for number in range(600):
        await world.send(f"x@d{number}.test", hand_over=False)
    await world.manager.stop(0.0)
    world.clock.jump(5 * HOUR)
    await world.crash()
    await world.clock.run()
    assert len(world.seen(Reported)) <= 100
    await world.clock.advance(3 * HOUR)
    assert len(world.seen(Reported)) == 600


async def test_e30_a_clock_set_ten_years_ahead_fails_nothing_at_once(make: Make) -> None:
    """A jump forward is noticed, and nothing expires for hours in which the clock can be mended."""
    world = await make(None, jitter=0.0)
    world.agent.script = world.deferred
    for address in addresses(20):
        await world.send(address)
    await world.clock.run()
    world.clock.jump(10 * 365 * DAY)
    await world.clock.advance(3 * HOUR)
    assert {event.fate for event in world.seen(Attempted)} == {"deferred"}
    assert world.seen(Reported) == []
    assert any("jumped" in event.what for event in world.seen(Warned))
    world.clock.jump(-10 * 365 * DAY)
    await world.clock.advance(6 * HOUR)
    assert all(row.due <= world.clock.now() + 4.5 * HOUR for _, row in world.spool.rows())
    assert {event.fate for event in world.seen(Attempted)} == {"deferred"}


async def test_e30_a_clock_set_to_1970_strands_nothing(make: Make) -> None:
    """Times that lie further ahead than any schedule goes are not waited for."""
    world = await make(None, jitter=0.0)
    world.agent.script = world.deferred
    await world.send("b@there.test")
    await world.clock.run()
    world.clock.jump(-world.clock.now())
    await world.clock.advance(2 * MINUTE)
    assert len(world.agent.jobs) == 2
    await world.clock.advance(HOUR)
    assert len(world.agent.jobs) >= 3


async def test_operators_can_take_out_what_waits_in_memory(make: Make) -> None:
    """What waits and is meant goes back to the spool; what is under way stays, and so does the rest."""
    world = await make(None, destination_concurrency=1)
    world.agent.script = world.slow
    for text in ("first@there.test", "second@there.test", "third@there.test"):
        await world.send(text)
    await world.clock.run()
    async with world.manager.set_free(Filter(to="second@there.test")) as freed:
        assert len(freed) == 1
        assert await world.spool.hold(Filter(to="second@there.test")) == 1
    await world.clock.advance(HOUR)
    assert world.tried() == ["first@there.test", "third@there.test"]
    assert world.row().state is State.HELD


async def test_an_operator_fails_recipients(make: Make) -> None:
    """Seized recipients fail with the operator's words and their sender is told."""
    world = await make()
    world.agent.script = lambda job: world.relayed(job) if job.next_hop.means is Means.MAILDIR else world.deferred(job)
    await world.send("b@there.test")
    await world.clock.run()
    world.manager.fail(await world.spool.seize(Filter()), status("5.3.0"), "returned by the postmaster")
    await world.manager.settled()
    await world.clock.run()
    assert list(world.spool.rows()) == []
    assert [event.kind for event in world.seen(Reported)] == ["failed"]


@pytest.mark.parametrize("seed", range(6))
async def test_nothing_is_lost_over_days_of_random_outcomes_and_crashes(seed: int) -> None:
    """Whatever hosts answer and whenever the process dies, each recipient reaches one fate or still waits (I1, I8)."""
    chance = random.Random(seed)
    world = World(seed=seed, concurrency=30)
    delivered: dict[str, int] = {}
    last: dict[str, float] = {}

    async def script(job: Job) -> Attempt:
        await world.clock.sleep(chance.choice((0.0, 0.1, 1.0, 30.0)))
        if chance.random() < 0.1 and not job.next_hop.host.startswith("d0"):
            return world.unreachable(job)
        fate, code = chance.choice(
            ((Fate.RELAYED, "2.0.0"), (Fate.DEFERRED, "4.2.1"), (Fate.DEFERRED, "4.3.2"), (Fate.FAILED, "5.1.1"))
        )
        for item in job.recipients:
            key = f"{job.message.id} {item.address}"
            if fate is not Fate.DEFERRED:
                delivered[key] = delivered.get(key, 0) + 1
            last[key] = world.clock.now()
        return answer(job, fate, code, clock=world.clock)

    world.agent.script = script
    await world.manager.start()
    sent: set[str] = set()
    crashes = 0
    for _ in range(60):
        for _ in range(chance.randrange(20)):
            to = [f"u{chance.randrange(1000)}@d{chance.randrange(12)}.test" for _ in range(chance.choice((1, 1, 1, 3)))]
            to = list(dict.fromkeys(to))
            hand_over = world.manager.has_room() and chance.random() < 0.7
            entry = await world.send(*to, sender="s@d0.test" if chance.random() < 0.5 else None, hand_over=hand_over)
            sent |= {f"{entry.message.id} {text}" for text in to}
        await world.clock.advance(chance.choice((0.05, 1.0, 60.0, HOUR)))
        if chance.random() < 0.15:
            crashes += 1
            await world.crash()
    waiting = {f"{message.id} {row.recipient.address}" for message, row in world.spool.rows()}
    expired = {f"{event.message} {event.recipient}" for event in world.seen(Attempted) if event.fate == "expired"}
    assert sent <= delivered.keys() | waiting | expired
    assert sum(number - 1 for number in delivered.values()) <= 30 * crashes
    for event in world.seen(Attempted):
        if event.next_attempt is not None:
            assert event.next_attempt > world.clock.now() - 40 * DAY
    await world.clock.advance(6 * DAY)
    assert list(world.spool.rows()) == []
    assert world.manager.in_memory == 0
    assert {event.exception for event in world.seen(Faulted)} == set()
    await world.manager.stop(0.0)


async def test_no_attempt_is_early() -> None:
    """No recipient is tried before the time its last deferral named (I8)."""
    world = World(seed=7)
    due: dict[str, float] = {}
    early: list[str] = []

    def script(job: Job) -> Attempt:
        tried = [f"{job.message.id} {item.address}" for item in job.recipients]
        early.extend(text for text in tried if world.clock.now() < due.get(text, 0.0))
        return world.deferred(job) if world.random.random() < 0.7 else world.unreachable(job)

    world.agent.script = script
    await world.manager.start()
    for number in range(100):
        await world.send(f"u{number}@d{number % 7}.test")
    for _ in range(200):
        await world.clock.advance(13 * MINUTE)
        due = {f"{message.id} {row.recipient.address}": row.due for message, row in world.spool.rows()}
        if world.random.random() < 0.2:
            await world.crash()
    assert early == []
    assert len(world.agent.jobs) > 500
    await world.manager.stop(0.0)


def test_durations_of_the_tests_are_the_defaults() -> None:
    """The tests above speak of the default schedule."""
    assert World().settings.queue.retry[0] == Duration(5 * MINUTE)
