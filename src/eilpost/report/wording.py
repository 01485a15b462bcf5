"""What a report says to a person (a grammar).

Short sentences, the news first: what happened, to whom, why, what to do, what happens next. A
peer's own words are quoted, cleaned of control characters and cut.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Final

from eilpost.mail.address import Address, to_unicode
from eilpost.mail.outcome import Fate
from eilpost.mail.status import Status
from eilpost.message import dates
from eilpost.message.encoded_words import display, printable
from eilpost.message.fields import one_line
from eilpost.report.notices import Kind, Notice, RecipientFacts, final_status

_WIDTH: Final = 72
_MOST_LISTED: Final = 50
_MOST_QUOTED: Final = 600
_PEER_REPLY: Final = re.compile(r"\s*(?:smtp|lmtp)\s*;\s*(.*)", re.IGNORECASE | re.DOTALL)

SUBJECTS: Final = {
    Kind.FAILED: "Not delivered: your message to",
    Kind.DELAYED: "Delayed: your message to",
    Kind.DELIVERED: "Delivered: your message to",
    Kind.RELAYED: "Passed on: your message to",
}

NEWS: Final = {
    Kind.FAILED: "Your message could not be delivered to:",
    Kind.DELAYED: "Your message has not been delivered yet to:",
    Kind.DELIVERED: "Your message has been delivered to:",
    Kind.RELAYED: "Your message has been passed on to the mail server of:",
}

NEXT: Final = {
    Kind.FAILED: "We will not try again for the addresses above. "
    "If your message had other recipients, they are not concerned by this report.",
    Kind.DELAYED: "You need not do anything, and need not send it again. This is only a warning.",
    Kind.DELIVERED: "You get this report because you asked for one.",
    Kind.RELAYED: "That server sends no reports of success, so this is the last one you get "
    "about these addresses, unless the message fails there.",
}

ADVICE: Final[dict[tuple[int, int], str]] = {
    (1, 1): "Check the part of the address before the @ for a typing error; "
    "if it is right, the mailbox does not exist any more: ask the person for a new address.",
    (1, 2): "Check the part of the address behind the @ for a typing error.",
    (1, 3): "Check how the address is written.",
    (1, 6): "Ask the person for the new address.",
    (1, 10): "Check the part of the address behind the @: that domain takes no mail at all.",
    (2, 1): "Reach the person in another way; the mailbox is switched off.",
    (2, 2): "Tell the person in another way that the mailbox is full, and send the message again later.",
    (2, 3): "Make the message smaller, for example by sending a link in place of the attachment.",
    (3, 4): "Make the message smaller, for example by sending a link in place of the attachment.",
    (4, 6): "Tell the postmaster of that domain: the message went round in a circle.",
    (6, 7): "Ask the person for an address in plain letters: the server there knows no others.",
    (6, 9): "Use plain letters in the names and subject: the server there knows no others.",
}

ADVICE_BY_SUBJECT: Final[dict[int, str]] = {
    1: "Check the address for a typing error.",
    2: "Reach the person in another way and tell them that their mailbox takes no mail.",
    3: "Send the message again later; if it fails again, tell the postmaster of that domain.",
    4: "Send the message again later; if it fails again, tell the postmaster of that domain.",
    5: "Tell your postmaster: the two mail servers did not understand each other.",
    6: "Send the text without attachments or in another format.",
    7: "Ask the person, in another way, to let your mail in, or ask your postmaster: "
    "the other side has refused the message by its rules.",
}


def subject(notice: Notice) -> str:
    """The report's Subject; the message's own is not in it, so that it carries nobody's advertisement."""
    first, *others = notice.recipients
    more = f" and {_count(len(others), 'other')}" if others else ""
    return f"{SUBJECTS[notice.kind]} {printable(str(_written_to(first)))}{more}"


def text(notice: Notice, *, hostname: str, now: float, subject: bytes = b"") -> str:
    """The whole text for people; lines end in a newline."""
    blocks = [_wrap(NEWS[notice.kind])]
    blocks += ["\n".join(_lines(notice, item)) for item in notice.recipients[:_MOST_LISTED]]
    if (unlisted := len(notice.recipients) - _MOST_LISTED) > 0:
        blocks.append(_wrap(f"and to {_count(unlisted, 'other')}, who stand in the part of this report for machines."))
    blocks += [_wrap(advice) for advice in _advices(notice)]
    blocks.append(_wrap(" ".join(_next(notice, now))))
    blocks.append("\n".join(_about(notice, subject)))
    blocks.append(f"The mail system at {hostname}")
    return "\n\n".join(blocks) + "\n"


def _lines(notice: Notice, item: RecipientFacts) -> Iterator[str]:
    yield f"    {_address(item)}"
    if notice.kind in (Kind.DELIVERED, Kind.RELAYED):
        if item.outcome.remote:
            yield _wrap(f"by way of {printable(item.outcome.remote)}", indent=8)
        return
    yield _wrap(f"Why: {_why(notice, item)}", indent=8)
    peer = _PEER_REPLY.fullmatch(item.outcome.diagnostic)
    words = _quoted(peer[1] if peer else item.outcome.diagnostic)
    if words:
        teller = f"{printable(item.outcome.remote)} said" if peer and item.outcome.remote else "In detail"
        yield _wrap(f"{teller}: {words}", indent=8)


def _why(notice: Notice, item: RecipientFacts) -> str:
    status = final_status(item.outcome)
    reason = item.outcome.status.meaning or "an unknown reason"
    if item.outcome.fate is Fate.EXPIRED:
        waited = duration(max(0.0, item.outcome.when - notice.message.received))
        tries = _count(item.attempts, "attempt", "attempts")
        last = (
            "" if item.outcome.status.detail == 7 and item.outcome.status.subject == 4 else f"; the last time: {reason}"
        )
        return f"it could not be delivered within {waited}, in {tries}{last} (status {status})."
    return f"{reason} (status {status})."


def _quoted(words: str) -> str:
    words = one_line(words, _MOST_QUOTED, utf8=True)
    return f'"{words}"' if words else ""


def _written_to(item: RecipientFacts) -> Address:
    """The address that the sender used, where an alias led from it to the recipient."""
    given = item.recipient.given
    return given if given is not None and given.domain else item.recipient.address


def _address(item: RecipientFacts) -> str:
    """The address as people read it."""
    address, written_to = item.recipient.address, _written_to(item)
    if written_to != address:
        return f"{printable(str(written_to))} (which leads to {printable(str(address))})"
    shown = to_unicode(address.domain)
    return printable(str(address)) + (f" ({printable(shown)})" if shown != address.domain else "")


def _advices(notice: Notice) -> list[str]:
    """What the sender can do, each advice once; a few are enough."""
    if notice.kind is not Kind.FAILED:
        return []
    found = dict.fromkeys(_advice(item.outcome.status) for item in notice.recipients)
    return [f"What you can do: {advice}" for advice in list(found)[:3]]


def _advice(status: Status) -> str:
    general = "Ask your postmaster, and keep this report for them."
    return ADVICE.get((status.subject, status.detail)) or ADVICE_BY_SUBJECT.get(status.subject, general)


def _next(notice: Notice, now: float) -> Iterator[str]:
    yield NEXT[notice.kind]
    until = max((item.will_retry_until or 0.0 for item in notice.recipients), default=0.0)
    if notice.kind is Kind.DELAYED and until > now:
        yield f"We go on trying until {dates.format(until)}. If that does not help, you get another report."


def _about(notice: Notice, subject: bytes) -> Iterator[str]:
    yield "About your message:"
    shown = display(subject, 200)
    if shown:
        yield _wrap(f"subject   {shown}", indent=4)
    yield f"    accepted  {dates.format(notice.message.received)}"
    yield f"    known as  {notice.message.id}"
    if notice.message.parameters.envid:
        yield _wrap(f"envelope  {printable(notice.message.parameters.envid)}", indent=4)


def _wrap(line: str, *, indent: int = 0) -> str:
    margin = " " * indent
    return textwrap.fill(
        line, _WIDTH, initial_indent=margin, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False
    )


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


_UNITS: Final = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def duration(seconds: float) -> str:
    """A time span in its biggest fitting unit: ``5 days``, ``90 minutes``."""
    for size, name in _UNITS:
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0):
            return _count(round(seconds / size), name)
    return _count(round(seconds), "second")
