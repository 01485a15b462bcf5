"""The content by DATA and by BDAT, for the server's machine (a grammar).

Content is handed on as it comes, never beyond the limit; the rest is counted and thrown away, up to a
ceiling (F054). The octets of a chunk are taken whatever its answer will be (RFC 3030 §2, F020).
"""

from __future__ import annotations

from typing import Final

from eilpost.mail.reply import Reply
from eilpost.smtp import grammar, replies
from eilpost.smtp.commands import Dialect, Verb
from eilpost.smtp.content import DotReader, TextChunks
from eilpost.smtp.events import ChunkEnd, Content, ContentEnd, Event
from eilpost.smtp.phases import PHASES, Phase
from eilpost.smtp.server_lines import CLOSE, LineIntake
from eilpost.smtp.server_settings import ServerSettings

DISCARD_FACTOR: Final = 4
"""Content above the limit is read and thrown away up to so many times the limit, then cut (F054)."""

BEFORE_CONTENT: Final = frozenset({Verb.DATA, Verb.BDAT})
"""What follows these on the wire may be content."""

_NO_READER: Final = DotReader()
_NO_CHUNK: Final = grammar.Chunk(0, False)


class ContentIntake(LineIntake):
    """The part of the machine that reads content, and counts it."""

    __slots__ = (
        "_chunk", "_chunk_left", "_fault", "_offered", "_reader", "_recipients", "_size", "_smtputf8", "_text",
    )  # fmt: skip

    def __init__(self, settings: ServerSettings) -> None:
        super().__init__(settings)
        self._reader = _NO_READER
        self._chunk = _NO_CHUNK
        self._chunk_left = 0
        self._offered: frozenset[str] = frozenset()
        self._forget_transaction()

    def _forget_transaction(self) -> None:
        self._recipients = 0
        self._smtputf8 = False
        self._size = 0
        self._fault: Reply | None = None
        self._text: TextChunks | None = None

    def _out_of_order(self, verb: Verb) -> Reply:
        if verb in BEFORE_CONTENT and self.phase is Phase.TRANSACTION and self._settings.dialect is Dialect.SMTP:
            return replies.NO_RECIPIENTS  # RFC 5321 §3.3; RFC 2033 §4.2 wants 503
        return replies.OUT_OF_ORDER

    # --- content by DATA

    def _begin_content(self) -> None:
        self._reader = DotReader()
        self._read = ContentIntake._read_content

    def _read_content(self) -> Event | None:
        if not self._buffer:
            return None
        piece = self._reader.read(self._buffer[self._start :])
        self._consume(self._start + piece.consumed)
        content = self._hand_on(piece.octets)
        self._fault = piece.fault
        if self._size > DISCARD_FACTOR * self._settings.message_size:
            self._fault = replies.TOO_BIG
        if self._fault is not None:
            self._read = ContentIntake._break_off
        elif piece.ended:
            self._read = ContentIntake._end_content
        return content or self._read(self)

    def _hand_on(self, octets: bytes) -> Content | None:
        """Content that may be kept; what is over the limit is counted and thrown away."""
        self._size += len(octets)
        excess = self._size - self._settings.message_size
        if excess > 0:
            octets = octets[: max(0, len(octets) - excess)]
        return Content(octets) if octets else None

    def _break_off(self) -> Event:
        assert self._fault is not None
        return self._refuse(b"DATA", self._fault, CLOSE)

    def _end_content(self) -> Event:
        self._read = ContentIntake._read_line
        self._moves = PHASES[self.phase][Verb.CONTENT_END]
        return ContentEnd(self._size, self._content_refusal())

    def _content_refusal(self) -> Reply | None:
        return replies.TOO_BIG if self._size > self._settings.message_size else self._fault

    # --- content by BDAT

    def _begin_chunk(self, line: bytes, argument: str) -> Event | None:
        """RFC 3030 §2: the octets follow whatever the answer will be, and are taken first (F020)."""
        if "CHUNKING" not in self._settings.extensions:
            return self._refuse(line, replies.NOT_OFFERED, CLOSE)
        try:
            chunk = grammar.parse_chunk(argument)
        except grammar.SyntaxRefusal as refusal:
            return self._refuse(line, refusal.reply, CLOSE)  # F021: where it ends, nobody knows
        if self._size + chunk.size > DISCARD_FACTOR * self._settings.message_size:
            return self._refuse(line, replies.TOO_BIG, CLOSE)
        self._line, self._chunk, self._chunk_left = line, chunk, chunk.size
        may_come = Verb.BDAT in PHASES[self.phase] and "CHUNKING" in self._offered
        self._read = ContentIntake._read_chunk if may_come else ContentIntake._skip_chunk
        return self._read(self)

    def _take_of_chunk(self) -> bytes:
        octets = self._buffer[self._start : self._start + self._chunk_left]
        self._consume(self._start + len(octets))
        self._chunk_left -= len(octets)
        return octets

    def _skip_chunk(self) -> Event | None:
        self._take_of_chunk()
        if self._chunk_left:
            return None
        self._read = ContentIntake._read_line
        return self._refuse(self._line, self._out_of_order(Verb.BDAT))

    def _read_chunk(self) -> Event | None:
        octets = self._take_of_chunk()
        ended = self._chunk_left == 0
        if self._fault is not None:
            octets = b""
        elif self._text is not None:
            octets, self._fault = self._text.read(octets, last=ended and self._chunk.last)
        content = self._hand_on(octets)
        if ended:
            self._read = ContentIntake._end_content if self._chunk.last else ContentIntake._end_chunk
        return content or (self._read(self) if ended else None)

    def _end_chunk(self) -> Event:
        self._read = ContentIntake._read_line
        moves = PHASES[self.phase][Verb.BDAT]
        refusal = self._content_refusal()
        if refusal is not None:
            return self._refuse(self._line, refusal, moves)
        self._moves = moves
        return ChunkEnd(self._chunk.size)
