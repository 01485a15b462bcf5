"""The embedded store's tables, its versions and its settings (a table).

A message is three rows at least: its own small columns, its content, and one row for each
recipient. They stand apart so that counting a million messages reads no content. A recipient is in
one index at a time, by its state: a fresh one, claimed at once and gone a moment later, costs the
smallest. ``user_version`` is the number of migrations done.

A recipient's ``rank`` orders what is due: 0 for nearly all, the negative priority of RFC 6710 where a
sender gave one, and ``LATER`` more while it waits for the time its sender chose (RFC 4865).
"""

from __future__ import annotations

from typing import Final

DATABASE: Final = "spool.db"
APPLICATION: Final = 0x45494C50
"""``EILP``: what the database says it belongs to."""

LATER: Final = 200
"""Added to the rank of what is not to be tried before a time of its own."""

INDEXES: Final = {
    "active": "CREATE INDEX active ON recipient (message) WHERE state = 0",
    # The state is always 1 here and takes no room, as a rank of 0; with it the index answers alone.
    "due": "CREATE INDEX due ON recipient (rank, due, domain, state) WHERE state = 1",
    "apart": "CREATE INDEX apart ON recipient (state) WHERE state >= 2",
}
"""What can be made anew from the rows when it is damaged."""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE message (
            id INTEGER PRIMARY KEY, received REAL NOT NULL, size INTEGER NOT NULL, has_8bit INTEGER NOT NULL,
            in_file INTEGER NOT NULL, content_check INTEGER NOT NULL, local TEXT, domain TEXT, account TEXT NOT NULL,
            session TEXT NOT NULL, message_id TEXT NOT NULL, parameters TEXT, row_check INTEGER NOT NULL)""",
        # The whole content, or what goes before the file's octets.
        "CREATE TABLE content (id INTEGER PRIMARY KEY, octets BLOB NOT NULL)",
        """CREATE TABLE recipient (
            message INTEGER NOT NULL, position INTEGER NOT NULL, state INTEGER NOT NULL, due REAL NOT NULL,
            attempts INTEGER NOT NULL, warned INTEGER NOT NULL, local TEXT NOT NULL, domain TEXT NOT NULL,
            next_hop TEXT NOT NULL, wishes TEXT, row_check INTEGER NOT NULL, last TEXT,
            PRIMARY KEY (message, position)) WITHOUT ROWID""",
        "CREATE INDEX active ON recipient (message) WHERE state = 0",
        "CREATE INDEX due ON recipient (due, domain, state) WHERE state = 1",
        "CREATE INDEX apart ON recipient (state) WHERE state >= 2",
        "CREATE TABLE fact (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
        "INSERT INTO fact VALUES ('runs', 0), ('ceiling', 0)",
    ),
    (
        "ALTER TABLE recipient ADD COLUMN rank INTEGER NOT NULL DEFAULT 0",
        "DROP INDEX due",
        INDEXES["due"],
    ),
)
"""A row for each version. A row that was released is never edited: a new one is added."""

FIRST_SETTINGS: Final = (
    # Of 4, 8 and 16 KiB the smallest was the fastest for mail of 4 KB (21 µs of CPU a message against 31):
    # a bigger page is written to the log again and again while it fills.
    "PRAGMA page_size = 4096",
    "PRAGMA journal_mode = WAL",
)
"""What a new database is made with."""

SETTINGS: Final = (
    "PRAGMA synchronous = FULL",  # In WAL mode anything less forgets what was acknowledged.
    "PRAGMA fullfsync = ON",  # Where plain fsync does not reach the disk (macOS); nothing elsewhere.
    "PRAGMA checkpoint_fullfsync = ON",
    # Debian's SQLite overwrites what is deleted: every settled message would be written once more (a third of
    # the CPU). Whoever can read the disk can read the mail that waits there anyway.
    "PRAGMA secure_delete = OFF",
    "PRAGMA wal_autocheckpoint = 0",  # The writer does it when nobody waits for its answer.
    "PRAGMA journal_size_limit = 67108864",  # A log that grew while somebody read for long shrinks again.
    "PRAGMA temp_store = MEMORY",  # No file is opened in the middle: a shortage of descriptors cannot hurt.
    # The pages that change are the newest: 8 MB hold them. More made no difference; mmap turns a
    # read error into a signal that ends the process.
    "PRAGMA cache_size = -8000",
    "PRAGMA mmap_size = 0",
    "PRAGMA cell_size_check = ON",
    "PRAGMA trusted_schema = OFF",
)
"""What every connection that writes begins with."""

READ_SETTINGS: Final = (
    "PRAGMA query_only = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -4000",
    "PRAGMA mmap_size = 0",
    "PRAGMA cell_size_check = ON",
    "PRAGMA trusted_schema = OFF",
)
"""What every connection that only reads begins with."""
