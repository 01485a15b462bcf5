"""Content: byte-exact in memory, database and file; damaged content is set aside and never handed out."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from eilpost.mail.outcome import Fate
from eilpost.spool.contract import ContentDamaged, Entry, Filter, SpoolFull, State
from eilpost.spool.numbers import to_text
from eilpost.spool.sqlite import SqliteSpool
from tests.unit.spool.sample import NOON, Notebook, alter, envelope, number, opened, put, read, settled

BIG = bytes(range(256)) * 4000  # 1 MB, above the threshold of the tests


def files(directory: Path) -> list[str]:
    return sorted(os.listdir(directory / "content"))


@pytest.mark.parametrize("size", [0, 1, 9_999, 10_000, 10_001, 300_000, 1_000_003])
async def test_content_is_byte_exact(spool: SqliteSpool, directory: Path, size: int) -> None:
    """Prefix and body come back octet by octet, below, at and above the threshold, in any chunks."""
    body = (BIG * 2)[:size]
    chunks = [body[start : start + 7_001] for start in range(0, size, 7_001)]
    prefix = b"Received: from somewhere\r\n"
    entry = await put(spool, chunks, prefix=prefix, claim=True)
    assert bool(files(directory)) == (size > 10_000)
    assert entry.message.size == len(prefix) + size
    assert await read(entry.message.content) == prefix + body
    (found,) = await spool.find(Filter())
    assert await read(found.message.content) == prefix + body
    assert found.message.content.size == entry.message.size
    assert found.message.has_8bit == (size > 128)


async def test_a_file_goes_with_its_message(spool: SqliteSpool, directory: Path) -> None:
    """When the last recipient is settled, the content file is removed."""
    entry = await put(spool, [BIG], claim=True)
    assert files(directory) == [entry.message.id]
    await spool.settle(settled(entry))
    await spool.close()
    assert files(directory) == []


async def test_a_dropped_messages_file_goes_too(spool: SqliteSpool, directory: Path) -> None:
    """An operator's drop removes the content file."""
    await put(spool, [BIG])
    await spool.drop(Filter())
    await spool.close()
    assert files(directory) == []


async def test_a_discarded_draft_leaves_nothing(spool: SqliteSpool, directory: Path) -> None:
    """Case 26: a draft that is not committed leaves no file and no row."""
    for octets in (b"small", BIG):
        draft = spool.draft()
        await draft.write(octets)
        await draft.discard()
        await draft.discard()
    assert files(directory) == []
    assert (await spool.stats()).messages == 0


async def test_discard_after_commit_is_harmless(spool: SqliteSpool) -> None:
    """Discarding a committed draft changes nothing."""
    draft = spool.draft()
    await draft.write(BIG)
    entry = await spool.commit(draft, envelope(), received=NOON)
    await draft.discard()
    assert await read(entry.message.content) == BIG


async def test_discard_while_a_write_is_under_way(spool: SqliteSpool, directory: Path) -> None:
    """A session that is cancelled in a write may discard at once: no file is left."""
    draft = spool.draft()
    task = asyncio.create_task(draft.write(BIG))
    await asyncio.sleep(0)
    task.cancel()
    await draft.discard()
    await spool.close()
    assert files(directory) == []


async def test_orphans_of_a_crash_are_removed_and_named_files_kept(directory: Path, notebook: Notebook) -> None:
    """A start removes content files that no row names, pipes and links too, and nothing else."""
    spool = await opened(directory)
    entry = await put(spool, [BIG])
    await spool.close()
    content = directory / "content"
    (content / to_text(1)).write_bytes(b"left by a crash")
    os.mkfifo(content / to_text(2))
    (content / to_text(3)).symlink_to("/etc/passwd")
    (content / "README").write_bytes(b"foreign")
    os.mkdir(content / to_text(4))
    spool = await opened(directory, notebook)
    await asyncio.gather(*spool._background)
    assert files(directory) == sorted([entry.message.id, to_text(4), "README"])
    assert notebook.named("warning")
    (found,) = await spool.find(Filter())
    assert await read(found.message.content) == BIG
    await spool.close()


def flip(path: Path) -> None:
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 0x10
    path.write_bytes(octets)


def truncate(path: Path) -> None:
    os.truncate(path, 100_000)


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def link(path: Path) -> None:
    copy = path.with_name("copy")
    path.rename(copy)
    path.symlink_to(copy)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = [flip, truncate, lengthen, empty, Path.unlink, pipe, link, folder]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_file_is_set_aside(
    spool: SqliteSpool, directory: Path, notebook: Notebook, damage: Callable[[Path], None]
) -> None:
    """E25, E26: not one octet of a damaged file is handed out; its message is set aside, others flow."""
    bad = await put(spool, [BIG])
    good = await put(spool, [BIG])
    damage(directory / "content" / bad.message.id)
    seen: list[bytes] = []
    async with asyncio.timeout(10):
        for entry in await spool.claim(NOON, 10):
            if entry.message.id == bad.message.id:
                with pytest.raises(ContentDamaged):
                    seen += [chunk async for chunk in entry.message.content.chunks()]
            else:
                assert await read(entry.message.content) == BIG
    assert seen == []
    assert [item.message for item in notebook.named("set-aside")] == [bad.message.id]
    (listed,) = await spool.find(Filter(state=State.DAMAGED))
    assert listed.message.id == bad.message.id
    assert (await spool.stats()).recipients[State.DAMAGED] == 1
    assert good.message.id


async def test_a_flipped_bit_in_the_database_is_set_aside(directory: Path, notebook: Notebook) -> None:
    """E25: content in the database that differs in one bit is not handed out."""
    spool = await opened(directory)
    bad, good = await put(spool, b"hello world"), await put(spool, b"hello there")
    await spool.close()
    alter(directory, "UPDATE content SET octets = CAST('hello wormd' AS BLOB) WHERE id = ?", number(bad))
    spool = await opened(directory, notebook)
    first, second = await spool.claim(NOON, 10)
    with pytest.raises(ContentDamaged, match="checksum"):
        await read(first.message.content)
    assert await read(second.message.content) == b"hello there"
    assert second.message.id == good.message.id
    await spool.close()


async def test_a_damaged_message_stays_until_dropped(directory: Path) -> None:
    """What is set aside is not settled, claimed or seized, survives a restart, and goes by drop."""
    spool = await opened(directory)
    entry = await put(spool, [BIG], claim=True)
    (directory / "content" / entry.message.id).unlink()
    with pytest.raises(ContentDamaged):
        await read(entry.message.content)
    await spool.settle(settled(entry))
    await spool.settle(settled(entry, Fate.DEFERRED, NOON))
    await spool.release([entry])
    await spool.close()
    spool = await opened(directory)
    assert await spool.claim(NOON + 1e6, 10) == ()
    assert await spool.seize(Filter()) == ()
    assert (await spool.stats()).recipients[State.DAMAGED] == 1
    assert await spool.drop(Filter(state=State.DAMAGED)) == 1
    assert (await spool.stats()).messages == 0
    await spool.close()


DAMAGED_ROWS = [
    "UPDATE message SET size = size + 1 WHERE id = ?",
    "UPDATE message SET domain = 'evil.example' WHERE id = ?",
    "UPDATE message SET session = CAST(x'ff' AS TEXT) WHERE id = ?",
    "UPDATE message SET parameters = '{' WHERE id = ?",
    "DELETE FROM message WHERE id = ?",
    "UPDATE recipient SET local = 'eve' WHERE message = ?",
    "UPDATE recipient SET domain = CAST(x'c328' AS TEXT) WHERE message = ?",
    "UPDATE recipient SET last = 'nonsense' WHERE message = ?",
    "UPDATE recipient SET attempts = -1 WHERE message = ?",
    "UPDATE recipient SET position = 7 WHERE message = ?",
]


@pytest.mark.parametrize("statement", DAMAGED_ROWS)
async def test_a_damaged_row_is_set_aside(directory: Path, notebook: Notebook, statement: str) -> None:
    """E25: a row that is not what was written is set aside, told, counted and listed; the rest goes on."""
    spool = await opened(directory)
    bad, good = await put(spool, b"bad"), await put(spool, b"good")
    await spool.close()
    alter(directory, statement, number(bad))
    spool = await opened(directory, notebook)
    claimed = await spool.claim(NOON, 10)
    assert [entry.message.id for entry in claimed] == [good.message.id]
    assert [item.message for item in notebook.named("set-aside")] == [bad.message.id]
    assert (await spool.stats()).recipients[State.DAMAGED] == 1
    (listed,) = await spool.find(Filter(state=State.DAMAGED))
    assert listed.message.id == bad.message.id
    assert len(await spool.find(Filter())) == 2
    await spool.close()


async def test_a_state_nobody_knows_is_listed(directory: Path) -> None:
    """A recipient whose state is damaged is neither claimed nor lost: it is listed."""
    spool = await opened(directory)
    bad = await put(spool, b"bad")
    await spool.close()
    alter(directory, "UPDATE recipient SET state = 77")
    spool = await opened(directory)
    assert await spool.claim(NOON, 10) == ()
    (listed,) = await spool.find(Filter())
    assert (listed.message.id, listed.recipients[0].state) == (bad.message.id, State.DAMAGED)
    await spool.close()


async def test_torn_pages_do_not_stop_the_rest(directory: Path, notebook: Notebook) -> None:
    """E25: overwritten content pages of one message cost that message alone."""
    spool = await opened(directory)
    entries = [await put(spool, bytes([65 + index]) * 9_000) for index in range(20)]
    await spool.close()
    alter(directory, "PRAGMA wal_checkpoint(TRUNCATE)")
    database = directory / "spool.db"
    octets = bytearray(database.read_bytes())
    place = octets.index(b"K" * 4000)
    octets[place : place + 100] = bytes(100)
    database.write_bytes(octets)
    spool = await opened(directory, notebook)
    good = 0
    for entry in await spool.claim(NOON, 100):
        try:
            assert await read(entry.message.content) == entries_by(entries)[entry.message.id]
            good += 1
        except ContentDamaged:
            assert entry.message.id == entries[10].message.id
    assert good == 19
    await spool.close()


def entries_by(entries: list[Entry]) -> dict[str, bytes]:
    return {entry.message.id: bytes([65 + index]) * 9_000 for index, entry in enumerate(entries)}


async def test_a_damaged_index_is_rebuilt(directory: Path, notebook: Notebook) -> None:
    """E25: when the index of what is due is torn, it is made anew from the rows, and mail goes on."""
    spool = await opened(directory)
    for index in range(400):
        await put(spool, b"x", received=NOON + index)
    await spool.close()
    alter(directory, "PRAGMA wal_checkpoint(TRUNCATE)")
    write(directory, index_page(directory)[1], bytes([0xFF]) * 64)
    spool = await opened(directory, notebook)
    claimed = await spool.claim(NOON + 1000, 1000)
    assert len(claimed) == 400
    assert notebook.named("warning")
    await spool.close()


async def test_a_lying_index_is_rebuilt(directory: Path, notebook: Notebook) -> None:
    """E25: an index that names a recipient which is not there is made anew, and the true one is delivered."""
    spool = await opened(directory)
    entry = await put(spool, b"x")
    await spool.close()
    alter(directory, "PRAGMA wal_checkpoint(TRUNCATE)")
    page, place = index_page(directory)
    right = number(entry).to_bytes(8, "big")
    write(directory, place, page.replace(right, (number(entry) + 1).to_bytes(8, "big")))
    spool = await opened(directory, notebook)
    assert await spool.claim(NOON, 10) == ()
    (claimed,) = await spool.claim(NOON, 10)
    assert claimed.message.id == entry.message.id
    assert [item.event for item in notebook.events] == ["warning"]
    await spool.close()


def index_page(directory: Path) -> tuple[bytes, int]:
    connection = sqlite3.connect(directory / "spool.db")
    (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'due'").fetchone()
    connection.close()
    place = (root - 1) * 4096
    return (directory / "spool.db").read_bytes()[place : place + 4096], place


def write(directory: Path, place: int, octets: bytes) -> None:
    with open(directory / "spool.db", "r+b") as database:
        database.seek(place)
        database.write(octets)


async def test_no_descriptors_is_a_shortage(
    spool: SqliteSpool, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E27: without a free descriptor a stored file is not called damaged, and a new one is refused as full."""
    entry = await put(spool, [BIG])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    await put(spool, b"warm")
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        draft = spool.draft()
        with pytest.raises(SpoolFull):
            await draft.write(BIG)
        with pytest.raises(SpoolFull):
            await read(entry.message.content)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert await read(entry.message.content) == BIG
