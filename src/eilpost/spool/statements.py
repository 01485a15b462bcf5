"""The SQL that changes the store (a table).

Values are bound, always. Many rows go in one statement: Python lets go of the interpreter's lock
at every step of SQLite, and getting it back from a busy event loop may take milliseconds. Lists
of keys are bound as one JSON text, so that a statement is prepared once for all lengths.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Final

from eilpost.spool.schema import LATER

Key = tuple[int, int]
"""A message's number and a recipient's position: what names a recipient."""

Sizes = tuple[tuple[int, str], ...]

_COUNTS: Final = (64, 32, 16, 8, 4, 2, 1)


def _sizes(head: str, width: int, tail: str = "") -> Sizes:
    row = f"({', '.join('?' * width)})"
    return tuple((count, f"{head} VALUES {', '.join([row] * count)}{tail}") for count in _COUNTS)


INSERT_MESSAGE: Final = _sizes("INSERT INTO message", 13)
INSERT_CONTENT: Final = _sizes("INSERT INTO content", 2)
INSERT_RECIPIENT: Final = _sizes("INSERT INTO recipient", 13)
DEFER: Final = _sizes(
    """UPDATE recipient SET state = 1, due = new.column3, attempts = attempts + new.column4,
       warned = max(warned, new.column5), last = new.column6 FROM (""",
    6,
    ") AS new WHERE message = new.column1 AND position = new.column2 AND state = 0",
)

_KEYS: Final = "(SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))"
_NUMBERS: Final = "(SELECT value FROM json_each(?))"

DELETE_SETTLED: Final = f"DELETE FROM recipient WHERE state = 0 AND (message, position) IN {_KEYS}"
DELETE_UNCLAIMED: Final = f"DELETE FROM recipient WHERE state <> 0 AND (message, position) IN {_KEYS}"
FILES_OF: Final = f"SELECT group_concat(id) FROM message WHERE in_file = 1 AND id IN {_NUMBERS}"
DELETE_CONTENT: Final = f"""DELETE FROM content WHERE id IN {_NUMBERS}
    AND NOT EXISTS (SELECT 1 FROM recipient WHERE recipient.message = content.id)"""
DELETE_MESSAGE: Final = f"""DELETE FROM message WHERE id IN {_NUMBERS}
    AND NOT EXISTS (SELECT 1 FROM recipient WHERE recipient.message = message.id)"""
REMAINING: Final = f"SELECT group_concat(id) FROM message WHERE id IN {_NUMBERS}"
RAISE_CEILING: Final = "UPDATE fact SET value = ? WHERE name = 'ceiling' AND value < ?"

_OF_KEYS: Final = f" AND (message, position) IN {_KEYS}"
_NO_LONGER_LATER: Final = f"rank = rank - {LATER} * (rank > {LATER // 2})"
CLAIM: Final = f"""UPDATE recipient SET state = 0, {_NO_LONGER_LATER}
    WHERE state = 1{_OF_KEYS} RETURNING message, position"""
SEIZE: Final = f"""UPDATE recipient SET state = 0, {_NO_LONGER_LATER}
    WHERE state IN (1, 2){_OF_KEYS} RETURNING message, position"""
RELEASE: Final = f"UPDATE recipient SET state = 1, due = coalesce(?, due) WHERE state = 0{_OF_KEYS}"
HOLD: Final = f"UPDATE recipient SET state = 2 WHERE state = 1{_OF_KEYS}"
RETRY: Final = f"UPDATE recipient SET due = min(due, ?) WHERE state = 1{_OF_KEYS}"
UNHOLD: Final = f"UPDATE recipient SET state = 1, due = ? WHERE state = 2{_OF_KEYS}"
REROUTE: Final = f"UPDATE recipient SET next_hop = ?, due = ? WHERE state IN (1, 2){_OF_KEYS}"
SET_ASIDE: Final = f"UPDATE recipient SET state = 3 WHERE state <> 3{_OF_KEYS}"
SET_MESSAGE_ASIDE: Final = "UPDATE recipient SET state = 3 WHERE state <> 3 AND message = ?"


def write_rows(connection: sqlite3.Connection, statements: Sizes, rows: Sequence[tuple[Any, ...]]) -> None:
    """Runs the statement for all rows in as few steps as there are powers of two in their number."""
    start, left = 0, len(rows)
    for count, statement in statements:
        while left >= count:
            connection.execute(statement, tuple(chain.from_iterable(rows[start : start + count]))).close()
            start, left = start + count, left - count


def keys_text(keys: Iterable[Key]) -> str:
    """The keys as one parameter."""
    return f"[{','.join([f'[{message},{position}]' for message, position in keys])}]"


def numbers_text(numbers: Iterable[int]) -> str:
    """The numbers as one parameter."""
    return f"[{','.join(map(str, numbers))}]"


def listed(row: tuple[Any, ...] | None) -> list[int]:
    """The numbers that ``group_concat`` gave."""
    return [int(number) for number in row[0].split(",")] if row and row[0] else []
