"""What became of a message that a program sent, and what can go wrong before (words)."""

from __future__ import annotations

from dataclasses import dataclass

from eilpost.mail.outcome import Fate, Outcome
from eilpost.mail.reply import Reply
from eilpost.smtp.client_meaning import meaning
from eilpost.smtp.client_results import Answered, Lost


class ClientError(Exception):
    """A message could not be sent; never raised itself."""


class NotConnected(ClientError):
    """No session came about: the server cannot be reached, refuses us, or talks nonsense.

    ``reply`` is what the server said, if it said anything.
    """

    def __init__(self, result: Answered | Lost) -> None:
        super().__init__(meaning(result, Fate.RELAYED).diagnostic)
        self.reply: Reply | None = result.reply if isinstance(result, Answered) else None


class NotDelivered(ClientError):
    """Some recipients were not served; ``receipt`` tells which and why."""

    def __init__(self, receipt: Receipt) -> None:
        told = "; ".join(f"{outcome.recipient}: {outcome.diagnostic}" for outcome in receipt.failures)
        super().__init__(told)
        self.receipt = receipt


class MessageError(ClientError, ValueError):
    """What was given is no message that can be sent: no sender, no recipient, a bad address."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """One outcome for each recipient, in order. ``reply`` is the server's last word on the content, if any."""

    outcomes: tuple[Outcome, ...]
    reply: Reply | None = None

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The outcomes of those who were not served; DEFERRED ones may be tried again."""
        return tuple(item for item in self.outcomes if item.fate not in (Fate.RELAYED, Fate.DELIVERED))

    @property
    def is_complete(self) -> bool:
        """True when every recipient was served."""
        return not self.failures

    def raise_for_failures(self) -> None:
        """NotDelivered unless every recipient was served."""
        if self.failures:
            raise NotDelivered(self)
