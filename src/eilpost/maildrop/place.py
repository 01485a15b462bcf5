"""Where an account's Maildir lies: ``<data>/mail/<domain>/<local part>`` (decisions).

A name becomes one directory's name and nothing else (F073). Ordinary names stay as they are; what
could lead elsewhere, hide or be misread is written ``%2F``, octet by octet. Different names never
share a directory.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from eilpost.mail.address import Address

_MAX_NAME: Final = 255  # octets, NAME_MAX of every file system we know
_PLAIN: Final = re.compile(r"[A-Za-z0-9_+=][A-Za-z0-9_+=.\-]*", re.ASCII)
_SAFE: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+=.-")


def place(address: Address) -> str:
    """The path of an account's Maildir below the directory of all mail."""
    return f"{escape(address.domain)}/{escape(address.local_part)}"


def escape(name: str) -> str:
    """A directory's name for ``name``; a name too long for one ends in its SHA-256."""
    if _PLAIN.fullmatch(name) and len(name) <= _MAX_NAME:
        return name
    escaped = "".join(_escaped(char, first=not position) for position, char in enumerate(name)) or "%"
    if len(escaped.encode("utf-8", "surrogateescape")) <= _MAX_NAME:
        return escaped
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{escaped[:40]}%~{digest}"  # no escape yields %~, so no other name looks like this


def _escaped(char: str, *, first: bool) -> str:
    """A dot in front hides a directory or is one of the two that lead away; a hyphen looks like an option."""
    if char in _SAFE and not (first and char in ".-"):
        return char
    if char > "\x7f" and char.isprintable():
        return char
    return "".join(f"%{octet:02X}" for octet in char.encode("utf-8", "surrogatepass"))
