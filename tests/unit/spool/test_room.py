"""Room on the disk: intake stops while the queue can still work, and room comes back by itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from eilpost.config.schema import Size, Spool
from eilpost.spool.contract import Entry, SpoolFull
from eilpost.spool.sqlite import SqliteSpool
from tests.unit.spool.sample import Notebook, opened, put, settled

RESERVE = 2_000_000
SETTINGS = Spool(inline=Size(50_000), reserve=Size(RESERVE))
MAIL = bytes(range(256)) * 150


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of twelve megabytes, in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small disk")
    command = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a small disk here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def free(place: Path) -> int:
    disk = os.statvfs(place)
    return disk.f_bavail * disk.f_frsize


async def fill(spool: SqliteSpool, body: bytes) -> int:
    for number in range(1000):
        try:
            await put(spool, body)
        except SpoolFull:
            return number
    raise AssertionError("it never became full")


def take_all(path: Path) -> None:
    """Writes a file until there is no room left."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


async def claim_into(claimed: list[Entry], spool: SqliteSpool, number: int) -> None:
    while len(claimed) < number:
        claimed += await spool.claim(4e9, 10)


async def drain(spool: SqliteSpool) -> int:
    """Claims and settles in small steps, as the queue does."""
    count = 0
    while claimed := await spool.claim(4e9, 20):
        await spool.settle([row for entry in claimed for row in settled(entry)])
        count += len(claimed)
    return count


async def test_a_fast_load_leaves_the_reserve_and_the_queue_drains(small_disk: Path, notebook: Notebook) -> None:
    """E18: mail that comes faster than the disk is looked at stops before the reserve; again and again all leaves."""
    spool = await opened(small_disk / "spool", notebook, SETTINGS)
    for _ in range(3):
        number = await fill(spool, MAIL)
        assert number * len(MAIL) > 5_000_000
        assert free(small_disk) > RESERVE // 2
        assert await drain(spool) == number
    assert await fill(spool, MAIL) > 0
    assert not notebook.named("faulted")
    await spool.close()


async def test_files_do_not_take_the_reserve(small_disk: Path) -> None:
    """Content in files stops at the reserve too."""
    spool = await opened(small_disk / "spool", settings=SETTINGS)
    number = await fill(spool, MAIL * 10)
    assert number > 10
    assert free(small_disk) > RESERVE // 2
    assert await drain(spool) == number
    await spool.close()


async def test_an_empty_database_gives_its_room_to_files(small_disk: Path) -> None:
    """When the queue has emptied a database that filled the disk, content files find room at the first try."""
    spool = await opened(small_disk / "spool", settings=SETTINGS)
    number = await fill(spool, MAIL)
    with pytest.raises(SpoolFull):
        await put(spool, MAIL * 100)
    assert await drain(spool) == number
    await put(spool, MAIL * 100)
    assert free(small_disk) > 7_000_000
    await spool.close()


async def test_a_disk_without_any_room_stops_claims_until_there_is_some(small_disk: Path) -> None:
    """Somebody else takes the last octet: claims say full, and the same claims go through afterwards."""
    spool = await opened(small_disk / "spool", settings=SETTINGS)
    number = await fill(spool, MAIL)
    ballast = small_disk / "ballast"
    take_all(ballast)
    claimed: list[Entry] = []
    with pytest.raises(SpoolFull):
        await claim_into(claimed, spool, number)
    ballast.unlink()
    await spool.settle([row for entry in claimed for row in settled(entry)])
    assert len(claimed) + await drain(spool) == number
    await put(spool, MAIL)
    await spool.close()
