"""Many deliveries at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eilpost.maildrop.delivery import BATCH, THREADS, Maildirs
from eilpost.maildrop.maildir import NotStored, Stored


def files(directory: Path) -> list[str]:
    """The names of all files below a directory."""
    return [path.name for path in directory.rglob("*") if path.is_file()]


@pytest.fixture
async def maildirs() -> AsyncIterator[Maildirs]:
    """A delivery with a host name that needs care."""
    running = Maildirs("mx/ours:test")
    yield running
    await running.close()


async def test_many_deliveries_at_once_lose_and_mix_up_none(maildirs: Maildirs, tmp_path: Path) -> None:
    """Far more deliveries than fit into all batches arrive whole, each in its own Maildir, under unique names."""
    count = 3 * BATCH * THREADS

    async def one(number: int) -> None:
        path = tmp_path / f"{number % 7}"
        (result,) = await maildirs.deliver([(str(path), (b"%d\r\n" % number, b"x" * number))])
        assert isinstance(result, Stored)
        assert (path / "new" / result.name).read_bytes() == b"%d\r\n" % number + b"x" * number

    await asyncio.gather(*map(one, range(count)))
    names = files(tmp_path)
    assert len(names) == len(set(names)) == count
    assert all("mx\\057ours\\072test,S=" in name for name in names)


async def test_one_maildirs_trouble_is_its_own(maildirs: Maildirs, tmp_path: Path) -> None:
    """In one call and one batch, a refused Maildir does not stop the others."""
    (tmp_path / "file").write_bytes(b"")
    letters = [(str(tmp_path / name), (b"x",)) for name in ("a", "file", "b")]
    a, file, b = await maildirs.deliver(letters)
    assert isinstance(a, Stored)
    assert isinstance(file, NotStored)
    assert isinstance(b, Stored)


async def test_streamed_content_reaches_all(maildirs: Maildirs, tmp_path: Path) -> None:
    """Content that is not in memory is read once and written to each Maildir behind its own beginning."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"c" * 100_000

    letters = [(str(tmp_path / name), (name.encode(),)) for name in ("a", "b")]
    for name, result in zip(("a", "b"), await maildirs.deliver_stream(letters, chunks()), strict=True):
        assert isinstance(result, Stored)
        assert (tmp_path / name / "new" / result.name).read_bytes() == name.encode() + b"c" * 300_000


async def test_a_stream_that_breaks_leaves_nothing(maildirs: Maildirs, tmp_path: Path) -> None:
    """When the content cannot be read to its end, nothing was delivered and no descriptor stays open."""
    before = len(os.listdir("/proc/self/fd"))

    async def chunks() -> AsyncIterator[bytes]:
        yield b"c"
        raise LookupError

    with pytest.raises(LookupError):
        await maildirs.deliver_stream([(str(tmp_path / "a"), (b"x",))], chunks())
    assert files(tmp_path) == []
    assert len(os.listdir("/proc/self/fd")) == before


async def test_a_cancelled_stream_leaves_nothing(maildirs: Maildirs, tmp_path: Path) -> None:
    """Who gives up in the middle of the content leaves no file behind."""
    waiting = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"c"
        waiting.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(maildirs.deliver_stream([(str(tmp_path / "a"), (b"x",))], chunks()))
    await waiting.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert files(tmp_path) == []


async def test_who_gives_up_does_not_disturb_the_batch(maildirs: Maildirs, tmp_path: Path) -> None:
    """A cancelled delivery may or may not have happened; the one beside it has."""
    first = asyncio.create_task(maildirs.deliver([(str(tmp_path / "a"), (b"x",))]))
    second = asyncio.create_task(maildirs.deliver([(str(tmp_path / "b"), (b"x",))]))
    await asyncio.sleep(0)
    first.cancel()
    assert isinstance((await second)[0], Stored)


async def test_closing_waits_for_what_was_begun(tmp_path: Path) -> None:
    """Deliveries under way end before ``close`` returns."""
    maildirs = Maildirs("mx.test")
    task = asyncio.create_task(maildirs.deliver([(str(tmp_path / "a"), (b"x",))] * 100))
    await asyncio.sleep(0)
    await maildirs.close()
    assert len(list((tmp_path / "a" / "new").iterdir())) == 100
    assert all(isinstance(result, Stored) for result in await task)
