"""The table of settings as data: sections, names, types, bounds (words).

``schema`` is written for programs that read settings; this is the same table for those that
convert, check, explain and print it.
"""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, Final

from eilpost.config.schema import Config, Kind


@dataclass(frozen=True, slots=True)
class Setting:
    """One row. ``type`` is the type of the value, or of each value when ``many``."""

    section: str
    name: str
    type: Any
    many: bool
    required: bool
    default: Any
    sentence: str
    unit: str
    example: str
    kind: Kind
    least: float
    most: float | None
    choices: tuple[str, ...]

    @property
    def key(self) -> str:
        """``limits.recipients``."""
        return f"{self.section}.{self.name}"


@dataclass(frozen=True, slots=True)
class Section:
    """One section; ``repeated`` ones are written ``[[listen]]`` and may stand more than once."""

    name: str
    type: type[Any]
    repeated: bool
    sentence: str
    settings: dict[str, Setting]


def _section(name: str, declared: Any) -> Section:
    repeated = typing.get_origin(declared) is tuple
    kind = typing.get_args(declared)[0] if repeated else declared
    hints = typing.get_type_hints(kind)
    rows = {row.name: _setting(name, row, hints[row.name]) for row in fields(kind)}
    return Section(name, kind, repeated, (kind.__doc__ or "").strip(), rows)


def _setting(section: str, row: Field[Any], declared: Any) -> Setting:
    many = typing.get_origin(declared) is tuple
    return Setting(
        section,
        row.name,
        typing.get_args(declared)[0] if many else declared,
        many,
        row.default is MISSING,
        None if row.default is MISSING else row.default,
        **row.metadata,
    )


SECTIONS: Final[dict[str, Section]] = {
    name: _section(name, declared) for name, declared in typing.get_type_hints(Config).items()
}
SETTINGS: Final[dict[str, Setting]] = {
    row.key: row for section in SECTIONS.values() for row in section.settings.values()
}


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word most like ``word``; empty when none is."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else ""


def unknown(word: str, known: Iterable[str], what: str) -> str:
    """The clause for a word that is not known, with the nearest one that is."""
    near = nearest(word, known)
    return f"unknown {what}" + (f"; the nearest is {near!r}" if near else "")
