"""Postfix's load tools: smtp-source sends, smtp-sink takes and counts (deeds)."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.peers.tools import PeerError, Service, free_port, missing, program, run, wait_for_port

_COUNTERS: Final = re.compile(rb"mesg=(\d+)")
_TAIL: Final = 256  # octets; more than one line of counters


def unavailable() -> str:
    """Why the tools cannot be used here; empty when they can."""
    return missing("smtp-source", "smtp-sink")


@dataclass(frozen=True, slots=True)
class Load:
    """How smtp-source sends: so many messages of so many octets over so many sessions."""

    messages: int
    octets: int = 4096
    sessions: int = 20
    kept: bool = True
    recipient: str = "berta@elsewhere.example"
    sender: str = "anna@example.test"


async def smtp_source(load: Load, port: int, *, deadline: float = 300.0) -> float:
    """Sends the load; the seconds it took. PeerError when any reply was not what it expects."""
    command = [program("smtp-source"), "-s", str(load.sessions), "-m", str(load.messages), "-l", str(load.octets)]
    command += ["-f", load.sender, "-t", load.recipient, *(("-d",) if load.kept else ())]
    begin = time.monotonic()
    await run(*command, f"127.0.0.1:{port}", deadline=deadline)
    return time.monotonic() - begin


class SmtpSink:
    """A running smtp-sink: it takes all, stores nothing, and counts."""

    def __init__(self, service: Service, port: int) -> None:
        self._service = service
        self.port = port

    def count(self) -> int:
        """Messages taken so far, read from the last line of its running counters."""
        with self._service.words.open("rb") as words:
            words.seek(max(0, words.seek(0, 2) - _TAIL))
            found = _COUNTERS.findall(words.read())
        return int(found[-1]) if found else 0

    async def reached(self, count: int, *, deadline: float = 120.0) -> float:
        """The monotonic time when so many messages had been taken; PeerError when they never are."""
        end = time.monotonic() + deadline
        while (taken := self.count()) < count:
            if time.monotonic() > end:
                raise PeerError(f"{taken} of {count} messages arrived within {deadline:.0f} s")
            await asyncio.sleep(0.005)
        return time.monotonic()


@contextlib.asynccontextmanager
async def smtp_sink(directory: Path, *flags: str, backlog: int = 1000) -> AsyncIterator[SmtpSink]:
    """Runs a counting smtp-sink on a free loopback port."""
    port = free_port()
    command = (program("smtp-sink"), "-c", "-u", "nobody", *flags, f"127.0.0.1:{port}", str(backlog))
    service = await Service.start(command, directory / f"sink-{port}.log")
    try:
        await wait_for_port(port)
        yield SmtpSink(service, port)
    finally:
        await service.stop()
