"""Enhanced status codes: RFC 3463, RFC 5248."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.mail.status import MEANINGS, Status, leading_status, status


def test_a_status_is_read_and_written() -> None:
    """A status is three numbers and is written as it was read."""
    found = status("4.2.2")

    assert found == Status(4, 2, 2)
    assert str(found) == "4.2.2"
    assert found.meaning == "the mailbox is full"
    assert str(found.with_class(5)) == "5.2.2"


@pytest.mark.parametrize("text", ["", "5", "5.1", "3.1.1", "5.1.1000", "5.1.1 x", "5.1.1\n", "٥.١.١", "5.1.-1"])
def test_other_text_is_no_status(text: str) -> None:
    """RFC 3463 §2: a class of 2, 4 or 5 and two numbers of up to three digits."""
    with pytest.raises(ValueError, match="not an enhanced status code"):
        status(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5.1.1 no such mailbox", Status(5, 1, 1)),
        ("4.7.0", Status(4, 7, 0)),
        ("5.1.1no such mailbox", None),
        ("5.1.1.1 who", None),
        ("Mailbox 5.1.1", None),
        ("192.0.2.1 is listed", None),
        ("2.0.0.0", None),
        ("", None),
    ],
)
def test_a_reply_text_may_begin_with_a_status(text: str, expected: Status | None) -> None:
    """RFC 2034 §4: the code stands first, and a blank follows it."""
    assert leading_status(text) == expected


def test_unregistered_pairs_have_no_meaning() -> None:
    """A pair that nobody registered means nothing, and is no error."""
    assert Status(5, 9, 99).meaning == ""


def test_every_meaning_is_a_registered_pair() -> None:
    """The table holds pairs of RFC 3463, 5248, 6710, 7293, 7372, 7505, 8616, 8689 and no other."""
    details = {
        0: range(1),
        1: range(11),
        2: range(5),
        3: range(7),
        4: range(8),
        5: range(7),
        6: range(10),
        7: range(31),
    }

    assert set(MEANINGS) == {(subject, detail) for subject, span in details.items() for detail in span}


@given(st.sampled_from([2, 4, 5]), st.integers(0, 999), st.integers(0, 999))
def test_every_status_survives_writing_and_reading(klass: int, subject: int, detail: int) -> None:
    """Writing a status and reading it gives the same status."""
    assert status(str(Status(klass, subject, detail))) == Status(klass, subject, detail)
