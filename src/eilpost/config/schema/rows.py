"""What a row of the table of settings is: types, units, kinds (words).

The sentence is what ``eilpost config explain`` prints and the reference shows. Durations are seconds
and sizes octets here; the file spells them ``"90s"`` and ``"25MB"``.
"""

from __future__ import annotations

from dataclasses import MISSING, field
from enum import Enum
from typing import Any, Final, NewType

Duration = NewType("Duration", float)
Size = NewType("Size", int)
MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 86400.0
KB: Final = 1000
MB: Final = 1000 * KB


class Kind(Enum):
    """What a setting's text is, beyond its type; a grammar for each stands in ``config.values``."""

    TEXT = "text"
    PATH = "path"  # relative ones are relative to the file
    DOMAIN = "domain"
    ADDRESS = "address"
    LISTENER = "listener"  # host:port, [v6]:port, unix:/path
    NETWORK = "network"
    RESOLVER = "resolver"  # host or host:port
    DELIVERY = "delivery"  # maildir, or the URL of a server
    SMARTHOST = "smarthost"  # an SMTP URL
    DELIMITER = "delimiter"


def setting(
    sentence: str,
    default: Any = MISSING,
    *,
    unit: str = "",
    example: str = "",
    kind: Kind = Kind.TEXT,
    least: float = 0,
    most: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """One row of the table; without a default the setting is required.

    ``least`` and ``most`` bound a number, and each number of a list. ``choices`` closes a text.
    """
    metadata = {
        "sentence": sentence,
        "unit": unit,
        "example": example,
        "kind": kind,
        "least": least,
        "most": most,
        "choices": choices,
    }
    if isinstance(default, list | dict):
        raise TypeError("defaults are immutable: use a tuple")
    if default is MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)
