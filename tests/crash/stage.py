"""The stage of an experiment: a system, its next hop, a load with its ledger, and the verdict at the end (deeds).

The ledger lies on another file system than the spool whenever the spool's is made to fail.
"""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from tests.crash.client import LoadClient, Plan
from tests.crash.evidence import Collector, damage, fingerprint
from tests.crash.invariants import Verdict, early_attempts, excess_duplicates, judge
from tests.crash.ledger import Ledger, Sent, read, unheard
from tests.peers.eilpost import Eilpost, Setup, Value
from tests.peers.sink import Say, Sink, Step
from tests.peers.tools import PeerError, scratch

OWNERS: Final = ("anna@example.test", "berta@example.test")
SENDER: Final = "sender@example.test"
REFUSED: Final = "refused@elsewhere.example"
IN_FLIGHT: Final = 64
"""What may be under way at a crash: 20 attempts to the next hop, local deliveries, and one settlement batch of each."""

RECOVERY: Final = 10.0  # seconds, I7
DRAIN: Final = 90.0


def refusing(step: Step, detail: str) -> Say | None:
    """The next hop knows one address that nobody has."""
    return Say("550 5.1.1 no such mailbox") if step is Step.RCPT and detail == REFUSED else None


def mixed(source: random.Random) -> list[str]:
    """Recipients: some at home, some elsewhere, now and then one that will be refused."""
    chosen = source.sample([*OWNERS, "carl@elsewhere.example", "dora@elsewhere.example"], source.choice((1, 1, 2, 3)))
    return [*chosen, REFUSED] if source.random() < 0.03 else chosen


def mixed_sizes(source: random.Random) -> int:
    """Mostly small; one in fifty too big for memory."""
    return source.randint(300_000, 500_000) if source.random() < 0.02 else source.randint(300, 8000)


@dataclass(frozen=True, slots=True)
class Result:
    """What one experiment reports."""

    name: str
    rounds: int
    verdict: Verdict
    recovery: float
    crashes: int
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    control: bool = False

    @property
    def passed(self) -> bool:
        """Nothing was lost, invented or altered, and nothing else was found wrong.

        The positive control is the other way round: it passes when its loss was seen.
        """
        return (bool(self.verdict.lost) if self.control else self.verdict.sound) and not self.faults

    def line(self) -> str:
        """One line for people."""
        v = self.verdict
        head = f"{self.name}: {'ok' if self.passed else 'FAILED'}: {self.rounds} rounds, {v.acknowledged} acknowledged"
        tail = f"lost {len(v.lost)}, duplicates {v.duplicates}, recovery at most {self.recovery:.2f} s"
        details = [
            f"{len(pairs)} {what}: {pairs[:3]}"
            for what, pairs in (
                ("lost", v.lost),
                ("phantoms", v.phantoms),
                ("altered", v.altered),
                ("reported twice", v.reported_twice),
            )
            if pairs
        ]
        return "; ".join([f"{head}, {v.refused} refused, {v.unanswered} unanswered, {tail}", *details,
                          *self.notes, *self.faults])  # fmt: skip


@dataclass(slots=True)
class Stage:
    """What an experiment works with."""

    system: Eilpost
    sink: Sink
    ledger: Ledger
    ledger_file: Path
    collector: Collector
    plan: Plan
    seed: int
    recoveries: list[float] = field(default_factory=list)
    crashes: int = 0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    loads: int = 0
    dark: list[tuple[float, float]] = field(default_factory=list)
    """When the machine had no power and its processes ran on all the same: what they said then, nobody would hear."""

    def load(self, **changes: object) -> LoadClient:
        """A load by the plan, with changes; each load names its messages anew."""
        self.loads += 1
        plan = replace(self.plan, **changes)  # type: ignore[arg-type]
        client = LoadClient(plan, self.ledger, self.system.port, seed=self.seed + self.loads, name=f"l{self.loads}")
        client.start()
        return client

    async def send(self, count: int, **changes: object) -> LoadClient:
        """Sends so many messages, one after the other, and returns when the last is answered."""
        client = self.load(sessions=1, limit=count, pause=0.0, **changes)
        await client.finish()
        return client

    async def start(self, **options: object) -> None:
        """Starts the system and notes how long that took."""
        self.recoveries.append(await self.system.start(**options))  # type: ignore[arg-type]

    async def kill(self) -> None:
        """kill -9, counted."""
        await self.system.kill()
        self.crashes += 1

    def sent(self) -> dict[str, Sent]:
        """The ledger so far."""
        found = read(self.ledger_file.read_text().splitlines())
        return {id: unheard(sent, self.dark) for id, sent in found.items()} if self.dark else found

    def expect(self, holds: bool, otherwise: str) -> None:
        """Notes a fault unless it holds."""
        if not holds:
            self.faults.append(otherwise)

    async def finish(self, name: str, rounds: int, *, drain: float = DRAIN) -> Result:
        """Drains the queue, stops the system, reads all evidence and judges."""
        left = await self.system.drained(drain)
        if left:
            await self._note_what_waits()
        code = await self.system.stop()
        self.expect(code == 0, f"exit {code} after SIGTERM")
        self.expect(left == 0, f"{left} messages are still queued after {drain:.0f} s")
        self.collector.read_sink(self.sink.taken)
        self.collector.read_maildirs()
        self.faults += damage(self.system.data)
        verdict = judge(self.sent(), self.collector.evidence)
        excess = excess_duplicates(verdict, crashes=self.crashes, in_flight=IN_FLIGHT)
        self.expect(excess == 0, f"{excess} duplicates more than were in flight")
        slowest = max(self.recoveries, default=0.0)
        self.expect(slowest <= RECOVERY, f"recovery took {slowest:.1f} s")
        return Result(name, rounds, verdict, slowest, self.crashes, tuple(self.notes), tuple(self.faults))

    async def _note_what_waits(self) -> None:
        """What is still queued is not lost."""
        for row in json.loads(await self.system.command("queue", "list", "--json")):
            self.collector.evidence.waiting.add(str(row["message_id"]).strip("<>").partition("@")[0])

    def amend(self, result: Result) -> Result:
        """The result with what was found wrong after it was made."""
        return replace(result, faults=tuple(dict.fromkeys((*result.faults, *self.faults))))

    def retried_early(self, recipient: str, waits: list[float]) -> None:
        """I8 for one recipient of one message at the sink."""
        times = [when for when, who in self.sink.attempts if who == recipient]
        early = early_attempts(times, waits=waits)
        self.expect(not early, f"attempts came early by {', '.join(f'{e:.1f}' for e in early)} s")


@contextlib.asynccontextmanager
async def stage(
    *,
    seed: int,
    data: Path | None = None,
    settings: Mapping[str, Value] | None = None,
    plan: Plan | None = None,
    domains: Mapping[str, str] | None = None,
    remove: bool = True,
) -> AsyncIterator[Stage]:
    """Builds everything but starts neither the system nor a load. What still runs at the end is killed."""
    with scratch("crash") as directory:
        sink = Sink(faults=refusing, digest=fingerprint)
        await sink.open()
        setup = Setup(
            smarthost=sink.port,
            accounts=(*OWNERS, SENDER),
            domains=domains or {"example.test": "maildir"},
            settings={"queue.retry": ["1s"], "log.level": "warning", **(settings or {})},
        )
        system = Eilpost(directory, setup, data=data)
        await system.add_accounts()
        ledger_file = directory / "ledger.jsonl"
        ledger = Ledger(ledger_file)
        collector = Collector(system.data / "mail", owners=OWNERS, reports=SENDER, remove=remove)
        work = plan or Plan(recipients=mixed, sender=SENDER, sizes=mixed_sizes)
        built = Stage(system, sink, ledger, ledger_file, collector, work, seed)
        try:
            yield built
        finally:
            with contextlib.suppress(PeerError):
                await system.kill()
            ledger.close()
            await sink.close()
