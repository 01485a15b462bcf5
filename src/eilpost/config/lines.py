"""On which line of a TOML file a key stands (a grammar).

``tomllib`` reads values and forgets places. This reader knows just enough of TOML 1.0 to find
where statements begin: strings, comments and brackets. It is given text that tomllib accepts.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping

from eilpost.config.problem import KeyPath

_TOKEN = re.compile(
    r'''
      (?P<blank>[ \t\r]+)
    | (?P<comment>\#[^\n]*)
    | (?P<newline>\n)
    | (?P<string>"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')
    | (?P<open>[\[{])
    | (?P<close>[\]}])
    | (?P<other>[^\s\[\]{}"'\#=]+|=|.)
    ''',
    re.VERBOSE | re.DOTALL,
)


def find_lines(text: str) -> dict[KeyPath, int]:
    """The line, counted from 1, of each key, section header and element of a repeated section."""
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    section: KeyPath = ()
    for number, statement in _statements(text):
        if statement.startswith("[["):
            name = _resolve(_keys(statement[2:-2]), counts)
            counts[name] = counts.get(name, -1) + 1
            section = (*name, counts[name])
            lines.setdefault(name, number)
        elif statement.startswith("["):
            section = _resolve(_keys(statement[1:-1]), counts)
        else:
            lines.setdefault((*section, *_keys(statement)), number)
            continue
        lines.setdefault(section, number)
    return lines


def line_of(path: KeyPath, lines: Mapping[KeyPath, int]) -> int:
    """The line of a key, or of the nearest thing around it; 0 when there is none."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return 0


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each header whole, and each key as far as its equals sign, with the line it begins on."""
    number, began, depth, head, in_value = 1, 1, 0, "", False
    for token in _TOKEN.finditer(text):
        kind, piece = token.lastgroup, token[0]
        if kind == "open":
            depth += 1
        elif kind == "close":
            depth -= 1
        if kind == "newline" and depth == 0:
            if head and not in_value:
                yield began, head
            head, in_value = "", False
        elif piece == "=" and depth == 0 and not in_value:
            yield began, head
            in_value = True
        elif not in_value and kind not in ("blank", "comment", "newline"):
            began = began if head else number
            head += piece
        number += piece.count("\n")
    if head and not in_value:
        yield began, head


def _keys(text: str) -> tuple[str, ...]:
    """The parts of a dotted key, quotes taken off by tomllib itself."""
    try:
        tree: object = tomllib.loads(f"{text} = 0")
    except tomllib.TOMLDecodeError:
        return (text,)
    parts = []
    while isinstance(tree, dict):
        name = next(iter(tree))
        parts.append(name)
        tree = tree[name]
    return tuple(parts)


def _resolve(name: tuple[str, ...], counts: Mapping[KeyPath, int]) -> KeyPath:
    """The path of a header: below a repeated section it means that section's latest element."""
    path: KeyPath = ()
    for position, part in enumerate(name):
        path = (*path, part)
        if path in counts and position < len(name) - 1:
            path = (*path, counts[path])
    return path
