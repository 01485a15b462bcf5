"""Durations and sizes as people write them (a grammar).

A duration is a number and a unit, or several of them: ``"90s"``, ``"1h30m"``, ``"5d"``. A size is
a number and a unit; ``MB`` is a million octets, ``MiB`` 1,048,576. A bare number counts seconds or
octets.
"""

from __future__ import annotations

import re
from typing import Final

from eilpost.config.schema import Duration, Size

SECONDS: Final[dict[str, float]] = {"w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
OCTETS: Final[dict[str, int]] = {
    "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "tb": 1000**4,
    "kib": 1024, "mib": 1024**2, "gib": 1024**3, "tib": 1024**4,
}  # fmt: skip

_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,9})?"
_PART = re.compile(rf"({_NUMBER})\s*(ms|[wdhms])", re.ASCII)
_DURATION = re.compile(rf"(?:{_NUMBER}\s*(?:ms|[wdhms])\s*)+", re.ASCII)
_BARE = re.compile(_NUMBER, re.ASCII)
_SIZE = re.compile(rf"({_NUMBER})\s*([kmgt]i?b|b)", re.ASCII | re.IGNORECASE)
_SHOWN_SIZES: Final = ("TB", "GB", "MB", "KB", "TiB", "GiB", "MiB", "KiB", "B")


class UnitError(ValueError):
    """The text is no duration, or no size; the message says what one looks like."""


def parse_duration(text: str) -> Duration:
    """The seconds that ``text`` means."""
    text = text.strip()
    if _BARE.fullmatch(text):
        return Duration(float(text))
    parts = _PART.findall(text)
    units = [unit for _, unit in parts]
    if not _DURATION.fullmatch(text) or len(set(units)) < len(units):
        raise UnitError('a duration such as "90s", "5m", "4h" or "5d"')
    return Duration(sum(float(number) * SECONDS[unit] for number, unit in parts))


def parse_size(text: str) -> Size:
    """The octets that ``text`` means, rounded to a whole number."""
    text = text.strip()
    if _BARE.fullmatch(text):
        return Size(round(float(text)))
    found = _SIZE.fullmatch(text)
    if found is None:
        raise UnitError('a size such as "25MB", "256KB" or "1GiB"')
    return Size(round(float(found[1]) * OCTETS[found[2].lower()]))


def show_duration(seconds: float) -> str:
    """The shortest spelling that ``parse_duration`` reads as the same: 5400 is ``1h30m``."""
    left = round(seconds * 1000)
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, round(SECONDS[unit] * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def show_size(octets: int) -> str:
    """The shortest spelling that is exact: 25000000 is ``25MB``, 4096 is ``4KiB``."""
    counts = ((unit, *divmod(octets, OCTETS[unit.lower()])) for unit in _SHOWN_SIZES)
    return min((f"{count}{unit}" for unit, count, rest in counts if not rest and (count or unit == "B")), key=len)
