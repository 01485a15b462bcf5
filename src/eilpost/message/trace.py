"""Trace fields: where a message has been, written and read (a grammar).

``Received`` by RFC 5321 §4.4 with the protocol's name by RFC 3848 and RFC 6531 §4.3 and the cipher's by
RFC 8314 §7.4, ``Return-Path``
by RFC 5321 §4.4, ``Delivered-To`` by RFC 9228. Names that a peer gave itself are cut to an alphabet
that can neither end a field nor open a comment (F095).
"""

from __future__ import annotations

import re
from typing import Final

from eilpost.mail.address import Address
from eilpost.mail.encryption import Security
from eilpost.mail.envelope import ReversePath
from eilpost.mail.value import value
from eilpost.message.header import Header, Span

_MAX_NAME: Final = 255
_WIDTH: Final = 78  # RFC 5322 §2.1.1
_FOLD: Final = "\r\n\t"
_SAFE: Final = re.compile(r"[A-Za-z0-9.\-_:\[\]]{1,255}")
_CIPHER: Final = re.compile(r"((?:EC)?DHE-(?:RSA|ECDSA))-(AES128|AES256|CHACHA20)(-GCM|-POLY1305)?(-SHA[0-9]*)?")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9.\-_:\[\]]")


@value(frozen=True, slots=True)
class Hop:
    """One step of a message's way: what ``Received`` tells.

    ``peer`` is the client's IP address, empty for a Unix socket. ``name`` is its verified name in
    DNS, empty if there is none. ``recipient`` is given only when there is a single one: the field
    must not tell one recipient of another (RFC 5321 §7.2). ``date`` is by ``dates.format``.
    """

    helo: str
    peer: str
    by: str
    protocol: str
    id: str
    date: str
    name: str = ""
    via: str = ""
    recipient: Address | None = None
    security: Security | None = None


def protocol(*, extended: bool, lmtp: bool = False, tls: bool = False, login: bool = False, utf8: bool = False) -> str:
    """The protocol's registered name: ESMTPSA, LMTPS, UTF8SMTP … (RFC 3848, RFC 6531 §4.3)."""
    if not (extended or lmtp):
        return "SMTP"
    base = ("UTF8" if utf8 else "") + ("LMTP" if lmtp else "SMTP" if utf8 else "ESMTP")
    return base + ("S" if tls else "") + ("A" if login else "")


def received(hop: Hop) -> bytes:
    """The ``Received`` field of this hop, folded, with its line end."""
    source = f"from {safe(hop.helo) or 'unknown'}"
    if hop.peer:
        info = f"({safe(hop.name)} {_literal(hop.peer)})" if hop.name else f"({_literal(hop.peer)})"
        # RFC 5322 §2.1.1: at most 78 characters where folding can reach it.
        source += (" " if len(source) + len(info) < _WIDTH - 10 else _FOLD) + info
    via = f" via {safe(hop.via)}" if hop.via else ""
    line = f"\tby {hop.by}{via} with {hop.protocol} id {hop.id}"
    clause = _for(hop) + _tls(hop)
    last = (clause or line).rpartition("\r\n")[2]
    room = len(last) + len(hop.date) < _WIDTH - 1
    return f"Received: {source}\r\n{line}{clause};{' ' if room else _FOLD}{hop.date}\r\n".encode()


def authenticated(account: str) -> bytes:
    """The account behind a message, with its line end; nothing where ASCII cannot say it."""
    return f"X-Authenticated: {account}\r\n".encode() if account.isascii() and account.isprintable() else b""


def _for(hop: Hop) -> str:
    """The ``for`` clause; beyond ASCII it may stand only in an SMTPUTF8 message (RFC 6531 §3.7.3)."""
    if hop.recipient is None or not (hop.recipient.is_ascii or hop.protocol.startswith("UTF8")):
        return ""
    return f"\r\n\tfor <{hop.recipient}>"


def _tls(hop: Hop) -> str:
    """The ``tls`` clause, with the cipher's registered name (RFC 8314 §7.4), and the version for people."""
    if hop.security is None:
        return ""
    return f"\r\n\ttls {cipher_name(hop.security.cipher)} ({safe(hop.security.version)})"


def cipher_name(openssl: str) -> str:
    """The registered name of a cipher that OpenSSL calls so: that of TLS 1.3 is one already."""
    found = _CIPHER.fullmatch(openssl)
    if found is None:
        return safe(openssl)
    exchange, cipher, mode, mac = found[1].replace("-", "_"), found[2], found[3] or "-CBC", found[4] or "-SHA256"
    if cipher == "CHACHA20":
        return f"TLS_{exchange}_WITH_CHACHA20_POLY1305_SHA256"
    return f"TLS_{exchange}_WITH_AES_{cipher[3:]}_{mode[1:]}_{mac[1:]}"


def safe(name: str) -> str:
    """A peer's name for itself with every strange character as ``?``; at most 255 characters."""
    return name if _SAFE.fullmatch(name) else _UNSAFE.sub("?", name[:_MAX_NAME])


def _literal(peer: str) -> str:
    return f"[IPv6:{safe(peer)}]" if ":" in peer else f"[{safe(peer)}]"


def return_path(reverse_path: ReversePath) -> bytes:
    """The field that final delivery puts first (RFC 5321 §4.4)."""
    return f"Return-Path: {reverse_path}\r\n".encode()


def delivered_to(address: Address) -> bytes:
    """The field that marks a final delivery, so that a loop shows (RFC 9228)."""
    return f"Delivered-To: {address}\r\n".encode()


def foreign_return_paths(header: Header) -> tuple[Span, ...]:
    """Where others have written ``Return-Path``; final delivery takes it out (RFC 5321 §4.4, F100)."""
    return header.spans(b"return-path")


def hops(header: Header) -> int:
    """How many servers a message has passed (RFC 5321 §6.3)."""
    return header.count(b"received")


def was_delivered_to(header: Header, address: Address) -> bool:
    """Whether a message has been delivered to this address before: it loops (F160)."""
    wanted = str(address).encode().lower()
    return any(value.strip(b"<>").lower() == wanted for value in header.all(b"delivered-to"))
