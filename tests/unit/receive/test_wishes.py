"""What clients ask of the queue, end to end: held mail, priorities, deadlines, ETRN."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from eilpost.config.schema import Role
from eilpost.mail.envelope import ByMode, DeliverBy
from eilpost.spool.contract import Entry, Filter, State
from tests.unit.receive.running import TRUSTED, Running


async def only(world: Running) -> Entry:
    (entry,) = await world.house.ways.spool.find(Filter())
    return entry


async def test_rfc4865_mail_waits_for_its_time(world: Running) -> None:
    """With HOLDFOR the message is accepted, and lies in the spool until then."""
    caller = await world.call(Role.SUBMISSION, TRUSTED)
    now = time.time()
    assert (await caller.mail("anna@example.test", parameters=" HOLDFOR=3600")).startswith("250 ")
    (row,) = (await only(world)).recipients
    assert row.state is State.DEFERRED
    assert now + 3599 < row.due < time.time() + 3601


async def test_rfc4865_until_a_moment(world: Running) -> None:
    """HOLDUNTIL names a moment; one that is over is now, one beyond the limit is refused."""
    caller = await world.call(Role.SUBMISSION, TRUSTED)
    far = (datetime.now(UTC) + timedelta(days=8)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (await caller.say(f"MAIL FROM:<x@y.example> HOLDUNTIL={far}")).startswith("501 5.5.4 ")
    assert (await caller.mail("anna@example.test", parameters=" HOLDUNTIL=2020-01-01T00:00:00Z")).startswith("250 ")
    await world.delivered("anna@example.test")


async def test_strangers_have_no_wishes(world: Running) -> None:
    """RFC 6710 §5: nobody makes their own mail urgent here; the parameters are unknown."""
    caller = await world.call()
    for wish in ("HOLDFOR=1", "MT-PRIORITY=9", "BY=60;R"):
        assert (await caller.say(f"MAIL FROM:<x@y.example> {wish}")).startswith("555 5.5.4 ")


async def test_wishes_of_trusted_clients_are_kept(world: Running) -> None:
    """RFC 6710 and RFC 2852: priority and deadline lie in the spool with the message."""
    caller = await world.call(source=TRUSTED)
    wishes = " MT-PRIORITY=4 BY=600;N"
    assert (await caller.mail("x@elsewhere.example", parameters=wishes)).startswith("250 ")
    parameters = (await only(world)).message.parameters
    assert parameters.priority == 4
    assert parameters.deliver_by == DeliverBy(600, ByMode.NOTIFY)


async def test_rfc1985_etrn_starts_what_waits(world: Running) -> None:
    """A trusted client starts the queue of a domain: 251 for nothing, 253 for what is tried now."""
    caller = await world.call(source=TRUSTED)
    assert (await caller.say("ETRN elsewhere.example")).startswith("251 ")
    await caller.mail("x@elsewhere.example")
    await world.until(lambda: world.rows() == 1)
    await world.house.ways.spool.hold(Filter())
    await world.house.ways.spool.unhold(Filter(), time.time() + 3600)
    assert (await caller.say("ETRN elsewhere.example")).startswith(("251 ", "253 2.0.0 1 pending"))
    assert (await caller.say("ETRN @elsewhere.example")).startswith("458 ")


async def test_etrn_is_not_for_strangers(world: Running) -> None:
    """Strangers on mx are not offered it; on submission who has not logged in gets 459."""
    assert (await (await world.call()).say("ETRN example.test")).startswith("502 ")
    assert (await (await world.call(Role.SUBMISSION)).say("ETRN example.test")).startswith("459 ")
