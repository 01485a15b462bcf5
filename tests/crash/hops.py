"""Next hops that misbehave: dropped connections, wrong replies, slowness, half an LMTP answer (deeds)."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from typing import Final

from tests.crash.client import Plan
from tests.crash.evidence import fingerprint
from tests.crash.stage import REFUSED, SENDER, Result, Stage, refusing, stage
from tests.peers.sink import Action, Drop, Faults, Say, Step, Wait, sink

RELAYED: Final = Plan(
    recipients=lambda source: source.sample(["carl@elsewhere.example", "dora@elsewhere.example"], 1), sender=SENDER
)


def sometimes(step: Step, action: Action, odds: float, source: random.Random) -> Faults:
    """Misbehaves at one step with some probability, and refuses as ever."""

    def faults(now: Step, detail: str) -> Action | None:
        if now is step and source.random() < odds:
            return action
        return refusing(now, detail)

    return faults


async def e39_drops_after_the_dot(rounds: int, seed: int) -> Result:
    """E39: the next hop has the message and drops before it says so: always at first, then one in ten."""
    async with stage(seed=seed, plan=RELAYED) as scene:
        await scene.start()
        drops = _Counted(sometimes(Step.TAKEN, Drop(), 1.0, random.Random(seed)))
        scene.sink.faults = drops
        await scene.send(5)
        await asyncio.sleep(3.0)
        drops.inner = sometimes(Step.TAKEN, Drop(), 0.1, random.Random(seed))
        for _ in range(rounds):
            await scene.send(40)
        await scene.system.drained(60.0)
        scene.crashes = 1 + drops.count  # each drop may make a duplicate; that is RFC 1047's price
        result = await scene.finish("E39 drops after the dot", rounds)
        scene.expect(result.verdict.duplicates <= drops.count, "more duplicates than drops")
        return scene.amend(result)


class _Counted:
    """Counts what another does wrong on purpose."""

    def __init__(self, inner: Faults) -> None:
        self.inner = inner
        self.count = 0

    def __call__(self, step: Step, detail: str) -> Action | None:
        action = self.inner(step, detail)
        self.count += action is not None
        return action


VARIANTS: Final[tuple[tuple[str, Step, Action], ...]] = (
    ("reset in the greeting", Step.CONNECTED, Drop()),
    ("421 for a greeting", Step.CONNECTED, Say("421 4.3.2 not now", close=True)),
    ("554 for a greeting", Step.CONNECTED, Say("554 5.3.2 no service", close=True)),
    ("reset in EHLO", Step.HELLO, Drop()),
    ("421 to EHLO", Step.HELLO, Say("421 4.3.2 not now", close=True)),
    ("reset in MAIL", Step.MAIL, Drop()),
    ("451 to MAIL", Step.MAIL, Say("451 4.3.0 later")),
    ("421 to MAIL", Step.MAIL, Say("421 4.7.0 enough", close=True)),
    ("reset in RCPT", Step.RCPT, Drop()),
    ("450 to RCPT", Step.RCPT, Say("450 4.2.0 greylisted")),
    ("421 to RCPT", Step.RCPT, Say("421 4.7.0 enough", close=True)),
    ("reset in DATA", Step.DATA, Drop()),
    ("451 to DATA", Step.DATA, Say("451 4.3.0 later")),
    ("250 to DATA", Step.DATA, Say("250 2.0.0 what?", close=True)),
    ("reset in the content", Step.CONTENT, Drop()),
    ("reset at the dot", Step.DOT, Drop()),
    ("452 to the dot", Step.DOT, Say("452 4.3.1 full")),
    ("421 to the dot", Step.DOT, Say("421 4.3.2 going down", close=True)),
    ("reset after 250", Step.REPLIED, Drop()),
    ("no number", Step.MAIL, Say("hello there", close=True)),
    ("a number out of range", Step.RCPT, Say("999 9.9.9 nonsense", close=True)),
)
"""What a next hop may do wrong for a while; none of it is the sender's fault, so nothing may fail for good."""


async def e41_broken_dialogues(rounds: int, seed: int) -> Result:
    """E41, E42, E44: each way to break a dialogue, three times, then the next hop behaves."""
    async with stage(seed=seed, plan=RELAYED) as scene:
        await scene.start()
        for _ in range(rounds):
            for name, step, action in VARIANTS:
                await _variant(scene, name, step, action)
        result = await scene.finish("E41 broken dialogues", rounds * len(VARIANTS))
        # Not even after a reset behind the 250: what was answered is done (F144).
        scene.expect(result.verdict.duplicates == 0, "duplicates where no 250 was lost")
        return scene.amend(result)


async def _variant(scene: Stage, name: str, step: Step, action: Action) -> None:
    scene.sink.faults = first(3, step, action)
    await scene.send(2)
    left = await scene.system.drained(30.0)
    scene.expect(left == 0, f"after {name}: {left} still queued")
    scene.sink.faults = refusing


def first(times: int, step: Step, action: Action) -> Faults:
    """Misbehaves at a step for the first so many times."""
    left = Counter({step: times})

    def faults(now: Step, detail: str) -> Action | None:
        if left[now] > 0:
            left[now] -= 1
            return action
        return refusing(now, detail)

    return faults


async def e42_outcome_for_each_recipient(rounds: int, seed: int) -> Result:
    """E42: of three recipients one is taken, one refused for good and one for a while: three outcomes."""
    late = "late@elsewhere.example"
    plan = Plan(recipients=lambda _: ["carl@elsewhere.example", REFUSED, late], sender=SENDER)
    async with stage(seed=seed, plan=plan) as scene:
        await scene.start()
        for _ in range(rounds):
            scene.sink.faults = _only_later(late)
            await scene.send(3)
            await scene.system.drained(30.0)
        result = await scene.finish("E42 outcome for each recipient", rounds)
        reports = len(scene.collector.evidence.reported)
        scene.expect(reports == 3 * rounds, f"{reports} reports for {3 * rounds} failed recipients")  # I10
        scene.expect(result.verdict.duplicates == 0, "a recipient got it twice")
        return scene.amend(result)


def _only_later(address: str) -> Faults:
    left = Counter({address: 3})

    def faults(step: Step, detail: str) -> Action | None:
        if step is Step.RCPT and left[detail] > 0:
            left[detail] -= 1
            return Say("450 4.2.0 come back later")
        return refusing(step, detail)

    return faults


async def e5_sigterm_beside_silence(rounds: int, seed: int) -> Result:
    """E5: a next hop that never greets does not keep the system from stopping, and loses nothing by it."""
    async with stage(seed=seed, plan=RELAYED) as scene:
        scene.sink.faults = lambda step, detail: Wait(3600.0) if step is Step.CONNECTED else refusing(step, detail)
        for number in range(rounds):
            await scene.start()
            await scene.send(10)
            begin = time.monotonic()
            code = await scene.system.stop()
            scene.expect(code == 0, f"round {number + 1}: exit {code} after {time.monotonic() - begin:.0f} s")
        scene.sink.faults = refusing
        await scene.start()
        return await scene.finish("E5b SIGTERM beside a silent next hop", rounds)


async def e43_slow_peer(rounds: int, seed: int) -> Result:
    """E43: one next hop needs ten seconds for each step; mail for another is not delayed by it (I11)."""
    async with sink(lmtp=True, faults=lambda step, detail: Wait(10.0), digest=fingerprint) as tar:
        domains = {"example.test": "maildir", "slow.test": f"lmtp://127.0.0.1:{tar.port}"}
        async with stage(seed=seed, plan=RELAYED, domains=domains) as scene:
            _leave_names_to(scene, "slow.test")
            await scene.start()
            await scene.send(100, recipients=lambda _: ["anyone@slow.test"])
            begin = time.monotonic()
            for _ in range(rounds):
                await scene.send(50)
            end = begin + 10.0
            while len(scene.sink.taken) < 50 * rounds and time.monotonic() < end:
                await asyncio.sleep(0.05)
            taken = len(scene.sink.taken)
            scene.expect(taken == 50 * rounds, f"{taken} of {50 * rounds} arrived beside the slow peer")
            scene.notes.append(f"the others took {time.monotonic() - begin:.1f} s")
            tar.faults = lambda step, detail: None
            await scene.system.drained(60.0)
            scene.collector.read_sink(tar.taken)
            return await scene.finish("E43 slow peer", rounds)


def _leave_names_to(scene: Stage, domain: str) -> None:
    """The LMTP domain's own server knows who lives there."""
    file = scene.system.file
    file.write_text(file.read_text().replace(f'name = "{domain}"\n', f'name = "{domain}"\nverify = false\n'))


async def e46_half_an_lmtp_answer(rounds: int, seed: int) -> Result:
    """E46, F170: an LMTP server dies between two replies: those answered are done, the others are tried again."""
    people = ["one@lmtp.test", "two@lmtp.test", "three@lmtp.test"]
    async with sink(lmtp=True, digest=fingerprint) as server:
        domains = {"example.test": "maildir", "lmtp.test": f"lmtp://127.0.0.1:{server.port}"}
        plan = Plan(recipients=lambda _: people, sender=SENDER)
        async with stage(seed=seed, plan=plan, domains=domains) as scene:
            _leave_names_to(scene, "lmtp.test")
            await scene.start()
            for number in range(rounds):
                server.faults = _dies_before(people[1 + number % 2])
                await scene.send(3)
                await scene.system.drained(30.0)
            scene.collector.read_sink(server.taken)
            result = await scene.finish("E46 half an LMTP answer", rounds)
            scene.expect(result.verdict.duplicates == 0, "somebody who was answered got it again")
            return scene.amend(result)


def _dies_before(address: str) -> Faults:
    left = Counter({address: 2})

    def faults(step: Step, detail: str) -> Action | None:
        if step is Step.BETWEEN and left[detail] > 0:
            left[detail] -= 1
            return Drop()
        return None

    return faults
