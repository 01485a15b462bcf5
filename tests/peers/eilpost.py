"""Eilpost itself as a program: a configuration, ``eilpost serve``, ready, SIGTERM, exit 0 (deeds)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.peers.tools import PeerError, Service, free_port, run

READY: Final = re.compile(r"\bready\b")
Value = str | int | float | bool | Sequence[str]

COMMAND: Final = (sys.executable, "-c", "import sys; from eilpost.cli.main import main; sys.exit(main())")
"""The command as its entry point runs it, with the interpreter and the packages of the tests."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What differs between one system under test and the next.

    ``domains`` maps a hosted domain to its ``deliver`` setting; ``settings`` maps ``section.key``
    to a value; ``domain_settings`` holds further keys of every domain; ``wrap`` stands before the
    command (strace, prlimit).
    """

    domains: Mapping[str, str] = field(default_factory=lambda: {"example.test": "maildir"})
    roles: Sequence[str] = ("mx",)
    smarthost: int = 0
    trusted: bool = True
    settings: Mapping[str, Value] = field(default_factory=dict)
    domain_settings: Mapping[str, Value] = field(default_factory=dict)
    accounts: Sequence[str] = ()
    wrap: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def configuration(setup: Setup, data: Path, ports: Mapping[str, int]) -> str:
    """The configuration file for a setup."""
    sections: dict[str, dict[str, Value]] = {
        "server": {"hostname": "mx.example.test", "data": str(data), "user": ""},
        "queue": {"retry": ["1s"], "jitter": 0.0},
        "log": {"level": "info"},
    }
    relay: dict[str, Value] = {"networks": ["127.0.0.0/8"]} if setup.trusted else {}
    if setup.smarthost:
        relay["smarthost"] = f"smtp://127.0.0.1:{setup.smarthost}"
    sections["relay"] = relay
    for name, value in setup.settings.items():
        section, _, key = name.partition(".")
        sections.setdefault(section, {})[key] = value
    tables = [_table(f"[{name}]", values) for name, values in sections.items()]
    tables += [_table("[[listen]]", {"role": role, "address": f"127.0.0.1:{port}"}) for role, port in ports.items()]
    for name, deliver in setup.domains.items():
        tables.append(_table("[[domain]]", {"name": name, "deliver": deliver, **setup.domain_settings}))
    return "\n".join(tables)


def _table(head: str, values: Mapping[str, Value]) -> str:
    # TOML's strings, numbers, booleans and arrays of them are JSON's.
    return "".join([f"{head}\n", *(f"{key} = {json.dumps(value)}\n" for key, value in values.items())])


class Eilpost:
    """One system on one directory; it may be started, killed and started again."""

    def __init__(self, directory: Path, setup: Setup, *, data: Path | None = None) -> None:
        self.directory = directory
        self.setup = setup
        self.data = data or directory / "data"
        self.ports = {role: free_port() for role in setup.roles}
        self.file = directory / "eilpost.toml"
        self._service: Service | None = None
        self._starts = 0
        directory.mkdir(parents=True, exist_ok=True)
        self.file.write_text(configuration(setup, self.data, self.ports))

    @property
    def port(self) -> int:
        """Of the first listener."""
        return self.ports[self.setup.roles[0]]

    @property
    def service(self) -> Service:
        """The program of the last start."""
        if self._service is None:
            raise PeerError("not started yet")
        return self._service

    @property
    def pid(self) -> int:
        """The server's own process, also under strace."""
        children = Path(f"/proc/{self.service.pid}/task/{self.service.pid}/children").read_text().split()
        return int(children[0]) if self.setup.wrap and self.setup.wrap[0].endswith("strace") else self.service.pid

    async def start(self, *, wrap: Sequence[str] | None = None, deadline: float = 30.0) -> float:
        """Starts and waits for ``ready``; how long that took. PeerError with its words if it ends."""
        self._starts += 1
        before = list(self.setup.wrap if wrap is None else wrap)
        begin = time.monotonic()
        self._service = await Service.start(
            [*before, *COMMAND, "serve", "-c", str(self.file)],
            self.directory / f"eilpost-{self._starts}.log",
            environment=dict(self.setup.environment),
        )
        await self._until_ready(begin + deadline)
        return time.monotonic() - begin

    async def _until_ready(self, end: float) -> None:
        service = self.service
        while not READY.search(service.text()):
            if service.exit_code is not None:
                raise PeerError(f"eilpost ended with {service.exit_code}: {service.text()[-2000:]}")
            if time.monotonic() > end:
                await service.kill()
                raise PeerError(f"eilpost is not ready in time: {service.text()[-2000:]}")
            await asyncio.sleep(0.01)

    async def stop(self, deadline: float = 20.0) -> int:
        """SIGTERM to the server; its exit code. It is killed, and -9 returned, if it does not end."""
        return await self.service.stop(deadline)

    async def kill(self) -> None:
        """kill -9, the whole group."""
        await self.service.kill()

    def terminate(self) -> None:
        """SIGTERM, without waiting."""
        self.service.signal(signal.SIGTERM)

    async def command(self, *words: str, stdin: bytes = b"", check: bool = True) -> bytes:
        """Runs ``eilpost WORDS -c FILE``; its standard output."""
        return await run(*COMMAND, *words, "-c", self.file, stdin=stdin, check=check)

    async def add_accounts(self) -> None:
        """Makes the accounts of the setup."""
        for address in self.setup.accounts:
            await self.command("user", "add", address, "--password-stdin", stdin=b"correct horse battery staple\n")

    async def queue_stats(self) -> dict[str, Any]:
        """As ``eilpost queue stats --json`` prints it: an object, or a list of one."""
        found = json.loads(await self.command("queue", "stats", "--json"))
        return dict(found[0] if isinstance(found, list) else found)

    async def queued(self) -> int:
        """How many messages are in the queue."""
        return int((await self.queue_stats())["messages"])

    async def drained(self, deadline: float) -> int:
        """Waits until the queue is empty; what is left after the deadline."""
        end = time.monotonic() + deadline
        while (left := await self.queued()) and time.monotonic() < end:
            await asyncio.sleep(0.2)
        return left

    def maildir(self, address: str) -> Path:
        """Where the mail of an account lies."""
        local_part, _, domain = address.partition("@")
        return self.data / "mail" / domain / local_part

    def resident(self) -> int:
        """Octets of memory that it has now."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextlib.asynccontextmanager
async def eilpost(directory: Path, setup: Setup) -> AsyncIterator[Eilpost]:
    """A running system with its accounts; SIGTERM at the end must lead to exit 0."""
    system = Eilpost(directory, setup)
    await system.add_accounts()
    await system.start()
    try:
        yield system
    except BaseException:
        await system.kill()
        raise
    code = await system.stop()
    if code != 0:
        raise PeerError(f"eilpost ended with {code} after SIGTERM: {system.service.text()[-2000:]}")
