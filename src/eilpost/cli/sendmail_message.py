"""From what a program writes to sendmail to a message for the wire (a grammar).

Lines end in LF, or in CR LF, and become CR LF; so does a bare CR, which a mail cannot hold and which
progress displays in the output of jobs are full of. A message without a header gets one, and one without an
author gets the sender as its author. Date and Message-ID are added where it is submitted.

The grammars of header fields are imported where they are needed: most calls need none, and wait for each.
"""

from __future__ import annotations

import re
from typing import Final

from eilpost.mail.address import Address

_FIELD: Final = re.compile(rb"[!-9;-~]+[ \t]*:")
_AUTHOR: Final = re.compile(rb"(?:\A|\r\n)from[ \t]*:", re.IGNORECASE)
_LINE_END: Final = re.compile(rb"\r\n?|\n")
_DOT: Final = re.compile(rb"(?:\A|\r\n)\.(?:\r\n|\Z)")
_ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\- ]+", re.ASCII)
_RECIPIENTS: Final = (b"to", b"cc", b"bcc")


def content(octets: bytes, *, ignore_dots: bool) -> bytes:
    """The message with CR LF, up to a line with a dot alone unless that is to be ignored."""
    if b"\r" in octets:
        octets = _LINE_END.sub(b"\r\n", octets)
    else:
        octets = octets.replace(b"\n", b"\r\n")
    if not ignore_dots and (dot := _DOT.search(octets)) is not None:
        octets = octets[: dot.start() + (2 if octets[dot.start() : dot.start() + 1] == b"\r" else 0)]
    if octets.startswith((b"From ", b">From ")):
        octets = octets.partition(b"\r\n")[2]  # the line that a mailbox file has before each message
    if octets and not octets.endswith(b"\r\n"):
        octets += b"\r\n"
    return octets


def with_author(octets: bytes, sender: Address, name: str) -> bytes:
    """The message with a header, which has a From field."""
    if _FIELD.match(octets) is None:
        octets = b"\r\n" + octets.removeprefix(b"\r\n")
    if _AUTHOR.search(octets, 0, octets.find(b"\r\n\r\n") + 2):
        return octets
    from eilpost.message.fields import field

    author = f"{_phrase(name)} <{sender}>" if name else str(sender)
    return field("From", author).encode() + octets


def _phrase(name: str) -> str:
    """A display name as RFC 5322 §3.2.5 and RFC 2047 §5 want it."""
    if not name.isascii() or not name.isprintable():
        from eilpost.message.encoded_words import encode

        return encode(name)
    if _ATOMS.fullmatch(name):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def header_recipients(octets: bytes) -> list[str]:
    """The addresses in To, Cc and Bcc, as they are spelt."""
    from eilpost.message.header import scan
    from eilpost.message.mailboxes import addresses

    header = scan(octets)
    values = (value for name in _RECIPIENTS for value in header.all(name))
    return [address for value in values for address in addresses(value.decode("utf-8", "replace"))]
