"""The whole system in this process: real spool, real sockets on port 0, and raw callers (deeds)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sqlite3
import struct
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from eilpost.config.schema import Config, Domain, Limits, Listen, Relay, Role, Server
from eilpost.directory.store import Store
from eilpost.journal import Event
from eilpost.mail.address import parse_address
from eilpost.receive.house import House
from eilpost.spool.contract import Filter
from eilpost.system import System, bind, prepare_data

STRANGER: Final = "127.0.0.1"
TRUSTED: Final = "127.0.0.9"
NETWORKS: Final = ("127.0.0.9/32",)
PEOPLE: Final = ("anna@example.test", "berta@example.test", "anna@second.test")
MESSAGE: Final = b"From: <x@y.example>\r\nSubject: hello\r\n\r\nHello.\r\n"
PATIENCE: Final = 20.0  # seconds by the test's own clock; a test that hangs should say where

_RST: Final = struct.pack("ii", 1, 0)


def jump(seconds: float) -> None:
    """So much later it is now by the event loop's clock: minutes of deadlines pass at once."""
    loop = asyncio.get_running_loop()
    before = loop.time
    loop.time = lambda: before() + seconds  # type: ignore[method-assign]


class Caller:
    """A client that sends what the test says, octet by octet if it wants, and hears whole replies."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._came = bytearray()
        self._loop = asyncio.get_running_loop()

    async def send(self, octets: bytes) -> None:
        """Sends octets as they are."""
        await self._loop.sock_sendall(self.sock, octets)

    async def hear(self) -> str:
        """A whole reply, its lines joined by line feeds; empty when the server has closed."""
        lines: list[str] = []
        while True:
            line = await self._line()
            lines.append(line)
            if line[3:4] != "-":
                return "\n".join(lines)

    async def _line(self) -> str:
        while b"\r\n" not in self._came:
            octets = await self._more()
            if not octets:
                assert not self._came, bytes(self._came)
                return ""
            self._came += octets
        line, _, rest = bytes(self._came).partition(b"\r\n")
        self._came[:] = rest
        return line.decode()

    async def _more(self) -> bytes:
        # Not a timeout of the loop: its clock may jump.
        receiving = self._loop.create_task(self._loop.sock_recv(self.sock, 1 << 16))
        begin = time.monotonic()
        while not receiving.done():
            assert time.monotonic() - begin < PATIENCE, "the server says nothing"
            await asyncio.wait([receiving], timeout=0.05)
        try:
            return receiving.result()
        except ConnectionError:
            return b""

    async def say(self, *lines: str) -> str:
        """Sends lines in one write; the reply to the last of them."""
        await self.send("".join(f"{line}\r\n" for line in lines).encode())
        answer = ""
        for _ in lines:
            answer = await self.hear()
        return answer

    async def settle(self) -> None:
        """Lets the server take what was sent: its loop is ours."""
        for _ in range(20):
            await asyncio.sleep(0)

    def now(self) -> float:
        """The loop's clock."""
        return self._loop.time()

    async def gone(self) -> bool:
        """Waits for the server to close; True when it said nothing more."""
        return not self._came and not await self._more()

    async def mail(
        self, *recipients: str, sender: str = "x@y.example", content: bytes = MESSAGE, parameters: str = ""
    ) -> str:
        """A whole transaction; the reply to its end, or the first refusal."""
        for line in (f"MAIL FROM:<{sender}>{parameters}", *(f"RCPT TO:<{one}>" for one in recipients), "DATA"):
            answer = await self.say(line)
            if answer[0] not in "23":
                return answer
        await self.send(content + b".\r\n")
        return await self.hear()

    def half_close(self) -> None:
        """Sends no more, and still hears."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Ends the connection with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
        self.sock.close()

    def close(self) -> None:
        self.sock.close()


def dial(address: tuple[str, int], source: str = STRANGER) -> socket.socket:
    """A blocking socket that is connected, also while the server has not looked yet."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family)
    sock.settimeout(PATIENCE)
    try:
        if family == socket.AF_INET:
            sock.bind((source, 0))
        sock.connect(address)
    except OSError:
        sock.close()
        raise
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


@dataclass
class Running:
    """A system that serves."""

    system: System
    config: Config
    addresses: dict[Role, tuple[str, int]]
    events: list[Event]
    callers: list[Caller] = field(default_factory=list)
    talkers: list[Any] = field(default_factory=list)
    reread: list[Config] = field(default_factory=list)

    @property
    def house(self) -> House:
        return self.system._reception._house

    @property
    def data(self) -> Path:
        return Path(self.config.server.data)

    def dial(self, role: Role = Role.MX, source: str = STRANGER) -> Caller:
        """Connects; nothing is heard yet."""
        return self._caller(dial(self.addresses[role], source))

    def dial_locally(self) -> Caller:
        """Connects by the submission socket."""
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(self.data / "submit.sock"))
        return self._caller(sock)

    def _caller(self, sock: socket.socket) -> Caller:
        caller = Caller(sock)
        self.callers.append(caller)
        return caller

    async def call(self, role: Role = Role.MX, source: str = STRANGER, hello: str = "EHLO client.example") -> Caller:
        """Connects, hears the greeting and says hello unless ``hello`` is empty."""
        caller = self.dial(role, source)
        assert (await caller.hear()).startswith("220 ")
        if hello:
            assert (await caller.say("LHLO client.example" if role is Role.LMTP else hello)).startswith("250")
        return caller

    def of(self, kind: type[Event]) -> list[Any]:
        """The journal's events of one kind."""
        return [event for event in self.events if type(event) is kind]

    async def until(self, holds: Callable[[], object], otherwise: str = "it never came") -> None:
        """Returns when it holds."""
        begin = time.monotonic()
        while not holds():
            assert time.monotonic() - begin < PATIENCE, otherwise
            await asyncio.sleep(0.002)

    async def delivered(self, address: str, count: int = 1) -> list[bytes]:
        """The mail of an account, once so much of it is there."""
        local_part, _, domain = address.partition("@")
        new = self.data / "mail" / domain / local_part / "new"
        await self.until(lambda: new.is_dir() and len(os.listdir(new)) >= count, f"no mail for {address}")
        return [path.read_bytes() for path in sorted(new.iterdir())]

    def rows(self) -> int:
        """Messages in the store."""
        database = self.data / "spool" / "spool.db"
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM message").fetchone()[0])

    async def stored(self) -> list[bytes]:
        """The contents in the store, without our own Received field."""
        found = []
        for entry in await self.house.ways.spool.find(Filter()):
            octets = b"".join([chunk async for chunk in entry.message.content.chunks()])
            found.append(octets[octets.index(b"\r\n", octets.index(b"; ")) + 2 :])
        return found

    def add_account(self, address: str) -> None:
        """As ``eilpost user add`` does beside the running server."""
        with Store(self.data) as store:
            store.add_account(parse_address(address), "", 0.0)

    def files(self) -> list[str]:
        """Content files in the spool."""
        return sorted(path.name for path in (self.data / "spool" / "content").iterdir())


def configuration(
    data: Path, limits: Limits | None = None, *, networks: tuple[str, ...] = NETWORKS, **sections: Any
) -> Config:
    """Two domains, a listener of each role on a free port, and what the test changes."""
    server = Server(hostname="mx.example.test", data=str(data), user="")
    return replace(
        Config(
            server=server,
            listen=tuple(Listen(role, "127.0.0.1:0") for role in (Role.MX, Role.SUBMISSION, Role.LMTP)),
            domain=(Domain("example.test"), Domain("second.test")),
            relay=Relay(networks=networks),
            limits=limits or Limits(),
        ),
        **sections,
    )


def populate(data: Path) -> None:
    """Makes the accounts, and an alias ``both`` for two of them."""
    with Store(data) as store:
        for person in PEOPLE:
            store.add_account(parse_address(person), "", 0.0)
        store.add_alias(parse_address("both@example.test"), [parse_address(p) for p in PEOPLE[:2]])


@contextlib.asynccontextmanager
async def running(config: Config) -> AsyncIterator[Running]:
    """Serves until the test is over, then stops and must end by itself."""
    prepare_data(config, user="")
    populate(Path(config.server.data))
    events: list[Event] = []
    reread: list[Config] = []

    def read_again() -> Config:
        return reread[-1]

    doors = bind(config)
    system = System(config, doors, events.append, read_again)
    ready = asyncio.Event()
    task = asyncio.create_task(system.run(ready.set))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        await task
    addresses = {}
    for door in doors:
        host, _, port = door.listener.address.rpartition(":")
        if not host.startswith("unix") and door.role not in addresses:
            addresses[door.role] = (host.strip("[]"), int(port))
    world = Running(system, config, addresses, events, reread=reread)
    try:
        yield world
    finally:
        for caller in (*world.callers, *world.talkers):
            caller.close()
        system.stop()
        begin = time.monotonic()
        while not task.done():
            assert time.monotonic() - begin < 2 * PATIENCE, "the system does not end"
            await asyncio.wait([task], timeout=0.05)
        await task
