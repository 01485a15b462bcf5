"""A next hop that remembers every message it acknowledged, and that misbehaves on order (deeds).

It speaks SMTP or LMTP. What it does wrong is a ``Faults``: a function of the step of the dialogue,
asked anew each time, so that an experiment may fail the first time only, or with some probability.
A message counts as taken from the moment *before* its 250 is written: that is when a real server has
it on disk, so a lost 250 shows as a duplicate, never as a loss.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

_BLOCK: Final = 1 << 16


class Step(Enum):
    """Where in the dialogue a sink may be told to misbehave."""

    CONNECTED = "connected"
    HELLO = "hello"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"  # the first octets of the content have come
    DOT = "dot"  # the content is complete, nothing is stored yet
    TAKEN = "taken"  # stored, 250 not yet sent
    REPLIED = "replied"  # 250 sent
    BETWEEN = "between"  # LMTP: some of the replies after the content were sent
    RSET = "rset"
    QUIT = "quit"


@dataclass(frozen=True, slots=True)
class Say:
    """Answers so, instead of obeying; ``close`` hangs up afterwards."""

    line: str
    close: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """Resets the connection without a word."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Waits, then goes on as if nothing had been."""

    seconds: float


Action = Say | Drop | Wait
Faults = Callable[[Step, str], Action | None]
"""Asked with the step and the line (the mailbox for RCPT and BETWEEN); None means: behave."""


def honest(step: Step, detail: str) -> Action | None:
    """Does nothing wrong."""
    return None


@dataclass(frozen=True, slots=True)
class Taken:
    """One message that was taken for some recipients."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    when: float


class _Dropped(Exception):
    """The connection is of no further use."""


@dataclass(slots=True)
class _Transaction:
    sender: str | None = None  # no MAIL was accepted
    recipients: list[str] = field(default_factory=list)


class Sink:
    """A running sink. ``faults`` may be replaced at any time; ``digest`` says what is kept of a content."""

    def __init__(
        self,
        *,
        lmtp: bool = False,
        faults: Faults = honest,
        pipelining: bool = True,
        digest: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self.lmtp = lmtp
        self.faults = faults
        self.digest = digest
        self.taken: list[Taken] = []
        self.attempts: list[tuple[float, str]] = []
        self.sessions = 0
        self.port = 0
        self._pipelining = pipelining
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def open(self, port: int = 0) -> None:
        """Listens; on the same port again after ``close``."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port or self.port, limit=_BLOCK)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Is away: listens no more, and resets what is open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for session, writer in self._open.items():
            writer.transport.abort()
            session.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sessions += 1
        session = asyncio.current_task()
        assert session is not None
        self._open[session] = writer
        # Cancelled by ``close`` alone; asyncio's own callback would complain of a task that was.
        with contextlib.suppress(_Dropped, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await _Session(self, reader, writer, self._pipelining).run()
        del self._open[session]
        writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()


class _Session:
    def __init__(
        self, sink: Sink, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pipelining: bool
    ) -> None:
        self._sink = sink
        self._reader = reader
        self._writer = writer
        self._transaction = _Transaction()
        self._extensions = ("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN") if pipelining else ("8BITMIME",)

    async def run(self) -> None:
        await self._obey(Step.CONNECTED, "", "220 sink.example.test ready")
        while line := await self._reader.readline():
            text = line.rstrip(b"\r\n").decode("utf-8", "replace")
            verb = text[:4].upper()
            if verb == "QUIT":
                await self._obey(Step.QUIT, text, "221 bye")
                return
            await self._command(verb, text)

    async def _command(self, verb: str, text: str) -> None:
        match verb:
            case "EHLO" | "LHLO" | "HELO":
                self._transaction = _Transaction()
                await self._obey(Step.HELLO, text, self._hello(verb))
            case "MAIL":
                self._transaction = _Transaction()
                if await self._obey(Step.MAIL, text, "250 2.1.0 sender ok"):
                    self._transaction.sender = _path(text)
            case "RCPT" if self._transaction.sender is None:
                await self._say("503 5.5.1 MAIL first")
            case "RCPT":
                self._sink.attempts.append((time.time(), _path(text)))
                if await self._obey(Step.RCPT, _path(text), "250 2.1.5 recipient ok"):
                    self._transaction.recipients.append(_path(text))
            case "DATA" if not self._transaction.recipients:
                await self._say("554 5.5.1 no valid recipients")
            case "DATA":
                if await self._obey(Step.DATA, text, "354 go on"):
                    await self._content()
            case "RSET":
                self._transaction = _Transaction()
                await self._obey(Step.RSET, text, "250 2.0.0 reset")
            case "NOOP":
                await self._say("250 2.0.0 ok")
            case _:
                await self._say("500 5.5.1 unknown")

    def _hello(self, verb: str) -> str:
        if verb == "HELO":
            return "250 sink.example.test"
        lines = ["sink.example.test", *self._extensions, "ENHANCEDSTATUSCODES"]
        return "\r\n".join(f"250{' ' if index == len(lines) - 1 else '-'}{line}" for index, line in enumerate(lines))

    async def _content(self) -> None:
        if await self._misbehave(Step.CONTENT, ""):
            raise _Dropped
        content = await self._read_content()
        transaction, self._transaction = self._transaction, _Transaction()
        if await self._misbehave(Step.DOT, ""):
            return
        if self._sink.lmtp:
            await self._take_each(transaction, content)
        else:
            self._take(transaction.sender or "", tuple(transaction.recipients), content)
            await self._obey(Step.TAKEN, "", "250 2.0.0 taken")
        await self._misbehave(Step.REPLIED, "")

    async def _take_each(self, transaction: _Transaction, content: bytes) -> None:
        for recipient in transaction.recipients:
            if not await self._misbehave(Step.BETWEEN, recipient):
                self._take(transaction.sender or "", (recipient,), content)
                await self._obey(Step.TAKEN, recipient, "250 2.0.0 taken")

    def _take(self, sender: str, recipients: tuple[str, ...], content: bytes) -> None:
        self._sink.taken.append(Taken(sender, recipients, self._sink.digest(content), time.time()))

    async def _read_content(self) -> bytes:
        """RFC 5321 §4.5.2, on the octets as they come."""
        lines: list[bytes] = []
        while True:
            line = await self._line()
            if line == b".\r\n" and (not lines or lines[-1].endswith(b"\r\n")):
                return b"".join(lines)
            lines.append(line[1:] if line.startswith(b".") and (not lines or lines[-1].endswith(b"\n")) else line)

    async def _line(self) -> bytes:
        try:
            return await self._reader.readuntil(b"\n")
        except asyncio.LimitOverrunError as overrun:
            return await self._reader.readexactly(overrun.consumed)

    async def _obey(self, step: Step, detail: str, answer: str) -> bool:
        """Says ``answer`` unless it is told to misbehave; True when it obeyed."""
        if await self._misbehave(step, detail):
            return False
        await self._say(answer)
        return True

    async def _misbehave(self, step: Step, detail: str) -> bool:
        match self._sink.faults(step, detail):
            case None:
                return False
            case Wait(seconds):
                await asyncio.sleep(seconds)
                return False
            case Say(line, close):
                await self._say(line)
                if close:
                    raise _Dropped
                return True
            case Drop():
                self._writer.transport.abort()
                raise _Dropped

    async def _say(self, line: str) -> None:
        self._writer.write(line.encode() + b"\r\n")
        await self._writer.drain()


def _path(text: str) -> str:
    """The address between the brackets."""
    return text[text.find("<") + 1 : text.find(">")]


@contextlib.asynccontextmanager
async def sink(
    *,
    lmtp: bool = False,
    faults: Faults = honest,
    pipelining: bool = True,
    digest: Callable[[bytes], bytes] = bytes,
) -> AsyncIterator[Sink]:
    """A sink on a free loopback port."""
    running = Sink(lmtp=lmtp, faults=faults, pipelining=pipelining, digest=digest)
    await running.open()
    try:
        yield running
    finally:
        await running.close()
