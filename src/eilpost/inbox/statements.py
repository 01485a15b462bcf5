"""What is done to the database in one transaction, and what is read from it (a deed)."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from eilpost.inbox import schema
from eilpost.inbox.contract import Count, Kept, Listing, NoMessage, Sorting, Summary
from eilpost.inbox.queries import Query
from eilpost.inbox.rows import LIST_COLUMNS, Fresh, facts_of, kept_of, mailboxes_of, summary_of, transcript_of
from eilpost.inbox.schema import BLOCK, BLOCKS, MAILBOX, TAG

Connection = sqlite3.Connection

_AT_ONCE: Final = 500
_SWEPT: Final = 100

# ── taking ──


def insert(connection: Connection, item: Fresh, content: bytes | None) -> None:
    """Writes a message; ``content`` is None when its blocks are there already."""
    each = item.summary
    connection.execute(
        "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (each.number, each.id, each.received, each.size, not each.is_read, each.attachments, item.inline, item.content),
    )
    connection.execute("INSERT INTO summary VALUES (?, ?, ?, ?)", (each.number, item.facts, item.way, item.transcript))
    connection.execute(
        "INSERT INTO words (rowid, subject, sender, recipient, copied, blind, files, message_id, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (each.number, *item.words),
    )
    _label(connection, each)
    if content is not None:
        for position in range(0, len(content), BLOCK):
            insert_block(connection, item.content, position // BLOCK, content[position : position + BLOCK])


def _label(connection: Connection, each: Summary) -> None:
    rows = [(MAILBOX, name, each.number, not each.is_read) for name in each.mailboxes]
    rows += [(TAG, name, each.number, not each.is_read) for name in each.tags]
    connection.executemany("INSERT OR IGNORE INTO label VALUES (?, ?, ?, ?)", rows)


def insert_block(connection: Connection, content: int, position: int, octets: bytes) -> None:
    """Writes a piece of a content."""
    connection.execute("INSERT INTO block VALUES (?, ?)", (content * BLOCKS + position, octets))


# ── reading ──


def listing(connection: Connection, query: Query, start: int, limit: int) -> Listing:
    """A part of what was found, and how many there are."""
    rows = connection.execute(
        f"SELECT m.number FROM {query.tables} WHERE {query.where} ORDER BY {query.order} LIMIT ? OFFSET ?",
        (*query.values, limit, start),
    ).fetchall()
    if query.where == "1":
        total = connection.execute("SELECT count(*) FROM message").fetchone()[0]
        unread = connection.execute("SELECT count(*) FROM message WHERE unread").fetchone()[0]
    else:
        total, unread = connection.execute(
            f"SELECT count(*), coalesce(sum(m.unread), 0) FROM {query.tables} WHERE {query.where}", query.values
        ).fetchone()
    return Listing(tuple(summaries(connection, [number for (number,) in rows])), start, total, unread)


def summaries(connection: Connection, numbers: Sequence[int]) -> list[Summary]:
    """The messages of these numbers, the newest first."""
    marks = ",".join("?" * len(numbers))
    rows = connection.execute(
        f"SELECT {LIST_COLUMNS} FROM message m JOIN summary s USING (number)"
        f" WHERE m.number IN ({marks}) ORDER BY m.number DESC",
        numbers,
    )
    return [summary_of(row) for row in rows]


def after(connection: Connection, number: int, limit: int, mailbox: str | None) -> list[Summary]:
    """The messages that came after one, in the order of their arrival: how POP3 and exports walk."""
    where = (
        f" AND m.number IN (SELECT number FROM label WHERE kind = {MAILBOX} AND name = ?)"
        if mailbox is not None
        else ""
    )
    rows = connection.execute(
        f"SELECT {LIST_COLUMNS} FROM message m JOIN summary s USING (number)"
        f" WHERE m.number > ?{where} ORDER BY m.number LIMIT ?",
        (number, mailbox, limit) if mailbox is not None else (number, limit),
    )
    return [summary_of(row) for row in rows]


def kept(connection: Connection, token: str) -> Kept:
    """A message; NoMessage."""
    row = connection.execute(
        f"SELECT {LIST_COLUMNS}, s.via FROM message m JOIN summary s USING (number) WHERE m.id = ?", (token,)
    ).fetchone()
    return kept_of(_there(row, token))


def transcript(connection: Connection, token: str) -> str:
    """How a message came in; NoMessage."""
    sql = "SELECT s.transcript FROM message m JOIN summary s USING (number) WHERE m.id = ?"
    return transcript_of(_there(connection.execute(sql, (token,)).fetchone(), token)[0])


def content_number(connection: Connection, token: str) -> tuple[int, int]:
    """A message's content and size; NoMessage."""
    row = connection.execute("SELECT content, size FROM message WHERE id = ?", (token,)).fetchone()
    content, size = _there(row, token)
    return content, size


def block(connection: Connection, content: int, position: int) -> bytes:
    """A piece of a content; empty when it is gone."""
    sql = "SELECT octets FROM block WHERE id = ?"
    row = connection.execute(sql, (content * BLOCKS + position,)).fetchone()
    return bytes(row[0]) if row else b""


def content_of(connection: Connection, token: str) -> bytes:
    """A message's whole content; NoMessage."""
    content, _ = content_number(connection, token)
    return _blocks(connection, content)


def _blocks(connection: Connection, content: int) -> bytes:
    sql = "SELECT octets FROM block WHERE id BETWEEN ? AND ? ORDER BY id"
    first = content * BLOCKS
    return b"".join([row[0] for row in connection.execute(sql, (first, first + BLOCKS - 1))])


def draft_octets(connection: Connection, content: int) -> bytes:
    """What was written of a content that no message has yet."""
    return _blocks(connection, content)


def _there(row: tuple[Any, ...] | None, token: str) -> tuple[Any, ...]:
    if row is None:
        raise NoMessage(f"there is no message {token[:40]!r}; it may have been deleted meanwhile")
    return row


def latest(connection: Connection) -> str:
    """The id of the newest message; NoMessage."""
    row = connection.execute("SELECT id FROM message ORDER BY number DESC LIMIT 1").fetchone()
    return str(_there(row, "latest")[0])


def counts(connection: Connection, kind: int) -> tuple[Count, ...]:
    """Each mailbox, or each tag, with how many messages it holds."""
    sql = "SELECT name, count(*), sum(unread) FROM label WHERE kind = ? GROUP BY name ORDER BY name"
    return tuple(Count(*row) for row in connection.execute(sql, (kind,)))


def totals(connection: Connection) -> tuple[int, int, int]:
    """Messages, unread ones, and the database's octets."""
    total = connection.execute("SELECT count(*) FROM message").fetchone()[0]
    unread = connection.execute("SELECT count(*) FROM message WHERE unread").fetchone()[0]
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    return total, unread, pages * connection.execute("PRAGMA page_size").fetchone()[0]


# ── changing ──

Find = Callable[[Connection], list[int]]
"""Which messages a change is about."""


def by_ids(ids: Iterable[str]) -> Find:
    """Those of these ids that are there."""
    wanted = list(dict.fromkeys(ids))

    def find(connection: Connection) -> list[int]:
        found: list[int] = []
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            sql = f"SELECT number FROM message WHERE id IN ({','.join('?' * len(part))})"
            found += [number for (number,) in connection.execute(sql, part)]
        return found

    return find


def by_query(query: Query) -> Find:
    """All that a search finds."""
    sql = f"SELECT m.number FROM {query.tables} WHERE {query.where}"
    return lambda connection: [number for (number,) in connection.execute(sql, query.values)]


def ids_of(connection: Connection, numbers: Sequence[int]) -> list[str]:
    """The ids of these messages."""
    sql = "SELECT id FROM message WHERE number IN (SELECT value FROM json_each(?))"
    return [token for (token,) in connection.execute(sql, (_json(numbers),))]


def _json(numbers: Iterable[int]) -> str:
    return f"[{','.join(map(str, numbers))}]"


def mark(connection: Connection, numbers: Sequence[int], unread: bool) -> None:
    """Sets or takes the read flag."""
    listed = _json(numbers)
    for table in ("message", "label"):
        connection.execute(
            f"UPDATE {table} SET unread = ? WHERE number IN (SELECT value FROM json_each(?)) AND unread <> ?",
            (unread, listed, unread),
        )


def set_tags(connection: Connection, numbers: Sequence[int], tags: tuple[str, ...], sorting: Sorting) -> None:
    """Gives these messages exactly these tags."""
    for start in range(0, len(numbers), _AT_ONCE):
        for each in summaries(connection, numbers[start : start + _AT_ONCE]):
            _relabel(connection, each, tags, sorting)


def _relabel(connection: Connection, each: Summary, tags: tuple[str, ...], sorting: Sorting) -> None:
    mailboxes = mailboxes_of(sorting, "", (), tags) if sorting is Sorting.TAG else each.mailboxes
    changed = dataclasses.replace(each, tags=tags, mailboxes=mailboxes)
    connection.execute("UPDATE summary SET facts = ? WHERE number = ?", (facts_of(changed), each.number))
    connection.execute("DELETE FROM label WHERE number = ?", (each.number,))
    _label(connection, changed)


def rename_tag(connection: Connection, old: str, new: str | None, sorting: Sorting) -> list[int]:
    """Gives a tag another name, or (None) takes it from all; the messages that had it."""
    sql = "SELECT number FROM label WHERE kind = ? AND name = ?"
    numbers = [number for (number,) in connection.execute(sql, (TAG, old))]
    for start in range(0, len(numbers), _AT_ONCE):
        for each in summaries(connection, numbers[start : start + _AT_ONCE]):
            renamed = (new if tag.lower() == old.lower() else tag for tag in each.tags)
            tags = tuple(dict.fromkeys(tag for tag in renamed if tag is not None))
            _relabel(connection, each, tags, sorting)
    return numbers


def delete(connection: Connection, numbers: Sequence[int]) -> int:
    """Messages vanish at once; what they leave is swept later. How many there were."""
    listed = _json(numbers)
    connection.execute(
        "INSERT OR IGNORE INTO garbage SELECT number, content FROM message"
        " WHERE number IN (SELECT value FROM json_each(?))",
        (listed,),
    )
    connection.execute("DELETE FROM label WHERE number IN (SELECT value FROM json_each(?))", (listed,))
    sql = "DELETE FROM message WHERE number IN (SELECT value FROM json_each(?))"
    return connection.execute(sql, (listed,)).rowcount


def clear(connection: Connection) -> int:
    """All messages go, with everything they leave: tables are emptied whole, which costs next to nothing."""
    total: int = connection.execute("SELECT count(*) FROM message").fetchone()[0]
    for table in schema.EMPTIED:
        connection.execute(f"DELETE FROM {table}")
    connection.execute("DROP TABLE words")
    connection.execute(schema.WORDS)
    return total


def oldest_beyond(connection: Connection, newest: int, before: float) -> list[int]:
    """Messages that retention lets go: beyond the newest ones, or received before a time."""
    found: list[int] = []
    if newest:
        sql = "SELECT number FROM message ORDER BY number DESC LIMIT -1 OFFSET ?"
        found += [number for (number,) in connection.execute(sql, (newest,))]
    if before:
        sql = "SELECT number FROM message WHERE received < ?"
        found += [number for (number,) in connection.execute(sql, (before,))]
    return found


def sweep(connection: Connection) -> bool:
    """Removes a little of what deleted messages left; True when there is more."""
    rows = connection.execute("SELECT number, content FROM garbage LIMIT ?", (_SWEPT,)).fetchall()
    if rows:
        listed = _json(number for number, _ in rows)
        for table, column in (("words", "rowid"), ("summary", "number"), ("garbage", "number")):
            connection.execute(f"DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))", (listed,))
        spans = [(content * BLOCKS, content * BLOCKS + BLOCKS - 1) for _, content in rows]
        connection.executemany("DELETE FROM block WHERE id BETWEEN ? AND ?", spans)
        connection.execute("PRAGMA incremental_vacuum(2000)").fetchall()
    return len(rows) == _SWEPT


def drop_content(connection: Connection, content: int) -> None:
    """Removes what was written of a content that is not wanted any more."""
    first = content * BLOCKS
    connection.execute("DELETE FROM block WHERE id BETWEEN ? AND ?", (first, first + BLOCKS - 1))


def forget_drafts(connection: Connection) -> None:
    """Removes contents that never became messages: their sessions died with the last run."""
    used = {
        content for (content,) in connection.execute("SELECT content FROM message UNION SELECT content FROM garbage")
    }
    highest = connection.execute("SELECT max(id) FROM block").fetchone()[0]
    found = set()
    first = connection.execute("SELECT min(id) FROM block").fetchone()[0]
    while first is not None and first <= highest:
        found.add(first // BLOCKS)
        sql = "SELECT min(id) FROM block WHERE id >= ?"
        first = connection.execute(sql, ((first // BLOCKS + 1) * BLOCKS,)).fetchone()[0]
    spans = [(content * BLOCKS, content * BLOCKS + BLOCKS - 1) for content in found - used]
    connection.executemany("DELETE FROM block WHERE id BETWEEN ? AND ?", spans)


def last_numbers(connection: Connection) -> tuple[int, int]:
    """The highest message number and the highest content number in use, or about to be swept."""
    number = connection.execute(
        "SELECT max(coalesce((SELECT max(number) FROM message), 0), coalesce((SELECT max(number) FROM garbage), 0))"
    ).fetchone()[0]
    highest = connection.execute("SELECT coalesce(max(id), 0) FROM block").fetchone()[0]
    return number, highest // BLOCKS
