"""The content after DATA: finds its end, takes the dots off, refuses bare line ends (a grammar).

RFC 5321 §4.5.2 (transparency) and §2.3.8 (CRLF and nothing else ends a line). The end is CR LF
dot CR LF and nothing else: that is what makes smuggling impossible (F001–F015). No work is done
line by line: the end is searched in the whole piece, and dots are looked at only where CR LF dot
occurs.

A piece may end in the middle of an end mark. Whatever might be the mark's beginning is held back
and looked at again with the next piece; so what was handed on never has to be taken back.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from eilpost.mail.reply import Reply
from eilpost.smtp import replies

_END: Final = b"\r\n.\r\n"
_BEGINNINGS: Final = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")


class Piece(NamedTuple):
    """What one call found: octets of the content, how far the input was used, how it stands."""

    octets: bytes
    consumed: int
    ended: bool
    fault: Reply | None


class DotReader:
    """Reads one content. The CR LF before the dot belongs to the content (RFC 5321 §4.1.1.4)."""

    __slots__ = ("_first", "_held")

    def __init__(self) -> None:
        # The line before the content is DATA's own, so a dot right at the start ends it: the
        # content is read as if it began with that line's CR LF, which is then not handed on.
        self._held = b"\r\n"
        self._first = True

    def read(self, buffer: bytes | bytearray) -> Piece:
        """Takes all of ``buffer``, or up to the end mark; the rest are commands."""
        window = self._held + buffer
        end = window.find(_END)
        if end < 0:
            body, self._held = _hold_back(window)
            consumed = len(buffer)
        else:
            body = window[: end + 2]
            consumed = end + len(_END) - len(self._held)
        fault = find_fault(body)
        if fault is not None:
            return Piece(b"", consumed, end >= 0, fault)
        if b"\r\n." in body:
            body = body.replace(b"\r\n.", b"\r\n")  # F013: one dot, once
        if self._first and body:
            self._first = False
            body = body[2:]
        return Piece(body, consumed, end >= 0, None)


def _hold_back(window: bytes) -> tuple[bytes, bytes]:
    for beginning in _BEGINNINGS:
        if window.endswith(beginning):
            return window[: -len(beginning)], beginning
    return window, b""


def find_fault(body: bytes) -> Reply | None:
    """The refusal of a bare CR, a bare LF or a NUL in ``body``, if there is one."""
    pairs = body.count(b"\r\n")
    if body.count(b"\n") != pairs or body.count(b"\r") != pairs:
        return replies.BARE_LINE_END
    if b"\0" in body:
        return replies.NUL_IN_CONTENT  # F010
    return None


class TextChunks:
    """Looks for bare line ends in BDAT content that is declared as text (F024, RFC 3030 §3)."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def check(self, octets: bytes, *, last: bool) -> Reply | None:
        """The refusal due to what came so far; a CR at the very end waits for what follows."""
        window = self._held + octets
        self._held = b""
        if not last and window.endswith(b"\r"):
            window, self._held = window[:-1], b"\r"
        return find_fault(window)
