"""A journal event as one line: key=value or JSON (a grammar).

The time comes first, then the event's name, then its fields in the order of their class; optional
fields that are empty are left out. A peer's text can neither end the line nor look like another
field nor move a cursor (F186): what is not plain is quoted, and what does not print is escaped.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final

from eilpost.journal import EVENTS, Event

MAX_VALUE: Final = 1000
"""Characters of one value that a line shows."""

_PLAIN: Final = re.compile(r"[!#-<>-\[\]-~]{1,1000}")  # no blank, quote, equals sign or backslash
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclasses.dataclass(frozen=True, slots=True)
class _Row:
    """How one class of events is shown: its head, and for each field whether it may be left out."""

    head: str
    level: str
    names: tuple[str, ...]
    optional: tuple[bool, ...]
    values: Callable[[Event], tuple[Any, ...]]


def _row(kind: type[Event]) -> _Row:
    fields = dataclasses.fields(kind)
    names = tuple(item.name for item in fields)
    pick = attrgetter(*names)
    return _Row(
        head=kind.event,
        level=kind.level.name.lower(),
        names=names,
        optional=tuple(item.default is not dataclasses.MISSING for item in fields),
        values=pick if len(names) > 1 else lambda event: (pick(event),),
    )


_ROWS: Final[Mapping[type[Event], _Row]] = MappingProxyType({kind: _row(kind) for kind in EVENTS})


def key_value(event: Event, when: str) -> str:
    """The event as ``time name key=value …`` without a line end."""
    row = _ROWS[type(event)]
    line = f"{when} {row.head}"
    for name, optional, value in zip(row.names, row.optional, row.values(event), strict=True):
        if type(value) is str:
            if _PLAIN.fullmatch(value):
                line += f" {name}={value}"
            elif value or not optional:
                line += f" {name}={quoted(value)}"
        elif type(value) is float:
            line += f" {name}={value:.3f}"
        elif value is not None:
            line += f" {name}={value}"
    return line


def quoted(text: str) -> str:
    """``text`` in double quotes, on one line, in characters that print, at most 1,000 of them."""
    if len(text) > MAX_VALUE:
        text = text[: MAX_VALUE - 3] + "..."
    if not text.isprintable() or '"' in text or "\\" in text:
        text = "".join(map(_escaped, text))
    return f'"{text}"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    number = ord(char)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


_ENCODER: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))


def as_json(event: Event, when: str) -> str:
    """The event as a JSON object in ASCII, without a line end; ``time``, ``event`` and ``level`` first."""
    row = _ROWS[type(event)]
    fields: dict[str, Any] = {"time": when, "event": row.head, "level": row.level}
    for name, optional, value in zip(row.names, row.optional, row.values(event), strict=True):
        if type(value) is str:
            if len(value) > MAX_VALUE:
                value = value[: MAX_VALUE - 3] + "..."
            if not value and optional:
                continue
        elif type(value) is float:
            value = round(value, 3) if abs(value) < 1e300 else None  # JSON has no infinity
        if value is not None:
            fields[name] = value
    return _ENCODER.encode(fields).replace("\x7f", "\\u007f")
