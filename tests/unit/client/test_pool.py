"""Sessions that are kept for the next message."""

from __future__ import annotations

import asyncio

from eilpost.client.conversation import Conversation, Manner, converse
from eilpost.client.pool import Pool
from eilpost.mail.next_hop import Host
from tests.unit.peers import PATIENCE, Peer, staged


async def opened(host: Host) -> Conversation:
    """A session that is ready for mail."""
    conversation = await converse(host, Manner("me.example"))
    assert isinstance(conversation, Conversation)
    return conversation


async def test_the_latest_session_is_found_by_key_and_by_host() -> None:
    """Last in, first out; another key finds it by its host; taken is taken."""

    async def part(peer: Peer) -> None:
        await peer.open()
        await peer.leave()

    async with staged(part) as stage:
        host = Host("mx.example", "127.0.0.1", stage.port)
        pool: Pool[str] = Pool(60.0)
        first, second = await opened(host), await opened(host)
        pool.keep("a", first)
        pool.keep("b", second)
        assert pool.take("c") is None
        assert pool.take("a") is first
        assert pool.take("a") is None
        pool.keep("a", first)
        assert pool.take_at(Manner("me.example").way(host)) is first
        assert pool.take_at(Manner("me.example").way(host)) is second
        assert len(pool) == 0
        pool.keep("a", first)
        pool.keep("b", second)
        await pool.close()
        assert stage.lines.count(b"QUIT\r\n") == 2


async def test_an_idle_session_ends_politely() -> None:
    """After its idle time a session is told QUIT."""
    left = asyncio.Event()

    async def part(peer: Peer) -> None:
        await peer.open()
        assert await peer.hear() == b"QUIT\r\n"
        await peer.say(b"221 bye\r\n")
        left.set()

    async with staged(part) as stage:
        host = Host("mx.example", "127.0.0.1", stage.port)
        pool: Pool[str] = Pool(0.02)
        pool.keep("a", await opened(host))
        await asyncio.wait_for(left.wait(), PATIENCE)
        assert pool.take("a") is None
        await pool.close()


async def test_a_session_that_ended_is_not_handed_out() -> None:
    """What the server closed, or spoke into, while it was kept is let go."""
    told = asyncio.Event()

    async def part(peer: Peer) -> None:
        await peer.open()
        await peer.say(b"421 4.4.2 idle\r\n")
        peer.close()
        told.set()

    async with staged(part) as stage:
        host = Host("mx.example", "127.0.0.1", stage.port)
        pool: Pool[str] = Pool(60.0)
        conversation = await opened(host)
        pool.keep("a", conversation)
        await asyncio.wait_for(told.wait(), PATIENCE)
        async with asyncio.timeout(PATIENCE):
            while conversation.is_usable:
                await asyncio.sleep(0)
        assert pool.take("a") is None
        assert len(pool) == 0
        pool.keep("a", conversation)
        assert len(pool) == 0
        await pool.close()


async def test_without_idle_time_nothing_is_kept() -> None:
    """Idle time 0 means a session a message."""

    async def part(peer: Peer) -> None:
        await peer.open()
        await peer.leave()

    async with staged(part) as stage:
        pool: Pool[str] = Pool(0)
        pool.keep("a", await opened(Host("mx.example", "127.0.0.1", stage.port)))
        assert pool.take("a") is None
        await pool.close()
        assert stage.lines[-1] == b"QUIT\r\n"
