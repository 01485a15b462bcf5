"""The content after DATA: finds its end, takes the dots off, refuses bare line ends (a grammar).

RFC 5321 §4.5.2 (transparency) and §2.3.8 (CRLF and nothing else ends a line). The end is CR LF
dot CR LF and nothing else: that is what makes smuggling impossible (F001–F015). No work is done
line by line: the end is searched in the whole piece, and dots are looked at only where CR LF dot
occurs.

A piece may end in the middle of an end mark, or between CR and LF. Whatever the next piece has to
explain is held back and looked at again with it; so what was handed on never has to be taken back.
"""

from __future__ import annotations

import re
from io import IncrementalNewlineDecoder
from typing import Final, NamedTuple

from eilpost.mail.reply import Reply
from eilpost.smtp import replies

_CRLF: Final = b"\r\n"
_DOT: Final = b"\r\n."
_END: Final = b"\r\n.\r\n"
_BEGINNINGS: Final = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")

_CLEAN: Final = (_CRLF.decode(), None)
_FAULT: Final = re.compile(rb"\0|\r(?!\n)|(?<!\r)\n")


class Piece(NamedTuple):
    """What one call found: octets of the content, how far the input was used, how it stands.

    With a ``fault`` the octets are those before it, and nothing that follows may be trusted.
    """

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
        self._held = _CRLF
        self._first = True

    def read(self, buffer: bytes) -> Piece:
        """Takes all of ``buffer``, or up to the end mark; the rest are commands."""
        window = self._held + buffer
        end, dotted = _look_for_end(window)
        if end < 0:
            body, self._held = _hold_back(window)
            consumed = len(buffer)
        else:
            body = window[: end + 2]
            consumed = end + len(_END) - len(self._held)
        found = _search_fault(body)
        if found is not None:
            body = body[: found.start()]
        if dotted:
            body = body.replace(_DOT, _CRLF)  # F013: one dot, once
        if self._first and body:
            self._first = False
            body = body[2:]
        return Piece(body, consumed, end >= 0, _refusal(found))


def _look_for_end(window: bytes) -> tuple[int, bool]:
    """Where the end mark begins, or -1; and whether a line before it may begin with a dot."""
    # From behind: there the end mark mostly stands, and rfind takes a third of find's time.
    last = window.rfind(_DOT)
    if last < 0:
        return -1, False
    if window.rfind(_DOT, 0, last) >= 0:
        return window.find(_END), True
    return (last, False) if window.startswith(_CRLF, last + len(_DOT)) else (-1, True)


def _hold_back(window: bytes) -> tuple[bytes, bytes]:
    for beginning in _BEGINNINGS:
        if window.endswith(beginning):
            return window[: -len(beginning)], beginning
    return window, b""


def find_fault(body: bytes) -> Reply | None:
    """The refusal of the first bare CR, bare LF or NUL in ``body``, if there is one."""
    return _refusal(_search_fault(body))


def _search_fault(body: bytes) -> re.Match[bytes] | None:
    # The decoder tells in one pass which line ends there are; counting CR LF, CR and LF took four
    # times as long, and the expression, which is asked where the fault is, thirty times.
    decoder = IncrementalNewlineDecoder(None, translate=False)
    decoder.decode(body.decode("latin-1"), final=True)
    if decoder.newlines in _CLEAN and b"\0" not in body:
        return None
    return _FAULT.search(body)


def _refusal(found: re.Match[bytes] | None) -> Reply | None:
    if found is None:
        return None
    return replies.NUL_IN_CONTENT if found[0] == b"\0" else replies.BARE_LINE_END  # F010


class TextChunks:
    """Looks for bare line ends in BDAT content that is declared as text (F024, RFC 3030 §3)."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def read(self, octets: bytes, *, last: bool) -> tuple[bytes, Reply | None]:
        """What may be handed on, and the refusal due; a CR at the very end waits for what follows."""
        window = self._held + octets
        self._held = b""
        if not last and window.endswith(b"\r"):
            window, self._held = window[:-1], b"\r"
        found = _search_fault(window)
        return (window if found is None else window[: found.start()]), _refusal(found)
