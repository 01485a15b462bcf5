"""What results mean for the recipients of an attempt."""

from __future__ import annotations

import pytest

from eilpost.deliver.errand import Errand
from eilpost.deliver.meaning import is_too_many, may_go_elsewhere, to_tell, unreadable, unroutable
from eilpost.mail.next_hop import Unroutable
from eilpost.mail.outcome import Fate
from eilpost.mail.reply import reply
from eilpost.mail.status import status
from eilpost.smtp.client_offer import Offer
from eilpost.smtp.client_results import Answered, Cause, Lost, Result, Stage
from eilpost.smtp.client_terms import Unsuitable
from tests.unit.deliver.errands import recipient


def answered(stage: Stage, code: int, enhanced: str | None = None) -> Answered:
    """A reply without words."""
    return Answered(stage, reply(code, enhanced, ""))


def lost(stage: Stage) -> Lost:
    """A connection that was closed."""
    return Lost(stage, Cause.DROPPED, "closed")


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (lost(Stage.CONNECT), True),
        (lost(Stage.MAIL), True),
        (lost(Stage.DATA), True),
        (lost(Stage.CONTENT), False),
        (lost(Stage.END), False),
        (answered(Stage.GREETING, 554), True),
        (answered(Stage.GREETING, 421), True),
        (answered(Stage.HELLO, 550), True),
        (answered(Stage.RESET, 451), True),
        (answered(Stage.MAIL, 451), True),
        (answered(Stage.MAIL, 550), False),
        (answered(Stage.RCPT, 421), True),
        (answered(Stage.RCPT, 451), False),
        (answered(Stage.RCPT, 550), False),
        (answered(Stage.DATA, 421), True),
        (answered(Stage.DATA, 451), False),
        (answered(Stage.END, 421), False),
        (answered(Stage.END, 250), False),
        (Unsuitable(status("5.6.3"), "8 bit"), False),
    ],
)
def test_f148_who_may_go_elsewhere(result: Result, expected: bool) -> None:
    """Another host is asked about what concerned this host, and never once content was under way."""
    assert may_go_elsewhere(result) is expected


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (answered(Stage.RCPT, 452), True),
        (answered(Stage.RCPT, 452, "4.5.3"), True),
        (answered(Stage.RCPT, 552, "5.5.3"), True),
        (answered(Stage.RCPT, 552), True),
        (answered(Stage.RCPT, 452, "4.2.2"), False),
        (answered(Stage.RCPT, 552, "5.2.2"), False),
        (answered(Stage.MAIL, 452), False),
        (lost(Stage.RCPT), False),
    ],
)
def test_f145_what_is_too_many_recipients(result: Result, expected: bool) -> None:
    """RFC 5321 §4.5.3.1.10: 452, and 552 from older servers, unless the enhanced code says otherwise."""
    assert is_too_many(result) is expected


def test_hope_is_told() -> None:
    """Of two hosts' results, the one that leaves hope counts; of two alike, the later."""
    soft, hard, softer = answered(Stage.GREETING, 421), answered(Stage.GREETING, 554), lost(Stage.CONNECT)
    assert to_tell(None, hard) is hard
    assert to_tell(soft, hard) is soft
    assert to_tell(hard, soft) is soft
    assert to_tell(soft, softer) is softer


def test_local_causes() -> None:
    """No route and an unreadable disk are results too."""
    assert unroutable(Unroutable(status("5.1.2"), "no domain")) == Unsuitable(status("5.1.2"), "no domain")
    assert unreadable(OSError("disk")).status == status("4.3.0")


def test_an_errand_keeps_its_order() -> None:
    """Outcomes come in the order of the recipients, whichever transaction settled them."""
    rows = [recipient(name) for name in ("a", "b", "c")]
    errand = Errand(rows)
    assert errand.batch(Offer(), 2) == [0, 1]
    errand.note([0, 1], [answered(Stage.RCPT, 452), answered(Stage.END, 250)], remote="mx", dsn=False)
    assert errand.batch(Offer(), 2) == [0, 2]
    errand.note([0, 2], [answered(Stage.END, 250), answered(Stage.RCPT, 550)], remote="mx", dsn=True)
    assert errand.pending == []
    outcomes = errand.outcomes(Fate.RELAYED, 1.0)
    assert [outcome.recipient for outcome in outcomes] == [row.address for row in rows]
    assert [outcome.fate for outcome in outcomes] == [Fate.RELAYED, Fate.RELAYED, Fate.FAILED]
    assert [outcome.dsn_passed_on for outcome in outcomes] == [True, False, False]
