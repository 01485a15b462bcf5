"""What a hop's protection makes of servers that have no TLS, refuse it, or are not who they should be."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from eilpost.config.schema import Delivery
from eilpost.deliver.relay import Relay
from eilpost.journal import Event, HandshakeFailed
from eilpost.mail.encryption import Encryption
from eilpost.mail.next_hop import Host, Means, NextHop, Unroutable
from tests.unit.deliver.errands import OCTETS, job, short
from tests.unit.peers import OFFER, Peer, staged

STARTTLS = OFFER.replace(b"250-PIPELINING", b"250-STARTTLS\r\n250-PIPELINING")
MX = NextHop(Means.MX, "there.example")
BINDING = (
    replace(MX, encryption=Encryption.REQUIRED),
    NextHop(Means.SMTP, "mx.there.example", 25, Encryption.VERIFY),
)


async def refusing(peer: Peer) -> None:
    """Offers STARTTLS and refuses it."""
    await peer.open(STARTTLS)
    await peer.expect((b"STARTTLS", b"554 5.7.1 not for you\r\n"))
    await peer.leave()


async def honest(peer: Peer) -> None:
    """Knows no TLS, and takes one message."""
    await peer.open()
    await peer.take()
    await peer.leave()


async def bare(peer: Peer) -> None:
    """Knows no TLS, and gets no mail."""
    await peer.open()
    await peer.leave()


async def garbled(peer: Peer) -> None:
    """Answers the handshake with something else."""
    await peer.open(STARTTLS)
    await peer.expect((b"STARTTLS", b"220 go\r\n"))
    await peer.say(b"* OK no handshake at all\r\n")


@contextlib.asynccontextmanager
async def relaying(port: int, events: list[Event], **changes: str) -> AsyncIterator[Relay]:
    """A relay that finds this loopback port for every next hop."""

    async def find(next_hop: NextHop, /) -> tuple[Host, ...] | Unroutable:
        return (Host("mx.there.example", "127.0.0.1", port),)

    settings = replace(Delivery(), **changes)  # type: ignore[arg-type]
    relay = Relay(settings, find, hostname="me.example", journal=events.append)
    try:
        yield relay
    finally:
        await relay.close()


@pytest.mark.parametrize("first", [refusing, garbled])
async def test_f038_opportunity_goes_on_in_clear_and_is_noted(first: object) -> None:
    """F038: mail by MX is sent over a new connection in clear, and the journal says why."""
    events: list[Event] = []
    async with staged(first, honest) as stage:  # type: ignore[arg-type]
        async with relaying(stage.port, events) as relay:
            assert short(await relay.attempt(job(content=OCTETS))) == ["relayed 2.0.0"]
        assert stage.sessions == 2
    (event,) = events
    assert isinstance(event, HandshakeFailed)
    assert event.peer == "mx.there.example"
    assert event.why.endswith("; sent in clear")


@pytest.mark.parametrize("hop", BINDING)
@pytest.mark.parametrize("part", [refusing, garbled])
async def test_f038_an_obligation_is_deferred(hop: NextHop, part: object) -> None:
    """F038: what must be encrypted waits, whatever class the refusal had, and is never sent in clear."""
    async with staged(part) as stage:  # type: ignore[arg-type]
        async with relaying(stage.port, []) as relay:
            (said,) = short(await relay.attempt(job(next_hop=hop)))
        assert said.startswith(("deferred 4.7.", "deferred 4.5.0"))
        assert not any(line.startswith(b"MAIL") for line in stage.lines)


@pytest.mark.parametrize("hop", BINDING)
async def test_f037_tls_taken_out_of_the_offer_is_noticed(hop: NextHop) -> None:
    """F037: who removes STARTTLS from the answer to EHLO gets no mail that must be encrypted."""
    async with staged(bare) as stage, relaying(stage.port, []) as relay:
        assert short(await relay.attempt(job(next_hop=hop))) == ["deferred 4.7.5"]


async def test_the_setting_rules_mail_by_mx() -> None:
    """``delivery.tls`` is for hops that say nothing themselves; off does not even try."""
    async with staged(bare) as stage, relaying(stage.port, [], tls="required") as relay:
        assert short(await relay.attempt(job(next_hop=MX))) == ["deferred 4.7.5"]

    async def offering(peer: Peer) -> None:
        await peer.open(STARTTLS)
        await peer.take()
        await peer.leave()

    async with staged(offering) as stage, relaying(stage.port, [], tls="off") as relay:
        assert short(await relay.attempt(job(next_hop=MX))) == ["relayed 2.0.0"]


async def test_authorities_that_cannot_be_read_defer(tmp_path: Path) -> None:
    """A file of authorities that went is our trouble: the mail waits."""
    changes = {"authorities": str(tmp_path / "gone.pem"), "tls": "verify"}
    async with relaying(9, [], **changes) as relay:
        attempt = await relay.attempt(job(next_hop=MX))
    assert short(attempt) == ["deferred 4.7.5"]
    assert "gone.pem" in attempt.outcomes[0].diagnostic
