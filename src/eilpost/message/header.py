"""Reading the header of a message: a bounded, linear scan of octets (a grammar).

The header ends at the first empty line, at the first line that is neither a field nor the
continuation of one, or where the content ends (RFC 5322 §2.1). What follows is body and is never
looked at. Only CR LF ends a line. A field's name is matched without regard to case and may have
blanks before its colon (RFC 5322 §4.5). Nothing here re-writes a field: what is to go is named as
spans of octets, what is to come is put in front.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import Final, NamedTuple

from eilpost.mail.value import value

LIMIT: Final = 256_000
"""Octets of header that are looked at unless the caller says otherwise."""

_CRLF: Final = b"\r\n"
_BLANK: Final = b" \t"

# A line end that neither a field nor a continuation follows. Possessive, so that a long line
# without a colon is read once.
_END_OF_FIELDS: Final = re.compile(rb"\r\n(?![!-9;-~]++[ \t]*+:|[ \t])")
_NAME: Final = re.compile(rb"([!-9;-~]++)[ \t]*+:")
_BLANK_BEFORE_COLON: Final = re.compile(rb"(\r\n[!-9;-~]++)[ \t]++:")


class Span(NamedTuple):
    """Octets of the content from ``start`` up to, not including, ``end``."""

    start: int
    end: int


@value(frozen=True, slots=True)
class Field:
    """One field; ``raw`` is its body as it stands after the colon, folds included."""

    name: bytes
    raw: bytes
    span: Span

    @property
    def value(self) -> bytes:
        """The body on one line, without blanks around it."""
        return unfold(self.raw)


@value(frozen=True, slots=True)
class Header:
    """The header block of a message, and where the body begins.

    ``octets`` are the fields with their line ends. ``body`` is the offset behind the empty line
    that ends the header. ``over_limit`` tells that the limit was reached before an end was found:
    then ``octets`` is what was looked at.
    """

    octets: bytes
    body: int
    over_limit: bool = False
    _index: bytes = field(default=b"", repr=False, compare=False)

    def has(self, name: bytes) -> bool:
        """Whether there is a field of this name."""
        return b"\r\n" + name.lower() + b":" in self._index

    def count(self, name: bytes) -> int:
        """How many fields have this name."""
        return self._index.count(b"\r\n" + name.lower() + b":")

    def first(self, name: bytes) -> bytes | None:
        """The value of the first field of this name, unfolded; None if there is none."""
        if len(self._index) != len(self.octets) + 2:
            return next((item.value for item in self.named(name)), None)
        # Asked once for every message: straight on, this takes a third of the time of the walk over fields.
        wanted = b"\r\n" + name.lower() + b":"
        found = self._index.find(wanted)
        if found < 0:
            return None
        return unfold(self.octets[found + len(wanted) - 2 : _end_of_field(self.octets, found)])

    def all(self, name: bytes) -> tuple[bytes, ...]:
        """The values of all fields of this name in order, unfolded."""
        return tuple(item.value for item in self.named(name))

    def spans(self, *names: bytes) -> tuple[Span, ...]:
        """Where the fields of these names stand in the content, line ends included; in order."""
        return tuple(sorted(item.span for name in names for item in self.named(name)))

    def named(self, name: bytes) -> Iterator[Field]:
        """The fields of this name in order."""
        octets, index = self.octets, self._index
        wanted = b"\r\n" + name.lower() + b":"
        found = index.find(wanted)
        if found >= 0 and len(index) != len(octets) + 2:  # blanks before colons were taken out of the index
            yield from (item for item in self.fields() if item.name.lower() == wanted[2:-1])
            return
        while found >= 0:
            end = _end_of_field(octets, found)
            yield _field(octets, found, found + len(name), found + len(wanted) - 2, end)
            found = index.find(wanted, end)

    def fields(self) -> Iterator[Field]:
        """All fields in order."""
        octets, start, size = self.octets, 0, len(self.octets)
        while start < size:
            end = _end_of_field(octets, start)
            found = _NAME.match(octets, start, end)
            if found is not None:
                yield _field(octets, start, found.end(1), found.end(), end)
            start = end


def _field(octets: bytes, start: int, name_end: int, body_start: int, end: int) -> Field:
    body_end = end - 2 if octets.endswith(_CRLF, body_start, end) else end
    return Field(octets[start:name_end], octets[body_start:body_end], Span(start, end))


def _end_of_field(octets: bytes, start: int) -> int:
    """The offset behind the line end that no continuation follows."""
    position = start
    while (line_end := octets.find(_CRLF, position)) >= 0:
        position = line_end + 2
        if octets[position : position + 1] not in (b" ", b"\t"):
            return position
    return len(octets)


def scan(content: bytes, limit: int = LIMIT) -> Header:
    """The header that ``content`` begins with; at most ``limit`` octets are looked at.

    ``content`` may be the beginning of a longer message, as long as it is longer than ``limit``
    or holds the whole header.
    """
    if not content or content[0] in _BLANK:
        return Header(b"", 0)  # F103: a message that begins with a fold has no header
    if content.startswith(_CRLF):
        return Header(b"", 2)
    blank = content.find(b"\r\n\r\n", 0, limit + 2)
    over_limit = blank < 0 and len(content) > limit
    block = content[: blank + 2 if blank >= 0 else limit]
    body = blank + 4 if blank >= 0 else len(block)
    index = b"\r\n" + block.lower()
    stray = _END_OF_FIELDS.search(index)
    if stray is not None and stray.start() < len(block) and not (over_limit and _CRLF not in index[stray.end() :]):
        # F103: no empty line before the body; the stray line and all after it are body.
        body = stray.start()
        block, index, over_limit = block[:body], index[: body + 2], False
    if index.rfind(b" :") >= 0 or index.rfind(b"\t:") >= 0:  # rfind, for it is twice as fast as find
        index = _BLANK_BEFORE_COLON.sub(rb"\1:", index)
    return Header(block, body, over_limit, index)


def unfold(raw: bytes) -> bytes:
    """A field's body on one line: RFC 5322 §2.2.3, and no blanks around it."""
    return raw.replace(_CRLF, b"").strip(_BLANK)


def without(content: bytes, spans: Iterable[Span]) -> bytes:
    """The content without these spans, which are in order and do not overlap."""
    kept, position = [], 0
    for span in spans:
        kept.append(content[position : span.start])
        position = span.end
    kept.append(content[position:])
    return b"".join(kept)
