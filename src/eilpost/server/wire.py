"""The wire of one session: octets both ways, by their deadlines, written down where wanted (a deed)."""

from __future__ import annotations

import asyncio
from typing import Final

from eilpost.mail.encryption import Security
from eilpost.mail.reply import Reply
from eilpost.net.stream import Stream
from eilpost.server import answers
from eilpost.server.terms import Terms
from eilpost.server.transcript import Transcript
from eilpost.smtp.phases import Phase
from eilpost.smtp.server import ServerConnection

_IDLE: Final = frozenset({Phase.GREETING, Phase.HELLO, Phase.READY})
_CLOSED: Final = Phase.CLOSED
_CONTENT: Final = Phase.CONTENT


class Wire:
    """A stream and a machine."""

    __slots__ = (
        "_earned", "_farewell", "_in_content", "_in_login", "_last", "_loop", "_machine", "_opened", "_out",
        "_stopping", "_stream", "_terms", "_waiting", "local", "peer", "read_rate", "transcript",
    )  # fmt: skip

    def __init__(self, terms: Terms, stream: Stream) -> None:
        self.peer, self.local = stream.peer, stream.local
        self.read_rate = 0
        self.transcript = Transcript(terms.transcript) if terms.transcript else None
        self._terms = terms
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._machine = ServerConnection(terms.settings)
        self._opened = self._loop.time()
        self._last = self._opened + terms.deadlines.session
        self._out: list[bytes] = []
        self._earned, self._in_content, self._in_login = True, False, False
        self._waiting = self._stopping = False
        self._farewell = ""

    @property
    def tls(self) -> Security | None:
        """What the handshake came to; None: no TLS."""
        return self._stream.tls

    @property
    def phase(self) -> Phase:
        """Where the session stands."""
        return self._machine.phase

    @property
    def seconds(self) -> float:
        """How long the session has been open."""
        return self._loop.time() - self._opened

    async def say(self, octets: bytes) -> None:
        """Sends octets now, in the middle of a hook: a reply in pieces, or none. ``Raw`` ends such a reply."""
        self._out.append(octets)
        self._flush()
        if self._stream.is_congested:
            await self._drain()

    async def _receive(self) -> None:
        stream, machine = self._stream, self._machine
        self._flush()
        if self._stopping and machine.phase in _IDLE:
            self._leave()
        if stream.is_congested:
            await self._drain()
        if self._earned:  # Only a whole command earns more time, not an octet of one (F123).
            self._earned = False
            patience = self._terms.deadlines.content if self._in_content else self._terms.deadlines.command
            stream.deadline = min(self._loop.time() + patience, self._last)
        self._waiting = True
        octets = await stream.receive()
        self._waiting = False
        if self.transcript is not None:
            self._write_down(self.transcript, octets)
        if self.read_rate:
            await asyncio.sleep(len(octets) / self.read_rate)
        machine.receive_data(octets)

    def _write_down(self, transcript: Transcript, octets: bytes) -> None:
        if self._machine.phase is _CONTENT:
            transcript.heard_content(self.seconds, octets)
        elif self._in_login:
            transcript.heard_secret(self.seconds)
        elif octets:
            transcript.heard(self.seconds, octets)

    def stop(self) -> None:
        """The server closes: at once when nothing is under way, else after the transaction."""
        self._stopping = True
        if self._waiting and self._machine.phase in _IDLE:
            self._leave()

    def _leave(self) -> None:
        self._farewell = "stopped"
        self._say_last(answers.STOPPING)
        self._stream.close()

    def _flush(self) -> None:
        out = self._out
        if out:
            octets = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            if self.transcript is not None:
                self.transcript.said(self.seconds, octets)
            self._stream.write(octets)

    async def _drain(self) -> None:
        before = self._stream.deadline
        self._stream.deadline = self._loop.time() + self._terms.deadlines.drain
        await self._stream.drain()
        self._stream.deadline = before

    def _say_last(self, words: Reply) -> None:
        if self._machine.phase is not _CLOSED:
            self._out.append(self._machine.close(words))
        self._flush()
