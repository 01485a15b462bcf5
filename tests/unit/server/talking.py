"""A raw client of a running server: says octets, hears whole replies (deeds)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from eilpost.mail.envelope import Envelope
from eilpost.server import Handler, Server, Session

PATIENCE: Final = 20.0  # seconds; a test that hangs should say where
CONTENT: Final = b"Subject: hello\r\n\r\nHello.\r\n"


class Caller:
    """One connection; replies are given back as text, lines joined by line feeds."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def hear(self) -> str:
        """A whole reply; what there is when the server has closed."""
        lines: list[str] = []
        while True:
            line = (await asyncio.wait_for(self.reader.readline(), PATIENCE)).decode()
            if line:
                lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                return "\n".join(lines)

    async def say(self, *lines: str) -> list[str]:
        """Sends lines at once and hears a reply to each."""
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())
        return [await self.hear() for _ in lines]

    async def codes(self, *lines: str) -> list[str]:
        """The codes of the replies to these lines."""
        return [said[:3] for said in await self.say(*lines)]

    async def begin(self, *recipients: str) -> None:
        """EHLO, MAIL and RCPT."""
        assert await self.codes("EHLO me.example", "MAIL FROM:<anna@a.example>") == ["250", "250"]
        for recipient in recipients or ("bob@b.example",):
            assert await self.codes(f"RCPT TO:<{recipient}>") == ["250"]

    async def send(self, content: bytes = CONTENT) -> str:
        """DATA with a content without dots; the last reply."""
        assert await self.codes("DATA") == ["354"]
        self.writer.write(content + b".\r\n")
        return await self.hear()

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        return await asyncio.wait_for(self.reader.read(), PATIENCE)


@contextlib.asynccontextmanager
async def calling(server: Server, *, greeted: bool = True) -> AsyncIterator[Caller]:
    """A connection to a running server."""
    where = server.address
    if where.startswith("unix:"):
        reader, writer = await asyncio.open_unix_connection(where.removeprefix("unix:"))
    else:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    caller = Caller(reader, writer)
    try:
        if greeted:
            assert (await caller.hear())[:3] == "220"
        yield caller
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


class Keeper(Handler):
    """Keeps what came, and why sessions ended."""

    def __init__(self) -> None:
        self.messages: list[tuple[Envelope, bytes]] = []
        self.sessions: list[Session] = []
        self.reasons: list[str] = []
        self.gone = asyncio.Event()

    def message(self, session: Session, envelope: Envelope, content: bytes) -> None:
        """Kept."""
        self.messages.append((envelope, content))
        self.sessions.append(session)

    def disconnected(self, session: Session, reason: str) -> None:
        """Noted."""
        self.reasons.append(reason)
        self.gone.set()
