"""What was said on both sides of a session, kept cheaply (words).

Octets are kept as they came, one entry for each write and read; no line is cut while the session
runs. Content is only counted, and so is what goes beyond the limit. What a client says in a login
is never kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Final

from eilpost.mail.value import value

MOST: Final = 65_536
"""Octets of both sides that a transcript keeps unless told otherwise."""

_AUTH: Final = re.compile(rb"^(AUTH[ \t]+\S+[ \t]+)(?!=?\r?\n)[^\r\n]+", re.IGNORECASE | re.MULTILINE)
_HIDDEN: Final = rb"\1(hidden)"


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

    __slots__ = ("_counted", "_counted_since", "_left", "entries")

    def __init__(self, most: int = MOST) -> None:
        self.entries: list[Entry] = []
        self._left = most
        self._counted = 0
        self._counted_since = 0.0

    def heard(self, when: float, octets: bytes) -> None:
        """The client said this."""
        self._keep(when, Side.CLIENT, _AUTH.sub(_HIDDEN, octets) if b"uth" in octets or b"UTH" in octets else octets)

    def heard_content(self, when: float, octets: bytes) -> None:
        """The client sent octets of a content; they are counted, and their last line is kept when it is the dot."""
        if not self._counted:
            self._counted_since = when
        self._counted += len(octets)

    def heard_secret(self, when: float) -> None:
        """The client said what must not be kept."""
        self._keep(when, Side.CLIENT, b"(hidden)\r\n")

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
