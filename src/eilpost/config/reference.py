"""The table of settings as people read it: Markdown, an example file, one explanation (a grammar)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

from eilpost.config.schema import Duration, Kind, Size
from eilpost.config.settings import SECTIONS, Section, Setting
from eilpost.config.units import show_duration, show_size

_TYPES: Final[Mapping[Any, str]] = MappingProxyType(
    {str: "text", bool: "true or false", int: "whole number", float: "number", Duration: "duration", Size: "size"}
)

_INTRODUCTION: Final = """\
The configuration is one TOML file. It is found at `-c FILE`, `$EILPOST_CONFIG`, `./eilpost.toml` or
`/etc/eilpost/eilpost.toml`. Relative paths are relative to the file. The variable
`EILPOST_SECTION__KEY` overrides a key (`EILPOST_LIMITS__RECIPIENTS=200`); a repeated section is reached
by its number, from 1 (`EILPOST_LISTEN__1__ADDRESS`). Durations are written `"90s"`, `"5m"`, `"4h"`,
`"5d"`, sizes `"25MB"`, `"256KB"`, `"1GiB"`; a bare number is seconds or octets.
"""


def render() -> str:
    """The whole table as a Markdown page."""
    parts = ["# Configuration\n", _INTRODUCTION, *map(_markdown_section, SECTIONS.values())]
    return "\n".join(parts)


def _markdown_section(section: Section) -> str:
    header = f"[[{section.name}]]" if section.repeated else f"[{section.name}]"
    rows = [f"| `{row.name}` | {_markdown_type(row)} | {_default_cell(row)} | {_cell(row.sentence)} |"
            for row in section.settings.values()]  # fmt: skip
    head = ["| key | type | default | what it is |", "|---|---|---|---|"]
    return "\n".join([f"## `{header}`", "", section.sentence, "", *head, *rows, ""])


def _markdown_type(row: Setting) -> str:
    return _cell(describe_type(row))


def _default_cell(row: Setting) -> str:
    return "required" if row.required else f"`{show_value(row, row.default)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")


def example() -> str:
    """A file in which every setting stands: required ones to be filled in, the others as comments."""
    lead = ["# Eilpost's configuration. What stands behind # is the default.", ""]
    return "\n".join([*lead, *map(_example_section, SECTIONS.values())])


def _example_section(section: Section) -> str:
    lines = [f"# {section.sentence}", f"[[{section.name}]]" if section.repeated else f"[{section.name}]"]
    for row in section.settings.values():
        if row.required:
            lines.append(f"{row.name} = {row.example}  # {row.sentence}")
        else:
            lines += [f"# {row.sentence}{_hint(row)}", f"# {row.name} = {show_value(row, row.default)}"]
    return "\n".join([*lines, ""])


def _hint(row: Setting) -> str:
    return f" For example: {row.example}" if row.example else ""


def explain(row: Setting) -> str:
    """One setting in a few lines."""
    lines = [f"{row.key}: {row.sentence}", f"  type:     {describe_type(row)}"]
    lines.append(f"  default:  {'none, it is required' if row.required else show_value(row, row.default)}")
    if row.example:
        lines.append(f"  example:  {row.name} = {row.example}")
    lines.append(f"  variable: {variable(row)}")
    return "\n".join(lines)


def variable(row: Setting) -> str:
    """The environment variable that overrides the setting; ``N`` stands for a section's number."""
    number = "__N" if SECTIONS[row.section].repeated else ""
    return f"EILPOST_{row.section.upper()}{number}__{row.name.upper()}"


def describe_type(row: Setting) -> str:
    """What a value looks like, with its bounds."""
    words = _choices(row) or (_TYPES[row.type] if row.kind is Kind.TEXT else row.kind.value)
    if row.most is not None:
        words += f" from {show_single(row.type, row.least)} to {show_single(row.type, row.most)}"
    elif row.least and row.type is not str:
        words += f", at least {show_single(row.type, row.least)}"
    return f"list of {words}" if row.many else words


def _choices(row: Setting) -> str:
    choices = row.choices
    if isinstance(row.type, type) and issubclass(row.type, Enum):
        choices = tuple(item.value for item in row.type)
    return " or ".join(f'"{word}"' for word in choices)


def show_value(row: Setting, value: Any) -> str:
    """A value as TOML."""
    if row.many:
        return f"[{', '.join(show_single(row.type, item) for item in value)}]"
    return show_single(row.type, value)


def show_single(kind: Any, value: Any) -> str:
    """One value of a type as TOML."""
    return _SHOW.get(kind, _show_enum)(value)


def _show_enum(value: Enum) -> str:
    return _quote(str(value.value))


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _show_boolean(value: bool) -> str:
    return "true" if value else "false"


def _show_number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


_SHOW: Final[Mapping[Any, Callable[[Any], str]]] = MappingProxyType(
    {
        str: _quote,
        bool: _show_boolean,
        int: _show_number,
        float: _show_number,
        Duration: lambda seconds: _quote(show_duration(seconds)),
        Size: lambda octets: _quote(show_size(int(octets))),
    }
)
