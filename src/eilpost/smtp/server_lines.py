"""Octets into lines, for the server's machine (a grammar).

CR LF ends a line and nothing else does (RFC 5321 §2.3.8). A line that is too long is thrown away while
it comes, one that never ends is cut off; what is kept in memory is bounded by the limit of a line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from eilpost.mail.reply import Reply, Severity
from eilpost.smtp import replies
from eilpost.smtp.events import Event, Refused
from eilpost.smtp.phases import STAY, Moves, Phase
from eilpost.smtp.server_settings import ServerSettings

LINE_DISCARD_FACTOR: Final = 16
"""A line without an end is read and thrown away up to so many times its limit, then cut (F046)."""

LINE_KEPT: Final = 80
"""So many octets of a line that is thrown away are told."""

CLOSE: Final[Moves] = dict.fromkeys(Severity, Phase.CLOSED)
"""Whatever the reply, the session ends."""

_TLS: Final = b"\x16\x03"  # a handshake record of any version, RFC 8446 §5.1


class LineIntake:
    """The part of the machine that holds octets and finds lines; ``_understand`` is told each line."""

    __slots__ = (
        "_buffer",
        "_discarded",
        "_eof",
        "_hear",
        "_line",
        "_longest",
        "_moves",
        "_read",
        "_settings",
        "_start",
        "phase",
    )

    def __init__(self, settings: ServerSettings) -> None:
        self.phase = Phase.GREETING
        self._settings = settings
        # Octets that are not understood yet begin at ``_start``. When there are none the buffer
        # is empty: what was read is not kept alive, and what comes is not copied.
        self._buffer = b""
        self._start = 0
        self._eof = False
        # What the next octets are: the function that reads them.
        self._read: Callable[[Any], Event | None] = LineIntake._read_nothing
        # What a line is, and how long it may be.
        self._hear: Callable[[Any, bytes], Event | None] = type(self)._understand
        self._longest = settings.line
        # Where the reply to the event at hand may lead.
        self._moves = STAY
        self._line = b""
        self._discarded = 0

    @property
    def buffered(self) -> int:
        """Octets received and not yet understood."""
        return len(self._buffer) - self._start

    def receive_data(self, octets: bytes) -> None:
        """What the peer sent; an empty string says that it will send no more."""
        if not octets:
            self._eof = True
        elif self._buffer:
            self._buffer = self._buffer[self._start :] + octets
            self._start = 0
        else:
            self._buffer = bytes(octets)

    def _understand(self, line: bytes) -> Event | None:
        raise NotImplementedError

    def _read_nothing(self) -> Event | None:
        """Before the greeting nothing is read; after the end nothing is kept (F017)."""
        if self.phase is Phase.CLOSED:
            self._consume(len(self._buffer))
        return None

    def _consume(self, end: int) -> None:
        if end < len(self._buffer):
            self._start = end
        else:
            self._buffer = b""
            self._start = 0

    def _refuse(self, line: bytes, reply: Reply, moves: Moves = STAY) -> Refused:
        self._moves = moves
        return Refused(line, reply, fatal=moves is CLOSE)

    def _read_first_line(self) -> Event | None:
        """The first octets tell whether the peer speaks TLS, in which no line end may ever come (F028)."""
        first = self._buffer[self._start : self._start + len(_TLS)]
        if first == _TLS:
            return self._refuse(_TLS, replies.OTHER_PROTOCOL, CLOSE)
        if _TLS.startswith(first):
            return None
        self._read = LineIntake._read_line
        return self._read_line()

    def _read_line(self) -> Event | None:
        buffer, start = self._buffer, self._start
        if not buffer:
            return None
        end = buffer.find(b"\n", start)
        size = (end if end >= 0 else len(buffer)) - start
        if size > self._longest or self._discarded:
            return self._overlong(end, size)
        if end < 0:
            return None
        line = buffer[start:end]
        self._consume(end + 1)
        if line[-1:] != b"\r":
            # RFC 5321 §2.3.8: a bare LF ends nothing, so what follows cannot be trusted.
            return self._refuse(line, replies.BARE_LINE_END, CLOSE)
        return self._hear(self, line[:-1])

    def _overlong(self, end: int, size: int) -> Event | None:
        """Reads on to the line's end without keeping it; one that never ends is cut off (F046)."""
        buffer, start = self._buffer, self._start
        if not self._discarded:
            self._line = buffer[start : start + LINE_KEPT]
        if self._discarded + size > LINE_DISCARD_FACTOR * self._longest:
            return self._refuse(self._line, replies.ENDLESS_LINE, CLOSE)
        if end < 0:
            self._discarded += size - 1  # The last octet stays: it may be the CR before the LF.
            self._consume(start + size - 1)
            return None
        self._discarded = 0
        self._consume(end + 1)
        if buffer[end - 1 : end] != b"\r":
            return self._refuse(self._line, replies.BARE_LINE_END, CLOSE)
        return self._too_long()

    def _too_long(self) -> Event:
        return self._refuse(self._line, replies.LINE_TOO_LONG)
