"""The harness against itself: a disk forgets what was not synced, a client remembers what it was told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.crash.client import LoadClient, Plan
from tests.crash.disks import mounts_unavailable, power_cut_disk, small_disk
from tests.crash.evidence import copies_in_sink, failures_in_report, fingerprint
from tests.crash.invariants import Evidence, judge
from tests.crash.ledger import Ledger, read
from tests.peers.sink import Drop, Faults, Say, Step, sink
from tests.peers.tools import scratch

PLAN = Plan(recipients=lambda _: ["x@elsewhere.example", "y@elsewhere.example"], sessions=3, limit=30, pause=0.0)


def write(path: Path, *, synced: bool) -> None:
    """A file, and its name, made durable or left to the kernel."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    os.write(descriptor, b"mail")
    if synced:
        os.fsync(descriptor)
        directory = os.open(path.parent, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
    os.close(descriptor)


def touch_many(directory: Path, count: int) -> None:
    """So many empty files."""
    for number in range(count):
        (directory / str(number)).touch()


@pytest.mark.crash
async def test_a_power_cut_forgets_what_was_not_synced() -> None:
    """After the cut a synced file is there and another is not; during it, nothing can be synced."""
    if reason := mounts_unavailable():
        pytest.skip(reason)
    with scratch("harness") as place:
        async with power_cut_disk(place, megabytes=64) as disk:
            write(disk.mount_point / "synced", synced=True)
            write(disk.mount_point / "forgotten", synced=False)
            disk.cut()
            with pytest.raises(OSError, match="Input/output error"):
                write(disk.mount_point / "later", synced=True)
            await disk.unmount()
            await disk.mount()
            assert (disk.mount_point / "synced").read_bytes() == b"mail"
            assert not (disk.mount_point / "forgotten").exists()


@pytest.mark.crash
async def test_a_small_disk_is_full_soon() -> None:
    """Octets and inodes both run out."""
    if reason := mounts_unavailable():
        pytest.skip(reason)
    with scratch("harness") as place:
        async with small_disk(place, size="64k") as full:
            with pytest.raises(OSError, match="No space"):
                (full / "big").write_bytes(b"x" * 200_000)
        (place / "small").rmdir()
        async with small_disk(place, size="1m", inodes=10) as crowded:
            with pytest.raises(OSError, match="No space"):
                touch_many(crowded, 20)


async def play(tmp_path: Path, faults: Faults) -> tuple[int, Evidence, Ledger]:
    """Thirty messages to a sink; how many are in the ledger, and what the sink has."""
    ledger = Ledger(tmp_path / "ledger")
    async with sink(faults=faults, digest=fingerprint) as hop:
        client = LoadClient(PLAN, ledger, hop.port)
        client.start()
        await client.finish()
        evidence = Evidence(list(copies_in_sink(hop.taken)))
    ledger.close()
    return len(read((tmp_path / "ledger").read_text().splitlines())), evidence, ledger


async def test_an_honest_server_is_sound(tmp_path: Path) -> None:
    """All is acknowledged, all is there, once and unaltered."""
    sent, evidence, _ = await play(tmp_path, lambda step, detail: None)
    verdict = judge(read((tmp_path / "ledger").read_text().splitlines()), evidence)
    assert sent == 30
    assert verdict.sound
    assert (verdict.acknowledged, verdict.owed, verdict.duplicates) == (30, 60, 0)


async def test_a_forgetful_server_is_caught(tmp_path: Path) -> None:
    """A server that says 250 and keeps nothing loses, and the judge says so."""
    faults: Faults = lambda step, detail: Say("250 2.0.0 of course") if step is Step.DOT else None  # noqa: E731
    await play(tmp_path, faults)
    assert len(judge(read((tmp_path / "ledger").read_text().splitlines()), Evidence()).lost) == 60


async def test_a_server_that_drops_leaves_messages_unanswered(tmp_path: Path) -> None:
    """What was dropped is neither acknowledged nor refused, and its copies are no phantoms."""
    drops = iter([True] * 5)
    _, evidence, _ = await play(
        tmp_path, lambda step, detail: Drop() if step is Step.TAKEN and next(drops, False) else None
    )
    verdict = judge(read((tmp_path / "ledger").read_text().splitlines()), evidence)
    assert verdict.sound
    assert (verdict.acknowledged, verdict.unanswered) == (25, 5)


def test_a_report_names_the_message_and_who_failed() -> None:
    """Of a delivery status notification the failed recipients are read, the delayed are not."""
    report = (
        b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx\r\n\r\n"
        b"Final-Recipient: rfc822; x@b\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
        b"Final-Recipient: rfc822; y@b\r\nAction: delayed\r\nStatus: 4.0.0\r\n\r\n"
        b"Original-Recipient: rfc822;z@b\r\nFinal-Recipient: rfc822;z@b\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
        b"--x\r\nContent-Type: text/rfc822-headers\r\n\r\nX-Ledger-Id: m-7\r\n"
    )
    assert failures_in_report(report) == [("m-7", "x@b"), ("m-7", "z@b")]
