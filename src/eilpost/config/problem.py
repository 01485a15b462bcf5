"""What can be wrong with a configuration, and where (words)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

KeyPath = tuple[str | int, ...]
"""``("limits", "recipients")``, or with the number of a repeated section: ``("listen", 0, "role")``."""


class Severity(Enum):
    """An error keeps the server from starting; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault at a key, in one clause, before it is known where the key stands."""

    path: KeyPath
    what: str
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault with its place: ``place`` is a file, or an environment variable; ``line`` 0 is unknown."""

    severity: Severity
    place: str
    line: int
    key: str
    what: str

    def __str__(self) -> str:
        place = f"{self.place}:{self.line}" if self.line else self.place
        return ": ".join(part for part in (place, self.key, self.what) if part)

    def as_json(self) -> dict[str, Any]:
        """The fields for machines."""
        return {
            "severity": self.severity.value,
            "place": self.place,
            "line": self.line or None,
            "key": self.key or None,
            "what": self.what,
        }


class ConfigError(Exception):
    """The configuration cannot be used; ``problems`` holds all that is known to be wrong."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def show_path(path: KeyPath) -> str:
    """A key as people write it: ``listen[2].address``; repeated sections count from 1."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text
