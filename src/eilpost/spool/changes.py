"""Rare changes, made to ride in a batch beside the mail (a deed)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from eilpost.spool import database, statements
from eilpost.spool.statements import Key
from eilpost.spool.writer import Work


def rebuild_indexes(connection: sqlite3.Connection, _: set[int]) -> None:
    """Makes the recipients' indexes anew from the rows."""
    database.rebuild_indexes(connection)


def taking(statement: str, keys: Sequence[Key]) -> Work:
    """Claims recipients; what it returns are the keys it got."""

    def work(connection: sqlite3.Connection, _: set[int]) -> set[Key]:
        return set(connection.execute(statement, (statements.keys_text(keys),)))

    return work


def changing(statement: str, parameters: Sequence[object], keys: Sequence[Key]) -> Work:
    """Changes recipients; it returns how many."""

    def work(connection: sqlite3.Connection, _: set[int]) -> int:
        return connection.execute(statement, (*parameters, statements.keys_text(keys))).rowcount

    return work


def setting_aside(number: int) -> Work:
    """Sets all recipients of a message aside; it returns how many."""

    def work(connection: sqlite3.Connection, _: set[int]) -> int:
        return connection.execute(statements.SET_MESSAGE_ASIDE, (number,)).rowcount

    return work


def dropping(keys: Sequence[Key]) -> Work:
    """Forgets recipients that are not claimed; it returns how many."""

    def work(connection: sqlite3.Connection, emptied: set[int]) -> int:
        cursor = connection.execute(statements.DELETE_UNCLAIMED, (statements.keys_text(keys),))
        emptied.update(message for message, _ in keys)
        return cursor.rowcount

    return work
