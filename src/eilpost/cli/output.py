"""How commands show things: tables, JSON and lines, everything hostile escaped (a deed)."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

Row = Mapping[str, Any]

_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories that steer a terminal or hide: controls, bidi and zero-width signs, line separators."""


def escape(text: str) -> str:
    r"""``text`` with all that could steer a terminal or deceive a reader spelled out: ``\x1b`` (F155)."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_spell(char) if unicodedata.category(char) in _HARMFUL else char for char in text)


def _spell(char: str) -> str:
    number = ord(char)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def cell(value: object) -> str:
    """A value in a table."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(map(cell, value))
        case _:
            return escape(str(value))


def moment(when: float) -> str:
    """A Unix time for JSON and tables: ISO 8601 in local time with its offset."""
    return datetime.fromtimestamp(when).astimezone().isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its heading, the key of its value, and how the value is shown."""

    heading: str
    key: str
    show: Callable[[Any], str] = cell
    right: bool = False


def show(rows: Sequence[Row], columns: Sequence[Column], *, as_json: bool, nothing: str = "") -> None:
    """A list: one JSON array, or a table; ``nothing`` is said on standard error when it is empty."""
    if as_json:
        show_json(list(rows))
    elif rows:
        show_table(columns, [[column.show(row[column.key]) for column in columns] for row in rows])
    elif nothing:
        note(nothing)


def show_json(value: Any) -> None:
    """One JSON document; everything beyond ASCII is escaped, so nothing steers a terminal."""
    click.echo(json.dumps(value, indent=2))


def show_table(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> None:
    """Drawn for a terminal, in plain aligned columns for a pipe."""
    if sys.stdout.isatty():
        _draw(columns, cells)
        return
    for line in aligned([[column.heading.upper() for column in columns], *cells], [c.right for c in columns]):
        click.echo(line)


def aligned(lines: Sequence[Sequence[str]], right: Sequence[bool]) -> Iterable[str]:
    """Lines in columns two blanks apart."""
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = [_pad(text, width, side) for text, width, side in zip(line, widths, right, strict=True)]
        yield "  ".join(padded).rstrip()


def _pad(text: str, width: int, right: bool) -> str:
    blanks = " " * (width - _width(text))
    return blanks + text if right else text + blanks


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def _draw(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> None:
    # Rich costs more time to import than most commands take.
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column.heading, justify="right" if column.right else "left", overflow="fold")
    for line in cells:
        table.add_row(*map(Text, line))
    Console(highlight=False).print(table)


def say(text: str) -> None:
    """A line of result, on standard output."""
    click.echo(escape(text))


def note(text: str) -> None:
    """A line for the person, on standard error."""
    click.echo(escape(text), err=True)
