"""Replies: RFC 5321 §4.2."""

from __future__ import annotations

import pytest

from eilpost.mail.reply import Reply, Severity, reply
from eilpost.mail.status import Status


@pytest.mark.parametrize(
    ("code", "severity"),
    [(220, Severity.POSITIVE), (354, Severity.INTERMEDIATE), (421, Severity.TRANSIENT), (554, Severity.PERMANENT)],
)
def test_the_first_digit_is_the_severity(code: int, severity: Severity) -> None:
    """RFC 5321 §4.2.1: the first digit tells what to do."""
    answer = Reply(code, None, ("text",))

    assert answer.severity is severity
    assert answer.is_positive is (severity is Severity.POSITIVE)
    assert answer.is_transient is (severity is Severity.TRANSIENT)
    assert answer.is_permanent is (severity is Severity.PERMANENT)


@pytest.mark.parametrize("code", [99, 199, 600, 999])
def test_f146_other_codes_have_no_severity(code: int) -> None:
    """A code that RFC 5321 does not know is neither good nor bad: asking is an error."""
    answer = Reply(code, None, ())

    with pytest.raises(KeyError):
        _ = answer.severity
    assert [answer.is_positive, answer.is_transient, answer.is_permanent] == [False] * 3


def test_a_reply_is_written_as_people_write_it() -> None:
    """``reply`` takes code, enhanced code and lines."""
    answer = reply(550, "5.1.1", "no such", "mailbox")

    assert answer == Reply(550, Status(5, 1, 1), ("no such", "mailbox"))
    assert str(answer) == "550 5.1.1 no such mailbox"
    assert str(reply(354, None, "go")) == "354 go"


def test_a_wrong_status_is_a_bug() -> None:
    """A reply with a status that is none cannot be made."""
    with pytest.raises(ValueError, match="not an enhanced"):
        reply(550, "5.1", "x")
