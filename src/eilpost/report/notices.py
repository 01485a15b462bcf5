"""Who must be told what after an attempt? (decisions)

RFC 3461 §5.2: a failure is told unless the sender said NEVER or left it out of NOTIFY; a
delay is told once, to a sender who did not ask for less; a delivery, and a hand-over to a server
that sends no reports, only to a sender who asked for SUCCESS. Nothing is ever sent to the null
reverse-path (RFC 5321 §4.5.5, F158). Recipients of one message whose news is the same share a report.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final

from eilpost.mail.address import Address
from eilpost.mail.envelope import MailParameters, Notify, Recipient, Ret, ReversePath
from eilpost.mail.outcome import Fate, Outcome
from eilpost.mail.status import Status
from eilpost.mail.value import value

RETURN_LIMIT: Final = 50_000
"""Octets of a message that a report returns at most (F159); of more it returns the header alone."""


class Kind(Enum):
    """What a report is about; the values are those of RFC 3464 §2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"


class Why(Enum):
    """Why nobody is told."""

    NULL_REVERSE_PATH = "null reverse-path"
    NOT_WANTED = "NOTIFY asks for no such report"


@value(frozen=True, slots=True)
class MessageFacts:
    """What a report says of the message; ``received`` is Unix time, ``size`` is octets."""

    id: str
    reverse_path: ReversePath
    parameters: MailParameters
    received: float
    size: int


@value(frozen=True, slots=True)
class RecipientFacts:
    """One recipient after an attempt; ``attempts`` counts this one too.

    ``will_retry_until`` is when a deferred recipient expires, Unix time. ``warned``: a delay
    report was made before. ``position`` is the recipient's number within the message.
    """

    position: int
    recipient: Recipient
    outcome: Outcome
    attempts: int
    will_retry_until: float | None = None
    warned: bool = False


@value(frozen=True, slots=True)
class Notice:
    """One report to make: to the message's reverse-path, about these recipients."""

    kind: Kind
    message: MessageFacts
    recipients: tuple[RecipientFacts, ...]

    @property
    def returns_content(self) -> bool:
        """Whether the whole message goes back; RFC 3461 §4.3: only with a failure, and unless HDRS."""
        message = self.message
        asked = message.parameters
        if asked.ret is Ret.HEADERS or asked.require_tls:  # RFC 8689 §5: as if RET=HDRS had been asked for
            return False
        return self.kind is Kind.FAILED and message.size <= RETURN_LIMIT


@value(frozen=True, slots=True)
class Omission:
    """A report that would be due, and is not made."""

    recipient: Address
    kind: Kind
    why: Why


@value(frozen=True, slots=True)
class Decision:
    """The reports that are due, and those left out."""

    notices: tuple[Notice, ...]
    omitted: tuple[Omission, ...]

    @property
    def warned(self) -> frozenset[int]:
        """Positions of the recipients whose delay is told now."""
        return frozenset(
            item.position for notice in self.notices if notice.kind is Kind.DELAYED for item in notice.recipients
        )


def notices(
    message: MessageFacts, recipients: Iterable[RecipientFacts], *, now: float, delay_warning: float
) -> Decision:
    """What is to be told of these recipients, which one attempt settled.

    ``delay_warning`` is the age in seconds from which a delay is told; 0 is never.
    """
    late = 0 < delay_warning <= now - message.received
    told: dict[Kind, list[RecipientFacts]] = {}
    omitted = []
    for item in recipients:
        kind = _kind(item.outcome.fate)
        if kind is Kind.DELAYED and (item.warned or not late):
            continue
        why = _why_not(message, item, kind)
        if why is None:
            told.setdefault(kind, []).append(item)
        elif kind is Kind.FAILED:  # that mail waits, or has arrived, is news only to who asked
            omitted.append(Omission(item.recipient.address, kind, why))
    return Decision(tuple(Notice(kind, message, tuple(told[kind])) for kind in Kind if kind in told), tuple(omitted))


def _kind(fate: Fate) -> Kind:
    match fate:
        case Fate.FAILED | Fate.EXPIRED:
            return Kind.FAILED
        case Fate.DEFERRED:
            return Kind.DELAYED
        case Fate.DELIVERED:
            return Kind.DELIVERED
        case Fate.RELAYED:
            return Kind.RELAYED


_WISH: Final = {
    Kind.FAILED: Notify.FAILURE,
    Kind.DELAYED: Notify.DELAY,
    Kind.DELIVERED: Notify.SUCCESS,
    Kind.RELAYED: Notify.SUCCESS,
}

_UNASKED: Final = frozenset({Notify.FAILURE, Notify.DELAY})  # RFC 3461 §4.1, §5.2.5: when NOTIFY was not given


def _why_not(message: MessageFacts, item: RecipientFacts, kind: Kind) -> Why | None:
    if message.reverse_path.is_null:
        return Why.NULL_REVERSE_PATH
    wishes = item.recipient.parameters.notify
    if wishes is None:
        wishes = _UNASKED
    if _WISH[kind] not in wishes or Notify.NEVER in wishes:
        return Why.NOT_WANTED
    # RFC 3461 §5.2.1: a peer that was given the sender's wishes reports a success itself.
    if _WISH[kind] is Notify.SUCCESS and item.outcome.dsn_passed_on:
        return Why.NOT_WANTED
    return None


def final_status(outcome: Outcome) -> Status:
    """The status to report: what expired has failed, for the reason of its last attempt.

    A reason that lies in the network, or none, is told as 5.4.7: the delivery time expired.
    """
    status = outcome.status
    if outcome.fate is not Fate.EXPIRED:
        return status
    return Status(5, 4, 7) if status.subject in (0, 4) else status.with_class(5)
