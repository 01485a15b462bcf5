"""Destinations and the workers that serve them: which job is attempted when (a deed).

Each next hop has its own line and window. A worker takes job after job of one destination; a
destination that is down gives its jobs back at once and is probed by one job when its rest is over.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Final, Protocol

from eilpost.config.schema import Queue
from eilpost.deliver.agent import Agent, Attempt
from eilpost.journal import DestinationChanged, Journal
from eilpost.mail.next_hop import Means, NextHop
from eilpost.mail.outcome import Fate, Outcome
from eilpost.net.clock import Clock
from eilpost.queue.concurrency import Health, is_pressed
from eilpost.queue.destination import Destination, DestinationView, Waiting, view
from eilpost.queue.retry import back_off
from eilpost.queue.slots import Slots

SHARE: Final = 2_000  # jobs of one destination in memory beyond which no more are claimed for it
_REMEMBERED: Final = 2_000  # destinations; idle ones are forgotten beyond it


class Jobs(Protocol):
    """What the traffic needs of whoever owns the jobs."""

    async def attempt(self, destination: Destination, waiting: Waiting) -> None:
        """Tries one job; never raises but when cancelled."""
        ...

    def defer_untried(self, jobs: Iterable[Waiting], silence: Outcome, not_before: float) -> None:
        """Defers jobs whose destination is down until ``not_before``, Unix time, for the reason ``silence``."""
        ...


class Traffic:
    """All destinations, and the slots they share."""

    def __init__(
        self,
        agents: Mapping[Means, Agent],
        settings: Queue,
        jobs: Jobs,
        calm: Callable[[], Awaitable[None] | None],
        journal: Journal,
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self._agents = agents
        self._settings = settings
        self._jobs = jobs
        self._calm = calm
        self._journal = journal
        self._clock = clock
        self._random = random
        self._destinations: dict[NextHop, Destination] = {}
        self._down: set[Destination] = set()
        self._slots: Slots[Destination] = Slots(settings.concurrency)
        self._stopping = False
        self.workers: set[asyncio.Task[None]] = set()

    def halt(self) -> None:
        """No new attempt begins; those under way go on."""
        self._stopping = True

    # ── lines ──

    def enqueue(self, waiting: Waiting) -> None:
        """Puts a job into its destination's line, or defers it when that is down."""
        destination = self._destination(waiting.job.next_hop)
        window = destination.window
        if window.health is Health.DOWN:
            if window.is_resting(self._clock.steady()):
                self._give_back(destination, (waiting,))
                return
            window.probe()
        destination.enqueue(waiting)
        self._employ(destination)

    def _destination(self, next_hop: NextHop) -> Destination:
        found = self._destinations.get(next_hop)
        if found is None:
            if len(self._destinations) >= _REMEMBERED:
                self._forget_idle()
            found = Destination(next_hop, self._agents[next_hop.means], self._most_for(next_hop))
            self._destinations[next_hop] = found
        return found

    def _most_for(self, next_hop: NextHop) -> int:
        """Maildirs are no peer to be spared: the more deliveries at once, the more share one sync."""
        here = next_hop.means is Means.MAILDIR
        return self._settings.concurrency if here else self._settings.destination_concurrency

    def _forget_idle(self) -> None:
        steady = self._clock.steady()
        idle = [item for item in self._destinations.values() if item.is_idle]
        for item in [item for item in idle if not item.window.is_resting(steady)] or idle:
            del self._destinations[item.next_hop]
            self._down.discard(item)

    def take_out(self, wanted: Callable[[Waiting], Waiting | None]) -> Iterator[Waiting]:
        """Takes waiting jobs out of their lines: ``wanted`` tells which, or which part; the rest stays."""
        for destination in self._destinations.values():
            kept: deque[Waiting] = deque()
            for waiting in destination.jobs:
                part = wanted(waiting)
                if part is not None:
                    yield part
                if part is None:
                    kept.append(waiting)
                elif len(part.recipients) < len(waiting.recipients):
                    kept.append(waiting.without(part))
            destination.jobs = kept

    def saturated(self) -> frozenset[str]:
        """The domains of which enough waits here; claiming more would only fill the memory."""
        full = (item for item in self._destinations.values() if len(item.jobs) >= SHARE)
        return frozenset(domain for destination in full for domain in destination.domains)

    @property
    def is_all_up(self) -> bool:
        """True while no destination is known to be down."""
        return not self._down

    def resting(self, next_hop: NextHop) -> Destination | None:
        """The destination, if it is down and left alone for now."""
        found = self._destinations.get(next_hop)
        return found if found is not None and found.window.is_resting(self._clock.steady()) else None

    def revive(self) -> None:
        """Ends the rest of all destinations that are down: an operator wants them tried."""
        for destination in self._destinations.values():
            if destination.window.health is Health.DOWN:
                destination.window.until = self._clock.steady()

    def views(self) -> tuple[DestinationView, ...]:
        """For operators: destinations that have work or are not up."""
        steady = self._clock.steady()
        every = self._destinations.values()
        return tuple(view(item, steady) for item in every if not item.is_idle or item.window.health is not Health.UP)

    # ── workers ──

    def _employ(self, destination: Destination) -> None:
        """Starts as many workers as the destination may have, or lets it stand in line for a slot."""
        while destination.wants_worker and not self._stopping:
            proven = destination.window.is_proven
            if not self._slots.is_free(proven):
                self._slots.queue(destination, proven)
                return
            self._start_worker(destination, proven)

    def _start_worker(self, destination: Destination, proven: bool) -> None:
        self._slots.take(proven)
        destination.workers += 1
        task = asyncio.get_running_loop().create_task(self._work(destination, proven))
        self.workers.add(task)
        task.add_done_callback(self.workers.discard)

    async def _work(self, destination: Destination, proven: bool) -> None:
        """One job after the other, until none waits, the window shrinks or others are due for the slot."""
        try:
            while destination.jobs and not self._stopping and not destination.is_over_limit:
                wait = self._calm()
                if wait is not None:
                    await wait
                    continue
                await self._jobs.attempt(destination, destination.jobs.popleft())
                if self._slots.is_wanted(proven):
                    break
        finally:
            destination.workers -= 1
            self._slots.leave(proven)
            if not self._stopping:
                self._hand_on(destination)

    def _hand_on(self, destination: Destination) -> None:
        """The slot goes to whoever stands in line; the destination stands behind them if it wants more."""
        if destination.wants_worker:
            self._slots.queue(destination, destination.window.is_proven)
        while (following := self._slots.next()) is not None:
            if not following.wants_worker:
                continue
            # Whether it is proven may have changed while it stood in line.
            proven = following.window.is_proven
            if self._slots.is_free(proven):
                self._start_worker(following, proven)
            if following.wants_worker:
                self._slots.queue(following, proven)
                if not self._slots.is_free(proven):
                    return

    # ── feedback ──

    def learn(self, destination: Destination, attempt: Attempt) -> float:
        """What an attempt tells of its destination; the Unix time before which it rests, or 0."""
        window = destination.window
        silence = attempt.outcomes[0]
        if attempt.unreachable and silence.fate is Fate.DEFERRED:
            if window.unanswered(attempt.unreachable):
                self._put_down(destination, silence)
            return self.rests_until(destination)
        if window.answered(pressed=is_pressed(attempt.outcomes)):
            self._down.discard(destination)
            self._journal(DestinationChanged(str(destination.next_hop), Health.UP.value, ""))
        if destination.wants_worker:
            self._employ(destination)
        return 0.0

    def _put_down(self, destination: Destination, silence: Outcome) -> None:
        window = destination.window
        window.failures += 1
        window.put_down(self._clock.steady() + back_off(window.failures, self._settings, self._random()))
        destination.silence = silence
        self._down.add(destination)
        if window.failures == 1:
            self._journal(DestinationChanged(str(destination.next_hop), Health.DOWN.value, window.why))
        jobs, destination.jobs = destination.jobs, deque()
        self._give_back(destination, jobs)

    def _give_back(self, destination: Destination, jobs: Iterable[Waiting]) -> None:
        silence = destination.silence
        assert silence is not None, destination.next_hop  # it was put down by one
        self._jobs.defer_untried(jobs, silence, self.rests_until(destination))

    def rests_until(self, destination: Destination) -> float:
        """The Unix time until which a destination is left alone; 0.0 when it is not down."""
        window = destination.window
        if window.health is not Health.DOWN:
            return 0.0
        return self._clock.now() + max(0.0, window.until - self._clock.steady())
