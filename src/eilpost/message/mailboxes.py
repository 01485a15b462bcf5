"""The addresses in the value of To, Cc and the like, without names and comments (a grammar).

RFC 5322 §3.4 with the obsolete routes of §4.4. Nothing is decoded: an encoded word is never an address (F072),
and what stands in quotes or in a comment hides no comma (F098). Whether what is found is an
address is for ``mail.address`` to say. One pass, whatever comes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_TOKEN: Final = re.compile(
    r"""
      (?P<quoted> "(?:[^"\\]|\\.)*+"? )
    | (?P<literal> \[[^\]]*+\]? )
    | (?P<sign> [()<>,:;] )
    | (?P<pair> \\. )
    | (?P<text> [^"\[()<>,:;\\]++ | \\ )
    """,
    re.VERBOSE | re.DOTALL,
)


def addresses(value: str) -> Iterator[str]:
    """Each mailbox's address as it is spelt, members of groups included; empty ones are left out."""
    outside: list[str] = []
    inside: list[str] | None = None
    found = ""
    depth = 0
    for token in _TOKEN.finditer(value):
        sign = token["sign"]
        if sign in ("(", ")"):
            depth = max(0, depth + (1 if sign == "(" else -1))
        elif depth:
            continue
        elif sign == "<":
            inside = []
        elif inside is not None and sign == ">":
            found, inside = _without_route("".join(inside)), None
        elif inside is not None:
            inside.append(token[0])
        elif sign == ":":
            outside = []  # the name of a group
        elif sign in (",", ";"):
            yield from _address(found, outside)
            found, outside = "", []
        else:
            outside.append(token[0])
    if inside is not None:
        found = _without_route("".join(inside))
    yield from _address(found, outside)


def _address(found: str, outside: list[str]) -> Iterator[str]:
    address = (found or "".join(outside)).strip()
    if address:
        yield address


def _without_route(text: str) -> str:
    """RFC 5322 §4.4: ``<@a,@b:c@d>`` is ``c@d``."""
    return text.rpartition(":")[2] if text.lstrip().startswith("@") else text
