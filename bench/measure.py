"""One measurement: a contender, a load, every message counted; and connections that only sit there (deeds)."""

from __future__ import annotations

import asyncio
import resource
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.contenders import RUNNERS
from bench.library import measure_client
from bench.rows import SESSIONS, Contender, Destination, Row
from tests.peers.eilpost import Setup, eilpost
from tests.peers.load import Load, smtp_source
from tests.peers.tools import PeerError

WARM_UP: Final = 200
_SPARE_DESCRIPTORS: Final = 256


async def measure(row: Row, contender: Contender, directory: Path, *, scale: float, log: bool) -> float:
    """Messages a second from the first octet sent until the last message is where it belongs."""
    messages = max(SESSIONS, int(row.messages[contender] * scale))
    if row.destination is Destination.SENT:
        return await measure_client(contender, directory, messages, row.octets)
    async with RUNNERS[contender](directory, row.destination, log=log) as running:

        def load(count: int) -> Load:
            return Load(count, row.octets, SESSIONS, row.kept, running.recipient)

        await smtp_source(load(WARM_UP), running.port)
        await running.settled(WARM_UP)
        begin = time.monotonic()
        await smtp_source(load(messages), running.port)
        end = await running.settled(WARM_UP + messages)
    return messages / (end - begin)


@dataclass(frozen=True, slots=True)
class Idle:
    """So many connections were held at once, for so many octets of the server's memory each."""

    connections: int
    octets_each: float
    answered: bool


async def measure_idle(wanted: int, directory: Path) -> Idle:
    """Opens connections, greets on each, and reads the server's resident memory before and after."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < wanted + _SPARE_DESCRIPTORS:
        raise PeerError(f"{wanted} connections need a limit of {wanted + _SPARE_DESCRIPTORS} open files; it is {hard}")
    setup = Setup(settings={"limits.connections": wanted + 100, "log.level": "warning"})
    async with eilpost(directory, setup) as system:
        await asyncio.to_thread(_close_all, await asyncio.to_thread(_hold, system.port, 200))
        before = system.resident()
        held = await asyncio.to_thread(_hold, system.port, wanted)
        try:
            after = system.resident()
            answered = await asyncio.to_thread(_all_answer, held)
        finally:
            await asyncio.to_thread(_close_all, held)
    return Idle(len(held), (after - before) / len(held), answered)


def _hold(port: int, count: int) -> list[socket.socket]:
    held: list[socket.socket] = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port), timeout=30)
        held.append(connection)
        if not connection.recv(512).startswith(b"220"):
            raise PeerError(f"connection {len(held)} was not greeted")
        connection.sendall(b"EHLO idle.example\r\n")
        _read_reply(connection)
    return held


def _read_reply(connection: socket.socket) -> bytes:
    reply = b""
    while not (reply.endswith(b"\r\n") and reply.split(b"\r\n")[-2][3:4] == b" "):
        octets = connection.recv(4096)
        if not octets:
            raise PeerError(f"a held connection was closed: {reply!r}")
        reply += octets
    return reply


def _all_answer(held: list[socket.socket]) -> bool:
    """Every tenth connection is asked whether it still lives."""
    for connection in held[::10]:
        connection.sendall(b"NOOP\r\n")
        if not _read_reply(connection).startswith(b"250"):
            return False
    return True


def _close_all(held: list[socket.socket]) -> None:
    for connection in held:
        connection.close()
