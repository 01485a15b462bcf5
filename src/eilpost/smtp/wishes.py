"""What later extensions let a sender ask for: when to deliver, how urgently, how safely (a grammar).

RFC 4865 (FUTURERELEASE), RFC 2852 (DELIVERBY), RFC 6710 (MT-PRIORITY), RFC 3865 (NO-SOLICITING) and RFC 7293
(RRVS). Each value is read here and written here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from eilpost.mail.envelope import ByMode, DeliverBy, ValidSince

MAX_SOLICIT: Final = 1000  # octets, RFC 3865 §4.2

_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?[0-9]*+(?:Z|[+\-][0-9]{2}:[0-9]{2})",
    re.ASCII | re.IGNORECASE,
)
_FRACTION = re.compile(r"(\.[0-9]{1,6})[0-9]*", re.ASCII)
_BY = re.compile(r"([+\-]?[0-9]{1,9});([RN])(T?)", re.ASCII | re.IGNORECASE)
_PRIORITY = re.compile(r"-?[1-9]|0", re.ASCII)
_CLASS = re.compile(r"[A-Za-z0-9.\-]+(?::[A-Za-z0-9.\-]+)*", re.ASCII)
_SINCE = re.compile(r"([^;]+)(?:;([CR]))?", re.ASCII | re.IGNORECASE)


def parse_moment(text: str) -> datetime:
    """A date-time of RFC 3339 §5.6; ValueError if it is none."""
    if not _MOMENT.fullmatch(text):
        raise ValueError("no date and time as RFC 3339 writes it")
    return datetime.fromisoformat(_FRACTION.sub(r"\1", text.upper()))


def write_moment(moment: datetime) -> str:
    """The moment in UTC, to the second; ValueError without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs its zone")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def parse_interval(text: str) -> int:
    """HOLDFOR's seconds, RFC 4865 §3."""
    if not _SECONDS.fullmatch(text):
        raise ValueError("a number of seconds of up to nine digits")
    return int(text)


def parse_by(text: str) -> DeliverBy:
    """BY's ``seconds;mode[T]``, RFC 2852 §4; to return what is late already makes no sense."""
    found = _BY.fullmatch(text)
    if found is None:
        raise ValueError("seconds, a semicolon, R or N, and perhaps T")
    seconds, mode = int(found[1]), ByMode(found[2].upper())
    if mode is ByMode.RETURN and seconds <= 0:
        raise ValueError("with R the time lies ahead")
    return DeliverBy(seconds, mode, trace=bool(found[3]))


def write_by(by: DeliverBy) -> str:
    """The value of BY."""
    return f"{by.seconds:d};{by.mode.value}{'T' * by.trace}"


def parse_priority(text: str) -> int:
    """MT-PRIORITY's -9 to 9, RFC 6710 §4."""
    if not _PRIORITY.fullmatch(text):
        raise ValueError("a number from -9 to 9")
    return int(text)


def parse_solicit(text: str) -> tuple[str, ...]:
    """SOLICIT's classes of solicitation, RFC 3865 §4.2."""
    classes = tuple(text.split(","))
    if len(text) > MAX_SOLICIT or not all(map(_CLASS.fullmatch, classes)):
        raise ValueError("classes like org.example:ADV:ADLT, with commas between")
    return classes


def parse_since(text: str) -> ValidSince:
    """RRVS's date and time, and what a server without RRVS may do, RFC 7293 §5.1."""
    found = _SINCE.fullmatch(text)
    if found is None:
        raise ValueError("a date and time, and perhaps ;C or ;R")
    return ValidSince(parse_moment(found[1]), may_continue=(found[2] or "").upper() == "C")


def write_since(since: ValidSince) -> str:
    """The value of RRVS."""
    return write_moment(since.moment) + (";C" if since.may_continue else "")
