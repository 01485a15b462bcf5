"""What follows from an attempt, for the spool, the log and the sender (decisions).

An outcome that is not final is given its next time, or is made final when the message has
expired; then the report room says who must be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from eilpost.config.schema import Queue
from eilpost.journal import Attempted, ReportOmitted
from eilpost.mail.envelope import Recipient
from eilpost.mail.next_hop import NextHop
from eilpost.mail.outcome import Fate, Outcome
from eilpost.mail.status import Status, status
from eilpost.mail.value import value
from eilpost.queue.retry import Expired, expired, is_too_late, next_attempt, wait, warning_after
from eilpost.report.notices import Decision, MessageFacts, Notice, RecipientFacts, notices
from eilpost.spool.contract import QueuedMessage, QueuedRecipient, Settlement

OUR_FAULT: Final = status("4.3.0")
TOO_LATE: Final = status("5.4.7")  # RFC 2852 §4.1.4.1

SUCCESS: Final = (Fate.DELIVERED, Fate.RELAYED)  # a tuple: its members are compared by identity, not hashed
_NOBODY: Final[frozenset[int]] = frozenset()
_NOTHING_TO_TELL: Final = Decision((), ())


@value(frozen=True, slots=True)
class Circumstances:
    """What an attempt was made under.

    ``jitter`` is one random number for all recipients of a job, so that they stay together.
    ``tried`` is False when nobody was asked: the destination is down until ``not_before``, Unix
    time. ``doubtful``: the clock is not to be believed, nothing expires. ``may_warn``: a delay
    may be told now.
    """

    now: float
    jitter: float
    tried: bool = True
    doubtful: bool = False
    may_warn: bool = False
    not_before: float = 0.0


@value(frozen=True, slots=True)
class Verdict:
    """What to make durable and what to tell."""

    settlements: tuple[Settlement, ...]
    notices: tuple[Notice, ...]
    events: tuple[Attempted | ReportOmitted, ...]


def judge(
    message: QueuedMessage,
    recipients: Sequence[QueuedRecipient],
    outcomes: Sequence[Outcome],
    next_hop: NextHop,
    settings: Queue,
    circumstances: Circumstances,
) -> Verdict:
    """The verdict on one job; ``outcomes`` has one for each of ``recipients``, in order."""
    rows = [
        (item, outcome, None)
        if outcome.fate in SUCCESS
        else (item, *_place(message, item, outcome, settings, circumstances))
        for item, outcome in zip(recipients, outcomes, strict=True)
    ]
    # Most mail arrives and nobody asked for word of it.
    newsworthy = [row for row in rows if row[1].fate not in SUCCESS or row[0].recipient.parameters.notify is not None]
    told = _tell(message, newsworthy, settings, circumstances) if newsworthy else _NOTHING_TO_TELL
    warned = told.warned if told.notices else _NOBODY
    tried = circumstances.tried
    settlements = [
        Settlement(message.id, item.position, outcome, due, item.position in warned, tried)
        for item, outcome, due in rows
    ]
    hop = str(next_hop)
    delay = max(0.0, circumstances.now - message.received)
    events: list[Attempted | ReportOmitted] = [
        Attempted(
            message.id, str(item.recipient.address), outcome.fate.value, str(outcome.status), hop,
            outcome.remote or "", item.attempts + tried, delay, outcome.diagnostic, due,
        )
        for item, outcome, due in rows
    ]  # fmt: skip
    if told.omitted:
        events += [ReportOmitted(message.id, str(item.recipient), item.why.value) for item in told.omitted]
    return Verdict(tuple(settlements), told.notices, tuple(events))


def _place(
    message: QueuedMessage, item: QueuedRecipient, outcome: Outcome, settings: Queue, circumstances: Circumstances
) -> tuple[Outcome, float | None]:
    """The outcome as it counts, and when the recipient is due again."""
    if outcome.fate.is_final:
        return outcome, None
    attempts = item.attempts + circumstances.tried
    now, jitter = circumstances.now, circumstances.jitter
    following = next_attempt(
        attempts=attempts, received=message.received, now=now, settings=settings, jitter=jitter,
        by=message.parameters.deliver_by,
    )  # fmt: skip
    if not isinstance(following, Expired):
        # Not before the destination is looked at again, but never later than the last attempt.
        latest = max(following.at, message.received + settings.expire)
        return outcome, min(max(following.at, circumstances.not_before), latest)
    if circumstances.doubtful:
        return outcome, now + wait(attempts, settings, jitter)
    by = message.parameters.deliver_by
    late = by is not None and is_too_late(message.received, by, now)
    return expired(replace(outcome, status=TOO_LATE) if late else outcome), None


def _tell(
    message: QueuedMessage,
    rows: Sequence[tuple[QueuedRecipient, Outcome, float | None]],
    settings: Queue,
    circumstances: Circumstances,
) -> Decision:
    facts = [
        RecipientFacts(
            item.position, item.recipient, outcome, item.attempts + circumstances.tried,
            message.received + settings.expire if due is not None else None, item.warned,
        )
        for item, outcome, due in rows
    ]  # fmt: skip
    about = MessageFacts(message.id, message.reverse_path, message.parameters, message.received, message.size)
    warning = warning_after(settings, message.parameters.deliver_by) if circumstances.may_warn else 0.0
    return notices(about, facts, now=circumstances.now, delay_warning=warning)


def untried(
    message: QueuedMessage, item: QueuedRecipient, silence: Outcome, next_hop: NextHop, now: float
) -> Attempted:
    """What the log says of a recipient that waits because its destination is down: nobody was asked."""
    return Attempted(
        message.id, str(item.recipient.address), silence.fate.value, str(silence.status), str(next_hop),
        silence.remote or "", item.attempts, max(0.0, now - message.received), silence.diagnostic, item.due,
    )  # fmt: skip


def same_for_all(
    recipients: Sequence[Recipient], fate: Fate, code: Status, diagnostic: str, now: float
) -> tuple[Outcome, ...]:
    """One outcome of local cause for each recipient."""
    return tuple(Outcome(item.address, fate, code, diagnostic, None, now) for item in recipients)
