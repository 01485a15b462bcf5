"""One next hop as the queue sees it: what waits for it, and how it fares (words)."""

from __future__ import annotations

from collections import deque

from eilpost.deliver.agent import Agent, Job
from eilpost.mail.next_hop import NextHop
from eilpost.mail.outcome import Outcome
from eilpost.mail.value import value
from eilpost.queue.concurrency import Health, Window
from eilpost.spool.contract import Entry, QueuedMessage, QueuedRecipient


@value(frozen=True, slots=True, eq=False)
class Waiting:
    """A job with its recipients' rows in the spool, in the same order."""

    job: Job
    recipients: tuple[QueuedRecipient, ...]

    @property
    def entry(self) -> Entry:
        """What to give back to the spool."""
        return Entry(self.job.message, self.recipients)

    def only(self, recipients: tuple[QueuedRecipient, ...]) -> Waiting:
        """The same job for some of its recipients."""
        if len(recipients) == len(self.recipients):
            return self
        return waiting(self.job.message, recipients, self.job.next_hop)

    def without(self, part: Waiting) -> Waiting:
        """The same job for the other recipients."""
        gone = {item.position for item in part.recipients}
        return self.only(tuple(item for item in self.recipients if item.position not in gone))


def waiting(message: QueuedMessage, recipients: tuple[QueuedRecipient, ...], next_hop: NextHop) -> Waiting:
    """A job for recipients that share a next hop."""
    return Waiting(Job(message, tuple([item.recipient for item in recipients]), next_hop), recipients)


class Destination:
    """A next hop, its line of jobs and its feedback; ``silence`` is the outcome that put it down."""

    __slots__ = ("_ranked", "agent", "domains", "jobs", "next_hop", "silence", "window", "workers")

    def __init__(self, next_hop: NextHop, agent: Agent, most: int) -> None:
        self.next_hop = next_hop
        self.agent = agent
        self.jobs: deque[Waiting] = deque()
        self.domains: set[str] = set()  # of the recipients that wait, and maybe of some that did
        self.window = Window(most)
        self.workers = 0
        self.silence: Outcome | None = None
        self._ranked = False  # whether any job in the line came with a priority

    @property
    def wants_worker(self) -> bool:
        """Whether one more attempt at once has something to do and is allowed."""
        return self.workers < self.window.limit and len(self.jobs) > 0

    @property
    def is_over_limit(self) -> bool:
        """Whether the window shrank below what is under way."""
        return self.workers > self.window.limit

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        return not self.jobs and not self.workers

    def enqueue(self, waiting: Waiting) -> None:
        """One more job at the end of the line, or of those with its priority (RFC 6710 §4.3)."""
        if not self.jobs:
            self.domains.clear()
            self._ranked = False
        if self._ranked or waiting.job.message.parameters.priority is not None:
            self._ranked = True
            self.jobs.insert(_place(self.jobs, _priority(waiting)), waiting)
        else:
            self.jobs.append(waiting)
        for item in waiting.recipients:
            self.domains.add(item.recipient.address.domain)


def _priority(waiting: Waiting) -> int:
    return waiting.job.message.parameters.priority or 0


def _place(jobs: deque[Waiting], priority: int) -> int:
    """Behind all that have the same priority or a higher one; what is urgent is near the front."""
    if not jobs or _priority(jobs[-1]) >= priority:
        return len(jobs)
    return next(index for index, job in enumerate(jobs) if _priority(job) < priority)


@value(frozen=True, slots=True)
class DestinationView:
    """What an operator is shown of a destination; ``rest`` is seconds until it is probed."""

    next_hop: str
    health: Health
    waiting: int
    attempts: int
    limit: int
    rest: float
    why: str


def view(destination: Destination, steady: float) -> DestinationView:
    """The destination as it stands."""
    window = destination.window
    rest = max(0.0, window.until - steady) if window.health is Health.DOWN else 0.0
    return DestinationView(
        str(destination.next_hop), window.health, len(destination.jobs), destination.workers, window.limit, rest,
        window.why,
    )  # fmt: skip
