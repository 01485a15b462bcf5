"""A desk over a real store, with a manager whose agent does as a test says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from eilpost.config.schema import Config, Queue, Server, Spool
from eilpost.control.desk import Desk
from eilpost.deliver.agent import Attempt, Job
from eilpost.journal import Event
from eilpost.mail.address import Address, parse_address
from eilpost.mail.envelope import Envelope, Recipient, ReversePath
from eilpost.mail.next_hop import Means, NextHop
from eilpost.mail.outcome import Fate
from eilpost.net.clock import SystemClock
from eilpost.queue.manager import Manager
from eilpost.route.urls import parse_next_hop
from eilpost.spool.contract import Entry
from eilpost.spool.sqlite import SqliteSpool
from eilpost.testing.agents import ScriptedAgent, answer

CONTENT = b"Subject: hello\r\n\r\nhello\x1b[2J\r\n"


def choose(address: Address, reroute: str) -> NextHop:
    return parse_next_hop(reroute) if reroute else NextHop(Means.MX, address.domain)


@dataclass
class Office:
    """What operators work with."""

    spool: SqliteSpool
    manager: Manager
    desk: Desk
    agent: ScriptedAgent
    events: list[Event]
    reloads: list[str] = field(default_factory=list)

    async def send(self, *recipients: str, sender: str = "a@here.test", hand_over: bool = True) -> Entry:
        envelope = Envelope(
            ReversePath(parse_address(sender) if sender else None),
            tuple(Recipient(parse_address(text)) for text in recipients),
        )
        draft = self.spool.draft()
        await draft.write(CONTENT)
        entry = await self.spool.commit(draft, envelope, received=SystemClock().now(), claim=hand_over)
        if hand_over:
            self.manager.accept(entry)
            await self.settled()
        return entry

    async def settled(self) -> None:
        """Waits until all that can go out has gone out and is durable."""
        clock = SystemClock()
        while self.manager.in_memory:
            await clock.sleep(0.002)

    def tried(self) -> list[str]:
        return [str(item.address) for job in self.agent.jobs for item in job.recipients]


def deferred(job: Job) -> Attempt:
    return answer(job, Fate.DEFERRED, "4.2.1", "smtp; 450 4.2.1 later\x1b[31m", clock=SystemClock())


def relayed(job: Job) -> Attempt:
    return answer(job, Fate.RELAYED, "2.0.0", clock=SystemClock())


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    """A queue whose every attempt is deferred, until a test says otherwise."""
    events: list[Event] = []
    agent = ScriptedAgent(deferred)
    spool = await SqliteSpool.open(tmp_path / "spool", settings=Spool(), journal=events.append)
    config = Config(server=Server(hostname="mx.here.test"), queue=Queue(destination_concurrency=1))
    clock = SystemClock()
    manager = Manager(spool, dict.fromkeys(Means, agent), choose, config, events.append, clock, lambda: 0.5)
    reloads: list[str] = []

    async def reload() -> None:
        reloads.append("now")

    await manager.start()
    yield Office(spool, manager, Desk(spool, manager, events.append, clock.now, reload), agent, events, reloads)
    await manager.stop(1.0)
    await spool.close()
