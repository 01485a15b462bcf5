"""The inbox takes, keeps, finds and lets go."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eilpost.inbox.contract import (
    Arrived,
    Changed,
    Deleted,
    InboxError,
    Missed,
    NoMessage,
    Retention,
    Sorting,
)
from eilpost.inbox.schema import BLOCK
from eilpost.inbox.search import EVERYTHING, parse
from eilpost.inbox.store import Inbox
from tests.unit.inbox.samples import arrival, message, mixed


@pytest.fixture(params=["memory", "file"])
async def inbox(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Inbox]:
    """An empty inbox, in memory and in a file."""
    async with Inbox(None if request.param == "memory" else tmp_path / "mail" / "inbox.db") as made:
        yield made


async def found(inbox: Inbox, text: str, mailbox: str | None = None) -> list[str]:
    """The subjects that a search finds."""
    listing = await inbox.search(parse(text, 2_000.0), mailbox)
    assert listing.total == len(listing.messages)
    return [each.subject for each in listing.messages]


async def test_a_message_is_kept_as_it_came(inbox: Inbox) -> None:
    """Content, envelope, way in and transcript come back unchanged."""
    taken = await inbox.take(arrival("bob@example.test", "eve@example.test", transcript="S: 220\nC: QUIT"), mixed())
    kept = await inbox.get(taken.id)
    assert kept.summary == taken
    assert await inbox.content(taken.id) == mixed()
    assert b"".join([each async for each in inbox.blocks(taken.id)]) == mixed()
    assert await inbox.transcript(taken.id) == "S: 220\nC: QUIT"
    assert kept.via.helo == "client.test"
    assert (taken.attachments, taken.bcc, taken.preview) == (1, ("eve@example.test",), "Grüße")


async def test_the_newest_comes_first(inbox: Inbox) -> None:
    """A listing is a window on all, the newest first, with totals."""
    for number in range(5):
        await inbox.take(arrival(is_read=number == 0), message(f"s{number}"))
    listing = await inbox.newest(start=1, limit=2)
    assert [each.subject for each in listing.messages] == ["s3", "s2"]
    assert (listing.total, listing.unread, listing.start) == (5, 4, 1)
    assert [each.subject for each in await inbox.after(listing.messages[0].number)] == ["s4"]
    assert (await inbox.get(await inbox.latest())).summary.subject == "s4"


@pytest.mark.parametrize(
    ("text", "subjects"),
    [
        ("", ["parts", "Invoice 7", "Hello"]),
        ("some", ["Invoice 7", "Hello"]),
        ("som", ["Invoice 7", "Hello"]),
        ('"som"', []),
        ('"some words"', ["Invoice 7", "Hello"]),
        ('"words some"', []),
        ("from:anna", ["parts", "Hello"]),
        ("from:@example.test", ["parts", "Hello"]),
        ("-from:anna", ["Invoice 7"]),
        ("!from:anna some", ["Invoice 7"]),
        ("FROM:ANNA subject:hello", ["Hello"]),
        ("to:bob", ["parts", "Invoice 7", "Hello"]),
        ("addressed:carl", ["Invoice 7"]),
        ("bcc:dora", ["Invoice 7"]),
        ("grüsse", []),
        ("grüße", ["parts"]),
        ("has:attachment", ["parts"]),
        ("file:b.pdf", ["parts"]),
        ("is:read", ["Hello"]),
        ("-is:read", ["parts", "Invoice 7"]),
        ("tag:Money", ["Invoice 7"]),
        ("is:tagged", ["Invoice 7"]),
        ("after:1970-01-01T00:25", ["parts"]),
        ("before:1970-01-01T00:25", ["Invoice 7", "Hello"]),
        ("larger:500", ["parts"]),
        ("smaller:500b some", ["Invoice 7", "Hello"]),
        ("message-id:1@example.test", ["Invoice 7", "Hello"]),
        ('words" OR 1) --', []),
        ("NEAR(some words)", []),
        ("*", []),
    ],
)
async def test_searches(inbox: Inbox, text: str, subjects: list[str]) -> None:
    """Each filter finds what it says; no text is an operator of the database."""
    await inbox.take(arrival(is_read=True), message())
    carl = arrival("bob@example.test", "dora@example.test", sender="carl@other.test", tags=("money",))
    await inbox.take(carl, message("Invoice 7", sender="carl@other.test"))
    await inbox.take(arrival(received=1_600.0), mixed())
    assert await found(inbox, text) == subjects


async def test_reading_and_tagging(inbox: Inbox) -> None:
    """Flags and tags change, are counted, and watchers hear of it."""
    first, second = [(await inbox.take(arrival(), message(name))).id for name in ("a", "b")]
    with inbox.watch() as watcher:
        assert await inbox.mark([first, "nothing"], read=True) == 1
        assert await inbox.set_tags([first, second], ["red", "no/tag", "blue"]) == 2
        assert [await watcher.next() for _ in range(2)] == [Changed((first,)), Changed((first, second))]
    assert await found(inbox, "is:unread") == ["b"]
    assert [(each.name, each.total, each.unread) for each in await inbox.tags()] == [("blue", 2, 1), ("red", 2, 1)]
    assert await inbox.rename_tag("RED", "green") == 2
    assert (await inbox.get(first)).summary.tags == ("green", "blue")
    assert await inbox.rename_tag("green", None) == 2
    with pytest.raises(InboxError, match="cannot be a tag"):
        await inbox.rename_tag("blue", "a/b")
    assert await inbox.mark(EVERYTHING, read=False) == 2
    assert (await inbox.newest()).unread == 2


async def test_deleting(inbox: Inbox) -> None:
    """Some by id, some by search, all at once: they are gone from every list at once, and watchers hear of it."""
    ids = [(await inbox.take(arrival(tags=("t",)), message(f"s{number}"))).id for number in range(6)]
    with inbox.watch() as watcher:
        assert await inbox.delete([ids[0], ids[0], "x"]) == 1
        assert await watcher.next() == Deleted((ids[0],))
        assert await inbox.delete(parse("subject:s1", 0)) == 1
        assert await found(inbox, "some") == ["s5", "s4", "s3", "s2"]
        with pytest.raises(NoMessage, match="deleted"):
            await inbox.content(ids[0])
        assert await inbox.delete(EVERYTHING) == 4
    assert (await inbox.newest()).total == 0
    assert await inbox.tags() == ()
    stats = await inbox.stats()
    assert (stats.total, stats.taken, stats.deleted) == (0, 6, 6)
    again = await inbox.take(arrival(), message("later"))
    assert again.number > 6
    assert await found(inbox, "later") == ["later"]


async def test_watchers_hear_arrivals_in_order(inbox: Inbox) -> None:
    """Each watcher gets each arrival; one that sleeps too long learns that it missed some."""
    with inbox.watch() as watcher, inbox.watch() as sleeper:
        for _ in range(1002):
            inbox.tell(Changed(()))
        taken = await inbox.take(arrival(), message())
        assert await sleeper.next() == Missed()
        inbox.end_watching()
        assert [each async for each in watcher][-1] == Arrived(taken)


async def test_a_big_message_is_taken_in_blocks(inbox: Inbox) -> None:
    """Content beyond a block is written while it comes, and is whole in the end."""
    piece = b"0123456789abcdef" * 4096
    draft = inbox.draft()
    await draft.write(message("big") + b"--")
    for _ in range(60):
        await draft.write(piece)
    taken = await draft.commit(arrival())
    assert taken.size == draft.size > 3 * BLOCK
    assert await inbox.content(taken.id) == message("big") + b"--" + 60 * piece
    assert [len(each) async for each in inbox.blocks(taken.id)][:2] == [BLOCK, BLOCK]


async def test_an_abandoned_draft_leaves_nothing(tmp_path: Path) -> None:
    """Neither a draft that was given up nor one whose session died with the server takes room."""
    path = tmp_path / "inbox.db"
    async with Inbox(path) as inbox:
        for number in range(2):
            draft = inbox.draft()
            await draft.write(bytes(3 * BLOCK))
            if number:
                await draft.abandon()
    assert _rows(path, "block") == 3
    async with Inbox(path) as inbox:
        await inbox.take(arrival(), message())
    assert _rows(path, "block") == 1


def _rows(path: Path, table: str) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    finally:
        connection.close()


async def test_a_kept_inbox_is_there_again(tmp_path: Path) -> None:
    """A file survives a restart; its numbers go on; only its owner may read it."""
    path = tmp_path / "inbox.db"
    async with Inbox(path) as inbox:
        first = await inbox.take(arrival(tags=("t",)), message())
    assert path.stat().st_mode & 0o777 == 0o600
    async with Inbox(path) as inbox:
        assert (await inbox.get(first.id)).summary == first
        assert (await inbox.take(arrival(), message())).number == first.number + 1


async def test_what_deleted_messages_leave_is_swept(tmp_path: Path) -> None:
    """After deleting, contents and words go too, before the inbox closes."""
    path = tmp_path / "inbox.db"
    async with Inbox(path) as inbox:
        for number in range(250):
            await inbox.take(arrival(), message(f"s{number}"))
        await inbox.delete(parse("-subject:s7", 0))
        while (await inbox._read(lambda at: at.execute("SELECT count(*) FROM garbage").fetchone()[0])) > 0:
            await asyncio.sleep(0.001)
    left = [_rows(path, table) for table in ("message", "summary", "block", "words", "garbage")]
    assert left == [left[0]] * 4 + [0]
    assert left[0] > 0


@pytest.mark.parametrize("keep", [1, 3])
async def test_the_newest_are_kept(keep: int) -> None:
    """Retention lets the oldest go as new ones come."""
    async with Inbox(retention=Retention(messages=keep)) as inbox:
        for number in range(7):
            await inbox.take(arrival(received=time.time()), message(f"s{number}"))
        assert (await inbox.newest()).total <= 2 * keep
        await inbox._expire()
        assert [each.subject for each in (await inbox.newest()).messages][-1] == f"s{7 - keep}"


async def test_the_old_go(tmp_path: Path) -> None:
    """Messages older than the age are gone at the next look."""
    async with Inbox(tmp_path / "i.db") as inbox:
        await inbox.take(arrival(received=time.time() - 100), message("old"))
        await inbox.take(arrival(received=time.time()), message("new"))
    async with Inbox(tmp_path / "i.db", retention=Retention(age=50)) as inbox:
        assert await found(inbox, "") == ["new"]


@pytest.mark.parametrize(
    ("sorting", "mailboxes"),
    [
        (Sorting.NONE, {"": 2}),
        (Sorting.LOGIN, {"": 1, "team": 1}),
        (Sorting.DOMAIN, {"a.test": 2, "b.test": 1}),
        (Sorting.TAG, {"": 1, "run 1": 1}),
    ],
)
async def test_mailboxes_are_kept_apart(sorting: Sorting, mailboxes: dict[str, int]) -> None:
    """By login, by recipient's domain, by tag, or not at all."""
    async with Inbox(sorting=sorting) as inbox:
        await inbox.take(arrival("x@A.test", "y@b.test", "z@a.test", login="team"), message("one"))
        await inbox.take(arrival("x@a.test", tags=("run 1",)), message("two"))
        assert {each.name: each.total for each in await inbox.mailboxes()} == mailboxes
        for name, total in mailboxes.items():
            assert (await inbox.newest(name)).total == total
        last = list(mailboxes)[-1]
        assert await inbox.delete(EVERYTHING, mailbox=last) == (mailboxes[last] if sorting is not Sorting.NONE else 2)


async def test_one_inbox_owns_its_file(tmp_path: Path) -> None:
    """A second one is told what to do, and may have the file when the first one is gone."""
    path = tmp_path / "inbox.db"
    async with Inbox(path):
        with pytest.raises(InboxError, match="another inbox keeps its mail there"):
            await Inbox(path).__aenter__()
    async with Inbox(path) as again:
        assert (await again.newest()).total == 0


async def test_a_foreign_database_is_left_alone(tmp_path: Path) -> None:
    """A database of another program, or of a newer version, is refused with a sentence that names the mend."""
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (x)")
    connection.commit()
    connection.close()
    with pytest.raises(InboxError, match="another program; name another file"):
        await Inbox(path).__aenter__()
    (tmp_path / "no.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(InboxError, match="name another file"):
        await Inbox(tmp_path / "no.db").__aenter__()
    with pytest.raises(InboxError, match="directory that you may write to"):
        await Inbox(Path("/proc/nowhere/i.db")).__aenter__()


async def test_what_many_bring_at_once_is_all_kept(tmp_path: Path) -> None:
    """Two thousand messages of fifty senders share commits; each is there, once, and is found by its words."""
    async with Inbox(tmp_path / "inbox.db") as inbox:
        numbers = iter(range(2000))

        async def send() -> None:
            for number in numbers:
                await inbox.take(arrival(), message(f"s{number}", "words of some length " * 50))

        await asyncio.gather(*(send() for _ in range(50)))
        assert (await inbox.stats()).total == 2000
        for text, total in (("", 2000), ("words", 2000), ('subject:"s1999"', 1), ("-words", 0)):
            assert (await inbox.search(parse(text, 0))).total == total
