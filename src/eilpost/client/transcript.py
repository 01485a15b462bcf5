"""What was said on both sides, a line at a time, with the content cut short (words).

A listener gets ``"C"`` or ``"S"`` and a line without its CRLF. Content is shown as one line that
tells how long it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

Tell = Callable[[str, bytes], None]
"""Who wants to know: side and line."""

CLIENT: Final = "C"
SERVER: Final = "S"

_CHUNK = re.compile(rb"BDAT (\d+)", re.IGNORECASE)


class Transcript:
    """Cuts what goes by into lines; one for each session."""

    __slots__ = ("_rest", "_tell")

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._rest = b""

    def said(self, octets: bytes, *, is_content: bool) -> None:
        """What we sent: commands, or content between 354 and the dot."""
        if is_content:
            self._content(octets)
            return
        while octets:
            line, _, octets = octets.partition(b"\r\n")
            self._tell(CLIENT, line)
            chunk = _CHUNK.match(line)
            if chunk is not None:
                size = int(chunk[1])
                self._tell(CLIENT, b"(%d octets of content)" % size)
                octets = octets[size:]

    def _content(self, octets: bytes) -> None:
        ends = octets == b".\r\n" or octets.endswith(b"\r\n.\r\n")
        size = len(octets) - (3 if ends else 0)
        if size:
            self._tell(CLIENT, b"(%d octets of content)" % size)
        if ends:
            self._tell(CLIENT, b".")

    def heard(self, octets: bytes) -> None:
        """What the server sent."""
        *lines, self._rest = (self._rest + octets).split(b"\r\n")
        for line in lines:
            self._tell(SERVER, line)
