"""Who is told what: RFC 3461 §4.1, §4.3, §5.2, RFC 5321 §4.5.5."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.mail.address import Address, parse_address
from eilpost.mail.envelope import (
    NULL_REVERSE_PATH,
    MailParameters,
    Notify,
    RcptParameters,
    Recipient,
    Ret,
    ReversePath,
)
from eilpost.mail.outcome import Fate, Outcome
from eilpost.mail.status import status
from eilpost.report.notices import (
    RETURN_LIMIT,
    Decision,
    Kind,
    MessageFacts,
    Notice,
    RecipientFacts,
    Why,
    final_status,
    notices,
)

ANNA = ReversePath(parse_address("anna@example.test"))
RECEIVED = 1_764_000_000.0
HOUR = 3600.0
DELAY = 4 * HOUR


def facts(reverse_path: ReversePath = ANNA, *, ret: Ret | None = None, size: int = 1000) -> MessageFacts:
    """A message that was accepted at RECEIVED."""
    return MessageFacts("m1", reverse_path, MailParameters(ret=ret), RECEIVED, size)


def recipient(
    fate: Fate,
    *wishes: Notify,
    code: str = "5.1.1",
    passed_on: bool = False,
    warned: bool = False,
    position: int = 0,
) -> RecipientFacts:
    """A recipient after an attempt; without wishes NOTIFY was not given."""
    address = Address(f"r{position}", "example.org")
    parameters = RcptParameters(notify=frozenset(wishes) if wishes else None)
    outcome = Outcome(address, fate, status(code), "smtp; 550 no", "mx.example.org", RECEIVED, passed_on)
    return RecipientFacts(position, Recipient(address, parameters), outcome, 1, RECEIVED + 5 * 24 * HOUR, warned)


def decide(*recipients: RecipientFacts, message: MessageFacts | None = None, age: float = 5 * HOUR) -> Decision:
    """The decision, with a delay warning after four hours."""
    return notices(message or facts(), recipients, now=RECEIVED + age, delay_warning=DELAY)


def kinds(decision: Decision) -> list[Kind]:
    """The kinds of the reports."""
    return [notice.kind for notice in decision.notices]


NEVER, SUCCESS, FAILURE, LATE = Notify.NEVER, Notify.SUCCESS, Notify.FAILURE, Notify.DELAY


@pytest.mark.parametrize(
    ("fate", "wishes", "expected"),
    [
        (Fate.FAILED, (), [Kind.FAILED]),
        (Fate.FAILED, (FAILURE,), [Kind.FAILED]),
        (Fate.FAILED, (NEVER,), []),
        (Fate.FAILED, (SUCCESS, LATE), []),
        (Fate.EXPIRED, (), [Kind.FAILED]),
        (Fate.EXPIRED, (NEVER,), []),
        (Fate.DEFERRED, (), [Kind.DELAYED]),
        (Fate.DEFERRED, (LATE,), [Kind.DELAYED]),
        (Fate.DEFERRED, (FAILURE, SUCCESS), []),
        (Fate.DEFERRED, (NEVER,), []),
        (Fate.DELIVERED, (), []),
        (Fate.DELIVERED, (SUCCESS,), [Kind.DELIVERED]),
        (Fate.DELIVERED, (FAILURE,), []),
        (Fate.RELAYED, (), []),
        (Fate.RELAYED, (SUCCESS, FAILURE), [Kind.RELAYED]),
        (Fate.RELAYED, (NEVER,), []),
    ],
)
def test_notify_is_honoured(fate: Fate, wishes: tuple[Notify, ...], expected: list[Kind]) -> None:
    """RFC 3461 §4.1: each news goes to who wants it; without NOTIFY failures and delays do."""
    assert kinds(decide(recipient(fate, *wishes))) == expected


def test_f164_a_failure_with_never_is_noted() -> None:
    """A failure that nobody is told of is named with its reason."""
    omitted = decide(recipient(Fate.FAILED, NEVER)).omitted

    assert [(item.recipient, item.kind, item.why) for item in omitted] == [
        (Address("r0", "example.org"), Kind.FAILED, Why.NOT_WANTED)
    ]


def test_f164_a_relayed_success_is_told_only_when_the_peer_will_not() -> None:
    """RFC 3461 §5.2.1: a peer with DSN that got the wishes reports itself."""
    assert kinds(decide(recipient(Fate.RELAYED, SUCCESS, passed_on=True))) == []
    assert kinds(decide(recipient(Fate.RELAYED, SUCCESS, passed_on=False))) == [Kind.RELAYED]
    assert kinds(decide(recipient(Fate.FAILED, passed_on=True))) == [Kind.FAILED]


@pytest.mark.parametrize("fate", Fate)
def test_f158_nothing_goes_to_the_null_reverse_path(fate: Fate) -> None:
    """RFC 5321 §4.5.5: a report of a report is never made; a lost one is noted."""
    decision = decide(recipient(fate, SUCCESS, FAILURE, LATE), message=facts(NULL_REVERSE_PATH))

    assert decision.notices == ()
    assert [item.why for item in decision.omitted] == (
        [Why.NULL_REVERSE_PATH] if fate in (Fate.FAILED, Fate.EXPIRED) else []
    )


@pytest.mark.parametrize(
    ("age", "warned", "delay_warning", "told"),
    [
        (DELAY, False, DELAY, True),
        (DELAY - 1, False, DELAY, False),
        (DELAY, True, DELAY, False),
        (100 * DELAY, False, 0.0, False),
        (-HOUR, False, DELAY, False),
    ],
)
def test_a_delay_is_told_once_and_when_it_is_one(age: float, warned: bool, delay_warning: float, told: bool) -> None:
    """A delay is told from its age on, once, and never with 0; a clock that went back tells nothing."""
    waiting = recipient(Fate.DEFERRED, warned=warned, position=3)

    decision = notices(facts(), [waiting], now=RECEIVED + age, delay_warning=delay_warning)

    assert bool(decision.notices) is told
    assert decision.warned == (frozenset({3}) if told else frozenset())


def test_recipients_with_the_same_news_share_a_report() -> None:
    """One settlement makes at most one report of a kind, failures first."""
    decision = decide(
        recipient(Fate.DEFERRED, position=0, code="4.2.2"),
        recipient(Fate.FAILED, position=1),
        recipient(Fate.DELIVERED, SUCCESS, position=2, code="2.0.0"),
        recipient(Fate.EXPIRED, position=3, code="4.4.1"),
        recipient(Fate.DEFERRED, NEVER, position=4, code="4.2.2"),
        recipient(Fate.DEFERRED, position=5, code="4.2.2"),
    )

    assert [(notice.kind, [item.position for item in notice.recipients]) for notice in decision.notices] == [
        (Kind.FAILED, [1, 3]),
        (Kind.DELAYED, [0, 5]),
        (Kind.DELIVERED, [2]),
    ]
    assert decision.warned == {0, 5}


@pytest.mark.parametrize(
    ("fate", "code", "expected"),
    [
        (Fate.FAILED, "5.1.1", "5.1.1"),
        (Fate.DEFERRED, "4.2.2", "4.2.2"),
        (Fate.EXPIRED, "4.4.7", "5.4.7"),
        (Fate.EXPIRED, "4.4.1", "5.4.7"),
        (Fate.EXPIRED, "4.0.0", "5.4.7"),
        (Fate.EXPIRED, "4.2.2", "5.2.2"),
        (Fate.EXPIRED, "4.7.1", "5.7.1"),
    ],
)
def test_f168_what_expired_has_failed_for_its_reason(fate: Fate, code: str, expected: str) -> None:
    """An expired recipient keeps a reason that lies at the other side; else it is 5.4.7."""
    assert str(final_status(recipient(fate, code=code).outcome)) == expected


@pytest.mark.parametrize(
    ("kind", "ret", "size", "whole"),
    [
        (Kind.FAILED, None, 1000, True),
        (Kind.FAILED, Ret.FULL, RETURN_LIMIT, True),
        (Kind.FAILED, Ret.FULL, RETURN_LIMIT + 1, False),
        (Kind.FAILED, Ret.HEADERS, 1000, False),
        (Kind.DELAYED, Ret.FULL, 1000, False),
        (Kind.DELIVERED, Ret.FULL, 1000, False),
        (Kind.RELAYED, None, 1000, False),
    ],
)
def test_f159_little_comes_back(kind: Kind, ret: Ret | None, size: int, whole: bool) -> None:
    """RFC 3461 §4.3: content comes back with failures, when it was not declined and is small."""
    assert Notice(kind, facts(ret=ret, size=size), ()).returns_content is whole


@given(
    st.lists(
        st.tuples(st.sampled_from(Fate), st.sets(st.sampled_from(Notify)), st.booleans(), st.booleans()), max_size=8
    ),
    st.booleans(),
    st.floats(0, 1e6),
)
def test_nobody_is_told_twice_and_never_means_never(
    rows: list[tuple[Fate, set[Notify], bool, bool]], null: bool, age: float
) -> None:
    """A recipient stands in one report or none; NEVER and the null reverse-path in none."""
    items = [
        recipient(fate, *wishes, warned=warned, passed_on=passed_on, position=position)
        for position, (fate, wishes, warned, passed_on) in enumerate(rows)
    ]

    decision = decide(*items, message=facts(NULL_REVERSE_PATH if null else ANNA), age=age)

    told = [item.position for notice in decision.notices for item in notice.recipients]
    assert len(told) == len(set(told))
    assert not (null and told)
    assert all(Notify.NEVER not in rows[position][1] for position in told)
    failed = [item for item in items if item.outcome.fate in (Fate.FAILED, Fate.EXPIRED)]
    assert len([item for item in failed if item.position in told]) + len(decision.omitted) == len(failed)
