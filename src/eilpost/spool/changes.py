"""Rare changes, made to ride in a batch beside the mail (a deed)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from eilpost.spool import database, statements
from eilpost.spool.records import Row
from eilpost.spool.statements import Key
from eilpost.spool.writer import Work


def rebuild_indexes(connection: sqlite3.Connection, _: set[int]) -> None:
    """Makes the recipients' indexes anew from the rows."""
    database.rebuild_indexes(connection)


def keyed(statement: str, parameters: Sequence[object], keys: Sequence[Key]) -> Work:
    """A change of some recipients; what it returns are the keys it changed."""

    def work(connection: sqlite3.Connection, _: set[int]) -> set[Key]:
        rows: list[Row] = connection.execute(statement, (*parameters, statements.keys_text(keys))).fetchall()
        return {(row[0], row[1]) for row in rows}

    return work


def setting_aside(number: int) -> Work:
    """Sets all recipients of a message aside; it returns the keys it changed."""

    def work(connection: sqlite3.Connection, _: set[int]) -> set[Key]:
        rows: list[Row] = connection.execute(statements.SET_MESSAGE_ASIDE, (number,)).fetchall()
        return {(row[0], row[1]) for row in rows}

    return work


def dropping(keys: Sequence[Key]) -> Work:
    """Forgets recipients that are not claimed; it returns how many."""

    def work(connection: sqlite3.Connection, emptied: set[int]) -> int:
        cursor = connection.execute(statements.DELETE_UNCLAIMED, (statements.keys_text(keys),))
        emptied.update(message for message, _ in keys)
        return cursor.rowcount

    return work
