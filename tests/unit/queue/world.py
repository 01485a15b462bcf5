"""A queue manager with a spool, a clock and an agent that a test holds in its hands."""

from __future__ import annotations

import random
from collections.abc import Iterable

from eilpost.config.schema import Config, Queue, Server
from eilpost.deliver.agent import Attempt, Job
from eilpost.journal import Event
from eilpost.mail.address import Address, parse_address
from eilpost.mail.envelope import (
    NO_MAIL_PARAMETERS,
    NO_RCPT_PARAMETERS,
    Envelope,
    MailParameters,
    Notify,
    RcptParameters,
    Recipient,
    ReversePath,
)
from eilpost.mail.next_hop import Means, NextHop
from eilpost.mail.outcome import Fate
from eilpost.queue.manager import Manager
from eilpost.spool.contract import Entry, QueuedRecipient
from eilpost.testing.agents import Script, ScriptedAgent, answer
from eilpost.testing.clock import VirtualClock
from eilpost.testing.spool import MemorySpool

CONTENT = b"From: <a@here.test>\r\nSubject: hello\r\n\r\nhello\r\n"


def choose(address: Address, reroute: str) -> NextHop:
    if reroute == "nonsense":
        raise ValueError("nonsense is no next hop")
    if reroute:
        return NextHop(Means.SMTP, reroute, 25)
    if address.domain == "here.test":
        return NextHop(Means.MAILDIR)
    return NextHop(Means.MX, address.domain)


class World:
    """Everything that a manager needs."""

    def __init__(self, script: Script | None = None, *, seed: int = 1, **queue: object) -> None:
        self.clock = VirtualClock()
        self.random = random.Random(seed)
        self.events: list[Event] = []
        self.agent = ScriptedAgent(script or self.relayed)
        self.settings = Config(server=Server(hostname="mx.here.test"), queue=Queue(**queue))  # type: ignore[arg-type]
        self.spool = MemorySpool(self.clock.now)
        self.manager = self._manager()

    def _manager(self) -> Manager:
        agents = dict.fromkeys(Means, self.agent)
        return Manager(self.spool, agents, choose, self.settings, self.events.append, self.clock, self.random.random)

    async def crash(self) -> None:
        """The process dies and another starts on what was durable."""
        self.spool = self.spool.crash()
        await self.manager.stop(0.0)
        self.manager = self._manager()
        await self.manager.start()

    async def send(
        self,
        *recipients: str,
        sender: str | None = "a@here.test",
        notify: frozenset[Notify] | None = None,
        hand_over: bool = True,
        content: bytes = CONTENT,
        wishes: MailParameters = NO_MAIL_PARAMETERS,
        due: float | None = None,
    ) -> Entry:
        parameters = RcptParameters(notify) if notify is not None else NO_RCPT_PARAMETERS
        envelope = Envelope(
            ReversePath(parse_address(sender) if sender else None),
            tuple(Recipient(parse_address(text), parameters) for text in recipients),
            wishes,
        )
        draft = self.spool.draft()
        await draft.write(content)
        entry = await self.spool.commit(draft, envelope, received=self.clock.now(), claim=hand_over, due=due)
        if hand_over:
            self.manager.accept(entry)
        else:
            self.manager.wake()
        return entry

    def row(self) -> QueuedRecipient:
        """The only recipient in the spool."""
        [(_, row)] = self.spool.rows()
        return row

    def seen(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def tried(self) -> list[str]:
        return [str(item.address) for job in self.agent.jobs for item in job.recipients]

    # ── scripts ──

    def relayed(self, job: Job) -> Attempt:
        return answer(job, Fate.RELAYED, "2.0.0", clock=self.clock)

    def deferred(self, job: Job) -> Attempt:
        return answer(job, Fate.DEFERRED, "4.2.0", "smtp; 450 later", clock=self.clock)

    def failed(self, job: Job) -> Attempt:
        return answer(job, Fate.FAILED, "5.1.1", "smtp; 550 no such user", clock=self.clock)

    def unreachable(self, job: Job) -> Attempt:
        return answer(job, Fate.DEFERRED, "4.4.1", "no answer", clock=self.clock, unreachable="no answer")

    async def slow(self, job: Job) -> Attempt:
        await self.clock.sleep(10.0)
        return self.relayed(job)


def addresses(number: int, domain: str = "there.test") -> Iterable[str]:
    return (f"user{index}@{domain}" for index in range(number))
