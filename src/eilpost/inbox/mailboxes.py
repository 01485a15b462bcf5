"""The addresses of a header field with their names, as a list shows them (a grammar).

RFC 5322 §3.4, bounded: the reading for display. What decides where mail goes is ``message.mailboxes``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from eilpost.inbox.contract import Mailbox
from eilpost.message.encoded_words import display

MOST: Final = 200
_OCTETS: Final = 20_000
_PIECE: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|<[^<>]*+>?|\((?:[^()\\]|\\.)*+\)?|[,;:]|[^",;:<(]++|[<(]', re.DOTALL)
_PAIR: Final = re.compile(rb"\\(.)", re.DOTALL)


def mailboxes(value: bytes | None) -> tuple[Mailbox, ...]:
    """The mailboxes that a field names, members of groups included; at most 200."""
    found = []
    for mailbox in _all((value or b"")[:_OCTETS]):
        found.append(mailbox)
        if len(found) == MOST:
            break
    return tuple(found)


def _all(value: bytes) -> Iterator[Mailbox]:
    words: list[bytes] = []
    address = comment = b""
    for found in _PIECE.finditer(value):
        piece = found[0]
        match piece[:1]:
            case b"<" if len(piece) > 1:
                address = piece[1:].removesuffix(b">").rpartition(b":")[2]
            case b"," | b";":
                yield from _one(words, address, comment)
                words, address, comment = [], b"", b""
            case b":":
                words = []  # the name of a group
            case b"(":
                comment = piece[1:].removesuffix(b")")
            case _:
                words.append(piece)
    yield from _one(words, address, comment)


def _one(words: list[bytes], address: bytes, comment: bytes) -> Iterator[Mailbox]:
    if address:
        name = b"".join(_unquoted(word) for word in words).strip() or comment
        yield Mailbox(display(name, 200).strip(), display(address, 330).strip())
    elif spelt := b"".join(words).strip():
        yield Mailbox(display(comment, 200).strip(), display(spelt, 330))


def _unquoted(word: bytes) -> bytes:
    if not word.startswith(b'"'):
        return word
    return _PAIR.sub(rb"\1", word[1:].removesuffix(b'"'))
