"""Delivering to message stores that answer for each recipient."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from eilpost.config.schema import Delivery
from eilpost.deliver.lmtp import Lmtp
from eilpost.mail.next_hop import Means, NextHop
from tests.unit.deliver.errands import OCTETS, job, short
from tests.unit.peers import OFFER, Peer, refusing_port, staged


@contextlib.asynccontextmanager
async def delivering() -> AsyncIterator[Lmtp]:
    """An agent with the default settings."""
    agent = Lmtp(Delivery(), hostname="me.example")
    try:
        yield agent
    finally:
        await agent.close()


def at(port: int) -> NextHop:
    """An LMTP server on loopback."""
    return NextHop(Means.LMTP, "127.0.0.1", port)


async def three(peer: Peer, *answers: bytes) -> None:
    """A transaction with three recipients, up to these answers after the content."""
    await peer.open()
    await peer.expect((b"MAIL", b"250 Ok\r\n"), *[(b"RCPT", b"250 Ok\r\n")] * 3, (b"DATA", b"354 go\r\n"))
    await peer.hear_content()
    for answer in answers:
        await peer.say(answer)


async def test_rfc2033_each_recipient_has_its_reply() -> None:
    """The greeting is LHLO, and the three replies after the content are three outcomes."""

    async def part(peer: Peer) -> None:
        await three(peer, b"250 2.1.5 in\r\n", b"452 4.2.2 full\r\n", b"550 5.2.1 gone\r\n")
        await peer.leave()

    async with staged(part) as stage, delivering() as agent:
        attempt = await agent.attempt(job("a", "b", "c", next_hop=at(stage.port)))
        assert short(attempt) == ["delivered 2.1.5", "deferred 4.2.2", "failed 5.2.1"]
        assert stage.lines[0] == b"LHLO me.example\r\n"


async def test_f170_what_was_not_answered_is_tried_again() -> None:
    """When the connection is lost after two replies, the third recipient alone is deferred."""

    async def part(peer: Peer) -> None:
        await three(peer, b"250 in\r\n", b"550 5.2.1 gone\r\n")
        peer.close()

    async with staged(part) as stage, delivering() as agent:
        attempt = await agent.attempt(job("a", "b", "c", next_hop=at(stage.port)))
        assert short(attempt) == ["delivered 2.0.0", "failed 5.2.1", "deferred 4.4.2"]
        assert "may be delivered more than once" in attempt.outcomes[2].diagnostic
        assert stage.sessions == 1


async def test_a_refused_recipient_has_no_reply_after_the_content() -> None:
    """Replies after the content belong to the recipients that were accepted."""

    async def part(peer: Peer) -> None:
        await peer.open()
        await peer.expect(
            (b"MAIL", b"250 Ok\r\n"), (b"RCPT", b"550 5.1.1 no\r\n"), (b"RCPT", b"250 Ok\r\n"), (b"DATA", b"354 go\r\n")
        )
        await peer.hear_content()
        await peer.say(b"250 2.0.0 in\r\n")
        await peer.leave()

    async with staged(part) as stage, delivering() as agent:
        attempt = await agent.attempt(job("a", "b", next_hop=at(stage.port)))
        assert short(attempt) == ["failed 5.1.1", "delivered 2.0.0"]


async def test_chunks_over_a_unix_socket(tmp_path: Path) -> None:
    """A Unix socket and BDAT do as well."""

    async def part(peer: Peer) -> None:
        await peer.open(OFFER.replace(b"250-PIPELINING", b"250-PIPELINING\r\n250-CHUNKING"))
        await peer.expect((b"MAIL", b"250 Ok\r\n"), (b"RCPT", b"250 Ok\r\n"), (b"RCPT", b"550 no\r\n"))
        assert await peer.take_chunk(await peer.hear()) == OCTETS
        await peer.say(b"250 in\r\n")
        await peer.leave()

    path = tmp_path / "lmtp"
    async with staged(part, path=path), delivering() as agent:
        attempt = await agent.attempt(job("a", "b", next_hop=NextHop(Means.LMTP, str(path))))
        assert short(attempt) == ["delivered 2.0.0", "failed 5.1.1"]
        assert attempt.outcomes[0].remote == str(path)


async def test_a_store_that_is_down_defers(tmp_path: Path) -> None:
    """No socket, nobody listening: unreachable."""
    async with delivering() as agent:
        for next_hop in (at(await refusing_port()), NextHop(Means.LMTP, str(tmp_path / "none"))):
            attempt = await agent.attempt(job(next_hop=next_hop))
            assert short(attempt) == ["deferred 4.4.1"]
            assert attempt.unreachable


async def test_a_server_without_lhlo_is_not_spoken_to_in_smtp() -> None:
    """500 to LHLO is final: LMTP has no older hello."""

    async def part(peer: Peer) -> None:
        await peer.say(b"220 hi\r\n")
        await peer.expect((b"LHLO", b"500 5.5.1 what\r\n"), (b"QUIT", b"221 bye\r\n"))

    async with staged(part) as stage, delivering() as agent:
        assert short(await agent.attempt(job(next_hop=at(stage.port)))) == ["failed 5.5.1"]
