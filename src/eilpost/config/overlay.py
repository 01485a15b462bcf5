"""``EILPOST_SECTION__KEY`` over what the file says (a grammar).

A repeated section is reached by number, from 1: ``EILPOST_LISTEN__1__ADDRESS``. A list is TOML or
words with commas. Text is taken as it is; numbers and true or false as TOML spells them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from eilpost.config.problem import Finding, KeyPath
from eilpost.config.settings import SECTIONS, Section, Setting, unknown

PREFIX: Final = "EILPOST_"
_NUMBER = re.compile(r"[0-9]{1,18}(?:\.[0-9]+)?", re.ASCII)
_MAX_REPEATED: Final = 1000


@dataclass(frozen=True, slots=True)
class Overlay:
    """The tree with the variables laid over it, and which variable set which key."""

    tree: dict[str, Any]
    variables: dict[KeyPath, str]
    findings: tuple[tuple[str, Finding], ...]


def lay_over(tree: Mapping[str, Any], environment: Mapping[str, str]) -> Overlay:
    """Applies every variable of ours that has a double underscore."""
    result = _copy(tree)
    variables: dict[KeyPath, str] = {}
    findings: list[tuple[str, Finding]] = []
    for name in sorted(environment, key=_order):
        if not name.startswith(PREFIX) or "__" not in name:
            continue
        try:
            path, row = _target(name[len(PREFIX) :].lower().split("__"), result)
            _put(result, path, _read(row, environment[name]))
            variables[path] = name
        except ValueError as error:
            findings.append((name, Finding((), str(error))))
    return Overlay(result, variables, tuple(findings))


def _order(name: str) -> tuple[tuple[int, str], ...]:
    """By name, but numbers by value: the second listener comes before the tenth."""
    return tuple((int(part) if part.isdecimal() else -1, part) for part in name.split("__"))


def _copy(tree: Any) -> Any:
    match tree:
        case dict():
            return {key: _copy(value) for key, value in tree.items()}
        case list():
            return [_copy(value) for value in tree]
        case _:
            return tree


def _target(parts: list[str], tree: Mapping[str, Any]) -> tuple[KeyPath, Setting]:
    section = SECTIONS.get(parts[0])
    if section is None:
        raise ValueError(unknown(parts[0], SECTIONS, "section"))
    path: KeyPath = (section.name,)
    rest = parts[1:]
    if section.repeated:
        path = (section.name, _number(section, rest, tree))
        rest = rest[1:]
    if len(rest) != 1 or rest[0] not in section.settings:
        raise ValueError(unknown("__".join(rest), section.settings, f"key of [{section.name}]"))
    return (*path, rest[0]), section.settings[rest[0]]


def _number(section: Section, rest: list[str], tree: Mapping[str, Any]) -> int:
    given = tree.get(section.name, [])
    there = len(given) if isinstance(given, list) else 0
    number = int(rest[0]) if rest[0].isascii() and rest[0].isdecimal() and len(rest[0]) < 5 else 0
    if not 1 <= number <= min(there + 1, _MAX_REPEATED):
        example = f"{PREFIX}{section.name.upper()}__{there + 1}__{next(iter(section.settings)).upper()}"
        raise ValueError(f"there are {there} [[{section.name}]]; name one by its number, the next as {example}")
    return number - 1


def _put(tree: dict[str, Any], path: KeyPath, value: Any) -> None:
    here: Any = tree
    for part, after in pairwise(path):
        if isinstance(part, int):
            if part == len(here):
                here.append({})
            here = here[part]
        else:
            here = here.setdefault(part, [] if isinstance(after, int) else {})
        if not isinstance(here, dict | list):
            raise ValueError("the file has something else where the section should stand")
    here[path[-1]] = value


def _read(row: Setting, text: str) -> Any:
    if not row.many:
        return _read_single(row, text)
    if text.lstrip().startswith("["):
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            raise ValueError('expected a list such as ["a", "b"], or words with commas') from None
    return [_read_single(row, word.strip()) for word in text.split(",") if word.strip()]


def _read_single(row: Setting, text: str) -> Any:
    if row.type is str:
        return text
    if row.type is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text
