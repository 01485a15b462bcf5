"""An agent that does what a script says, in virtual time, and remembers what it was asked (a deed)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from eilpost.deliver.agent import Attempt, Job
from eilpost.mail.outcome import Fate, Outcome
from eilpost.mail.status import status
from eilpost.net.clock import Clock

Script = Callable[[Job], Attempt | Awaitable[Attempt]]


class ScriptedAgent:
    """Implements ``eilpost.deliver.agent.Agent``; ``script`` says what becomes of each job."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.jobs: list[Job] = []
        self.busy = 0
        self.most_busy = 0

    async def attempt(self, job: Job) -> Attempt:
        """As the script says."""
        self.jobs.append(job)
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        try:
            result = self.script(job)
            return result if isinstance(result, Attempt) else await result
        finally:
            self.busy -= 1

    async def close(self) -> None:
        """Nothing is kept."""


def answer(job: Job, fate: Fate, code: str, diagnostic: str = "", *, clock: Clock, unreachable: str = "") -> Attempt:
    """The same outcome for all recipients of a job."""
    outcomes = tuple(
        Outcome(item.address, fate, status(code), diagnostic, None if unreachable else job.next_hop.host, clock.now())
        for item in job.recipients
    )
    return Attempt(outcomes, unreachable)
