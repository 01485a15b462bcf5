"""Process death: kill -9 under load and at chosen system calls, SIGTERM, two instances (deeds)."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.crash.invariants import promises_without_sync
from tests.crash.stage import OWNERS, Result, Stage, stage
from tests.peers.eilpost import Eilpost
from tests.peers.tools import PeerError, program

CALLS: Final = {
    "sync": "fdatasync,fsync",
    "place": "rename,renameat,renameat2,link,linkat,unlink,unlinkat",
    "store": "pwrite64,ftruncate",
}

_LOCKED: Final = re.compile(r"another|lock|in use|already", re.IGNORECASE)


async def e1_kill_at_random(rounds: int, seed: int) -> Result:
    """E1: kill -9 at random moments under load; start again; repeat."""
    source = random.Random(seed)
    async with stage(seed=seed) as scene:
        await scene.start()
        load = scene.load()
        for _ in range(rounds):
            await asyncio.sleep(source.uniform(0.0, 1.2))
            await scene.kill()
            await scene.start()
            scene.collector.read_sink(scene.sink.taken)
            scene.collector.read_maildirs()
        await load.stop()
        scene.expect(load.silences == 0, f"{load.silences} replies never came")
        return await scene.finish("E1 kill -9 at random", rounds)


async def e2_kill_at_system_calls(rounds: int, seed: int) -> Result:
    """E2: kill -9 right before, and right after, the k-th call that makes something durable.

    ``rounds`` points are chosen evenly among all calls of a run that sends four messages.
    """
    async with stage(seed=seed) as scene:
        points = await _points(scene, rounds)
        for number, (calls, k, after) in enumerate(points):
            await _kill_at(scene, calls, k, after=after)
            await scene.start()
            if number % 2:
                # A crash right after a start that found work is the harder case.
                await scene.kill()
                await scene.start()
            await scene.system.stop()
        await scene.start()
        return await scene.finish("E2 kill -9 at system calls", len(points))


async def _points(scene: Stage, wanted: int) -> list[tuple[str, int, bool]]:
    """(calls, k, after) for the kills: a run without a kill says how many calls there are."""
    log = scene.system.directory / "count.strace"
    await scene.start(wrap=_strace(log, ",".join(CALLS.values())))
    await _few_messages(scene)
    await scene.system.drained(10)
    await scene.system.stop()
    found = []
    for calls in CALLS.values():
        count = _busiest_thread(log.read_text(), calls)
        found += [(calls, k, after) for k in range(1, count + 1) for after in (False, True)]
    step = max(1, len(found) // max(1, wanted))
    return found[::step][:wanted]


def _busiest_thread(trace: str, calls: str) -> int:
    """strace counts calls in each thread; how many the busiest one made."""
    names = "|".join(calls.split(","))
    threads = re.findall(rf"^(\d+) +(?:{names})\(", trace, re.MULTILINE)
    return max((threads.count(thread) for thread in set(threads)), default=0)


def _strace(log: Path, calls: str, *injection: str) -> list[str]:
    return [program("strace"), "-f", "-y", "-o", str(log), "-e", f"trace={calls}", *injection]


async def _few_messages(scene: Stage) -> None:
    """Small and big, to one and to several, at home and elsewhere."""
    await scene.send(2, recipients=lambda _: [*OWNERS, "carl@elsewhere.example"], patience=10.0)
    await scene.send(1, recipients=lambda _: [OWNERS[0]], sizes=lambda _: 400_000, patience=10.0)
    await scene.send(1, recipients=lambda _: ["dora@elsewhere.example"], patience=10.0)


async def _kill_at(scene: Stage, calls: str, k: int, *, after: bool) -> None:
    log = scene.system.directory / "kill.strace"
    log.unlink(missing_ok=True)
    effect = "delay_exit=60000000" if after else "signal=SIGKILL"
    killer = asyncio.create_task(_kill_when_delayed(scene, log)) if after else None
    with contextlib.suppress(PeerError):  # it may die before it is ready: a point as good as any
        await scene.system.start(wrap=_strace(log, calls, "-e", f"inject={calls}:{effect}:when={k}"))
        await _until_dead(scene, asyncio.create_task(_few_messages(scene)))
    if killer is not None:
        killer.cancel()
    await scene.kill()


async def _until_dead(scene: Stage, load: asyncio.Task[None]) -> None:
    """Waits for the death, or for the last message and a second more: outcomes are settled after replies."""
    death = asyncio.create_task(scene.system.service.wait(30.0))
    done, _ = await asyncio.wait({load, death}, timeout=20.0, return_when=asyncio.FIRST_COMPLETED)
    if load in done:
        await asyncio.wait({death}, timeout=1.0)
    for task in (load, death):
        task.cancel()
    await asyncio.gather(load, death, return_exceptions=True)


async def _kill_when_delayed(scene: Stage, log: Path) -> None:
    """strace writes DELAYED when the call is done and its caller does not know yet."""
    while not (log.exists() and "(DELAYED)" in log.read_text(errors="replace")):  # noqa: ASYNC240
        await asyncio.sleep(0.005)
    await scene.system.kill()


async def i5_sync_before_promise(rounds: int, seed: int) -> Result:
    """I5: a system-call trace shows a sync that succeeded between each content and its 250."""
    async with stage(seed=seed) as scene:
        log = scene.system.directory / "promise.strace"
        await scene.start(wrap=[program("strace"), "-f", "-s", "80", "-o", str(log), "-e",
                                "trace=fdatasync,fsync,write,writev,sendto,sendmsg"])  # fmt: skip
        await scene.send(rounds)
        result = await scene.finish("I5 sync before promise", rounds)
        trace = log.read_text(errors="replace").splitlines()
        promises = sum("250 2.0.0 Ok: queued" in line for line in trace)
        bad = promises_without_sync(trace)
    faults = (*result.faults, *(f"250 without a sync: {line[:80]}" for line in bad[:3]))
    if promises < rounds:
        faults = (*faults, f"only {promises} promises in the trace")
    return replace(result, faults=faults, notes=(f"{promises} promises traced",))


async def e5_sigterm_under_load(rounds: int, seed: int) -> Result:
    """E5: SIGTERM under load ends with exit 0 and without a duplicate; twice in a row does no harm."""
    source = random.Random(seed)
    async with stage(seed=seed) as scene:
        await scene.start()
        load = scene.load()
        for number in range(rounds):
            await asyncio.sleep(source.uniform(0.0, 1.0))
            if number % 2:
                scene.system.terminate()
            code = await scene.system.stop()
            scene.expect(code == 0, f"round {number + 1}: exit {code} after SIGTERM")
            await scene.start()
        await load.stop()
        return await scene.finish("E5 SIGTERM under load", rounds)


async def e9_two_instances(rounds: int, seed: int) -> Result:
    """E9: a second instance on the same spool is refused and says why; the first is not disturbed."""
    async with stage(seed=seed) as scene:
        await scene.start()
        load = scene.load()
        second = Eilpost(scene.system.directory / "second", scene.system.setup, data=scene.system.data)
        for _ in range(rounds):
            try:
                await second.start()
            except PeerError as refusal:
                scene.expect("Traceback" not in str(refusal), "the second instance ended with a traceback")
                scene.expect(bool(_LOCKED.search(str(refusal))), f"the refusal names no reason: {refusal}")
            else:
                scene.faults.append("a second instance was let in")
                await second.kill()
        await load.stop()
        return await scene.finish("E9 two instances", rounds)
