"""A search as the database is asked it: conditions and their values, never text put into SQL (a grammar)."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final

from eilpost.inbox.schema import MAILBOX, TAG
from eilpost.inbox.search import FILTERS, TRAITS, Asks, Search, Term
from eilpost.mail.value import value

COLUMNS: Final = MappingProxyType(
    {
        "": "",
        "from": "{sender}",
        "to": "{recipient}",
        "cc": "{copied}",
        "bcc": "{blind}",
        "addressed": "{sender recipient copied blind}",
        "subject": "{subject}",
        "body": "{body}",
        "file": "{files}",
        "message-id": "{message_id}",
    }
)
"""Which columns of ``words`` a filter looks into."""

_TRAIT_SQL: Final = MappingProxyType(
    {
        "attachment": "m.attachments > 0",
        "inline": "m.inline > 0",
        "unread": "m.unread = 1",
        "read": "m.unread = 0",
        "tagged": f"EXISTS (SELECT 1 FROM label t WHERE t.number = m.number AND t.kind = {TAG})",
    }
)
_AMOUNT_SQL: Final = MappingProxyType(
    {"before": "m.received < ?", "after": "m.received >= ?", "larger": "m.size > ?", "smaller": "m.size < ?"}
)
_LABEL_KIND: Final = MappingProxyType({"tag": TAG, "in": MAILBOX})
_WORD: Final = re.compile(r"\w")

Value = str | float


@value(frozen=True, slots=True)
class Query:
    """``tables`` and ``where`` belong behind FROM and WHERE; ``order`` is the newest first."""

    tables: str
    where: str
    values: tuple[Value, ...]
    order: str


def compile_search(search: Search, mailbox: str | None = None) -> Query:
    """The query for a search, in one mailbox or (None) in all."""
    positive = [_match(term) for term in search.terms if _is_words(term) and not term.negated]
    conditions: list[str] = []
    values: list[Value] = []
    for term in search.terms:
        if not _is_words(term):
            condition, value_of = _condition(term)
            conditions.append(f"NOT ({condition})" if term.negated else condition)
            values.append(value_of) if value_of is not None else None
        elif term.negated:
            conditions.append("m.number NOT IN (SELECT rowid FROM words WHERE words MATCH ?)")
            values.append(_match(term))
    if mailbox is not None:
        conditions.append(f"m.number IN (SELECT number FROM label WHERE kind = {MAILBOX} AND name = ?)")
        values.append(mailbox)
    if positive:
        # The index of words leads, in its own order: a common word costs what is shown, not what is found.
        conditions.insert(0, "words MATCH ?")
        values.insert(0, " AND ".join(f"({each})" for each in positive))
        tables, order = "words CROSS JOIN message m ON m.number = words.rowid", "words.rowid DESC"
    else:
        tables, order = "message m", "m.number DESC"
    return Query(tables, " AND ".join(conditions) or "1", tuple(values), order)


def _is_words(term: Term) -> bool:
    return not term.name or FILTERS[term.name].asks is Asks.WORDS


def _match(term: Term) -> str:
    """A phrase in quotes: nothing in it is an operator. A word may go on unless it was quoted."""
    text = term.text.replace('"', " ")
    phrase = f'"{text}"' + ("" if term.exact or not _WORD.search(text[-1:]) else " *")
    columns = COLUMNS[term.name]
    return f"{columns} : {phrase}" if columns else phrase


def _condition(term: Term) -> tuple[str, Value | None]:
    match FILTERS[term.name].asks:
        case Asks.TRAIT:
            return _TRAIT_SQL[TRAITS[term.name, term.text]], None
        case Asks.LABEL:
            kind = _LABEL_KIND[term.name]
            return f"m.number IN (SELECT number FROM label WHERE kind = {kind} AND name = ?)", term.text
        case _:
            return _AMOUNT_SQL[term.name], term.amount
