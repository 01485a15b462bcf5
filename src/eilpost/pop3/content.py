"""A message on its way: line ends, dots, its beginning alone (a grammar).

RFC 1939 §3: lines end in CR LF, a line that begins with a dot gets another one, a line that is a dot
ends the answer. No work is done line by line: each piece is searched and replaced as a whole, and
what a border between two pieces cuts apart is put together again.
"""

from __future__ import annotations

from io import IncrementalNewlineDecoder
from typing import Final, NamedTuple

_CRLF: Final = b"\r\n"
_DOT: Final = b"\r\n."
_DOTS: Final = b"\r\n.."
_END: Final = b"\r\n.\r\n"
_BEGINNINGS: Final = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")


class CrlfWriter:
    """Makes every line end CR LF, be it LF or CR LF before; a bare CR stays."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def write(self, octets: bytes) -> bytes:
        """The piece with its line ends; a CR at its end waits for what follows."""
        window = self._held + octets if self._held else octets
        if window.endswith(b"\r"):
            window, self._held = window[:-1], b"\r"
        else:
            self._held = b""
        return with_crlf(window)

    def end(self) -> bytes:
        """What was held back."""
        held, self._held = self._held, b""
        return held


def with_crlf(octets: bytes) -> bytes:
    """All line ends as CR LF."""
    if b"\n" not in octets:
        return octets
    # One pass tells whether there is anything to do; mostly there is not.
    decoder = IncrementalNewlineDecoder(None, translate=False)
    decoder.decode(octets.decode("latin-1"), final=True)
    if decoder.newlines == "\r\n":
        return octets
    return octets.replace(_CRLF, b"\n").replace(b"\n", _CRLF)


class DotWriter:
    """Puts the dots on, and the end mark; its input has CR LF as line ends."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = _CRLF  # the answer's first line has ended

    def write(self, octets: bytes) -> bytes:
        """The piece as it goes onto the wire."""
        if not octets:
            return b""
        stuffed = octets.replace(_DOT, _DOTS)
        border = self._tail + octets[:2]
        found = border.find(_DOT)
        if 0 <= found < len(self._tail):  # the line end lies, at least in part, in the piece before
            at = found + 2 - len(self._tail)
            stuffed = stuffed[:at] + b"." + stuffed[at:]
        self._tail = octets[-2:] if len(octets) > 1 else (self._tail + octets)[-2:]
        return stuffed

    def end(self) -> bytes:
        """The end mark; a last line without line end gets one."""
        ended, self._tail = self._tail == _CRLF, _CRLF
        return b".\r\n" if ended else _END


def dotted(octets: bytes) -> tuple[bytes, bytes, bytes]:
    """A whole message as it goes onto the wire, in three parts: the first line's dot, the lines, the end mark."""
    first = b"." if octets.startswith(b".") else b""
    return first, octets.replace(_DOT, _DOTS), b".\r\n" if not octets or octets.endswith(_CRLF) else _END


class TopCutter:
    """Lets a message's header and the first lines of its body pass; its input has CR LF as line ends."""

    __slots__ = ("_in_body", "_left", "_tail", "is_done")

    def __init__(self, lines: int) -> None:
        self._left = lines
        self._tail = _CRLF  # a message may begin with the empty line
        self._in_body = False
        self.is_done = False

    def write(self, octets: bytes) -> bytes:
        """What of the piece passes."""
        if self.is_done:
            return b""
        if self._in_body:
            return self._body(octets)
        window = self._tail + octets
        end = window.find(b"\r\n\r\n")
        if end < 0:
            self._tail = window[-3:]
            return octets
        self._in_body = True
        cut = end + 4 - len(self._tail)
        return octets[:cut] + self._body(octets[cut:])

    def _body(self, octets: bytes) -> bytes:
        if not self._left:
            self.is_done = True
            return b""
        lines = octets.count(b"\n")
        if lines < self._left:
            self._left -= lines
            return octets
        rest = octets.split(b"\n", self._left)[self._left]
        self._left = 0
        self.is_done = True
        return octets[: len(octets) - len(rest)]


class Piece(NamedTuple):
    """What one call found: octets of the content, how far the input was used, whether it ended."""

    octets: bytes
    consumed: int
    ended: bool


class DotReader:
    """Reads one answer of many lines and takes the dots off; the client's side."""

    __slots__ = ("_first", "_held")

    def __init__(self) -> None:
        # The line before the content is the answer's own, so a dot right at the start ends it: it is
        # read as if it began with that line's CR LF, which is then not handed on.
        self._held = _CRLF
        self._first = True

    def read(self, buffer: bytes) -> Piece:
        """Takes all of ``buffer``, or up to the end mark; the rest is the next answer."""
        window = self._held + buffer
        end = window.find(_END)
        if end < 0:
            body, self._held = _hold_back(window)
            consumed = len(buffer)
        else:
            body = window[: end + 2]
            consumed = end + len(_END) - len(self._held)
        body = body.replace(_DOT, _CRLF)  # one dot, once
        if self._first and body:
            self._first = False
            body = body[2:]
        return Piece(body, consumed, end >= 0)


def _hold_back(window: bytes) -> tuple[bytes, bytes]:
    for beginning in _BEGINNINGS:
        if window.endswith(beginning):
            return window[: -len(beginning)], beginning
    return window, b""
