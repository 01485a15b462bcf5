"""What became of one recipient in one attempt (words).

The same object goes from the agent to the spool, the report, the log and the page.
Source of the fields: RFC 3464 §2.3.
"""

from __future__ import annotations

from enum import Enum

from eilpost.mail.address import Address
from eilpost.mail.status import Status
from eilpost.mail.value import value


class Fate(Enum):
    """What an attempt did for a recipient; DEFERRED alone is not final."""

    __hash__ = object.__hash__  # as good for singletons, and what Enum has is Python, for each look-up

    DELIVERED = "delivered"
    RELAYED = "relayed"
    DEFERRED = "deferred"
    FAILED = "failed"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        """True when the recipient leaves the queue."""
        return self is not Fate.DEFERRED


@value(frozen=True, slots=True)
class Outcome:
    """One attempt's result for one recipient.

    ``diagnostic`` is the peer's reply (``smtp; 550 …``) or our own words; it may hold hostile
    text and is escaped wherever it is shown. ``remote`` is the host that answered, None for
    local causes. ``dsn_passed_on`` tells that the peer offered DSN and was given the sender's
    wishes, so that a relayed report is not ours to make (RFC 3461 §5.2.1). ``when`` is Unix time.
    """

    recipient: Address
    fate: Fate
    status: Status
    diagnostic: str
    remote: str | None
    when: float
    dsn_passed_on: bool = False
