"""The inbox's tables and settings (a table).

A message's own row is narrow, so that counting and filtering a hundred thousand reads a few megabytes. What a list
shows is in ``summary``, what it is made of in ``block``, what it is searched by in ``words``. Rows of messages
that are gone leave the first table at once; the rest is ``garbage`` and is swept when there is time.
"""

from __future__ import annotations

from typing import Final

APPLICATION: Final = 0x45494C49
"""``EILI``: what the database says it belongs to."""

VERSION: Final = 1

WORDS: Final = (
    "CREATE VIRTUAL TABLE words USING fts5("
    "subject, sender, recipient, copied, blind, files, message_id, body, tokenize = 'unicode61 remove_diacritics 2')"
)

TABLES: Final = (
    """CREATE TABLE message (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, received REAL NOT NULL, size INTEGER NOT NULL,
        unread INTEGER NOT NULL, attachments INTEGER NOT NULL, inline INTEGER NOT NULL, content INTEGER NOT NULL)""",
    "CREATE INDEX unread ON message (number) WHERE unread",
    "CREATE INDEX received ON message (received)",
    "CREATE TABLE summary (number INTEGER PRIMARY KEY, facts BLOB NOT NULL, via BLOB NOT NULL, transcript BLOB)",
    # A block's number is its content's number and its position: a range of numbers is one content.
    "CREATE TABLE block (id INTEGER PRIMARY KEY, octets BLOB NOT NULL)",
    """CREATE TABLE label (
        kind INTEGER NOT NULL, name TEXT NOT NULL COLLATE NOCASE, number INTEGER NOT NULL, unread INTEGER NOT NULL,
        PRIMARY KEY (kind, name, number)) WITHOUT ROWID""",
    "CREATE INDEX label_of ON label (number)",
    "CREATE TABLE garbage (number INTEGER PRIMARY KEY, content INTEGER NOT NULL)",
    WORDS,
)
EMPTIED: Final = ("message", "summary", "block", "label", "garbage")
"""The tables that hold rows of messages, besides ``words``."""

FIRST_SETTINGS: Final = ("PRAGMA page_size = 8192", "PRAGMA auto_vacuum = INCREMENTAL", "PRAGMA journal_mode = WAL")
SETTINGS: Final = (
    # A power cut may cost the last second of test mail and nothing else: it is not what a 250 promises elsewhere.
    "PRAGMA synchronous = NORMAL",
    "PRAGMA secure_delete = OFF",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -32000",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA trusted_schema = OFF",
)
READ_SETTINGS: Final = (
    "PRAGMA query_only = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -16000",
    "PRAGMA trusted_schema = OFF",
)

BLOCK: Final = 1 << 20
"""Octets of a block; a bigger content is written while it comes."""
BLOCKS: Final = 1 << 16
"""Blocks that one content may have."""
MAILBOX, TAG = 0, 1
"""Kinds of label."""
