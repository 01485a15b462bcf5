"""What follows from an attempt."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from eilpost.config.schema import DAY, HOUR, Queue
from eilpost.journal import Attempted
from eilpost.mail.address import Address
from eilpost.mail.envelope import NO_MAIL_PARAMETERS, Notify, RcptParameters, Recipient, ReversePath
from eilpost.mail.next_hop import Means, NextHop
from eilpost.mail.outcome import Fate, Outcome
from eilpost.mail.status import status
from eilpost.queue.verdict import Circumstances, judge
from eilpost.report.notices import Kind
from eilpost.spool.contract import QueuedMessage, QueuedRecipient, State
from eilpost.testing.spool import MemoryContent

NOW = 1_700_000_000.0
HOP = NextHop(Means.MX, "there.test")
CODES = {
    Fate.DELIVERED: "2.0.0", Fate.RELAYED: "2.0.0", Fate.DEFERRED: "4.2.0", Fate.FAILED: "5.1.1", Fate.EXPIRED: "5.4.7",
}  # fmt: skip


SENDER = Address("a", "here.test")


def message(age: float = 0.0, sender: Address | None = SENDER) -> QueuedMessage:
    content = MemoryContent(b"Subject: x\r\n\r\n")
    return QueuedMessage("m", ReversePath(sender), NO_MAIL_PARAMETERS, NOW - age, content.size, False, content)


def recipient(position: int = 0, **changes: object) -> QueuedRecipient:
    address = Address(f"u{position}", "there.test")
    row = QueuedRecipient(position, Recipient(address), State.ACTIVE, 0, NOW)
    return replace(row, **changes)  # type: ignore[arg-type]


def outcome(row: QueuedRecipient, fate: Fate) -> Outcome:
    return Outcome(row.recipient.address, fate, status(CODES[fate]), "smtp; said so", "mx.there.test", NOW)


@given(
    st.lists(st.sampled_from([Fate.DELIVERED, Fate.RELAYED, Fate.DEFERRED, Fate.FAILED]), min_size=1, max_size=5),
    st.floats(0, 10 * DAY),
    st.booleans(),
    st.booleans(),
    st.floats(0, 0.999),
)
def test_every_recipient_gets_one_place(
    fates: list[Fate], age: float, tried: bool, doubtful: bool, jitter: float
) -> None:
    """Each recipient is settled once: finally, or due later than now and not after its expiry."""
    rows = [recipient(position) for position in range(len(fates))]
    outcomes = [outcome(row, fate) for row, fate in zip(rows, fates, strict=True)]
    circumstances = Circumstances(NOW, jitter, tried=tried, doubtful=doubtful, may_warn=True, not_before=NOW + HOUR)
    verdict = judge(message(age), rows, outcomes, HOP, Queue(), circumstances)
    assert [item.position for item in verdict.settlements] == list(range(len(fates)))
    for item in verdict.settlements:
        assert (item.due is None) == item.outcome.fate.is_final
        assert item.tried is tried
        if item.due is not None:
            assert item.due > NOW
            assert doubtful or item.due <= NOW - age + Queue().expire
    told = [fact.position for notice in verdict.notices for fact in notice.recipients]
    failed = [item.position for item in verdict.settlements if item.outcome.fate in (Fate.FAILED, Fate.EXPIRED)]
    assert set(failed) <= set(told)
    assert len(told) == len(set(told))
    assert len([event for event in verdict.events if isinstance(event, Attempted)]) == len(fates)


def test_success_that_nobody_asked_of_is_not_told() -> None:
    """A delivery makes no report unless the sender wanted one."""
    row = recipient()
    verdict = judge(message(), [row], [outcome(row, Fate.RELAYED)], HOP, Queue(), Circumstances(NOW, 0.5))
    assert verdict.notices == ()
    wish = replace(row.recipient, parameters=RcptParameters(frozenset({Notify.SUCCESS})))
    row = recipient(recipient=wish)
    verdict = judge(message(), [row], [outcome(row, Fate.RELAYED)], HOP, Queue(), Circumstances(NOW, 0.5))
    assert [notice.kind for notice in verdict.notices] == [Kind.RELAYED]


def test_f165_one_warning_tells_of_all_recipients() -> None:
    """Recipients of one message that wait share a warning; those who were named before are left out."""
    rows = [recipient(0), recipient(1), recipient(2, warned=True)]
    outcomes = [outcome(row, Fate.DEFERRED) for row in rows]
    verdict = judge(message(5 * HOUR), rows, outcomes, HOP, Queue(), Circumstances(NOW, 0.5, may_warn=True))
    [notice] = verdict.notices
    assert notice.kind is Kind.DELAYED
    assert [item.position for item in notice.recipients] == [0, 1]
    assert [item.warned for item in verdict.settlements] == [True, True, False]


def test_f165_no_warning_while_the_destination_is_known_to_be_down() -> None:
    """Who was not tried is not warned of, and its attempts are not counted."""
    row = recipient(attempts=3)
    circumstances = Circumstances(NOW, 0.5, tried=False, not_before=NOW + 2 * HOUR)
    verdict = judge(message(5 * HOUR), [row], [outcome(row, Fate.DEFERRED)], HOP, Queue(), circumstances)
    assert verdict.notices == ()
    [event] = verdict.events
    assert isinstance(event, Attempted)
    assert event.attempt == 3
    assert verdict.settlements[0].due == NOW + 2 * HOUR
