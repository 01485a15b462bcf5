"""The words of reports."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.mail.status import MEANINGS
from eilpost.report import wording
from eilpost.report.notices import Kind


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (90, "90 seconds"),
        (3600, "1 hour"),
        (5400, "90 minutes"),
        (4 * 3600, "4 hours"),
        (36 * 3600, "36 hours"),
        (86400, "1 day"),
        (5 * 86400 + 700, "5 days"),
    ],
)
def test_a_duration_is_told_in_its_unit(seconds: float, expected: str) -> None:
    """People read days and hours, not seconds."""
    assert wording.duration(seconds) == expected


@given(st.floats(0, 1e9))
def test_a_duration_is_always_a_number_and_a_unit(seconds: float) -> None:
    """Any span of time has words."""
    number, unit = wording.duration(seconds).split()

    assert int(number) >= 0
    assert unit.rstrip("s") in {"day", "hour", "minute", "second"}


def test_every_kind_has_its_words() -> None:
    """No kind of report is without subject, news and what follows."""
    assert set(wording.SUBJECTS) == set(wording.NEWS) == set(wording.NEXT) == set(Kind)


def test_advice_is_for_registered_reasons() -> None:
    """Advice stands beside reasons that exist."""
    assert set(wording.ADVICE) <= set(MEANINGS)
    assert set(wording.ADVICE_BY_SUBJECT) <= {subject for subject, _ in MEANINGS}
