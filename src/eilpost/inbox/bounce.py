"""A bounce for a message that was taken: what a far server would send back later (a grammar)."""

from __future__ import annotations

from typing import Final

from eilpost.inbox.contract import Arrival, Summary, Via
from eilpost.mail.address import Address, AddressError, parse_address
from eilpost.mail.envelope import NO_MAIL_PARAMETERS, Recipient, ReversePath
from eilpost.mail.outcome import Fate, Outcome
from eilpost.mail.status import status
from eilpost.report.compose import compose
from eilpost.report.notices import Kind, MessageFacts, Notice, RecipientFacts

_HOSTNAME: Final = "inbox.invalid"
_DIAGNOSTIC: Final = "smtp; 550 5.1.1 No such mailbox (a fault on demand)"


def bounce(summary: Summary, content: bytes, now: float) -> tuple[Arrival, bytes] | None:
    """The report to the sender, as it arrives in the inbox; None for a message from ``<>``, which gets none."""
    sender = _address(summary.reverse_path)
    recipients = [each for each in map(_address, summary.recipients) if each is not None]
    if sender is None or not recipients:
        return None
    facts = MessageFacts(summary.id, ReversePath(sender), NO_MAIL_PARAMETERS, summary.received, summary.size)
    failed = tuple(
        RecipientFacts(
            number, Recipient(each), Outcome(each, Fate.FAILED, status("5.1.1"), _DIAGNOSTIC, "mx.invalid", now), 1
        )
        for number, each in enumerate(recipients)
    )
    notice = Notice(Kind.FAILED, facts, failed)
    _, octets = compose(notice, hostname=_HOSTNAME, now=now, token=f"bounce.{summary.id}", content=content)
    arrival = Arrival("", (str(sender),), now, Via(helo=_HOSTNAME, protocol="bounce"), tags=("bounce",))
    return arrival, octets


def _address(text: str) -> Address | None:
    try:
        return parse_address(text)
    except AddressError:
        return None
