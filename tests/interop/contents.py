"""What is sent, and how it must look at the other end (words)."""

from __future__ import annotations

import re
from typing import Final

MARK: Final = b"X-Interop: "
TRACE: Final = re.compile(rb"(?:(?:Return-Path|Delivered-To|X-Original-To|Received):[^\n]*\n(?:[ \t][^\n]*\n)*)*")

_HEAD: Final = (
    b"X-Interop: %s\r\n"
    b"From: Anna <anna@sender.example>\r\n"
    b"To: Berta <berta@example.test>\r\n"
    b"Subject: a folded\r\n"
    b"\tsubject line,   with spaces kept\r\n"
    b"Date: Thu, 29 Feb 2024 12:00:00 +0100\r\n"
    b"Message-ID: <%s@interop.example>\r\n"
)

BODIES: Final[dict[str, bytes]] = {
    "plain": b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nHello.\r\n",
    "dots": b"\r\n.\r\n..\r\n...\r\n.a line\r\n a . b\r\n.\r\nthe end\r\n",
    "eight-bit": b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n\r\n" + "Grüße aus der Küche: ☕ und ein ß.\r\n".encode() * 40,
    "long-lines": b"\r\n" + (b"x" * 990 + b"\r\n") * 50,
    "white-space": b"\r\nends in spaces   \r\nends in a tab\t\r\n\r\n\r\n\r\n",
    "from-lines": b"\r\nFrom here on\r\n>From there\r\nFrom: nobody\r\n",
    "big": b"\r\n" + b"".join(b"line %d of many, some of them long enough\r\n" % n for n in range(12_000)),
}
"""Header ends and bodies that programs like to change."""


def content(name: str, identity: str) -> bytes:
    """A whole message with CR LF line ends; the header field that marks it stands first."""
    mark = identity.encode()
    return _HEAD % (mark, mark) + BODIES[name]


def as_stored(octets: bytes) -> bytes:
    """A stored message with LF line ends, as both Maildirs and ours are compared."""
    return octets.replace(b"\r\n", b"\n")


def split_trace(stored: bytes) -> tuple[bytes, bytes]:
    """Trace fields that were put in front, and the rest."""
    found = TRACE.match(as_stored(stored))
    end = found.end() if found else 0
    return as_stored(stored)[:end], as_stored(stored)[end:]
