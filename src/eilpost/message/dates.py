"""Dates as mail writes them: RFC 5322 §3.3 (a grammar).

Days and months come from tables here, so that no locale and no time zone of the machine shows in
a message. The clock is the caller's: times are seconds since 1970, offsets are seconds east of UTC.
"""

from __future__ import annotations

import re
from typing import Final

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# RFC 5322 §4.3; letters of the military zones were defined wrongly once and mean nothing.
_ZONES: Final = {
    "UT": 0, "GMT": 0, "Z": 0, "UTC": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5,
    "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
}  # fmt: skip

_MAX_TEXT: Final = 200
_DATE: Final = re.compile(
    r"\s*(?:[A-Za-z]{3,9}\s*,?\s*)?(\d{1,2})[\s\-]+([A-Za-z]{3})[A-Za-z]{0,6}[\s\-]+(\d{2,4})\s+"
    r"(\d{1,2})\s?:\s?(\d{2})(?:\s?:\s?(\d{2}))?(?:\s*([+-]\d{4}|[A-Za-z]{1,4}))?\s*(?:\(.*)?",
    re.ASCII | re.DOTALL,
)


def format(now: float, offset: int = 0) -> str:
    """``now`` as RFC 5322 §3.3 writes it: ``Mon, 23 Nov 2026 19:45:50 +0000``."""
    days, seconds = divmod(int(now // 1) + offset, 86400)
    year, month, day = civil(days)
    hours, rest = divmod(seconds, 3600)
    sign = "-" if offset < 0 else "+"
    zone = abs(offset) // 60
    return (
        f"{DAYS[(days + 3) % 7]}, {day} {MONTHS[month - 1]} {year:04} "
        f"{hours:02}:{rest // 60:02}:{rest % 60:02} {sign}{zone // 60:02}{zone % 60:02}"
    )


def iso(now: float) -> str:
    """``now`` in UTC as logs write it, without a zone: ``2026-11-23T19:45:50`` (RFC 3339)."""
    days, seconds = divmod(int(now // 1), 86400)
    year, month, day = civil(days)
    hours, rest = divmod(seconds, 3600)
    return f"{year:04}-{month:02}-{day:02}T{hours:02}:{rest // 60:02}:{rest % 60:02}"


def parse(text: str) -> int | None:
    """The time that a Date field names, in seconds since 1970; None if it names none.

    Lenient as RFC 5322 §4.3 asks: no day of the week, two-digit years, zones by name, comments.
    """
    found = _DATE.fullmatch(text) if len(text) <= _MAX_TEXT else None
    if found is None or found[2].title() not in MONTHS:
        return None
    day, month, year = int(found[1]), MONTHS.index(found[2].title()) + 1, _year(found[3])
    hours, minutes, seconds = int(found[4]), int(found[5]), int(found[6] or 0)
    if not 1 <= day <= days_in_month(year, month) or hours > 23 or minutes > 59 or seconds > 60:
        return None
    return ordinal(year, month, day) * 86400 + hours * 3600 + minutes * 60 + seconds - _offset(found[7] or "")


def _year(digits: str) -> int:
    """RFC 5322 §4.3: two digits below 50 are of this century, others count from 1900."""
    year = int(digits)
    if len(digits) == 2 and year < 50:
        return year + 2000
    return year + 1900 if len(digits) < 4 else year


def _offset(zone: str) -> int:
    if zone[:1] in ("+", "-"):
        seconds = int(zone[1:3]) * 3600 + int(zone[3:5]) * 60
        return -seconds if zone[0] == "-" else seconds
    return _ZONES.get(zone.upper(), 0) * 3600


def civil(days: int) -> tuple[int, int, int]:
    """Year, month and day of a number of days since 1970-01-01, by the Gregorian calendar."""
    era, day_of_era = divmod(days + 719468, 146097)  # eras of 400 years that begin on 1 March
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    march_month = (5 * day_of_year + 2) // 153
    month = march_month + 3 if march_month < 10 else march_month - 9
    return year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * march_month + 2) // 5 + 1


def ordinal(year: int, month: int, day: int) -> int:
    """The number of days from 1970-01-01 to this day."""
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468


def days_in_month(year: int, month: int) -> int:
    """How many days a month has."""
    following = (year + 1, 1) if month == 12 else (year, month + 1)
    return ordinal(*following, 1) - ordinal(year, month, 1)
