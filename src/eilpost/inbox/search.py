"""What a person types to find messages: ``from:anna "exact words" -has:attachment after:2026-11-01`` (a grammar).

All terms must hold. ``-`` or ``!`` in front turns one around. A word finds words that begin with it, quotes find
whole words in a row. A filter that is nearly one is an error that names the nearest, so that a slip of the finger
does not look like an empty inbox; a word with a colon in it that resembles none is a word.
"""

from __future__ import annotations

import difflib
import re
from datetime import UTC, datetime, timedelta, tzinfo
from enum import Enum
from types import MappingProxyType
from typing import Final

from eilpost.mail.value import value

MOST_TERMS: Final = 50
_LONGEST: Final = 2_000


class SearchError(ValueError):
    """What was typed is no search; the message says what to type instead."""


class Asks(Enum):
    """What a filter compares."""

    __hash__ = object.__hash__

    WORDS = "words"
    LABEL = "label"
    TRAIT = "trait"
    TIME = "time"
    SIZE = "size"


@value(frozen=True, slots=True)
class Filter:
    """One row: the word before the colon, what it compares, and the line that help shows."""

    name: str
    asks: Asks
    help: str


FILTERS: Final = MappingProxyType(
    {
        row.name: row
        for row in (
            Filter("from", Asks.WORDS, "a name or address of the sender: from:anna, from:@example.test"),
            Filter("to", Asks.WORDS, "a name or address of a recipient, of the header or the envelope"),
            Filter("cc", Asks.WORDS, "a name or address in Cc"),
            Filter("bcc", Asks.WORDS, "a recipient that the header does not name"),
            Filter("addressed", Asks.WORDS, "sender or any recipient"),
            Filter("subject", Asks.WORDS, 'words of the subject: subject:"your order"'),
            Filter("body", Asks.WORDS, "words of the text"),
            Filter("file", Asks.WORDS, "the name of an attached file"),
            Filter("message-id", Asks.WORDS, "the Message-ID"),
            Filter("tag", Asks.LABEL, "a tag: tag:signup"),
            Filter("in", Asks.LABEL, "a mailbox, when mailboxes are kept apart"),
            Filter("has", Asks.TRAIT, "has:attachment, has:inline, has:tags"),
            Filter("is", Asks.TRAIT, "is:unread, is:read, is:tagged"),
            Filter("before", Asks.TIME, "received before: before:2026-11-23, before:2h (two hours ago)"),
            Filter("after", Asks.TIME, "received at or after: after:2026-11-23T12:30, after:3d"),
            Filter("larger", Asks.SIZE, "larger than: larger:5MB, larger:100k"),
            Filter("smaller", Asks.SIZE, "smaller than"),
        )
    }
)

TRAITS: Final = MappingProxyType(
    {
        ("has", "attachment"): "attachment",
        ("has", "attachments"): "attachment",
        ("has", "inline"): "inline",
        ("has", "tags"): "tagged",
        ("has", "tag"): "tagged",
        ("is", "tagged"): "tagged",
        ("is", "unread"): "unread",
        ("is", "read"): "read",
    }
)

_UNITS: Final = MappingProxyType(
    {"": 1, "b": 1, "k": 1_000, "kb": 1_000, "m": 10**6, "mb": 10**6, "g": 10**9, "gb": 10**9}
)
_AGO: Final = MappingProxyType({"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400})
_TOKEN: Final = re.compile(r'(?P<no>[-!])?(?:(?P<name>[A-Za-z-]{1,20}):)?(?:"(?P<quoted>[^"]*+)"?|(?P<plain>[^\s"]+))?')
_SIZE: Final = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([kmg]?b?)", re.IGNORECASE | re.ASCII)
_AGE: Final = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)


@value(frozen=True, slots=True)
class Term:
    """One condition. ``name`` is a filter's, or empty for words anywhere; ``amount`` is a time or a size."""

    name: str
    text: str
    exact: bool = False
    negated: bool = False
    amount: float = 0.0

    def __str__(self) -> str:
        quotes = self.exact or not self.text or any(char.isspace() for char in self.text) or self.text[0] in '-!"'
        text = f'"{self.text}"' if quotes or (not self.name and ":" in self.text) else self.text
        return ("-" if self.negated else "") + (f"{self.name}:" if self.name else "") + text


@value(frozen=True, slots=True)
class Search:
    """All terms must hold; without any, everything is found."""

    terms: tuple[Term, ...] = ()

    def __str__(self) -> str:
        return " ".join(map(str, self.terms))


EVERYTHING: Final = Search()


def parse(text: str, now: float, zone: tzinfo = UTC) -> Search:
    """The search that was typed. ``now`` is Unix time; days begin in ``zone``. SearchError."""
    if len(text) > _LONGEST:
        raise SearchError(f"a search has at most {_LONGEST} characters; look for fewer words")
    terms: list[Term] = []
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None or not found[0]:
            position += 1
            continue
        position = found.end()
        term = _term(found, now, zone)
        if term is not None:
            terms.append(term)
    if len(terms) > MOST_TERMS:
        raise SearchError(f"a search has at most {MOST_TERMS} terms; look for fewer")
    return Search(tuple(terms))


def _term(found: re.Match[str], now: float, zone: tzinfo) -> Term | None:
    name, text, exact = (found["name"] or "").lower(), found["quoted"], True
    if text is None:
        text, exact = found["plain"] or "", False
    text = " ".join(text.replace("\0", " ").split())
    negated = found["no"] is not None
    if not name:
        return Term("", text, exact, negated) if text else None
    if name not in FILTERS:
        return _unknown(name, found["name"], text, exact, negated)
    if not text:
        raise SearchError(f"{name}: needs something after the colon: {FILTERS[name].help}")
    match FILTERS[name].asks:
        case Asks.TRAIT:
            return Term(name, _trait(name, text), negated=negated)
        case Asks.TIME:
            return Term(name, text, negated=negated, amount=_time(name, text, now, zone))
        case Asks.SIZE:
            return Term(name, text, negated=negated, amount=_size(name, text))
        case _:
            return Term(name, text, exact, negated)


def _unknown(name: str, spelt: str, text: str, exact: bool, negated: bool) -> Term:
    near = difflib.get_close_matches(name, FILTERS, n=1, cutoff=0.7)
    if near:
        raise SearchError(f'there is no filter "{name}:"; the nearest is "{near[0]}:". Quote it to find the word')
    return Term("", f"{spelt}:{text}", exact, negated)


def _trait(name: str, text: str) -> str:
    if (name, text.lower()) in TRAITS:
        return text.lower()
    known = ", ".join(f"{first}:{second}" for first, second in TRAITS if first == name)
    raise SearchError(f'"{name}:{text[:40]}" is unknown; there is {known}')


def _size(name: str, text: str) -> float:
    found = _SIZE.fullmatch(text)
    if found is None:
        raise SearchError(f'"{name}:{text[:40]}" is no size; write {name}:5MB or {name}:100k')
    return float(found[1]) * _UNITS[found[2].lower()]


def _time(name: str, text: str, now: float, zone: tzinfo) -> float:
    if (age := _AGE.fullmatch(text)) is not None:
        return now - int(age[1]) * _AGO[age[2]]
    try:
        today = datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0)
        match text.lower():
            case "today":
                return today.timestamp()
            case "yesterday":
                return (today - timedelta(days=1)).timestamp()
        when = datetime.fromisoformat(text.upper())
        return (when if when.tzinfo else when.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError):
        known = ", ".join(f"{name}:{each}" for each in ("2026-11-23", "2026-11-23T12:30", "today", "2h"))
        raise SearchError(f'"{name}:{text[:40]}" is no time; there is {known}') from None
