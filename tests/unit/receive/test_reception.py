"""The door: who may come in, how many, and how they are led out."""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from eilpost.config.schema import Config, Domain, Limits, Listen, Relay, Role
from eilpost.journal import Accepted, SessionClosed, SessionOpened, SystemChanged, Warned
from eilpost.net import listen
from eilpost.net.stream import Stream
from eilpost.receive.session import FAREWELL
from tests.unit.receive.running import MESSAGE, TRUSTED, Running, configuration, jump, running

ANNA = "anna@example.test"
CROWDED = "421 4.7.0 Too many connections from your address"


# --- connections


async def test_f122_connections_in_all(tmp_path: Path) -> None:
    """Beyond limits.connections everybody hears 421 4.3.2; who leaves makes room."""
    async with running(configuration(tmp_path / "data", Limits(connections=3))) as world:
        inside = [await world.call(source=source) for source in ("127.0.0.1", "127.0.0.2", TRUSTED)]
        for source in ("127.0.0.3", TRUSTED):
            late = world.dial(source=source)
            assert await late.hear() == "421 4.3.2 Too many connections, try again later"
            assert await late.gone()
        inside[0].close()
        await world.until(lambda: world.house.guests == 2)
        assert (await (await world.call()).mail(ANNA)).startswith("250 ")


async def test_f121_connections_of_one_client(tmp_path: Path) -> None:
    """Beyond limits.connections_per_client a stranger hears 421 4.7.0; neighbours and trusted clients do not."""
    async with running(configuration(tmp_path / "data", Limits(connections_per_client=2))) as world:
        first, _ = await world.call(), await world.call()
        assert await world.dial().hear() == CROWDED
        await world.call(source="127.0.0.2")
        for _ in range(4):
            await world.call(source=TRUSTED)
        await first.say("QUIT")
        await world.until(lambda: world.house.guests == 6)
        await world.call()


@contextlib.asynccontextmanager
async def door_for(world: Running, *addresses: str) -> AsyncIterator[tuple[str, int]]:
    """A listener on loopback whose connections seem to come from these addresses, one after the other."""
    door = world.system._reception.door(Role.MX)
    coming = iter(addresses)

    def connected(stream: Stream) -> None:
        stream.peer = (next(coming), 40_000)
        door(stream)

    listener = listen.Listener(listen.bind_tcp("127.0.0.1", 0, []))
    await listener.start(connected)
    host, _, port = listener.address.rpartition(":")
    yield host, int(port)
    listener.close()


async def test_f135_connections_of_one_ipv6_network(tmp_path: Path) -> None:
    """IPv6 clients are counted by /64: another address of the same network is the same client."""
    near = ("2001:db8:1:1::1", "2001:db8:1:1::2", "2001:db8:1:1:ffff::3", "2001:db8:1:2::1")
    async with running(configuration(tmp_path / "data", Limits(connections_per_client=2))) as world:
        async with door_for(world, *near) as world.addresses[Role.MX]:
            heard = [await world.dial().hear() for _ in near]
        assert [line[:3] for line in heard] == ["220", "220", "421", "220"]


async def test_f071_mapped_addresses(tmp_path: Path) -> None:
    """An IPv4-mapped address is the IPv4 address: in relay.networks, in limits and in the trace."""
    async with running(configuration(tmp_path / "data", networks=("10.0.0.0/8",))) as world:
        async with door_for(world, "::ffff:10.0.0.1", "::ffff:192.0.2.1") as world.addresses[Role.MX]:
            ours, theirs = await world.call(), await world.call()
        await ours.say("MAIL FROM:<a@b.example>")
        assert (await ours.say("RCPT TO:<v@elsewhere.example>")).startswith("250 ")
        assert [event.peer for event in world.of(SessionOpened)] == ["10.0.0.1", "192.0.2.1"]
        assert (await theirs.mail(ANNA)).startswith("250 ")
        assert b"([192.0.2.1])" in (await world.delivered(ANNA))[0]


async def test_ipv6_listener(tmp_path: Path) -> None:
    """A listener on [::1] serves IPv6 clients, and the trace writes their address as RFC 5321 §4.1.3 does."""
    config = configuration(tmp_path / "data", listen=(Listen(Role.MX, "[::1]:0"),))
    async with running(config) as world:
        caller = await world.call()
        assert (await caller.mail(ANNA)).startswith("250 ")
        assert b"([IPv6:::1])" in (await world.delivered(ANNA))[0]


async def test_a_peer_without_an_address_is_nobody(world: Running) -> None:
    """A TCP peer that reset its connection before we looked has no address; it is not taken for a local user."""
    async with door_for(world, "") as world.addresses[Role.MX]:
        assert await world.dial().gone()
    assert not world.of(SessionOpened)


async def test_f125_storms(world: Running) -> None:
    """Peers that come and go, with FIN or RST, at any moment, leave nothing behind."""
    for number in range(300):
        caller = world.dial()
        if number % 3 == 1:
            caller.sock.send(b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<anna@example.test>\r\n")
        if number % 5 == 1:
            await caller.settle()
        if number % 2:
            caller.reset()
        else:
            caller.close()
    await world.until(lambda: world.house.guests == 0)
    assert world.system._reception._by_client == {}
    assert world.system._reception._sessions == {}
    assert (await (await world.call()).mail(ANNA)).startswith("250 ")


async def test_f125_half_closed(world: Running) -> None:
    """A client that sends all it has and closes its side hears every reply."""
    caller = await world.call()
    await caller.send(b"NOOP\r\nNOOP\r\nQUIT\r\n")
    caller.half_close()
    assert [(await caller.hear())[:3] for _ in range(3)] == ["250", "250", "221"]
    assert await caller.gone()


async def test_e54_many_idle_connections(tmp_path: Path) -> None:
    """E54 in small: while 1,500 idle clients sit there, mail flows; a minute's patience later they are gone."""
    limits = replace(Limits(), connections=2000, connections_per_client=300)
    async with running(configuration(tmp_path / "data", limits)) as world:
        idle = []
        for number in range(1, 1501):
            idle.append(world.dial(source=f"127.0.1.{number % 6 + 1}"))
            if number % 100 == 0:  # the kernel keeps no more waiting than the backlog
                await world.until(lambda number=number: world.house.guests == number)  # type: ignore[misc]
        caller = await world.call()
        for _ in range(20):
            assert (await caller.mail(ANNA)).startswith("250 ")
        jump(301)
        await world.until(lambda: world.house.guests == 0)
        assert (await idle[0].hear()).startswith("220 ")
        assert (await idle[0].hear()).startswith("421 4.4.2 ")


# --- local users


async def test_submission_socket(world: Running) -> None:
    """Whoever opens <data>/submit.sock may send to others, and the message has the account of its user."""
    caller = world.dial_locally()
    assert (await caller.hear()).startswith("220 ")
    await caller.say("EHLO localhost")
    assert (await caller.mail("v@elsewhere.example")).startswith("250 ")
    accepted = world.of(Accepted)[0]
    assert (accepted.account, accepted.peer, accepted.role) == (pwd.getpwuid(os.geteuid()).pw_name, "", "submission")


# --- submission from outside


async def test_submission_refuses_strangers(world: Running) -> None:
    """On a submission listener strangers hear 530 5.7.0 at MAIL, trusted clients send to anybody."""
    stranger = await world.call(Role.SUBMISSION)
    assert (await stranger.mail(ANNA)).startswith("530 5.7.0 ")
    trusted = await world.call(Role.SUBMISSION, source=TRUSTED)
    assert (await trusted.mail("v@elsewhere.example")).startswith("250 ")


# --- the end


async def test_sigterm_idle_sessions(world: Running) -> None:
    """When the house closes, sessions without a transaction hear 421 4.3.2 at once, greeted or not."""
    idle = [await world.call(), await world.call(hello=""), await world.call(Role.LMTP)]
    world.system.stop()
    for caller in idle:
        assert await caller.hear() == "421 4.3.2 Going down, try again later"
        assert await caller.gone()
    await world.until(lambda: len(world.of(SessionClosed)) == 3)
    assert {event.reason for event in world.of(SessionClosed)} == {"shutdown"}


async def test_e5_transactions_end(world: Running) -> None:
    """A transaction under way is finished, its message kept, and then the session hears 421 4.3.2."""
    caller, idle = await world.call(), await world.call()
    await caller.say("MAIL FROM:<x@y.example>")
    world.system.stop()
    assert (await idle.hear()).startswith("421 ")
    assert (await caller.say("RCPT TO:<anna@example.test>")).startswith("250 ")
    assert (await caller.say("DATA")).startswith("354 ")
    await caller.send(MESSAGE + b".\r\n")
    assert (await caller.hear()).startswith("250 2.0.0 ")
    assert await caller.hear() == "421 4.3.2 Going down, try again later"
    assert await caller.gone()
    assert await world.delivered(ANNA)


async def test_e5_nothing_new_begins(world: Running) -> None:
    """While the house waits for one transaction, another one does not begin, and nobody else comes in."""
    caller = await world.call()
    await caller.say("MAIL FROM:<x@y.example>")
    world.system.stop()
    await world.until(lambda: world.house.stopping)
    await caller.send(b"RSET\r\nMAIL FROM:<x@y.example>\r\n")
    assert (await caller.hear())[:3] in ("250", "421")
    assert (await caller.hear()).startswith("421 4.3.2 ") or await caller.gone()
    with pytest.raises(ConnectionError):
        world.dial()


async def test_e5_grace_is_bounded(world: Running) -> None:
    """A client that does not end its transaction is cut after the grace period with 421, and nothing of it stays."""
    caller = await world.call()
    for line in ("MAIL FROM:<x@y.example>", "RCPT TO:<anna@example.test>", "DATA"):
        await caller.say(line)
    await caller.send(MESSAGE)
    world.system.stop()
    await world.until(lambda: world.house.stopping)
    jump(21)
    assert await caller.hear() == "421 4.3.2 Going down, try again later"
    assert await caller.gone()
    assert not world.of(Accepted)


# --- reload


async def test_e59_reload(world: Running) -> None:
    """SIGHUP: new domains, networks and limits count at once, also for sessions that are open."""
    caller = await world.call()
    await caller.say("MAIL FROM:<x@y.example>")
    assert (await caller.say("RCPT TO:<carla@third.test>")).startswith("550 5.7.1 ")
    world.add_account("carla@third.test")
    world.reread.append(
        replace(
            world.config,
            domain=(*world.config.domain, Domain("third.test")),
            relay=Relay(networks=("127.0.0.4/32",)),
            limits=Limits(recipients=2),
        )
    )
    world.system.reload()
    assert (await caller.say("RCPT TO:<carla@third.test>")).startswith("250 ")
    assert (await caller.say("RCPT TO:<anna@example.test>")).startswith("250 ")
    assert (await caller.say("RCPT TO:<berta@example.test>")).startswith("452 4.5.3 ")
    for source, code in ((TRUSTED, "550"), ("127.0.0.4", "250")):
        other = await world.call(source=source)
        await other.say("MAIL FROM:<x@y.example>")
        assert (await other.say("RCPT TO:<v@elsewhere.example>")).startswith(code)
    assert "LIMITS RCPTMAX=2 " in await other.say("EHLO again.example")
    await caller.say("DATA")
    await caller.send(MESSAGE + b".\r\n")
    assert (await caller.hear()).startswith("250 ")
    assert await world.delivered("carla@third.test")
    assert [event.state for event in world.of(SystemChanged)][-1] == "reloaded"


def _aliases(config: Config, path: Path) -> Config:
    return replace(config, aliases=replace(config.aliases, file=str(path)))


async def test_e59_broken_reload(world: Running, tmp_path: Path) -> None:
    """A configuration that cannot be read is told, and the old one stays in force."""
    caller = await world.call()

    def wrong() -> Config:
        raise PermissionError(13, "Permission denied", "eilpost.toml")

    world.system._reread = wrong
    with pytest.raises(PermissionError):
        world.system.reload()
    assert [event.what for event in world.of(Warned)] == ["the new configuration is not used"]
    assert (await caller.mail(ANNA)).startswith("250 ")
    assert (await (await world.call()).mail("nobody@example.test")).startswith("550 5.1.1 ")


async def test_e59_reload_names_what_needs_a_restart(world: Running, tmp_path: Path) -> None:
    """Another data directory counts from the next start; until then the accounts of this one are known."""
    server = replace(world.config.server, data=str(tmp_path / "elsewhere"))
    world.reread.append(replace(world.config, server=server))
    world.system.reload()
    assert [event.what for event in world.of(Warned)] == ["restart needed"]
    assert (await (await world.call()).mail(ANNA)).startswith("250 ")
    assert not (tmp_path / "elsewhere").exists()


async def test_reload_reads_another_alias_file(world: Running, tmp_path: Path) -> None:
    """A new aliases.file is in force after a reload."""
    file = tmp_path / "aliases"
    file.write_text("info: anna@example.test\n")
    caller = await world.call()
    assert (await caller.mail("info@example.test")).startswith("550 ")
    await caller.say("RSET")
    world.reread.append(_aliases(world.config, file))
    world.system.reload()
    assert (await caller.mail("info@example.test")).startswith("250 ")
    assert await world.delivered(ANNA)


async def test_f121_who_does_not_go_is_counted(tmp_path: Path) -> None:
    """A client that was refused and stays connected keeps its place for some seconds; it cannot pile connections up."""
    async with running(configuration(tmp_path / "data", Limits(connections_per_client=2))) as world:
        for _ in range(2):
            lingering = world.dial()
            lingering.sock.send(b"GET / HTTP/1.1\r\n")
            assert (await lingering.hear()).startswith("554 ")
        assert await world.dial().hear() == CROWDED
        jump(FAREWELL + 1)
        await world.until(lambda: world.house.guests == 0)
        await world.call()


async def test_who_is_refused_in_the_middle_reads_why(world: Running) -> None:
    """A client that still sends what was refused hears the refusal, not a reset."""
    caller = await world.call()
    await caller.mail(ANNA)
    await caller.say("MAIL FROM:<x@y.example>")
    await caller.say(f"RCPT TO:<{ANNA}>")
    await caller.say("DATA")
    await caller.send(b"bare\nline feed" + b"x" * 300_000)
    await caller.settle()
    await caller.send(b"x" * 300_000)
    assert (await caller.hear()).startswith("554 5.6.0 ")
    assert await caller.gone()


async def test_e5_who_lingers_delays_no_stop(world: Running) -> None:
    """A client that was refused and does not go does not hold up the end."""
    lingering = world.dial()
    lingering.sock.send(b"GET / HTTP/1.1\r\n")
    assert (await lingering.hear()).startswith("554 ")
    world.system.stop()
    await world.until(lambda: world.house.guests == 0)
