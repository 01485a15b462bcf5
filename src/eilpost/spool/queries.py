"""What is read out of the store: what is due, entries, counts (a deed).

Conditions are put together from the fixed texts below; what anybody typed is bound.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from eilpost.mail.address import parse_address, parse_domain
from eilpost.spool import records, statements, trouble
from eilpost.spool.contract import Filter, SpoolClosed, State, Stats
from eilpost.spool.numbers import to_number
from eilpost.spool.records import MessageRecord, RecipientRecord, RecordDamaged, Row
from eilpost.spool.schema import LATER
from eilpost.spool.statements import Key
from eilpost.spool.trouble import Trouble

P = ParamSpec("P")
T = TypeVar("T")

_MOST_DOMAINS: Final = 100
_MESSAGE: Final = (
    "id, received, size, has_8bit, in_file, content_check, local, domain, account, session, message_id, parameters,"
    " row_check"
)
_RECIPIENT: Final = "message, position, state, due, attempts, warned, local, domain, next_hop, wishes, row_check, last"

_FIRST_RANK: Final = -100
NEXT_RANK: Final = "SELECT min(rank) FROM recipient WHERE state = 1 AND rank > ?"
CANDIDATES: Final = """SELECT message, position FROM recipient
    WHERE state = 1 AND rank = ? AND due <= ? AND domain NOT IN (SELECT value FROM json_each(?)) ORDER BY due"""
NEXT_DUE: Final = "SELECT min(due) FROM recipient WHERE state = 1 AND rank = ?"
MESSAGE: Final = f"SELECT {_MESSAGE} FROM message WHERE id = ?"
RECIPIENT: Final = f"SELECT {_RECIPIENT} FROM recipient WHERE message = ? AND position = ?"
CONTENT: Final = "SELECT octets FROM content WHERE id = ?"
IN_FILE: Final = "SELECT 1 FROM message WHERE id = ? AND in_file = 1"
_COUNT_MESSAGES: Final = "SELECT count(*), coalesce(sum(size), 0), min(received) FROM message"
_COUNT_RECIPIENTS: Final = "SELECT state, count(*) FROM recipient GROUP BY state"
_COUNT_DOMAINS: Final = "SELECT domain, count(*) AS n FROM recipient GROUP BY domain ORDER BY n DESC, domain LIMIT ?"


class Reader:
    """A connection that only reads, and the one thread that uses it."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, query: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The query's answer, from the thread."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, lambda: query(self._connection, *args, **kwargs))
        except RuntimeError as error:  # The executor is shut down.
            raise SpoolClosed("the spool is closed") from error

    def close(self) -> None:
        """Waits for the running query and closes. Blocks."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._connection.close()


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """All queries within see the same store."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


@dataclass(slots=True)
class Loaded:
    """Rows that were read together; ``damaged`` are keys whose rows cannot be, each with the reason."""

    entries: list[tuple[MessageRecord, list[RecipientRecord]]] = field(default_factory=list)
    damaged: list[tuple[Key, str]] = field(default_factory=list)


# ── for the queue ──


def candidates(
    connection: sqlite3.Connection, now: float, limit: int, without: frozenset[str], passed_over: frozenset[int]
) -> Loaded:
    """What is due and may be claimed, by priority, then oldest due first, but none of ``passed_over``."""
    domains = json.dumps(sorted(without))
    with _snapshot(connection):
        keys: list[Key] = []
        for rank in _ranks(connection):
            cursor = connection.execute(CANDIDATES, (rank, now, domains))
            keys += islice((key for key in cursor if key[0] not in passed_over), limit - len(keys))
            cursor.close()
            if len(keys) >= limit:
                break
        return load(connection, keys)


def next_due(connection: sqlite3.Connection) -> float | None:
    """When the next unclaimed recipient is due, but for what waits for a time of its own."""
    ranks = [rank for rank in _ranks(connection) if rank < LATER // 2]
    return min((float(connection.execute(NEXT_DUE, (rank,)).fetchone()[0]) for rank in ranks), default=None)


def _ranks(connection: sqlite3.Connection) -> Iterator[int]:
    """The ranks there are, each found by one step in the index: nearly always 0 alone."""
    rank: int | None = _FIRST_RANK
    while (rank := connection.execute(NEXT_RANK, (rank,)).fetchone()[0]) is not None:
        yield rank


def load(connection: sqlite3.Connection, keys: Iterable[Key]) -> Loaded:
    """The rows of these recipients and their messages, in the order of ``keys``."""
    loaded = Loaded()
    messages: dict[int, list[RecipientRecord] | str] = {}
    for key in keys:
        number = key[0]
        if number not in messages:
            messages[number] = _begin_entry(connection, number, loaded)
        place = messages[number]
        if isinstance(place, str):
            loaded.damaged.append((key, place))
            continue
        try:
            place.append(records.decode_recipient(_row(connection, RECIPIENT, key)))
        except RecordDamaged as error:
            loaded.damaged.append((key, str(error)))
    loaded.entries = [entry for entry in loaded.entries if entry[1]]
    return loaded


def _begin_entry(connection: sqlite3.Connection, number: int, loaded: Loaded) -> list[RecipientRecord] | str:
    try:
        message = records.decode_message(_row(connection, MESSAGE, (number,)))
    except RecordDamaged as error:
        return str(error)
    recipients: list[RecipientRecord] = []
    loaded.entries.append((message, recipients))
    return recipients


def _row(connection: sqlite3.Connection, query: str, parameters: tuple[int, ...]) -> Row:
    try:
        row: Row | None = connection.execute(query, parameters).fetchone()
    except sqlite3.DatabaseError as error:
        if trouble.of_database(error) is Trouble.BUSY:
            raise
        raise RecordDamaged(f"the row cannot be read: {error}") from error
    if row is None:
        raise RecordDamaged("the row is gone")
    return row


def content(connection: sqlite3.Connection, number: int) -> bytes:
    """The octets the database holds of a message; RecordDamaged if it does not."""
    (octets,) = _row(connection, CONTENT, (number,))
    if not isinstance(octets, bytes):
        raise RecordDamaged("the content is no octets")
    return octets


def unnamed(connection: sqlite3.Connection, numbers: Iterable[int]) -> list[int]:
    """Those of the numbers whose content file no row names."""
    return [number for number in numbers if connection.execute(IN_FILE, (number,)).fetchone() is None]


# ── for operators ──


@dataclass(frozen=True, slots=True)
class Condition:
    """A part of WHERE with its parameters; ``joins`` tells that it asks the message's row."""

    text: str
    parameters: tuple[Any, ...]
    joins: bool = False


def conditions(wanted: Filter, now: float) -> list[Condition]:
    """What ``wanted`` asks; AddressError (a ValueError) if it names no address."""
    found = []
    if wanted.messages:
        numbers = statements.numbers_text(_known_numbers(wanted.messages))
        found.append(Condition("r.message IN (SELECT value FROM json_each(?))", (numbers,)))
    if wanted.to:
        found += _address("r", wanted.to)
    if wanted.sender == "<>":
        found.append(Condition("m.domain IS NULL", (), joins=True))
    elif wanted.sender:
        found += _address("m", wanted.sender)
    if wanted.older > 0:
        found.append(Condition("m.received <= ?", (now - wanted.older,), joins=True))
    if wanted.state is not None:
        found.append(Condition("r.state = ?", (records.NUMBER_OF[wanted.state],)))
    return found


NOT_LATER: Final = Condition("r.rank < ?", (LATER // 2,))
"""What waits for a time of its own is not meant by who means all that waits."""


def _known_numbers(ids: Sequence[str]) -> Iterator[int]:
    for text in ids:
        try:
            yield to_number(text)
        except ValueError:
            continue  # What is no id names no message.


def _address(table: str, text: str) -> list[Condition]:
    joins = table == "m"
    if text.startswith("@"):
        return [Condition(f"{table}.domain = ?", (parse_domain(text[1:]),), joins)]
    address = parse_address(text)
    return [Condition(f"{table}.domain = ? AND {table}.local = ?", (address.domain, address.local_part), joins)]


def _select(what: str, found: Sequence[Condition], tail: str) -> str:
    join = "LEFT JOIN message m ON m.id = r.message" if any(item.joins for item in found) else ""
    where = " AND ".join(item.text for item in found)
    return f"SELECT {what} FROM recipient r {join} WHERE {where} {tail}"


def _parameters(found: Sequence[Condition]) -> list[Any]:
    return [parameter for item in found for parameter in item.parameters]


def keys(
    connection: sqlite3.Connection, found: Sequence[Condition], states: Sequence[int], after: Key, limit: int
) -> list[Key]:
    """At most ``limit`` keys behind ``after`` that match and are in one of ``states``."""
    every = [
        *found,
        Condition("(r.message, r.position) > (?, ?)", after),
        Condition("r.state IN (SELECT value FROM json_each(?))", (json.dumps(list(states)),)),
    ]
    query = _select("r.message, r.position", every, "ORDER BY r.message, r.position LIMIT ?")
    return connection.execute(query, (*_parameters(every), limit)).fetchall()


def find(
    connection: sqlite3.Connection, found: Sequence[Condition], limit: int, after: int
) -> list[tuple[MessageRecord, list[RecipientRecord]]]:
    """Entries that match, oldest first; damaged ones as far as they can be shown."""
    every = [*found, Condition("r.message > ?", (after,))]
    query = _select("DISTINCT r.message", every, "ORDER BY r.message LIMIT ?")
    with _snapshot(connection):
        numbers = [row[0] for row in connection.execute(query, (*_parameters(every), limit))]
        return [_shown(connection, found, number) for number in numbers]


def _shown(
    connection: sqlite3.Connection, found: Sequence[Condition], number: int
) -> tuple[MessageRecord, list[RecipientRecord]]:
    every = [*found, Condition("r.message = ?", (number,))]
    columns = ", ".join(f"r.{name}" for name in _RECIPIENT.split(", "))
    rows = connection.execute(_select(columns, every, "ORDER BY r.position"), _parameters(every)).fetchall()
    return _shown_message(connection, number), [_shown_recipient(row) for row in rows]


def _shown_message(connection: sqlite3.Connection, number: int) -> MessageRecord:
    try:
        return records.decode_message(_row(connection, MESSAGE, (number,)))
    except RecordDamaged:
        return records.shown_message(number)


def _shown_recipient(row: Row) -> RecipientRecord:
    try:
        return records.decode_recipient(row)
    except RecordDamaged:
        return records.shown_recipient(row)


def stats(connection: sqlite3.Connection) -> Stats:
    """Counts over the whole store; domains are the hundred with most recipients."""
    with _snapshot(connection):
        messages, octets, oldest = connection.execute(_COUNT_MESSAGES).fetchone()
        states = dict(connection.execute(_COUNT_RECIPIENTS).fetchall())
        domains = connection.execute(_COUNT_DOMAINS, (_MOST_DOMAINS,)).fetchall()
    return Stats(
        messages=messages,
        recipients={state: states.get(records.NUMBER_OF[state], 0) for state in State},
        octets=octets,
        oldest=oldest,
        domains=tuple((domain.decode("utf-8", "backslashreplace"), count) for domain, count in domains),
    )
