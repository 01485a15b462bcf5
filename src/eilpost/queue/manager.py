"""The way out of the mail system: from the spool, by the right agent, to an outcome (a deed).

    accept, or claim what is due ─▶ group by next hop ─▶ traffic: a destination's line, its workers
        ─▶ agent.attempt ─▶ verdict, reports ─▶ settler: durable ─▶ forgotten here

What was just committed is handed over in memory; the spool is read only for what is due later.
Nothing is forgotten here before the spool has its outcome, or has it back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from eilpost.config.schema import Config
from eilpost.deliver.agent import Agent
from eilpost.journal import Faulted, Journal, Removed, Reported
from eilpost.mail.address import Address
from eilpost.mail.envelope import Recipient
from eilpost.mail.next_hop import Means, NextHop
from eilpost.mail.outcome import Fate, Outcome
from eilpost.mail.status import Status
from eilpost.net.clock import Clock
from eilpost.queue.claimer import Claimer
from eilpost.queue.destination import Destination, DestinationView, Waiting, waiting
from eilpost.queue.filter import check, matches
from eilpost.queue.reports import write_reports
from eilpost.queue.retry import WarningAllowance, is_too_late, wait, wants_warning, warning_after
from eilpost.queue.settler import Settler, Settling
from eilpost.queue.traffic import Traffic
from eilpost.queue.verdict import OUR_FAULT, SUCCESS, TOO_LATE, Circumstances, Verdict, judge, same_for_all, untried
from eilpost.spool.contract import ContentDamaged, Entry, Filter, QueuedMessage, QueuedRecipient, Spool, State

Choose = Callable[[Address, str], NextHop]
"""Routing: the next hop of an address; the text is an operator's reroute, or empty."""

ROOM: Final = 5_000  # recipients in memory that were handed over, and as many that were claimed
OCTETS: Final = 48_000_000  # content in memory, likewise


@dataclass(slots=True)
class _Share:
    """The memory of what was handed over, or of what was claimed: neither can take the other's."""

    recipients: int = 0
    octets: int = 0

    @property
    def space(self) -> int:
        """Recipients that it may still take."""
        return ROOM - self.recipients if self.octets < OCTETS else 0


@dataclass(slots=True)
class _Holding:
    """What is in memory of one message; ``whole``: all its recipients were, ``final``: all fared finally."""

    share: _Share
    octets: int
    whole: bool
    recipients: int = 0
    final: bool = True


class Manager:
    """Takes entries over, tries them, and settles them with the spool."""

    def __init__(
        self,
        spool: Spool,
        agents: Mapping[Means, Agent],
        choose: Choose,
        settings: Config,
        journal: Journal,
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self._spool = spool
        self._choose = choose
        self._hostname = settings.server.hostname
        self._settings = settings.queue
        self._journal = journal
        self._clock = clock
        self._random = random
        self._held: dict[str, _Holding] = {}
        self._fresh = _Share()
        self._claimed = _Share()
        self._under_way: set[Waiting] = set()
        self._errands: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._allowance = WarningAllowance(clock.steady())
        self._settler = Settler(spool, journal, clock, self._halt)
        self._traffic = Traffic(agents, settings.queue, self, self._calm, journal, clock, random)
        self._claimer = Claimer(
            spool, settings.queue, self._take_all, self._space, self._traffic.saturated, journal, clock
        )

    # ── life ──

    async def start(self) -> None:
        """Begins to claim and to deliver."""
        self._settler.start()
        self._claimer.start()

    async def stop(self, grace: float = 10.0) -> None:
        """Ends: attempts under way may finish within ``grace`` seconds, all else goes back to the spool."""
        self._halt()
        self._settler.hurry()
        await self._claimer.stop()
        await self._finish(self._traffic.workers, grace)
        await self._finish(self._errands, grace)
        await self._finish([asyncio.get_running_loop().create_task(self._settler.drain())], grace)
        await self._settler.close()
        left = [item.entry for item in (*self._under_way, *self._traffic.take_out(lambda item: item))]
        if left:
            await self._claimer.give_back(left)

    async def _finish(self, tasks: Iterable[asyncio.Task[None]], grace: float) -> None:
        pending = set(tasks)
        if not pending:
            return
        alarm = asyncio.get_running_loop().create_task(self._clock.sleep(grace))
        while pending and not alarm.done():
            await asyncio.wait({*pending, alarm}, return_when=asyncio.FIRST_COMPLETED)
            pending = {task for task in pending if not task.done()}
        for task in (*pending, alarm):
            task.cancel()
        await asyncio.gather(*pending, alarm, return_exceptions=True)

    def _halt(self) -> None:
        """No attempt without a place for its outcome: a closed spool would make each a duplicate."""
        self._stopping = True
        self._traffic.halt()

    def _calm(self) -> Awaitable[None] | None:
        return None if self._settler.is_calm else self._settler.calm()

    def _errand(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    # ── taking over ──

    def has_room(self) -> bool:
        """Whether the receiver shall claim at commit and hand over; else the entry waits in the spool."""
        return self._fresh.space > 0 and not self._stopping

    def waits_until(self, recipients: Sequence[Recipient]) -> float | None:
        """When a new message is tried: None, now: claim it at commit and hand it over.

        Else it is to wait in the spool until this Unix time: there is no room, or all its
        destinations are down. It waits there as one that came before them does, without being
        written a second time.
        """
        now = self._clock.now()
        if not self.has_room():
            return now
        if self._traffic.is_all_up:
            return None
        resting = [self._resting(item.address) for item in recipients]
        rests = [self._traffic.rests_until(found) for found in resting if found is not None]
        if len(rests) < len(resting):
            return None
        return max(min(rests), now + wait(0, self._settings, self._random()))

    def _resting(self, address: Address) -> Destination | None:
        try:
            return self._traffic.resting(self._choose(address, ""))
        except Exception:  # told when the message is routed
            return None

    def leave(self, entry: Entry) -> None:
        """Leaves a message in the spool that was committed unclaimed, until it is due."""
        message, now = entry.message, self._clock.now()
        for item in entry.recipients:
            if item.due <= now:
                self._claimer.wake()
                return
            self._claimer.due(item.due)
            found = self._resting(item.recipient.address)
            if found is not None and found.silence is not None:
                self._journal(untried(message, item, found.silence, found.next_hop, now))

    def accept(self, entry: Entry) -> None:
        """Takes over a message that was just committed, claimed with all its recipients."""
        self._take(entry, whole=True)

    def wake(self) -> None:
        """Something in the spool may have become due: it was committed unclaimed, or an operator wants it."""
        self._claimer.wake()

    def _space(self) -> int:
        return 0 if self._stopping else self._claimed.space

    def _take_all(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._take(entry, whole=False)

    def _take(self, entry: Entry, *, whole: bool) -> None:
        message, recipients = entry.message, entry.recipients
        if not recipients:
            return
        self._hold(message, len(recipients), whole)
        if len(recipients) == 1:
            self._route(message, recipients[0])
            return
        hops: dict[NextHop, list[QueuedRecipient]] = {}
        for item in recipients:
            next_hop = self._next_hop(message, item)
            if next_hop is not None:
                hops.setdefault(next_hop, []).append(item)
        for next_hop, group in hops.items():
            self._traffic.enqueue(waiting(message, tuple(group), next_hop))

    def _route(self, message: QueuedMessage, item: QueuedRecipient) -> None:
        next_hop = self._next_hop(message, item)
        if next_hop is not None:
            self._traffic.enqueue(waiting(message, (item,), next_hop))

    def _next_hop(self, message: QueuedMessage, item: QueuedRecipient) -> NextHop | None:
        """Routing's answer; when it has a bug, the recipient is deferred and None returned."""
        address = item.recipient.address
        try:
            return self._choose(address, item.next_hop)
        except Exception as error:
            self._journal(Faulted("route", type(error).__name__, f"{message.id}: {error}"))
            stray = waiting(message, (item,), NextHop(Means.MX, address.domain))
            self._blame(stray, f"routing failed: {error}")
            return None

    # ── what is in memory ──

    def _hold(self, message: QueuedMessage, recipients: int, whole: bool) -> None:
        holding = self._held.get(message.id)
        if holding is None:
            octets = message.content.octets
            share = self._fresh if whole else self._claimed
            holding = self._held[message.id] = _Holding(share, 0 if octets is None else len(octets), whole)
            share.octets += holding.octets
        holding.recipients += recipients
        holding.share.recipients += recipients

    def _let_go(self, item: Waiting, *, final: bool) -> None:
        """The spool has it; a message that is gone there too is told."""
        message = item.job.message.id
        holding = self._held[message]
        number = len(item.recipients)
        holding.recipients -= number
        holding.share.recipients -= number
        holding.final &= final
        if holding.recipients == 0:
            holding.share.octets -= holding.octets
            del self._held[message]
            if holding.final and holding.whole:
                self._journal(Removed(message))
            elif holding.final and not self._stopping:
                self._errand(self._tell_if_gone(message))
        self._claimer.room()

    async def _tell_if_gone(self, message: str) -> None:
        if not await self._spool.find(Filter(messages=(message,)), limit=1):
            self._journal(Removed(message))

    # ── one attempt ──

    async def attempt(self, destination: Destination, item: Waiting) -> None:
        """Tries one job and hands its outcomes to the settler; called by the traffic's workers."""
        self._under_way.add(item)
        job = item.job
        by = job.message.parameters.deliver_by
        if by is not None and is_too_late(job.message.received, by, self._clock.now()):
            self._return_late(item)
            return
        try:
            attempt = await destination.agent.attempt(job)
            if len(attempt.outcomes) != len(job.recipients):
                raise RuntimeError(f"{len(attempt.outcomes)} outcomes for {len(job.recipients)} recipients")
        except ContentDamaged:  # the spool has set it aside and said so
            self._under_way.discard(item)
            self._let_go(item, final=False)
            return
        except Exception as error:  # a bug in an agent: this mail stays, other mail goes on
            self._journal(Faulted(f"deliver to {job.next_hop}", type(error).__name__, f"{job.message.id}: {error}"))
            self._blame(item, f"internal fault, {type(error).__name__}; the log says more")
            return
        verdict = self._judge(item, attempt.outcomes, not_before=self._traffic.learn(destination, attempt))
        if verdict.notices:
            await self._report(item, verdict)
        else:
            self._settler.put(Settling(verdict.settlements, (), (), item, self._settled))

    def defer_untried(self, jobs: Iterable[Waiting], silence: Outcome, not_before: float) -> None:
        """They wait by their own schedule; nobody was asked: no attempt counts, nobody is warned (case 165)."""
        now = self._clock.now()
        for item in jobs:
            outcomes = [replace(silence, recipient=row.address, when=now) for row in item.job.recipients]
            self._conclude(item, self._judge(item, outcomes, tried=False, not_before=not_before))

    def _blame(self, item: Waiting, why: str) -> None:
        """Our own fault defers the recipients."""
        outcomes = same_for_all(item.job.recipients, Fate.DEFERRED, OUR_FAULT, why, self._clock.now())
        self._conclude(item, self._judge(item, outcomes))

    def _return_late(self, item: Waiting) -> None:
        """Its sender's deadline is over before it could be tried (RFC 2852 §4.1)."""
        why = "its sender wanted it delivered by a time that is over"
        outcomes = same_for_all(item.job.recipients, Fate.FAILED, TOO_LATE, why, self._clock.now())
        self._conclude(item, self._judge(item, outcomes))

    # ── outcomes ──

    def _judge(
        self, item: Waiting, outcomes: Sequence[Outcome], *, tried: bool = True, not_before: float = 0.0
    ) -> Verdict:
        message, now = item.job.message, self._clock.now()
        arrived = all(outcome.fate in SUCCESS for outcome in outcomes)
        circumstances = (
            Circumstances(now, 0.0) if arrived else self._circumstances(item, outcomes, now, tried, not_before)
        )
        verdict = judge(message, item.recipients, outcomes, item.job.next_hop, self._settings, circumstances)
        for event in verdict.events:
            self._journal(event)
        return verdict

    def _circumstances(
        self, item: Waiting, outcomes: Sequence[Outcome], now: float, tried: bool, not_before: float
    ) -> Circumstances:
        doubtful = self._claimer.watch.is_doubtful(self._clock.steady())
        return Circumstances(
            now=now,
            jitter=self._random(),
            tried=tried,
            doubtful=doubtful,
            may_warn=tried and not doubtful and self._may_warn(item, outcomes, now),
            not_before=not_before,
        )

    def _may_warn(self, item: Waiting, outcomes: Sequence[Outcome], now: float) -> bool:
        received = item.job.message.received
        after = warning_after(self._settings, item.job.message.parameters.deliver_by)
        for row, outcome in zip(item.recipients, outcomes, strict=True):
            if outcome.fate is Fate.DEFERRED and wants_warning(
                received=received, now=now, warned=row.warned, after=after
            ):
                return self._allowance.take(self._clock.steady())
        return False

    def _conclude(self, item: Waiting, verdict: Verdict) -> None:
        self._under_way.add(item)
        if verdict.notices:
            self._errand(self._report(item, verdict))
        else:
            self._settler.put(Settling(verdict.settlements, (), (), item, self._settled))

    async def _report(self, item: Waiting, verdict: Verdict) -> None:
        """Writes the reports; without one that cannot be written the outcome still counts."""
        notices = verdict.notices
        try:
            reports = await write_reports(
                notices,
                item.job.message.content,
                hostname=self._hostname,
                now=self._clock.now(),
                token=self._token,
            )
        except Exception as error:  # a bug in composing
            self._journal(Faulted("report", type(error).__name__, f"{item.job.message.id}: {error}"))
            notices, reports = (), ()
        self._settler.put(Settling(verdict.settlements, notices, reports, item, self._settled))

    def _token(self, message: str) -> str:
        return f"{message}.{int(self._clock.now() * 1000):x}.{int(self._random() * 2**48):x}"

    def _settled(self, settling: Settling, entries: Sequence[Entry]) -> None:
        """The outcomes are durable, and so are the reports: mail like any other from here."""
        item = settling.item
        final = True
        for row in settling.settlements:
            if row.due is not None:
                final = False
                self._claimer.due(row.due)
        for notice, entry in zip(settling.notices, entries, strict=False):
            told = " ".join(str(row.recipient.address) for row in notice.recipients)
            self._journal(Reported(item.job.message.id, entry.message.id, notice.kind.value, told))
            self.accept(entry)
        self._under_way.discard(item)
        self._let_go(item, final=final)

    # ── for operators ──

    @asynccontextmanager
    async def set_free(self, wanted: Filter) -> AsyncIterator[tuple[str, ...]]:
        """Gives what waits in memory and is meant back to the spool, and claims nothing inside the block.

        What is under way is not touched. Yields the ids of the messages that were given back.
        """
        check(wanted)  # before anything is taken out
        now = self._clock.now()
        async with self._claimer.lock:
            taken = list(self._traffic.take_out(lambda item: _part(item, wanted, now)))
            try:
                await self._spool.release([item.entry for item in taken])
            except BaseException:
                for item in taken:
                    self._traffic.enqueue(item)
                raise
            for item in taken:
                self._let_go(item, final=False)
            yield tuple({item.job.message.id for item in taken})
        self._claimer.wake()

    def revive(self) -> None:
        """Ends the rest of destinations that are down, so that what is tried now is really tried."""
        self._traffic.revive()

    def fail(self, entries: Sequence[Entry], status: Status, why: str) -> None:
        """Ends claimed recipients as failed, as an operator wants it; their senders are told."""
        now = self._clock.now()
        for entry in entries:
            self._hold(entry.message, len(entry.recipients), whole=False)
            item = waiting(entry.message, entry.recipients, NextHop(Means.MX, "operator"))
            outcomes = same_for_all(item.job.recipients, Fate.FAILED, status, why, now)
            self._conclude(item, self._judge(item, outcomes))

    async def settled(self) -> None:
        """Returns when every outcome so far is durable."""
        while self._errands:
            await asyncio.wait(self._errands)
        await self._settler.drain()

    def destinations(self) -> tuple[DestinationView, ...]:
        """How the destinations fare that have work or are down."""
        return self._traffic.views()

    @property
    def in_memory(self) -> int:
        """Recipients that wait here or are under way."""
        return self._fresh.recipients + self._claimed.recipients


def _part(item: Waiting, wanted: Filter, now: float) -> Waiting | None:
    """The part of a waiting job that the filter means; None for nothing of it."""
    message = item.job.message
    meant = tuple(row for row in item.recipients if matches(wanted, message, row, State.ACTIVE, now))
    return item.only(meant) if meant else None
