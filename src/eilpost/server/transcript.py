"""What was said on both sides of a session (words).

What the server says is kept as it is sent, what the client says a line at a time, however it comes.
Content is only counted. What a client says in a login is never kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Final

from eilpost.mail.value import value
from eilpost.smtp.login import told

MOST: Final = 65_536
"""Octets of both sides that a transcript keeps unless told otherwise."""

LONGEST: Final = 12_290
"""Octets of a line that has not ended; of a longer one no more is kept."""

_CHUNK: Final = re.compile(rb"BDAT[ \t]+(\d{1,10})[ \t\r]", re.IGNORECASE)
_END: Final = b"\r\n.\r\n"


class Side(Enum):
    """Who spoke; NOTE is what no side said: content that was counted, TLS that began."""

    CLIENT = "C"
    SERVER = "S"
    NOTE = "#"


@value(frozen=True, slots=True)
class Entry:
    """``when`` is seconds since the session began."""

    when: float
    side: Side
    octets: bytes


class Transcript:
    """The entries of one session, at most ``most`` octets."""

    __slots__ = ("_chunk", "_counted", "_counted_since", "_left", "_most", "_private", "_rest", "_tail", "entries")

    def __init__(self, most: int = MOST) -> None:
        self.entries: list[Entry] = []
        self._most = self._left = most
        self._counted = 0
        self._counted_since = 0.0
        self._rest = b""
        self._tail = _END[:2]
        self._chunk = 0
        self._private = False  # AUTH was seen: a line that is no command may be a password

    def begin_anew(self) -> None:
        """Lets go what was kept, for who has it; there is room for as much again."""
        self.entries = []
        self._left = self._most

    def heard(self, when: float, octets: bytes) -> None:
        """The client said this: command lines, and chunks."""
        octets = self._rest + octets
        while octets:
            if self._chunk:
                self._count(when, min(self._chunk, len(octets)))
                octets, self._chunk = octets[self._chunk :], max(0, self._chunk - len(octets))
                continue
            line, end, octets = octets.partition(b"\n")
            if not end:
                self._rest = line[:LONGEST]
                return
            self._hear_line(when, line + end)
        self._rest = b""

    def _hear_line(self, when: float, line: bytes) -> None:
        self._private = self._private or line[:5].strip().upper() == b"AUTH"
        self._keep(when, Side.CLIENT, told(line.rstrip(b"\r\n")) + b"\r\n" if self._private else line)
        chunk = _CHUNK.match(line)
        if chunk is not None:
            self._chunk = int(chunk[1])

    def heard_content(self, when: float, octets: bytes) -> None:
        """The client sent octets after DATA; what follows the end of the content are commands again."""
        window = self._tail + octets
        end = window.find(_END)
        if end < 0:
            self._count(when, len(octets))
            self._tail = window[-(len(_END) - 1) :]
            return
        self._count(when, end + 2 - len(self._tail))  # less than nothing, when a part of the end was counted
        self._tail = _END[:2]
        self._keep(when, Side.CLIENT, b".\r\n")
        self.heard(when, window[end + len(_END) :])

    def _count(self, when: float, octets: int) -> None:
        if not self._counted:
            self._counted_since = when
        self._counted += octets

    def heard_secret(self, when: float) -> None:
        """The client said what must not be kept."""
        self._keep(when, Side.CLIENT, b"(not shown)\r\n")

    def said(self, when: float, octets: bytes) -> None:
        """The server said this."""
        self._keep(when, Side.SERVER, octets)

    def note(self, when: float, text: str) -> None:
        """Something that no side said."""
        self._keep(when, Side.NOTE, text.encode() + b"\r\n")

    def _keep(self, when: float, side: Side, octets: bytes) -> None:
        if self._counted:
            counted, self._counted = self._counted, 0
            self.note(self._counted_since, f"{counted} octets of content")
        if self._left <= 0:
            return
        if len(octets) > self._left:
            octets = octets[: self._left] + b"(cut)\r\n"
        self._left -= len(octets)
        self.entries.append(Entry(when, side, octets))

    def lines(self) -> Iterator[tuple[float, Side, str]]:
        """Line for line, without line ends; what is not UTF-8 is shown by its escapes."""
        for entry in self.entries:
            for line in entry.octets.decode("utf-8", "backslashreplace").splitlines():
                yield entry.when, entry.side, line
        if self._counted:
            yield self._counted_since, Side.NOTE, f"{self._counted} octets of content"

    def __str__(self) -> str:
        return "\n".join(f"{side.value}: {line}" for _, side, line in self.lines())
