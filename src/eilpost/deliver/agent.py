"""What delivers: one contract for relay, LMTP and Maildir (words).

An agent tries once and says what became of each recipient. It knows no queue and no schedule. It
never raises for what a peer, the network or a disk did: that is an outcome.
"""

from __future__ import annotations

from typing import Protocol

from eilpost.mail.envelope import Recipient
from eilpost.mail.next_hop import NextHop
from eilpost.mail.outcome import Outcome
from eilpost.mail.value import value
from eilpost.spool.contract import QueuedMessage


@value(frozen=True, slots=True)
class Job:
    """One message for some of its recipients, all with the same next hop."""

    message: QueuedMessage
    recipients: tuple[Recipient, ...]
    next_hop: NextHop


@value(frozen=True, slots=True)
class Attempt:
    """What an agent did: an outcome for each recipient of the job, in its order.

    ``unreachable`` tells that no host of the next hop could be talked to at all, so that other
    messages for it need not be tried now; it holds the reason.
    """

    outcomes: tuple[Outcome, ...]
    unreachable: str = ""


class Agent(Protocol):
    """Delivers jobs for one kind of next hop."""

    async def attempt(self, job: Job) -> Attempt:
        """Tries once; at most the configured deadline."""
        ...

    async def close(self) -> None:
        """Ends kept connections politely."""
        ...
