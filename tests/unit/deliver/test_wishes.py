"""What mail asks for on its way: an encrypted way (RFC 8689), a deadline (RFC 2852)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from eilpost.config.schema import Delivery, Duration
from eilpost.deliver.lmtp import Lmtp
from eilpost.deliver.relay import Relay
from eilpost.mail.envelope import ByMode, DeliverBy, MailParameters
from eilpost.mail.next_hop import Host, Means, NextHop, Unroutable
from eilpost.net.dev_certificate import DevCertificate, prepare
from eilpost.net.tls import server_context
from tests.unit.deliver.errands import NEXT_HOP, job, short
from tests.unit.peers import OFFER, Peer, Stage, refusing_port, staged

NAME = "mx.there.example"
DEMAND = MailParameters(require_tls=True)
STARTTLS = OFFER.replace(b"250-PIPELINING", b"250-STARTTLS\r\n250-PIPELINING")
PROMISE = OFFER.replace(b"250-PIPELINING", b"250-REQUIRETLS\r\n250-PIPELINING")

Part = Callable[[Peer], Awaitable[None]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> DevCertificate:
    """A certificate for the next hop, by an authority that is only ours."""
    return prepare(tmp_path_factory.mktemp("tls"), [NAME], time.time())


def hop(port: int, means: Means = Means.SMTP) -> NextHop:
    """A host that the operator named, and of which no encryption is asked."""
    return NextHop(means, NAME, port)


@contextlib.asynccontextmanager
async def relaying(authorities: str, *ports: int) -> AsyncIterator[Relay]:
    """A relay that finds these loopback ports for every next hop, in order."""

    async def find(next_hop: NextHop, /) -> tuple[Host, ...] | Unroutable:
        return tuple(Host(NAME, "127.0.0.1", port) for port in ports)

    settings = replace(Delivery(), authorities=authorities, connect_timeout=Duration(5.0))
    relay = Relay(settings, find, hostname="me.example")
    try:
        yield relay
    finally:
        await relay.close()


def encrypted(made: DevCertificate, offer: bytes = PROMISE, messages: int = 1) -> Part:
    """A server with TLS, which offers so over it and takes messages."""

    async def play(peer: Peer) -> None:
        await peer.open(STARTTLS)
        await peer.expect((b"STARTTLS", b"220 go\r\n"))
        await peer.secure(server_context(made.pair))
        await peer.expect((b"EHLO", offer))
        for _ in range(messages):
            await peer.take()
        await peer.leave()

    return play


async def clear(peer: Peer) -> None:
    """A server without TLS, although it promises to keep mail encrypted."""
    await peer.open(PROMISE)
    await peer.leave()


def mails(stage: Stage) -> list[bytes]:
    """The MAIL commands that were said."""
    return [line for line in stage.lines if line.startswith(b"MAIL")]


async def test_rfc8689_a_demand_goes_where_it_is_kept(made: DevCertificate) -> None:
    """RFC 8689 §4.2.1: over verified TLS, to a server that promises the same, and with the same demand."""
    async with staged(encrypted(made)) as stage, relaying(made.authority, stage.port) as relay:
        attempt = await relay.attempt(job(next_hop=hop(stage.port), parameters=DEMAND))
    assert short(attempt) == ["relayed 2.0.0"]
    assert [line.split()[-1] for line in mails(stage)] == [b"REQUIRETLS"]


@pytest.mark.parametrize("fault", ["no TLS", "an unknown authority", "no promise"])
async def test_rfc8689_a_demand_that_nobody_keeps_fails(made: DevCertificate, fault: str) -> None:
    """RFC 8689 §4.2.1: without TLS, without a good certificate or without REQUIRETLS nothing is sent (X.7.30)."""
    parts = {
        "no TLS": clear,
        "an unknown authority": encrypted(made),
        "no promise": encrypted(made, OFFER, messages=0),
    }
    authorities = "" if fault == "an unknown authority" else made.authority
    with contextlib.suppress(ConnectionError):  # who is not trusted sees the handshake end
        async with staged(parts[fault]) as stage, relaying(authorities, stage.port) as relay:
            attempt = await relay.attempt(job(next_hop=hop(stage.port), parameters=DEMAND))
    assert short(attempt) == ["failed 5.7.30"]
    assert mails(stage) == []


async def test_rfc8689_another_host_may_keep_the_demand(made: DevCertificate) -> None:
    """RFC 8689 §4.2.1: every host of the next hop is tried before the message fails."""
    async with (
        staged(encrypted(made, OFFER, messages=0)) as first,
        staged(encrypted(made)) as second,
        relaying(made.authority, first.port, second.port) as relay,
    ):
        attempt = await relay.attempt(job(next_hop=hop(first.port), parameters=DEMAND))
    assert short(attempt) == ["relayed 2.0.0"]
    assert (len(mails(first)), len(mails(second))) == (0, 1)


async def test_rfc8689_a_host_that_is_away_leaves_hope(made: DevCertificate) -> None:
    """A host that cannot be reached now may keep the promise later: the message waits."""
    away = await refusing_port()
    async with (
        staged(encrypted(made, OFFER, messages=0)) as stage,
        relaying(made.authority, away, stage.port) as relay,
    ):
        attempt = await relay.attempt(job(next_hop=hop(stage.port), parameters=DEMAND))
    assert short(attempt) == ["deferred 4.4.1"]


async def test_rfc8689_a_kept_session_is_used_only_if_it_is_verified(made: DevCertificate) -> None:
    """A session that was good enough for other mail carries none with a demand; a verified one carries the next."""
    parts = encrypted(made, OFFER), encrypted(made, messages=2)
    async with staged(*parts) as stage, relaying(made.authority, stage.port) as relay:
        usual = job(next_hop=hop(stage.port))
        demanding = job(next_hop=hop(stage.port), parameters=DEMAND)
        for each in (usual, demanding, demanding):
            assert short(await relay.attempt(each)) == ["relayed 2.0.0"]
        assert stage.sessions == 2


async def test_rfc8689_hosts_by_unsigned_dns_are_not_trusted(made: DevCertificate) -> None:
    """RFC 8689 §4.2.1: whoever forges an MX record would have a good certificate, for a name of their own."""
    async with staged(encrypted(made)) as stage, relaying(made.authority, stage.port) as relay:
        attempt = await relay.attempt(job(next_hop=NEXT_HOP, parameters=DEMAND))
        assert stage.sessions == 0
    assert short(attempt) == ["failed 5.7.30"]
    assert "unsigned DNS" in attempt.outcomes[0].diagnostic


async def test_rfc8689_a_store_beside_us_needs_no_tls() -> None:
    """What never leaves this machine is not asked to be encrypted on its way to the message store."""

    async def store(peer: Peer) -> None:
        await peer.open()
        await peer.take()
        await peer.leave()

    async with staged(store) as stage:
        lmtp = Lmtp(Delivery(), hostname="me.example")
        try:
            there = NextHop(Means.LMTP, "127.0.0.1", stage.port)
            assert short(await lmtp.attempt(job(next_hop=there, parameters=DEMAND))) == ["delivered 2.0.0"]
        finally:
            await lmtp.close()


async def test_rfc2852_what_is_left_of_a_deadline_is_passed_on() -> None:
    """RFC 2852 §4.1.4: the next server is told how many seconds remain."""

    async def keeper(peer: Peer) -> None:
        await peer.open(OFFER.replace(b"250-PIPELINING", b"250-DELIVERBY\r\n250-PIPELINING"))
        await peer.take()
        await peer.leave()

    async with staged(keeper) as stage, relaying("", stage.port) as relay:
        asked = MailParameters(deliver_by=DeliverBy(int(time.time()) + 1000, ByMode.NOTIFY))
        assert short(await relay.attempt(job(next_hop=hop(stage.port), parameters=asked))) == ["relayed 2.0.0"]
    (said,) = mails(stage)
    assert 990 <= int(said.partition(b"BY=")[2].partition(b";")[0]) <= 1000
