"""The load: sessions that send, write down every step before they take it, and come back after a crash (deeds)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.crash.ledger import Ledger, Sent, content_of, identify

Recipients = Callable[[random.Random], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sent: from whom, to whom, how big, how fast.

    ``pause`` is seconds between two messages of a session, ``patience`` how long a reply may take.
    """

    recipients: Recipients
    sender: str = "sender@example.test"
    sizes: Callable[[random.Random], int] = lambda source: source.randint(300, 8000)
    sessions: int = 8
    pause: float = 0.004
    patience: float = 30.0
    limit: int = 1_000_000


class _Hung(Exception):
    """The connection is gone, or the server's answer did not come."""


class LoadClient:
    """Sends until it is told to stop, or until the plan's limit is reached."""

    def __init__(self, plan: Plan, ledger: Ledger, port: int, *, seed: int = 0, name: str = "m") -> None:
        self._plan = plan
        self._ledger = ledger
        self._port = port
        self._seed = seed
        self.name = name
        self._numbers = itertools.count(1)
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.silences = 0
        self.greetings: list[str] = []

    def start(self) -> None:
        """Opens the sessions."""
        self._tasks = [asyncio.create_task(self._session(number)) for number in range(self._plan.sessions)]

    async def stop(self) -> None:
        """Lets each session finish its message, then ends."""
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def finish(self) -> None:
        """Waits until the limit is reached."""
        await asyncio.gather(*self._tasks)

    async def _session(self, number: int) -> None:
        source = random.Random(f"{self._seed}:{number}")
        while not self._stop.is_set():
            try:
                if not await self._connection(source):
                    return
            except (_Hung, OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.02)

    async def _connection(self, source: random.Random) -> bool:
        """One connection's messages; False when there are no more to send."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            greeting = await self._reply(reader)
            if not greeting.startswith("220"):
                self.greetings.append(greeting)
                raise _Hung(greeting)
            await self._ask(reader, writer, "EHLO client.example")
            while not self._stop.is_set():
                number = next(self._numbers)
                if number > self._plan.limit:
                    return False
                await self._message(f"{self.name}-{number}", source, reader, writer)
                await asyncio.sleep(self._plan.pause)
            return False
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _message(
        self, identity: str, source: random.Random, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        content = content_of(identity, self._plan.sizes(source))
        accepted = await self._envelope(reader, writer, list(dict.fromkeys(self._plan.recipients(source))))
        if not accepted:
            await self._ask(reader, writer, "RSET")
            return
        self._ledger.begin(Sent(identity, self._plan.sender, accepted, identify(content)[1], time.time()))
        answer = await self._ask(reader, writer, "DATA")
        if not answer.startswith("354"):
            self._ledger.reply(identity, time.time(), answer)
            return
        stuffed = content.replace(b"\r\n.", b"\r\n..")
        writer.write(stuffed)
        await writer.drain()
        self._ledger.dot(identity, time.time())
        writer.write(b".\r\n")
        answer = await self._reply(reader)
        self._ledger.reply(identity, time.time(), answer)

    async def _envelope(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, recipients: list[str]
    ) -> tuple[str, ...]:
        """MAIL and RCPT in one write (RFC 2920); who was accepted."""
        lines = [f"MAIL FROM:<{self._plan.sender}>", *(f"RCPT TO:<{recipient}>" for recipient in recipients)]
        writer.write("".join(f"{line}\r\n" for line in lines).encode())
        await writer.drain()
        mail = await self._reply(reader)
        answers = [await self._reply(reader) for _ in recipients]
        if not mail.startswith("250"):
            return ()
        return tuple(r for r, answer in zip(recipients, answers, strict=True) if answer.startswith("250"))

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: str) -> str:
        writer.write(f"{line}\r\n".encode())
        await writer.drain()
        return await self._reply(reader)

    async def _reply(self, reader: asyncio.StreamReader) -> str:
        """The last line of a reply."""
        while True:
            try:
                line = await asyncio.wait_for(reader.readline(), self._plan.patience)
            except TimeoutError:
                self.silences += 1
                raise _Hung("silence") from None
            if not line.endswith(b"\n"):
                raise _Hung("closed")
            if line[3:4] != b"-":
                answer = line.decode("utf-8", "replace").rstrip()
                if answer.startswith("421"):
                    raise _Hung(answer)
                return answer
