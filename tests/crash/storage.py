"""Storage: power cuts, a disk that lies, full disks, no inodes, failing syncs, no descriptors (deeds)."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time
from dataclasses import replace
from typing import Final

from tests.crash.client import LoadClient, Plan
from tests.crash.disks import PowerCutDisk, power_cut_disk, small_disk
from tests.crash.evidence import descriptors
from tests.crash.invariants import wrong_refusals
from tests.crash.stage import OWNERS, SENDER, Result, Stage, mixed, mixed_sizes, stage
from tests.peers.tools import PeerError, program, scratch

ELSEWHERE: Final = Plan(recipients=lambda _: ["carl@elsewhere.example"], sender=SENDER)
PATIENCE: Final = 15.0
FILLING: Final = 40.0  # seconds
SYNCS: Final = "fdatasync,fsync"


async def _cut_and_mend(scene: Stage, disk: PowerCutDisk) -> None:
    """The power goes; the machine comes back.

    A real cut takes the processes with it. These run on for a moment, and a sync that was under way when the file
    system was stopped may still return 0 to them: no 250 would have left a machine without power.
    """
    began = time.time()
    disk.cut()
    await asyncio.sleep(0.05)  # the system meets the errors of a disk that is gone
    await scene.kill()
    scene.dark.append((began, time.time()))
    await disk.unmount()
    await disk.mount()


async def e10_power_cut(rounds: int, seed: int) -> Result:
    """E10: spool and mail on ext4; the power is cut at random moments under load."""
    source = random.Random(seed)
    with scratch("disk") as place:
        async with (
            power_cut_disk(place) as disk,
            stage(seed=seed, data=disk.mount_point / "data", remove=False) as scene,
        ):
            await scene.start()
            load = scene.load(sizes=lambda source: source.randint(300, 6000), sessions=6)
            for _ in range(rounds):
                await asyncio.sleep(source.uniform(0.1, 1.2))
                await _cut_and_mend(scene, disk)
                await scene.start()
            await load.stop()
            return await scene.finish("E10 power cut", rounds)


async def e17_lying_disk(rounds: int, seed: int) -> Result:
    """E17, the positive control: syncs do nothing, the power is cut, and the harness must see the loss."""
    with scratch("disk") as place:
        async with (
            power_cut_disk(place) as disk,
            stage(seed=seed, data=disk.mount_point / "data", remove=False) as scene,
        ):
            lies = _tracing("/dev/null", f"inject={SYNCS}:retval=0")
            await _lay_the_store_out(scene)
            for _ in range(rounds):
                await scene.start(wrap=lies)
                await scene.send(40)
                await _cut_and_mend(scene, disk)
            await scene.start()
            result = await scene.finish("E17 a disk that lies (loss is expected)", rounds)
    seen = len(result.verdict.lost)
    faults = () if seen else ("the harness saw no loss on a disk that forgets: its other verdicts mean nothing",)
    return replace(result, control=True, faults=faults, notes=(f"{seen} losses were seen, as they must be",))


async def _lay_the_store_out(scene: Stage) -> None:
    """One start and stop with honest syncs, so that the store itself exists on the disk."""
    await scene.system.start()
    await scene.system.stop()


async def e18_disk_full(rounds: int, seed: int) -> Result:
    """E18: the disk fills while the next hop is away; 452 is said, and all is well again by itself."""
    settings = {"spool.reserve": "8MB", "queue.retry": ["1s"]}
    plan = replace(ELSEWHERE, sizes=lambda source: source.randint(20_000, 60_000), patience=PATIENCE)
    with scratch("disk") as place:
        async with (
            small_disk(place, size="40m") as disk,
            stage(seed=seed, data=disk / "data", settings=settings, plan=plan) as scene,
        ):
            await scene.start()
            for _ in range(rounds):
                await _fill(scene, 8)
                await scene.send(5)
            return await _short_of_something(scene, "E18 disk full", rounds)


async def _fill(scene: Stage, enough: int) -> None:
    """The next hop is away until so many messages were refused for want of room; then it is back."""
    await scene.sink.close()
    load = scene.load(sessions=2, pause=0.005)
    end = time.monotonic() + FILLING
    while _refused_by(scene, load) < enough and time.monotonic() < end:
        await asyncio.sleep(0.2)
    await load.stop()
    scene.expect(_refused_by(scene, load) >= enough, "the disk was filled and mail was not refused")
    await scene.sink.open()
    left = await scene.system.drained(60.0)
    scene.expect(left == 0, f"{left} messages did not leave when the next hop was back")


def _refused_by(scene: Stage, load: LoadClient) -> int:
    return sum(sent.refused for sent in scene.sent().values() if sent.id.startswith(f"{load.name}-"))


async def _short_of_something(scene: Stage, name: str, rounds: int) -> Result:
    """After the shortage mail is taken again, and nobody was blamed for it."""
    refused = sum(sent.refused for sent in scene.sent().values())
    scene.notes.append(f"{refused} refused for the time being")
    last = max(scene.sent().values(), key=lambda sent: sent.began)
    scene.expect(last.acknowledged, f"after the shortage still: {last.reply or 'silence'}")
    wrong = wrong_refusals(scene.sent(), deadline=PATIENCE)
    scene.expect(not wrong, f"wrongly refused: {', '.join(wrong[:3])}")
    return await scene.finish(name, rounds)


async def e20_no_inodes(rounds: int, seed: int) -> Result:
    """E20: the disk has room and no inodes; big messages need a file each."""
    plan = replace(ELSEWHERE, sizes=lambda source: source.randint(300_000, 320_000), patience=PATIENCE)
    with scratch("disk") as place:
        async with (
            small_disk(place, size="200m", inodes=64) as disk,
            stage(seed=seed, data=disk / "data", plan=plan) as scene,
        ):
            await scene.start()
            for _ in range(rounds):
                await _fill(scene, 8)
                await scene.send(3)
            return await _short_of_something(scene, "E20 no inodes", rounds)


async def e21_sync_fails(rounds: int, seed: int) -> Result:
    """E21: the k-th sync fails; the intake closes with 4yz, no 250 follows, nothing acknowledged is lost."""
    async with stage(seed=seed) as scene:
        first = await _syncs_of_a_start(scene)
        for number in range(rounds):
            with contextlib.suppress(PeerError):  # a sync that fails during the start may refuse the start
                await scene.system.start(wrap=_tracing("/dev/null", f"inject={SYNCS}:error=EIO:when={first + number}+"))
                await _until_refused(scene)
            await scene.kill()
            await scene.start()
            await scene.system.stop()
        await scene.start()
        wrong = wrong_refusals(scene.sent(), deadline=PATIENCE)
        scene.expect(not wrong, f"wrongly refused: {', '.join(wrong[:3])}")
        return await scene.finish("E21 a sync fails", rounds)


async def _syncs_of_a_start(scene: Stage) -> int:
    """How often the busiest thread syncs until the system is ready: strace counts in each thread."""
    log = scene.system.directory / "syncs.strace"
    await scene.system.start(wrap=_tracing(str(log)))
    syncs = [line.split()[0] for line in log.read_text().splitlines() if "sync(" in line]
    await scene.system.stop()
    return max((syncs.count(thread) for thread in set(syncs)), default=0) or 1


def _tracing(log: str, *injection: str) -> list[str]:
    options = [option for text in injection for option in ("-e", text)]
    return [program("strace"), "-f", "--seccomp-bpf", "-o", log, "-e", f"trace={SYNCS}", *options]


async def _until_refused(scene: Stage) -> None:
    """Sends until the intake closes, then sees that it stays closed."""
    load = scene.load(sessions=2, limit=200, patience=PATIENCE, recipients=lambda _: [OWNERS[0]])
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(load.finish()), 12.0)
    await load.stop()
    ordered = sorted((sent for sent in scene.sent().values() if sent.replied), key=lambda sent: sent.replied or 0.0)
    refusals = [index for index, sent in enumerate(ordered) if sent.refused]
    this_run = [sent for sent in ordered if sent.id.startswith(f"l{scene.loads}-")]
    refused_at = next((sent.replied for sent in this_run if sent.refused), None)
    scene.expect(bool(refusals) or bool(load.greetings) or not this_run, "no sync worked, and nothing was refused")
    if refused_at is not None:
        late = [s for s in this_run if s.acknowledged and s.dot is not None and s.dot > refused_at]
        scene.expect(not late, f"{len(late)} acknowledged after a sync had failed")


async def e27_no_descriptors(rounds: int, seed: int) -> Result:
    """E27: with 96 files to open, 300 connections come; mail flows again when they are gone."""
    plan = Plan(recipients=mixed, sender=SENDER, sizes=mixed_sizes, patience=PATIENCE)
    async with stage(seed=seed, plan=plan) as scene:
        await scene.start(wrap=[program("prlimit"), "--nofile=96:96"])
        await scene.send(5)
        at_rest = descriptors(scene.system.pid)
        for _ in range(rounds):
            held = await asyncio.to_thread(_connect, scene.system.port, 300)
            await asyncio.sleep(0.5)
            scene.expect(scene.system.service.exit_code is None, "it died for want of descriptors")
            for connection in held:
                connection.close()
            await asyncio.sleep(1.5)
            await scene.send(5)
        await scene.system.drained(20.0)
        await asyncio.sleep(6.0)  # kept connections to the next hop end after five idle seconds
        left_open = descriptors(scene.system.pid) - at_rest
        scene.expect(left_open <= 4, f"{left_open} descriptors leak")  # I9
        return await _short_of_something(scene, "E27 no descriptors", rounds)


def _connect(port: int, count: int) -> list[socket.socket]:
    held = []
    for _ in range(count):
        connection = socket.socket()
        connection.settimeout(2.0)
        with contextlib.suppress(OSError):
            connection.connect(("127.0.0.1", port))
        held.append(connection)
    return held
