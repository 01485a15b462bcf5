"""Replies as they come off the wire (a grammar).

RFC 5321 §4.2 gives the form. The rule for line ends is the one we keep everywhere: CR LF ends a
line, a bare CR or LF and a NUL end the conversation. What a peer may send is bounded (F147): a
line, the lines of a reply, and a reply in all.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from eilpost.mail.reply import Reply
from eilpost.mail.status import leading_status
from eilpost.smtp.errors import RemoteProtocolError
from eilpost.smtp.replies import MAX_REPLY_LINE

MAX_LINE: Final = 4 * MAX_REPLY_LINE
"""Longer than RFC 5321 §4.5.3.1.5 allows: verbose servers are common and harmless."""

MAX_LINES: Final = 100
MAX_REPLY: Final = MAX_LINES * MAX_REPLY_LINE

_CODES: Final = {b"%03d" % code: code for code in range(200, 600)}


class RawReply(NamedTuple):
    """A code and the texts behind it, without their line ends."""

    code: int
    lines: tuple[str, ...]


class ReplyReader:
    """Collects octets and hands out whole replies."""

    __slots__ = ("_buffer", "_code", "_lines", "_octets", "_position", "longest")

    def __init__(self) -> None:
        self._buffer = b""
        self._position = 0
        self._code = 0
        self._lines: list[str] = []
        self._octets = 0
        self.longest = MAX_LINE

    @property
    def buffered(self) -> int:
        """Octets received and not yet understood."""
        return len(self._buffer) - self._position

    def feed(self, octets: bytes) -> None:
        """Appends what the peer sent."""
        self._buffer = self._buffer[self._position :] + octets
        self._position = 0

    def next(self) -> RawReply | None:
        """The next whole reply, None while it is not all there; RemoteProtocolError if it is none."""
        buffer = self._buffer
        while True:
            start = self._position
            end = buffer.find(b"\n", start, start + self.longest) + 1
            if not end:
                if len(buffer) - start >= self.longest:
                    raise RemoteProtocolError(f"a line of a reply is longer than {self.longest} octets")
                return None
            self._position = end
            line, is_last = _parse_line(buffer[start:end])
            if is_last and not self._lines:
                return line
            found = self._collect(line, is_last, end - start)
            if found is not None:
                return found

    def _collect(self, line: RawReply, is_last: bool, octets: int) -> RawReply | None:
        """One line of a reply of many."""
        self._bound(line.code, octets)
        self._lines += line.lines
        if not is_last:
            return None
        lines, self._lines = self._lines, []
        self._octets = 0
        return RawReply(line.code, tuple(lines))

    def _bound(self, code: int, octets: int) -> None:
        if self._lines and code != self._code:  # RFC 5321 §4.2.1
            raise RemoteProtocolError(f"the lines of one reply have the codes {self._code} and {code}")
        self._code = code
        self._octets += octets
        if len(self._lines) >= MAX_LINES or self._octets > MAX_REPLY:
            raise RemoteProtocolError(f"a reply is longer than {MAX_LINES} lines or {MAX_REPLY} octets")


# Servers say the same few things to every command; at most 256 lines are remembered.
@lru_cache(maxsize=256)
def _parse_line(line: bytes) -> tuple[RawReply, bool]:
    """A line as a reply, and whether it is the last one of its reply."""
    code = _CODES.get(line[:3])
    mark = line[3:4]
    if code is None or mark not in (b" ", b"-", b"\r"):
        raise RemoteProtocolError(f"not a reply: {line[:80]!r}")
    if line.find(b"\r") != len(line) - 2 or b"\0" in line:
        raise RemoteProtocolError(f"a reply holds a bare CR, a bare LF or a NUL: {line[:80]!r}")
    return RawReply(code, (line[4:-2].decode("utf-8", "replace"),)), mark != b"-"


def interpret(raw: RawReply, *, enhanced: bool) -> Reply:
    """The reply that ``raw`` is; its enhanced code, where one may stand, is taken off the lines.

    A code whose class contradicts the reply's first digit stays in the text: the digit decides
    (RFC 2034 §4).
    """
    return _interpret_line(raw, enhanced) if len(raw.lines) == 1 else _interpret(raw, enhanced)


def _interpret(raw: RawReply, enhanced: bool) -> Reply:
    first = raw.lines[0]
    status = leading_status(first) if enhanced and first[1:2] == "." else None
    if status is None or status.klass != raw.code // 100:
        return Reply(raw.code, None, raw.lines)
    spelled = first.partition(" ")[0]
    return Reply(raw.code, status, tuple(_without(spelled, line) for line in raw.lines))


_interpret_line = lru_cache(maxsize=256)(_interpret)


def _without(spelled: str, line: str) -> str:
    head, _, rest = line.partition(" ")
    return rest if head == spelled else line
