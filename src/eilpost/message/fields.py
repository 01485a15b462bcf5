"""Writing header fields: folded, without control characters, bounded (a grammar)."""

from __future__ import annotations

import re
from typing import Final

WIDTH: Final = 78  # RFC 5322 §2.1.1: what a line should not pass
_LONGEST_WORD: Final = 900  # RFC 5322 §2.1.1: no line may pass 998

_BLANKS: Final = re.compile(r"\s+")
_BEYOND_ASCII: Final = re.compile(r"[^\x00-\x7f]")


def field(name: str, value: str) -> str:
    """The field with its line end, folded at blanks so that lines keep to 78 characters."""
    lines, line = [], f"{name}:"
    for word in value.split():
        for start in range(0, len(word), _LONGEST_WORD):
            piece = word[start : start + _LONGEST_WORD]
            if len(line) + 1 + len(piece) > WIDTH and not line.endswith(":"):
                lines.append(line)
                line = "\t" + piece
            else:
                line = f"{line} {piece}"
    lines.append(line)
    return "\r\n".join(lines) + "\r\n"


def one_line(text: str, limit: int, *, utf8: bool = False) -> str:
    """Foreign text made fit for a field: one line, at most ``limit`` characters, no controls.

    Without ``utf8`` a character beyond ASCII is spelled ``\\x{E4}``, as RFC 6533 §3 spells it in
    addresses.
    """
    text = _BLANKS.sub(" ", text[: limit * 2]).strip()
    if not text.isprintable():
        text = "".join(char if char.isprintable() else "?" for char in text)
    if not utf8:
        text = spell(text)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def spell(text: str) -> str:
    """``text`` in ASCII, each other character as ``\\x{HEX}`` (RFC 6533 §3)."""
    return text if text.isascii() else _BEYOND_ASCII.sub(lambda found: f"\\x{{{ord(found[0]):02X}}}", text)
