"""What was acknowledged is on the disk: seen in system calls, after kill -9, after failed syncs, on full disks."""

from __future__ import annotations

import asyncio
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from eilpost.config.schema import Size, Spool
from eilpost.spool.contract import Filter, SpoolError, SpoolFull
from tests.unit.spool.sample import Notebook, opened, put, read, settled
from tests.unit.spool.worker import BIG

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "tests.unit.spool.worker"]


def traces() -> bool:
    """Whether strace is here and may trace."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode == 0


needs_strace = pytest.mark.skipif(not traces(), reason="needs strace, and leave to trace")


def run(options: list[str], *arguments: str) -> list[str]:
    """The lines a worker says under strace with these options."""
    done = subprocess.run(
        ["strace", "-f", *options, *COMMAND, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@needs_strace
@pytest.mark.parametrize("mode", ["commit", "big"])
def test_a_sync_lies_between_the_write_and_the_answer(directory: Path, tmp_path: Path, mode: str) -> None:
    """I5: log written, log synced, then told; a content file and its directory are synced before the log."""
    trace = tmp_path / "trace"
    calls = "trace=write,pwrite64,fsync,fdatasync"
    run(["-y", "-e", calls, "-o", str(trace)], str(directory), mode, "5")
    told = 0
    unsynced: set[str] = set()
    synced: list[str] = []
    for line in trace.read_text().splitlines():
        found = re.search(r"(\w+)\((\d+)<([^>]*)>", line)
        if found is None:
            continue
        call, descriptor, path = found[1], found[2], found[3]
        if call in ("fsync", "fdatasync"):
            unsynced.discard(path)
            synced.append(path)
        elif path.endswith("-wal") or "/content/" in path:
            unsynced.add(path)
            if path.endswith("-wal"):
                assert not any("/content/" in other for other in unsynced), line
        elif descriptor == "1" and "kept" in line:
            assert not unsynced, line
            assert synced[-1].endswith("-wal"), line
            assert mode == "commit" or str(directory / "content") in synced, line
            synced.clear()
            told += 1
    assert told == 5
    assert str(directory) in re.findall(r"fsync\(\d+<([^>]*)>", trace.read_text())


@needs_strace
@pytest.mark.parametrize(("mode", "path", "at"), [("commit", "spool.db-wal", 8), ("big", "content", 3)])
def test_a_failed_sync_closes_the_store(directory: Path, mode: str, path: str, at: int) -> None:
    """E21, P2: when a sync fails nothing is acknowledged any more; the next start has what was, and nothing else."""
    asyncio.run(stored(directory))
    # strace counts in each thread for itself: the log is synced less than eight times while it is opened.
    inject = f"inject=fsync,fdatasync:error=EIO:when={at}"
    options = ["-e", "trace=fsync,fdatasync", "-e", inject, "-P", str(directory / path), "-o", "/dev/null"]
    said = run(options, str(directory), mode, "12")
    kept = [line.split()[1] for line in said if line.startswith("kept")]
    assert len(kept) == at - 1, said
    assert said.count("failed SpoolClosed") == 12 - len(kept)
    assert said.count("intake closed") == 1
    assert asyncio.run(stored(directory)) == kept


async def stored(directory: Path) -> list[str]:
    spool = await opened(directory)
    await asyncio.gather(*spool._background)
    entries = await spool.find(Filter(), limit=100_000)
    for entry in entries:
        assert await read(entry.message.content)
    await spool.close()
    return [entry.message.id for entry in entries]


@pytest.mark.parametrize("seed", range(4))
def test_killed_in_the_middle_of_load(directory: Path, seed: int) -> None:
    """E1: after kill -9 every acknowledged message that was not settled is there, whole, and no settled one."""
    worker = subprocess.Popen([*COMMAND, str(directory), "load", "100000"], cwd=ROOT, stdout=subprocess.PIPE)
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"open\n"
    lines = [worker.stdout.readline().decode().strip() for _ in range(random.Random(seed).randrange(50, 600))]
    worker.send_signal(signal.SIGKILL)
    lines += worker.stdout.read().decode().splitlines()
    worker.wait()
    worker.stdout.close()
    staying = {line.split()[1] for line in lines if line.startswith("kept") and line.endswith("staying")}
    gone = {line.split()[1] for line in lines if line.startswith("settled")}
    found = asyncio.run(stored(directory))
    assert staying <= set(found)
    assert len(staying) > 10
    assert not gone & set(found)
    contents = set(os.listdir(directory / "content"))
    assert contents <= set(found)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few megabytes, in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small disk")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m,nr_inodes=60", "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("may not mount a small disk here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


async def fill(deed: object, most: int = 2000) -> int:
    for number in range(most):
        try:
            await deed()  # type: ignore[operator]
        except SpoolFull:
            return number
    raise AssertionError("it never became full")


@pytest.mark.parametrize("body", [b"x" * 5000, bytes(BIG)])
async def test_a_full_disk_refuses_and_recovers(small_disk: Path, notebook: Notebook, body: bytes) -> None:
    """E18: no room is SpoolFull, what was kept stays, and with room again the store works by itself."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(3_000_000))
    spool = await opened(small_disk / "spool", notebook)
    number = await fill(lambda: put(spool, body))
    assert number > 3
    with pytest.raises(SpoolFull):
        await put(spool, body)
    assert (await spool.stats()).messages == number
    ballast.unlink()
    await put(spool, body)
    assert (await spool.stats()).messages == number + 1
    claimed = await spool.claim(4e9, 5000)
    assert len(claimed) == number + 1
    await spool.settle([item for entry in claimed for item in settled(entry)])
    assert [event.state for event in notebook.named("intake")][-1:] != ["closed"]
    await spool.close()


async def test_settling_goes_on_when_intake_is_full(small_disk: Path, notebook: Notebook) -> None:
    """With less room than the reserve mail is refused, but outcomes are taken, and free it."""
    settings = Spool(inline=Size(10_000), reserve=Size(3_000_000))
    spool = await opened(small_disk / "spool", notebook, settings)
    entry = await put(spool, b"first", claim=True)
    (small_disk / "ballast").write_bytes(bytes(3_500_000))
    async with asyncio.timeout(5):
        while True:
            try:
                await put(spool, b"more")
            except SpoolFull:
                break
            await asyncio.sleep(0.05)
    await spool.settle(settled(entry))
    (small_disk / "ballast").unlink()
    async with asyncio.timeout(5):
        while True:
            try:
                await put(spool, b"again")
                break
            except SpoolFull:
                await asyncio.sleep(0.05)
    assert [event.state for event in notebook.named("intake")] == ["full", "open"]
    await spool.close()


async def test_no_inodes_refuses_files_and_recovers(small_disk: Path) -> None:
    """E20: without inodes a big message is SpoolFull and a small one still goes into the database."""
    spool = await opened(small_disk / "spool")
    extra = [small_disk / f"inode{number}" for number in range(100)]
    made = []
    for path in extra:
        try:
            path.touch()
        except OSError:
            break
        made.append(path)
    with pytest.raises(SpoolFull):
        await put(spool, bytes(BIG))
    await put(spool, b"small")
    for path in made:
        path.unlink()
    await put(spool, bytes(BIG))
    await spool.close()


async def test_a_spool_on_a_full_disk_says_so(small_disk: Path) -> None:
    """A store that cannot be made for want of room is refused in one sentence."""
    (small_disk / "ballast").write_bytes(bytes(6_250_000))
    with pytest.raises(SpoolError, match="spool"):
        await opened(small_disk / "spool")
