"""The libraries: servers that do nothing, and clients that send as fast as they can (deeds)."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from bench.rows import Contender
from tests.peers.load import smtp_sink
from tests.peers.tools import PeerError, Service, free_port, run, wait_for_port

ROOT = Path(__file__).resolve().parents[1]


@contextlib.asynccontextmanager
async def python_server(script: str, directory: Path) -> AsyncIterator[int]:
    """Runs a script that serves the port it is given."""
    port = free_port()
    service = await Service.start((sys.executable, str(ROOT / script), str(port)), directory / f"server-{port}.log")
    try:
        await wait_for_port(port)
        yield port
    finally:
        await service.kill()


async def measure_client(contender: Contender, directory: Path, messages: int, octets: int) -> float:
    """Messages a second of a client library, each accepted by smtp-sink before the next."""
    async with smtp_sink(directory) as sink:
        command = (sys.executable, str(ROOT / "bench/senders.py"), contender.value, str(sink.port))
        said = await run(*command, str(messages), str(octets), deadline=300.0)
        await sink.reached(messages)
        if sink.count() > messages:
            raise PeerError(f"{sink.count()} messages arrived, and only {messages} were sent")
    return messages / float(said)
