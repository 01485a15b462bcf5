"""The file of aliases as sendmail and Postfix have it: ``name: a, b, "c d"@example.org`` (a grammar).

A line that begins with a blank continues the one before. ``#`` begins a comment where a line may begin.
A name or member without a domain is kept with an empty one, which whoever asks fills in. What would run a
program, write a file or read another one is refused: delivery here never leaves the mail system (F162).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from eilpost.mail.address import Address, AddressError, parse_address, parse_local_part
from eilpost.mail.value import value

_PART: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*+"|\[[^\[\]]*+\]|[^",:])++', re.DOTALL)
_BLANKS: Final = " \t"

_REFUSED: Final = {
    "|": "a program",
    "/": "a file",
    ":": "a list in another file",
}


class AliasesError(ValueError):
    """The file breaks its form; ``line`` counts from 1."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line = line
        self.why = why


@value(frozen=True, slots=True)
class AliasLine:
    """One alias; an address without a domain was written without one."""

    line: int
    name: Address
    members: tuple[Address, ...]


def parse_aliases(text: str) -> tuple[AliasLine, ...]:
    """The aliases of a file in its order; AliasesError for the first line that is wrong."""
    found: dict[Address, AliasLine] = {}
    for number, line in _logical_lines(text):
        alias = _parse_line(number, line)
        key = Address(alias.name.local_part.lower(), alias.name.domain)
        if (earlier := found.get(key)) is not None:
            raise AliasesError(number, f"{alias.name} has its members already in line {earlier.line}")
        found[key] = alias
    return tuple(found.values())


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their continuations, and where each begins; LF and CR LF end a line (F096)."""
    first, whole = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        stripped = line.strip(_BLANKS)
        if not stripped or stripped.startswith("#"):
            continue
        if line[0] in _BLANKS:
            if not whole:
                raise AliasesError(number, "it begins with a blank and continues no line")
            whole += " " + stripped
            continue
        if whole:
            yield first, whole
        first, whole = number, stripped
    if whole:
        yield first, whole


def _parse_line(number: int, line: str) -> AliasLine:
    head = _PART.match(line)
    if head is None or line[head.end() : head.end() + 1] != ":":
        raise AliasesError(number, "an alias is written as name: member, member")
    name = _address(number, head[0].strip(_BLANKS))
    members = tuple(_member(number, part, name) for part in _parts(number, line[head.end() + 1 :]))
    if not members:
        raise AliasesError(number, f"{name} has no members")
    return AliasLine(number, name, tuple(dict.fromkeys(members)))


def _parts(number: int, text: str) -> Iterator[str]:
    """The members between the commas; empty ones are nothing."""
    position = 0
    while position < len(text):
        rest = text[position:].lstrip(_BLANKS)
        if rest.startswith(":include:"):
            _refuse(number, rest.split(",")[0].rstrip(_BLANKS), ":")
        found = _PART.match(text, position)
        if found is not None:
            position = found.end()
            if part := found[0].strip(_BLANKS):
                yield part
        if position < len(text) and text[position] != ",":
            raise AliasesError(number, f"{text[position]!r} stands where a comma should")
        position += 1


def _member(number: int, part: str, name: Address) -> Address:
    inner = part[1:] if part.startswith('"') and part.endswith('"') else part
    if inner[:1] in _REFUSED:
        _refuse(number, part, inner[:1])
    if not part.startswith("\\"):
        return _address(number, part)
    # sendmail's backslash: the account itself, without its alias. It is the same as naming the alias.
    address = _address(number, part[1:])
    if address.local_part != name.local_part or address.domain not in ("", name.domain):
        raise AliasesError(number, f"{part} skips an alias; a backslash is understood before the alias's own name only")
    return address


def _refuse(number: int, part: str, kind: str) -> None:
    raise AliasesError(number, f"{part} is {_REFUSED[kind]}; an alias leads to addresses only")


def _address(number: int, text: str) -> Address:
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1]
    try:
        return parse_address(text) if "@" in text else Address(parse_local_part(text), "")
    except AddressError as error:
        raise AliasesError(number, f"{text or 'nothing'} is no address: {error}") from None
