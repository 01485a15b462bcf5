"""Text in header fields: RFC 2047 encoded words, read for display and written (a grammar).

Reading is bounded and never fails: an unknown charset or a damaged word stays as it was written,
and what would move a cursor, ring a bell or turn the direction of writing becomes U+FFFD (F177).
"""

from __future__ import annotations

import binascii
import re
from typing import Final

DISPLAY_LIMIT: Final = 1000
"""Characters of a field that a listing shows at most."""

_MAX_OCTETS: Final = 8 * DISPLAY_LIMIT
_WORD: Final = re.compile(rb"=\?([A-Za-z0-9_\-]{1,40})(?:\*[A-Za-z0-9\-]{0,40})?\?([BbQq])\?([!->@-~]{0,500})\?=")
_ESCAPED: Final = re.compile(rb"=([0-9A-Fa-f]{2})")
_TEXT_IN_WORD: Final = 39  # octets whose base64 fits into a word of 75 characters, RFC 2047 §2

# Charsets that mail uses. Python knows more, and some of those interpret escapes or are slow.
_CHARSETS: Final = frozenset(
    ["us-ascii", "ascii", "utf-8", "utf8", "gb2312", "gbk", "gb18030", "big5", "shift_jis", "iso-2022-jp",
     "euc-jp", "euc-kr", "koi8-r", "koi8-u", "tis-620", "macintosh", "ks_c_5601-1987", "iso-2022-kr"]
    + [f"iso-8859-{part}" for part in (*range(1, 12), *range(13, 17))]
    + [f"windows-{page}" for page in (874, *range(1250, 1259))]
)  # fmt: skip


def display(value: bytes, limit: int = DISPLAY_LIMIT) -> str:
    """A field's value as a person may see it on one line, at most ``limit`` characters."""
    value = value[:_MAX_OCTETS]
    pieces, position, pending, charset, previous_end = [], 0, b"", "", -1
    for found in _WORD.finditer(value):
        octets, name = _octets_of(found[2], found[3]), found[1].decode("ascii").lower()
        if octets is None or name not in _CHARSETS:
            continue
        between = value[position : found.start()]
        if pending and (between.strip() or name != charset or previous_end != position):
            pieces.append(pending.decode(charset, "replace"))
            pending = b""
        # RFC 2047 §6.2: blanks between two encoded words are not part of the text.
        if between.strip() or previous_end != position:
            pieces.append(between.decode("utf-8", "replace"))
        pending, charset = pending + octets, name
        position = previous_end = found.end()
    if pending:
        pieces.append(pending.decode(charset, "replace"))
    pieces.append(value[position:].decode("utf-8", "replace"))
    return printable("".join(pieces)[:limit])


def _octets_of(encoding: bytes, text: bytes) -> bytes | None:
    if encoding in b"Qq":
        return _ESCAPED.sub(lambda found: bytes((int(found[1], 16),)), text.replace(b"_", b" "))
    try:
        return binascii.a2b_base64(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        return None


def decode(octets: bytes, charset: str) -> str:
    """``octets`` as text of a charset that mail uses; anything else is read as UTF-8, and nothing fails."""
    name = charset.lower()
    return octets.decode(name if name in _CHARSETS else "utf-8", "replace")


def printable(text: str) -> str:
    """``text`` with each blank as a space and each other character that is no print as U+FFFD."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else " " if char.isspace() else "\ufffd" for char in text)


def encode(text: str) -> str:
    """``text`` for an unstructured field: as it is when ASCII, else as UTF-8 in encoded words."""
    text = printable(text)
    if text.isascii() and "=?" not in text:
        return text
    words, octets = [], b""
    for char in text:
        more = char.encode()
        if len(octets) + len(more) > _TEXT_IN_WORD:
            words.append(octets)
            octets = b""
        octets += more
    words.append(octets)
    return " ".join(f"=?utf-8?B?{binascii.b2a_base64(word, newline=False).decode('ascii')}?=" for word in words)
