"""POP3 over a real directory and real Maildirs, on a loopback socket (deeds)."""

from __future__ import annotations

import asyncio
import dataclasses
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import argon2
import pytest

from eilpost.config.schema import Auth, Duration, Limits, Pop3, Role, SmtpAfterPop
from eilpost.directory.after_pop import AfterPop
from eilpost.directory.authenticator import Authenticator
from eilpost.directory.embedded import Embedded
from eilpost.directory.passwords import keep
from eilpost.directory.source import Sources
from eilpost.directory.store import Store
from eilpost.journal import Event
from eilpost.mail.address import parse_address
from eilpost.maildrop.drops import MaildirDrops
from eilpost.maildrop.maildir import open_maildir
from eilpost.net.dev_certificate import DevCertificate, prepare
from eilpost.net.listen import Listener, bind_tcp
from eilpost.net.tls import server_context
from eilpost.retrieve.door import Retrieval
from eilpost.retrieve.house import House, Rules, Ways

CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
AUTH = Auth(
    plain_on_loopback=True, failure_delay=Duration(0.0), guess_delay=Duration(0.0),
    mechanisms=("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"),
)  # fmt: skip
RULES = Rules(Limits(error_delay=Duration(0.0)), AUTH, Pop3(apop=True), SmtpAfterPop())


class Caller:
    """A client that says lines and hears lines."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.greeting = ""

    async def line(self) -> str:
        """One line; empty when the server has closed."""
        try:
            async with asyncio.timeout(20):
                return (await self.reader.readline()).decode().removesuffix("\r\n")
        except ConnectionError:
            return ""

    async def lines(self) -> list[str]:
        """The rest of an answer, up to the dot."""
        found = []
        while (line := await self.line()) != ".":
            assert line or not self.reader.at_eof()
            found.append(line)
        return found

    async def say(self, *lines: str) -> str:
        """Sends lines in one write; the first line of the answer to the last of them."""
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())
        answer = ""
        for _ in lines:
            answer = await self.line()
        return answer

    async def log_in(self, name: str = "anna@example.test", password: str = "geheim") -> str:
        """USER and PASS."""
        return await self.say(f"USER {name}", f"PASS {password}")


@dataclasses.dataclass
class World:
    """A POP3 server with an account."""

    data: Path
    retrieval: Retrieval
    events: list[Event]
    ports: dict[Role, int]
    certificate: DevCertificate
    after_pop: AfterPop
    callers: list[Caller] = dataclasses.field(default_factory=list)

    @property
    def home(self) -> Path:
        """Anna's Maildir."""
        return self.data / "anna"

    def put(self, name: str, octets: bytes = b"Subject: x\r\n\r\nx\r\n") -> Path:
        """A message for Anna."""
        path = self.home / "new" / name
        path.write_bytes(octets)
        return path

    def seen(self, kind: type[Event]) -> list[Any]:
        """Events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def rules(self, **changes: Any) -> None:
        """Other rules from now on."""
        self.retrieval.house.rules = dataclasses.replace(self.retrieval.house.rules, **changes)

    def client_context(self) -> ssl.SSLContext:
        """A client that trusts the server's certificate."""
        return ssl.create_default_context(cafile=self.certificate.authority)

    async def call(self, role: Role = Role.POP3, tls: bool = False) -> Caller:
        """A client that has heard the greeting."""
        context = self.client_context() if tls else None
        name = "localhost" if tls else None
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.ports[role], ssl=context, server_hostname=name, limit=1 << 24
        )
        caller = Caller(reader, writer)
        self.callers.append(caller)
        caller.greeting = await caller.line()
        return caller


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> DevCertificate:
    """One for all tests."""
    return prepare(tmp_path_factory.mktemp("keys"), ("localhost",), time.time())


@pytest.fixture
async def world(tmp_path: Path, certificate: DevCertificate) -> AsyncIterator[World]:
    """Anna with her password kept in all forms; STLS and POP3S."""
    with Store(tmp_path) as store:
        store.add_user(parse_address("anna@example.test"), keep("geheim", cram=True, hasher=CHEAP), 0.0)
    open_maildir(str(tmp_path / "anna"), settle=False).close()
    source, events = Embedded(tmp_path), list[Event]()
    authenticator = Authenticator(
        Sources(source, keeper=source, pepper=b"pepper", domain="example.test"), AUTH, events.append, argon2=CHEAP
    )
    context = server_context(certificate.pair)
    after_pop = AfterPop(tmp_path)
    drops = MaildirDrops(lambda account: str(tmp_path / account.partition("@")[0]))
    ways = Ways(authenticator, drops, after_pop.open, lambda: context)
    retrieval = Retrieval(House("mx.example.test", RULES, ways, events.append), (), str)
    listeners = {role: Listener(bind_tcp("127.0.0.1", 0, [])) for role in (Role.POP3, Role.POP3S)}
    ports = {role: int(listener.address.rpartition(":")[2]) for role, listener in listeners.items()}
    for role, listener in listeners.items():
        await listener.start(retrieval.door(role), context if role is Role.POP3S else None)
    found = World(tmp_path, retrieval, events, ports, certificate, after_pop)
    try:
        yield found
    finally:
        for listener in listeners.values():
            listener.close()
        for caller in found.callers:
            caller.writer.close()
        await retrieval.stop(2.0)
        authenticator.close()
        source.close()
        drops.close()
