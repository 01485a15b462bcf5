"""The server for programs: it listens, limits, and ends in order."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import eilpost
from eilpost.net.listen import ListenError
from eilpost.server import Limits, Server
from tests.unit.server.talking import Keeper, calling


def test_the_face_leads_there() -> None:
    """``from eilpost import Server, ThreadedServer`` works."""
    assert eilpost.Server is Server
    assert eilpost.ThreadedServer.__module__ == "eilpost.server.threaded"
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = eilpost.server.Nonsense


async def test_a_free_port_is_told() -> None:
    """Port 0 takes a free port, and two servers have two."""
    async with Server() as one, Server() as other:
        assert 0 < one.port != other.port > 0
        assert one.address == f"127.0.0.1:{one.port}"


async def test_a_port_that_is_taken_is_an_error() -> None:
    """Who cannot have the address is told so."""
    async with Server() as one:
        with pytest.raises(ListenError, match=str(one.port)):
            await Server(port=one.port).start()
        with pytest.raises(RuntimeError):
            await one.start()


async def test_a_message_comes_through_whole() -> None:
    """A handler is given the envelope and the content without dots."""
    handler = Keeper()
    async with Server(handler) as server, calling(server) as caller:
        await caller.begin("bob@b.example", "carl@c.example")
        assert await caller.send(b"Subject: x\r\n\r\n..dot\r\n") == "250 2.0.0 Message accepted"
        assert await caller.codes("QUIT") == ["221"]
    [(envelope, content)] = handler.messages
    assert str(envelope.reverse_path) == "<anna@a.example>"
    assert [str(each.address) for each in envelope.recipients] == ["bob@b.example", "carl@c.example"]
    assert content == b"Subject: x\r\n\r\n.dot\r\n"
    assert handler.reasons == ["quit"]


async def test_a_unix_socket_is_served(tmp_path: Path) -> None:
    """A path is as good as a port, has the permissions that were asked for, and is gone afterwards."""
    path = tmp_path / "smtp.sock"
    async with Server(unix=str(path), unix_mode=0o640) as server:
        assert path.stat().st_mode & 0o777 == 0o640
        async with calling(server) as caller:
            assert await caller.codes("NOOP") == ["250"]
        assert server.port == 0
    assert not path.exists()


async def test_connections_are_limited() -> None:
    """One connection too many is told 421; when one has left there is room again."""
    handler = Keeper()
    async with Server(handler, limits=Limits(connections=1)) as server:
        async with calling(server) as caller:
            async with calling(server, greeted=False) as late:
                assert await late.hear() == "421 4.3.2 Too many connections, try again later"
            assert len(server.sessions) == 1
            await caller.say("QUIT")
        await handler.gone.wait()
        while server.sessions:
            await asyncio.sleep(0)
        async with calling(server) as caller:
            assert await caller.codes("NOOP") == ["250"]


async def test_connections_of_one_address_are_limited() -> None:
    """The limit for one address holds, too."""
    server = Server(limits=Limits(connections_per_peer=1))
    async with server, calling(server), calling(server, greeted=False) as late:
        assert (await late.hear()).startswith("421")


async def test_drain_ends_idle_sessions_at_once_and_lets_transactions_end() -> None:
    """Whoever is idle is told 421; whoever is in a transaction ends it first, and is told then."""
    handler = Keeper()
    server = Server(handler)
    await server.start()
    async with calling(server) as idle, calling(server) as busy:
        await busy.begin()
        draining = asyncio.create_task(server.drain(20.0))
        assert await idle.hear() == "421 4.3.2 Going down, try again later"
        assert await busy.send() == "250 2.0.0 Message accepted"
        assert await busy.hear() == "421 4.3.2 Going down, try again later"
        await draining
    assert len(handler.messages) == 1
    assert sorted(handler.reasons) == ["stopped", "stopped"]
    await server.drain()


async def test_drain_does_not_wait_for_ever() -> None:
    """A transaction that does not end in time is cut with 421."""
    server = Server()
    await server.start()
    async with calling(server) as caller:
        await caller.begin()
        await server.drain(0.0)
        assert await caller.hear() == "421 4.3.2 Going down, try again later"


async def test_serve_forever_ends_with_drain() -> None:
    """``serve_forever`` starts what is not started, returns after ``drain``, and drains when cancelled."""
    server = Server()
    serving = asyncio.create_task(server.serve_forever())
    while not server.port:
        await asyncio.sleep(0)
    await server.drain()
    await serving
    serving = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(0)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert server.sessions == ()
