"""From what TOML and the environment say to a ``Config``, all faults found at once (a grammar)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

from eilpost.config.problem import Finding, KeyPath
from eilpost.config.schema import Config, Duration, Kind, Size
from eilpost.config.settings import SECTIONS, Section, Setting, nearest, unknown
from eilpost.config.units import UnitError, parse_duration, parse_size, show_duration, show_size
from eilpost.config.values import Complaint, Grammar


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading a text may need: a grammar for each kind, and how a relative path becomes absolute."""

    grammars: Mapping[Kind, Grammar]
    resolve: Callable[[str], str]


class _Unfit(ValueError):
    """A value breaks its grammar; the message is what was expected."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """A configuration, or None with the findings that stand in its way."""

    config: Config | None
    findings: tuple[Finding, ...]


def convert(tree: Mapping[str, Any], reading: Reading) -> Conversion:
    """Reads a whole tree of TOML values."""
    findings = [Finding((name,), _unknown_section(name)) for name in tree if name not in SECTIONS]
    values = {
        section.name: _section(section, tree.get(section.name, MISSING), reading, findings)
        for section in SECTIONS.values()
    }
    return Conversion(None if findings else Config(**values), tuple(findings))


def _unknown_section(name: str) -> str:
    clause = unknown(name, SECTIONS, "section")
    owner = next((s.name for s in SECTIONS.values() if name in s.settings), None)
    return f"unknown section; a setting of that name belongs in [{owner}]" if owner else clause


def _section(section: Section, given: Any, reading: Reading, findings: list[Finding]) -> Any:
    if not section.repeated:
        return _table(section, (section.name,), {} if given is MISSING else given, reading, findings)
    if given is MISSING:
        return ()
    if not isinstance(given, list):
        findings.append(Finding((section.name,), f"expected the section as [[{section.name}]], in double brackets"))
        return ()
    return tuple(_table(section, (section.name, number), item, reading, findings) for number, item in enumerate(given))


def _table(section: Section, path: KeyPath, given: Any, reading: Reading, findings: list[Finding]) -> Any:
    if not isinstance(given, dict):
        findings.append(Finding(path, f"expected a section [{section.name}], but found {_show(given)}"))
        return None
    before = len(findings)
    strangers = [name for name in given if name not in section.settings]
    findings += [Finding((*path, name), _unknown_key(section, name)) for name in strangers]
    misspelt = {nearest(name, section.settings) for name in strangers}
    values = {}
    for row in section.settings.values():
        if row.name in given:
            values[row.name] = _value(row, (*path, row.name), given[row.name], reading, findings)
        elif row.kind is Kind.PATH and row.default:
            values[row.name] = reading.resolve(row.default)
        elif row.required and row.name not in misspelt:
            hint = f", such as {row.name} = {row.example}" if row.example else ""
            findings.append(Finding((*path, row.name), f"is missing and has no default{hint}"))
    return section.type(**values) if len(findings) == before else None


def _unknown_key(section: Section, name: str) -> str:
    if nearest(name, section.settings):
        return unknown(name, section.settings, "key")
    owner = next((s.name for s in SECTIONS.values() if name in s.settings), None)
    return f"unknown key; one of that name belongs in [{owner}]" if owner else "unknown key"


def _value(row: Setting, path: KeyPath, given: Any, reading: Reading, findings: list[Finding]) -> Any:
    if not row.many:
        return _single(row, path, given, reading, findings)
    if not isinstance(given, list):
        findings.append(Finding(path, f"expected a list of values in [ ], but found {_show(given)}"))
        return None
    return tuple(_single(row, path, item, reading, findings) for item in given)


def _single(row: Setting, path: KeyPath, given: Any, reading: Reading, findings: list[Finding]) -> Any:
    try:
        value = _reader(row.type)(given)
        if isinstance(value, str):
            return _text_of_kind(row, value, reading)
        if not isinstance(value, bool | Enum):
            _bound(row, value)
    except (_Unfit, UnitError) as unfit:
        findings.append(Finding(path, f"expected {unfit}, but found {_show(given)}"))
        return None
    except Complaint as complaint:
        findings.append(Finding(path, str(complaint)))
        return None
    return value


def _reader(kind: Any) -> Callable[[Any], Any]:
    if kind in _READERS:
        return _READERS[kind]
    return lambda given: _member(kind, given)


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise _Unfit("a text in quotes")
    if any(char < " " or char == "\x7f" for char in given):
        raise _Unfit("a text without control characters")
    return given


def _boolean(given: Any) -> bool:
    if not isinstance(given, bool):
        raise _Unfit("true or false")
    return given


def _integer(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int):
        raise _Unfit("a whole number")
    return given


def _number(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise _Unfit("a number")
    return float(given)


def _duration(given: Any) -> Duration:
    if isinstance(given, str):
        return parse_duration(given)
    try:
        return Duration(_number(given))
    except _Unfit:
        return parse_duration("")  # raises with the words for a duration


def _size(given: Any) -> Size:
    if isinstance(given, str):
        return parse_size(given)
    try:
        return Size(_integer(given))
    except _Unfit:
        return parse_size("")


def _member(kind: type[Enum], given: Any) -> Enum:
    for item in kind:
        if item.value == given:
            return item
    raise _Unfit(_one_of(str(item.value) for item in kind))


def _one_of(words: Iterable[str]) -> str:
    quoted = [f'"{word}"' for word in words]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else quoted[0]


_READERS: Final[Mapping[Any, Callable[[Any], Any]]] = MappingProxyType(
    {str: _text, bool: _boolean, int: _integer, float: _number, Duration: _duration, Size: _size}
)


def _text_of_kind(row: Setting, text: str, reading: Reading) -> str:
    if row.choices and text not in row.choices:
        raise _Unfit(_one_of(row.choices))
    try:
        text = reading.grammars[row.kind](text)
    except Complaint:
        raise
    except ValueError as error:
        raise _Unfit(str(error)) from None
    prefix = _PATH_PREFIXES.get(row.kind)
    if prefix is None or not text.startswith(prefix) or text == prefix:
        return text
    return prefix + reading.resolve(text[len(prefix) :])


_PATH_PREFIXES: Final[Mapping[Kind, str]] = MappingProxyType(
    {Kind.PATH: "", Kind.LISTENER: "unix:", Kind.DELIVERY: "lmtp+unix:"}
)


def _bound(row: Setting, value: float) -> None:
    show: Callable[[Any], str] = _SHOW_BOUND.get(row.type, _plain)
    if value < row.least:
        raise _Unfit(f"at least {show(row.least)}")
    if row.most is not None and value > row.most:
        raise _Unfit(f"at most {show(row.most)}")


def _plain(number: float) -> str:
    return f"{number:g}"


_SHOW_BOUND: Final[Mapping[Any, Callable[[Any], str]]] = MappingProxyType(
    {Duration: show_duration, Size: lambda octets: show_size(int(octets))}
)


def _show(given: Any) -> str:
    """What was found, short, as it stands in the file."""
    match given:
        case bool():
            return str(given).lower()
        case str():
            return json.dumps(given if len(given) <= 60 else given[:60] + "...")
        case int() | float():
            return str(given)[:40]
        case list():
            return "a list"
        case dict():
            return "a section"
        case _:
            return "a date or time"
