"""A server on loopback whose every word is written by the test (a deed)."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

OFFER: Final = b"250-peer.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 1000000\r\n250 ENHANCEDSTATUSCODES\r\n"
PATIENCE: Final = 20.0  # seconds; a test that hangs should say where

LIMIT: Final = 1 << 24  # octets that a part may ask for at once

_CHUNK = re.compile(rb"BDAT (\d+)( LAST)?\r\n")


class Peer:
    """One connection, seen from the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log: list[bytes]) -> None:
        self._reader = reader
        self._writer = writer
        self._log = log

    async def say(self, octets: bytes) -> None:
        """Sends octets as they are."""
        self._writer.write(octets)
        await self._writer.drain()

    async def hear(self) -> bytes:
        """One line, as it came; empty at the end of the stream."""
        line = await asyncio.wait_for(self._reader.readline(), PATIENCE)
        if line:
            self._log.append(line)
        return line

    async def hear_content(self) -> bytes:
        """Everything up to the lone dot, dots still doubled."""
        return (await asyncio.wait_for(self._reader.readuntil(b"\r\n.\r\n"), PATIENCE))[:-3]

    async def take_chunk(self, line: bytes) -> bytes:
        """The octets that a BDAT line announces."""
        found = _CHUNK.fullmatch(line)
        assert found is not None, line
        return await asyncio.wait_for(self._reader.readexactly(int(found[1])), PATIENCE)

    async def open(self, offer: bytes = OFFER) -> None:
        """Greets and answers the hello."""
        await self.say(b"220 peer.example\r\n")
        await self.hear()
        await self.say(offer)

    async def expect(self, *exchanges: tuple[bytes, bytes]) -> None:
        """Hears a line that begins so, and answers so; again for each pair."""
        for beginning, answer in exchanges:
            line = await self.hear()
            assert line.startswith(beginning), (line, beginning)
            await self.say(answer)

    async def take(self, last: bytes = b"250 2.0.0 taken\r\n", *, recipients: int = 1) -> bytes:
        """A whole transaction that goes well; the content."""
        await self.expect((b"MAIL", b"250 Ok\r\n"), *[(b"RCPT", b"250 Ok\r\n")] * recipients, (b"DATA", b"354 go\r\n"))
        content = await self.hear_content()
        await self.say(last)
        return content

    async def secure(self, context: ssl.SSLContext) -> None:
        """The handshake, after the 220 to STARTTLS."""
        await self._writer.start_tls(context)

    async def leave(self) -> None:
        """Answers QUIT, or sees the client go."""
        if await self.hear():
            await self.say(b"221 bye\r\n")

    def reset(self) -> None:
        """Cuts the connection with RST."""
        self._writer.transport.abort()

    def close(self) -> None:
        """Ends the connection politely, without waiting for the client."""
        self._writer.close()


Part = Callable[[Peer], Awaitable[None]]


class Stage:
    """A listening server that plays its parts, one a connection, in order; the last one repeats."""

    def __init__(self, *parts: Part) -> None:
        self.parts = list(parts)
        self.lines: list[bytes] = []
        self.sessions = 0
        self.port = 0
        self.failures: list[BaseException] = []
        self._server: asyncio.Server | None = None

    async def open(self, path: Path | None = None) -> None:
        """Listens on a free loopback port, or at a path."""
        if path is not None:
            self._server = await asyncio.start_unix_server(self._play, str(path))
            return
        self._server = await asyncio.start_server(self._play, "127.0.0.1", 0, limit=LIMIT)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Listens no more."""
        assert self._server is not None
        self._server.close()

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        part = self.parts[min(self.sessions, len(self.parts) - 1)]
        self.sessions += 1
        try:
            await part(Peer(reader, writer, self.lines))
        except (OSError, asyncio.IncompleteReadError):
            pass
        except Exception as error:  # shown by the test that plays
            self.failures.append(error)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def staged(*parts: Part, path: Path | None = None) -> AsyncIterator[Stage]:
    """A server with these parts; what went wrong in a part is raised at the end."""
    stage = Stage(*parts)
    await stage.open(path)
    try:
        yield stage
    finally:
        stage.close()
    if stage.failures:
        raise stage.failures[0]


async def refusing_port() -> int:
    """A loopback port that nobody listens on."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port
