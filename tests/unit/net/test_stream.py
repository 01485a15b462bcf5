"""Streams over real socket pairs: octets, ends, deadlines, pressure."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eilpost.net import stream as streams
from eilpost.net.stream import NO_DEADLINE, DeadlineExpired, Stream, connect, connect_unix


def later(seconds: float) -> float:
    """A loop time."""
    return asyncio.get_running_loop().time() + seconds


@contextlib.asynccontextmanager
async def pair() -> AsyncIterator[tuple[Stream, socket.socket]]:
    """A stream, and the plain socket at its other end."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    _, stream = await asyncio.get_running_loop().create_connection(Stream, sock=ours)
    try:
        yield stream, theirs
    finally:
        theirs.close()
        stream.abort()
        await asyncio.sleep(0)


async def test_octets_come_as_they_were_sent() -> None:
    """What waits comes in one piece, in order; an empty piece says that nothing more will come."""
    async with pair() as (stream, peer):
        peer.send(b"a")
        peer.send(b"bc")
        assert await stream.receive() == b"abc"
        peer.send(b"d")
        peer.shutdown(socket.SHUT_WR)
        assert await stream.receive() == b"d"
        assert await stream.receive() == b""
        assert await stream.receive() == b""
        assert stream.at_eof


async def test_half_close_leaves_our_side_open() -> None:
    """F125: a peer that sends no more still hears us."""
    async with pair() as (stream, peer):
        peer.shutdown(socket.SHUT_WR)
        assert await stream.receive() == b""
        stream.write(b"bye")
        assert await asyncio.get_running_loop().sock_recv(peer, 10) == b"bye"


async def test_has_input_and_at_eof() -> None:
    """They tell of octets that were not taken yet."""
    async with pair() as (stream, peer):
        assert not stream.has_input
        peer.send(b"x")
        peer.shutdown(socket.SHUT_WR)
        while not stream.has_input:
            await asyncio.sleep(0)
        assert not stream.at_eof
        await stream.receive()
        assert not stream.has_input


async def test_deadline_ends_waiting() -> None:
    """Waiting past the deadline raises DeadlineExpired, again and again until it is moved."""
    async with pair() as (stream, peer):
        stream.deadline = later(0.01)
        for _ in range(2):
            with pytest.raises(DeadlineExpired):
                await stream.receive()
        stream.deadline = later(10)
        peer.send(b"x")
        assert await stream.receive() == b"x"


async def test_octets_that_came_in_time_are_not_lost() -> None:
    """What has come is given out, deadline or not."""
    async with pair() as (stream, peer):
        peer.send(b"x")
        while not stream.has_input:
            await asyncio.sleep(0)
        stream.deadline = later(-1)
        assert await stream.receive() == b"x"
        with pytest.raises(DeadlineExpired):
            await stream.receive()


async def _send_crumbs(peer: socket.socket) -> None:
    while True:
        peer.send(b"x")
        await asyncio.sleep(0.002)


async def test_f123_octets_do_not_move_the_deadline() -> None:
    """Only who sets the deadline moves it, whatever the peer sends."""
    async with pair() as (stream, peer):
        stream.deadline = end = later(0.05)
        crumbs = asyncio.ensure_future(_send_crumbs(peer))
        with contextlib.suppress(DeadlineExpired):
            while await stream.receive():
                assert later(0) < end + 5
        crumbs.cancel()
        assert later(0) >= end
        assert stream.deadline == end


async def test_a_deadline_that_is_moved_forward_or_back() -> None:
    """An earlier deadline counts at once, a later one does too, and none is none."""
    async with pair() as (stream, peer):
        stream.deadline = later(100)
        stream.deadline = later(0.01)
        with pytest.raises(DeadlineExpired):
            await stream.receive()
        stream.deadline = later(0.01)
        stream.deadline = NO_DEADLINE
        asyncio.get_running_loop().call_later(0.03, peer.send, b"x")
        assert await stream.receive() == b"x"


async def test_reset_is_the_end() -> None:
    """F125: after RST nothing comes, writing does nothing, and drain says that the peer is gone."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stream = await connect(*server.getsockname(), timeout=5)
        peer, _ = server.accept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        assert await stream.receive() == b""
        stream.write(b"nobody hears this")
        with pytest.raises(ConnectionError):
            await stream.drain()
        stream.deadline = later(1)  # sets no timer on a connection that is gone
        stream.close()


async def test_reading_pauses() -> None:
    """A peer that sends faster than we take is made to wait, and goes on when we have taken."""
    async with pair() as (stream, peer):
        sent = 0
        stalled = 0
        while stalled < 50:
            try:
                sent += peer.send(bytes(65536))
                stalled = 0
            except BlockingIOError:
                stalled += 1
            await asyncio.sleep(0)
        taken = len(await stream.receive())
        assert taken <= streams.READ_HIGH + (1 << 18)
        while taken < sent:
            taken += len(await stream.receive())
        assert taken == sent


async def test_f124_drain_waits_for_the_peer() -> None:
    """With much unsent drain waits: until the peer reads, or until the deadline."""
    async with pair() as (stream, peer):
        while not stream.is_congested:
            stream.write(bytes(65536))
        stream.deadline = later(0.01)
        with pytest.raises(DeadlineExpired):
            await stream.drain()
        stream.deadline = later(10)
        draining = asyncio.ensure_future(stream.drain())
        while not draining.done():
            with contextlib.suppress(BlockingIOError):
                peer.recv(1 << 20)
            await asyncio.sleep(0)
        assert not stream.is_congested


async def test_f124_closing_ends_at_the_deadline() -> None:
    """A closed stream whose peer does not take the rest is cut at its deadline."""
    async with pair() as (stream, peer):
        while not stream.is_congested:
            stream.write(bytes(65536))
        stream.deadline = later(0.01)
        stream.close()
        with pytest.raises(ConnectionError):
            await stream.drain()
        with contextlib.suppress(ConnectionError):
            while await asyncio.get_running_loop().sock_recv(peer, 1 << 20):
                continue


async def test_close_sends_what_is_left() -> None:
    """What was written before is sent; who waits for input hears that none will come."""
    async with pair() as (stream, peer):
        waiting = asyncio.ensure_future(stream.receive())
        await asyncio.sleep(0)
        stream.write(b"last words")
        stream.close()
        assert await waiting == b""
        assert await asyncio.get_running_loop().sock_recv(peer, 100) == b"last words"
        assert await asyncio.get_running_loop().sock_recv(peer, 100) == b""


async def test_abort_ends_at_once() -> None:
    """Who waits is told, and nothing more is sent."""
    async with pair() as (stream, peer):
        waiting = asyncio.ensure_future(stream.receive())
        await asyncio.sleep(0)
        stream.abort()
        assert await waiting == b""
        assert await asyncio.get_running_loop().sock_recv(peer, 100) == b""


async def test_a_cancelled_receive_loses_nothing() -> None:
    """What comes after somebody gave up waiting is there for the next."""
    async with pair() as (stream, peer):
        waiting = asyncio.ensure_future(stream.receive())
        await asyncio.sleep(0)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        peer.send(b"x")
        assert await stream.receive() == b"x"


async def test_endpoints() -> None:
    """Over TCP both ends have an address and no user."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stream = await connect(*server.getsockname(), timeout=5, source="127.0.0.5")
        peer, (host, port) = server.accept()
        assert (stream.local, stream.peer) == ((host, port), server.getsockname())
        assert host == "127.0.0.5"
        assert stream.peer_uid() is None
        peer.close()
        stream.abort()
        await asyncio.sleep(0)


async def test_unix_endpoints(tmp_path: Path) -> None:
    """Over a Unix socket the peer is a user of this machine."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        stream = await connect_unix(str(tmp_path / "s"), timeout=5)
        assert stream.peer == ("", 0)
        assert stream.peer_uid() == os.geteuid()
        stream.abort()
        await asyncio.sleep(0)


async def test_connecting_fails_with_its_reason(tmp_path: Path) -> None:
    """A refused connection and a missing socket are the system's errors."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            await connect(*unused.getsockname(), timeout=5)
    with pytest.raises(FileNotFoundError):
        await connect_unix(str(tmp_path / "none"), timeout=5)


async def test_a_stream_that_was_never_connected() -> None:
    """Writing, closing and aborting do nothing, and it has no peer."""
    stream = Stream()
    stream.write(b"x")
    stream.close()
    stream.abort()
    assert stream.peer_uid() is None
    assert await stream.receive() == b""


async def test_a_peer_is_heard_out() -> None:
    """A lingering stream takes no more, yet its last words are read by a peer that was still sending."""
    async with pair() as (stream, peer):
        stream.deadline = later(5)
        stream.write(b"554 no\r\n")
        stream.linger()
        loop = asyncio.get_running_loop()
        for _ in range(4):
            await loop.sock_sendall(peer, b"x" * 50_000)
        assert await loop.sock_recv(peer, 100) == b"554 no\r\n"
        assert await loop.sock_recv(peer, 100) == b""
        assert not stream.has_input


async def test_nobody_is_heard_out_for_ever() -> None:
    """A peer that goes on sending is cut off after LINGER_MOST octets."""
    async with pair() as (stream, peer):
        stream.deadline = later(60)
        stream.linger()
        sent = asyncio.get_running_loop().sock_sendall(peer, b"x" * 10 * streams.LINGER_MOST)
        with pytest.raises(OSError, match=r"pipe|reset"):
            await sent
