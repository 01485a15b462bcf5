"""The manager over the embedded store, as the running system has it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest

from eilpost.config.schema import Config, Duration, Queue, Server, Spool
from eilpost.deliver.agent import Attempt, Job
from eilpost.journal import Event, Faulted
from eilpost.mail.address import Address, parse_address
from eilpost.mail.envelope import Envelope, Recipient, ReversePath
from eilpost.mail.next_hop import Means, NextHop
from eilpost.mail.outcome import Fate
from eilpost.net.clock import SystemClock
from eilpost.queue.manager import Manager
from eilpost.spool.contract import Filter
from eilpost.spool.sqlite import SqliteSpool
from eilpost.testing.agents import Script, ScriptedAgent, answer

CLOCK = SystemClock()
# Waits of some milliseconds: what is days elsewhere passes in a second here.
FAST = Queue(retry=(Duration(0.01), Duration(0.02)), expire=Duration(60.0), delay_warning=Duration(0.0), concurrency=40)


def to_mx(address: Address, _reroute: str) -> NextHop:
    return NextHop(Means.MX, address.domain)


class Run:
    """One life of the process."""

    def __init__(self, directory: Path, script: Script) -> None:
        self.directory = directory
        self.agent = ScriptedAgent(script)
        self.events: list[Event] = []

    async def __aenter__(self) -> Run:
        self.spool = await SqliteSpool.open(self.directory, settings=Spool(), journal=self.events.append)
        config = Config(server=Server(hostname="mx.here.test"), queue=FAST)
        agents = dict.fromkeys(Means, self.agent)
        self.manager = Manager(self.spool, agents, to_mx, config, self.events.append, CLOCK, random.Random(3).random)
        await self.manager.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.manager.stop(1.0)
        await self.spool.close()

    async def send(self, sender: str | None, *recipients: str) -> str:
        path = ReversePath(parse_address(sender) if sender else None)
        envelope = Envelope(path, tuple(Recipient(parse_address(text)) for text in recipients))
        draft = self.spool.draft()
        await draft.write(b"Subject: x\r\n\r\nx\r\n")
        entry = await self.spool.commit(draft, envelope, received=CLOCK.now(), claim=self.manager.has_room())
        self.manager.accept(entry)
        return entry.message.id

    async def empty(self) -> None:
        """Waits until nothing is left."""
        async with asyncio.timeout(30):
            while self.manager.in_memory or (await self.spool.stats()).messages:
                await CLOCK.sleep(0.01)


async def test_mail_is_tried_until_it_is_through(tmp_path: Path) -> None:
    """Deferred, failed and relayed mail all leave the store, and failures are told."""
    chance = random.Random(5)
    outcomes: Counter[Fate] = Counter()

    def script(job: Job) -> Attempt:
        fate, code = chance.choice(
            ((Fate.RELAYED, "2.0.0"), (Fate.DEFERRED, "4.2.1"), (Fate.FAILED, "5.1.1"), (Fate.DEFERRED, "4.4.2"))
        )
        outcomes[fate] += len(job.recipients)
        return answer(job, fate, code, clock=CLOCK)

    async with Run(tmp_path / "spool", script) as run:
        for number in range(300):
            await run.send("a@here.test", f"u{number}@d{number % 9}.test", f"v{number}@d{number % 7}.test")
        await run.empty()
        assert not [event for event in run.events if isinstance(event, Faulted)]
    reports = outcomes[Fate.RELAYED] + outcomes[Fate.FAILED] - 600
    assert 0 < reports <= 600


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_lost_when_the_process_ends_in_the_middle(tmp_path: Path, seed: int) -> None:
    """Each life ends with attempts under way; at the end every recipient was relayed, few of them twice."""
    chance = random.Random(seed)
    relayed: Counter[str] = Counter()
    calm = False

    async def script(job: Job) -> Attempt:
        await CLOCK.sleep(0.0 if calm else chance.choice((0.0, 0.002, 0.02, 1.0)))
        fate, code = (Fate.RELAYED, "2.0.0") if calm or chance.random() < 0.5 else (Fate.DEFERRED, "4.2.1")
        if fate is Fate.RELAYED:
            relayed.update(f"{job.message.id} {item.address}" for item in job.recipients)
        return answer(job, fate, code, clock=CLOCK)

    sent: set[str] = set()
    for _ in range(4):
        run = Run(tmp_path / "spool", script)
        await run.__aenter__()
        for number in range(40):
            recipients = (f"u{number}@d{number % 5}.test", f"v{number}@e.test")
            key = await run.send(None, *recipients)
            sent |= {f"{key} {text}" for text in recipients}
        await CLOCK.sleep(chance.choice((0.0, 0.02, 0.05)))
        await run.manager.stop(0.0)
        await run.spool.close()
    calm = True
    async with Run(tmp_path / "spool", script) as run:
        await run.empty()
        assert await run.spool.find(Filter()) == ()
    assert relayed.keys() == sent
    assert max(relayed.values()) <= 5
    assert sum(relayed.values()) - len(sent) <= 4 * FAST.concurrency
