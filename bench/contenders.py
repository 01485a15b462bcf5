"""Who is measured, running: each set up for a destination, each able to count what arrived (deeds)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.library import python_server
from bench.rows import Contender, Destination
from tests.peers.eilpost import Setup, eilpost
from tests.peers.load import SmtpSink, smtp_sink
from tests.peers.postfix import TUNED, delivering, holding, postfix, relaying
from tests.peers.tools import PeerError

ACCOUNT: Final = "anna@example.test"
STRANGER: Final = "berta@elsewhere.example"
PATIENCE: Final = 180.0

Settled = Callable[[int], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class Running:
    """A contender under load: where to send, to whom, and when all of it has arrived.

    ``settled`` takes the number of messages sent so far and returns the monotonic time at which
    the last of them was where it belongs; it raises PeerError when any is missing.
    """

    port: int
    recipient: str
    settled: Settled


async def _counted(count: Callable[[], Awaitable[int]], wanted: int) -> float:
    """Looks until the count is right. A count that never gets there, or passes it, is an error."""
    end = time.monotonic() + PATIENCE
    while (found := await count()) < wanted:
        if time.monotonic() > end:
            raise PeerError(f"{found} of {wanted} messages are there after {PATIENCE:.0f} s")
        await asyncio.sleep(0.02)
    if found > wanted:
        raise PeerError(f"{found} messages are there, and only {wanted} were sent")
    return time.monotonic()


def _in_sink(next_hop: SmtpSink) -> Settled:
    async def settled(wanted: int) -> float:
        done = await next_hop.reached(wanted, deadline=PATIENCE)
        if next_hop.count() > wanted:
            raise PeerError(f"{next_hop.count()} messages arrived, and only {wanted} were sent")
        return done

    return settled


def _in_maildir(maildir: Path) -> Settled:
    async def count() -> int:
        new = maildir / "new"
        return await asyncio.to_thread(lambda: len(list(new.iterdir())) if new.exists() else 0)

    return lambda wanted: _counted(count, wanted)


def _in_queue(count: Callable[[], Awaitable[int]]) -> Settled:
    """What is durable was acknowledged: the time is that of the last reply, the count comes after."""

    async def settled(wanted: int) -> float:
        done = time.monotonic()
        await _counted(count, wanted)
        return done

    return settled


@contextlib.asynccontextmanager
async def run_postfix(directory: Path, destination: Destination, *, log: bool) -> AsyncIterator[Running]:
    """Postfix, tuned as its own TUNING_README advises."""
    async with contextlib.AsyncExitStack() as stack:
        match destination:
            case Destination.QUEUE:
                server = await stack.enter_async_context(postfix(directory, {**TUNED, **holding()}, log=log))
                yield Running(server.port, STRANGER, _in_queue(server.queued))
            case Destination.SINK:
                hop = await stack.enter_async_context(smtp_sink(directory))
                server = await stack.enter_async_context(postfix(directory, {**TUNED, **relaying(hop.port)}, log=log))
                yield Running(server.port, STRANGER, _in_sink(hop))
            case Destination.MAILDIR:
                settings = delivering("example.test", directory / "mail", "anna")
                server = await stack.enter_async_context(postfix(directory, {**TUNED, **settings}, log=log))
                yield Running(server.port, ACCOUNT, _in_maildir(directory / "mail" / "anna"))


def _silent_next_hop() -> socket.socket:
    """Connections open there and are never greeted: what is accepted stays where it is, as under Postfix's HOLD."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    return listener


@contextlib.asynccontextmanager
async def run_eilpost(directory: Path, destination: Destination, *, log: bool) -> AsyncIterator[Running]:
    """Eilpost as it comes: one process, default settings but for the retry schedule."""
    if destination is Destination.NOWHERE:
        async with python_server("examples/server_noop.py", directory) as port:
            yield Running(port, STRANGER, _answered)
        return
    async with contextlib.AsyncExitStack() as stack:
        silence = stack.enter_context(_silent_next_hop())
        hop_port, settled = silence.getsockname()[1], None
        if destination is Destination.SINK:
            hop = await stack.enter_async_context(smtp_sink(directory))
            hop_port, settled = hop.port, _in_sink(hop)
        setup = Setup(
            smarthost=hop_port,
            accounts=(ACCOUNT,) if destination is Destination.MAILDIR else (),
            settings={"log.level": "info" if log else "warning", "queue.retry": ["1h"]},
        )
        system = await stack.enter_async_context(eilpost(directory, setup))
        match destination:
            case Destination.QUEUE:
                yield Running(system.port, STRANGER, _in_queue(system.queued))
                silence.close()  # resets the attempts that wait for a greeting, so that it can stop
            case Destination.MAILDIR:
                yield Running(system.port, ACCOUNT, _in_maildir(system.maildir(ACCOUNT)))
            case Destination.SINK:
                assert settled is not None
                yield Running(system.port, STRANGER, settled)


@contextlib.asynccontextmanager
async def run_ceiling(directory: Path, destination: Destination, *, log: bool) -> AsyncIterator[Running]:
    """smtp-sink alone: nothing is stored and nothing passed on."""
    async with smtp_sink(directory) as hop:
        yield Running(hop.port, STRANGER, _in_sink(hop))


@contextlib.asynccontextmanager
async def run_aiosmtpd(directory: Path, destination: Destination, *, log: bool) -> AsyncIterator[Running]:
    """aiosmtpd with its handler that does nothing."""
    async with python_server("bench/aiosmtpd_noop.py", directory) as port:
        yield Running(port, STRANGER, _answered)


async def _answered(wanted: int) -> float:
    """Nothing is kept; smtp-source has counted the replies, and failed at any that was not positive."""
    return time.monotonic()


Runner = Callable[..., AbstractAsyncContextManager[Running]]

RUNNERS: Final[Mapping[Contender, Runner]] = {
    Contender.EILPOST: run_eilpost,
    Contender.POSTFIX: run_postfix,
    Contender.CEILING: run_ceiling,
    Contender.AIOSMTPD: run_aiosmtpd,
}
