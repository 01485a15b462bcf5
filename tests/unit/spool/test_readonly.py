"""A store that is only looked at is not changed, with its server up, down or killed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from eilpost.spool import schema
from eilpost.spool.contract import ContentDamaged, Filter, SpoolClosed, SpoolUnknown
from eilpost.spool.readonly import open_readonly
from eilpost.spool.sqlite import SqliteSpool
from tests.unit.spool.sample import alter, opened, put, read


def prints(directory: Path) -> dict[str, tuple[bytes, int]]:
    """Everything that is in the directory, and when it changed."""
    return {
        str(path): (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns)
        for path in sorted(directory.rglob("*"))
    }


async def look(directory: Path) -> list[bytes]:
    spool = open_readonly(directory)
    entries = await spool.find(Filter(), limit=10)
    assert (await spool.stats()).messages == len(entries)
    contents = [await read(entry.message.content) for entry in entries]
    await spool.close()
    return contents


async def fill(directory: Path) -> SqliteSpool:
    spool = await opened(directory)
    await put(spool, b"small")
    await put(spool, [bytes(20_000)])
    return spool


async def test_while_the_server_is_up(directory: Path) -> None:
    """The queue is listed beside a running server, which goes on."""
    spool = await fill(directory)
    assert await look(directory) == [b"small", bytes(20_000)]
    await put(spool, b"more")
    assert len(await look(directory)) == 3
    await spool.close()


async def test_when_the_server_is_down_nothing_is_changed(directory: Path) -> None:
    """After a clean end the queue is listed, log and all, and no file changes."""
    await (await fill(directory)).close()
    before = prints(directory)
    assert await look(directory) == [b"small", bytes(20_000)]
    assert prints(directory) == before


async def test_after_a_crash_nothing_is_changed(directory: Path, tmp_path: Path) -> None:
    """What a killed server left is listed as it would be recovered, and no file changes."""
    spool = await fill(directory)
    crashed = tmp_path / "crashed"
    shutil.copytree(directory, crashed)
    await spool.close()
    before = prints(crashed)
    assert await look(crashed) == [b"small", bytes(20_000)]
    assert prints(crashed) == before


async def test_a_copy_without_the_index_of_its_log(directory: Path, tmp_path: Path) -> None:
    """A copied spool whose log has no index is listed in full."""
    spool = await fill(directory)
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy, ignore=shutil.ignore_patterns("*-shm"))
    await spool.close()
    assert await look(copy) == [b"small", bytes(20_000)]


async def test_a_database_alone(directory: Path) -> None:
    """A database without a log is all there is, and stays so."""
    await (await fill(directory)).close()
    alter(directory, "PRAGMA journal_mode = WAL")
    for name in ("spool.db-wal", "spool.db-shm"):
        (directory / name).unlink(missing_ok=True)
    assert await look(directory) == [b"small", bytes(20_000)]
    assert sorted(os.listdir(directory)) == ["content", "lock", "spool.db"]


async def test_damaged_content_is_left_alone(directory: Path) -> None:
    """Who only looks sets nothing aside."""
    await (await fill(directory)).close()
    alter(directory, "UPDATE content SET octets = CAST('other' AS BLOB) WHERE octets = CAST('small' AS BLOB)")
    before = prints(directory)
    with pytest.raises(ContentDamaged, match="damaged"):
        await look(directory)
    assert prints(directory) == before


async def test_no_spool_and_a_foreign_one(directory: Path, tmp_path: Path) -> None:
    """A directory without a spool is said to be none; an older and a newer version are refused."""
    with pytest.raises(SpoolClosed, match="no spool"):
        open_readonly(tmp_path)
    await (await fill(directory)).close()
    for version in (0, len(schema.MIGRATIONS) + 1):
        alter(directory, f"PRAGMA user_version = {version}")
        with pytest.raises(SpoolUnknown):
            open_readonly(directory)
