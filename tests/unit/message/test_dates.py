"""Dates: RFC 5322 §3.3 and §4.3."""

from __future__ import annotations

import datetime
import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.message import dates

MOMENT = st.integers(-2_000_000_000, 200_000_000_000)


@pytest.mark.parametrize(
    ("now", "offset", "expected"),
    [
        (0, 0, "Thu, 1 Jan 1970 00:00:00 +0000"),
        (1764000000.9, 0, "Mon, 24 Nov 2025 16:00:00 +0000"),
        (1764000000, 3600, "Mon, 24 Nov 2025 17:00:00 +0100"),
        (1764000000, -12600, "Mon, 24 Nov 2025 12:30:00 -0330"),
        (951782400, 0, "Tue, 29 Feb 2000 00:00:00 +0000"),
        (-1, 0, "Wed, 31 Dec 1969 23:59:59 +0000"),
    ],
)
def test_a_date_is_written(now: float, offset: int, expected: str) -> None:
    """Day, date, time and zone, in English whatever the machine speaks (E33)."""
    assert dates.format(now, offset) == expected


@given(MOMENT, st.integers(-47, 56))
def test_dates_agree_with_the_calendar(now: int, quarters: int) -> None:
    """Every moment is written as the standard library writes it, and read back."""
    offset = quarters * 900
    zone = datetime.timezone(datetime.timedelta(seconds=offset))
    moment = datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(seconds=now)

    text = dates.format(now, offset)

    assert email.utils.parsedate_to_datetime(text) == moment
    assert text.split()[1] == str(moment.astimezone(zone).day)
    assert dates.parse(text) == now


@given(MOMENT)
def test_the_form_for_logs_is_iso(now: int) -> None:
    """RFC 3339 in UTC."""
    moment = datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(seconds=now)

    assert dates.iso(now) == moment.strftime("%Y-%m-%dT%H:%M:%S").zfill(19)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mon, 24 Nov 2025 16:00:00 +0000", 1764000000),
        ("24 Nov 2025 16:00 +0000", 1764000000),
        ("Mon,24 nov 2025 17:00:00 +0100 (CET)", 1764000000),
        ("Monday, 24-Nov-25 16:00:00 GMT", 1764000000),
        ("Mon, 24 Nov 2025 11:00:00 EST", 1764000000),
        ("  Mon,\t24 November 2025 16:00:00 Z ", 1764000000),
        ("24 Nov 125 16:00:00", 1764000000),
        ("1 Jan 70 00:00:00", 0),
        ("Mon, 31 Dec 2018 23:59:60 +0000", 1546300800),
    ],
)
def test_old_forms_are_read(text: str, expected: int) -> None:
    """RFC 5322 §4.3: zones by name, short years, no seconds, comments."""
    assert dates.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "yesterday", "Mon, 24 Foo 2025 16:00:00 +0000", "30 Feb 2025 10:00:00 +0000", "0 Jan 2025 00:00:00",
        "24 Nov 2025 24:00:00 +0000", "24 Nov 2025 10:60:00", "24 Nov 2025", "2025-11-24T16:00:00Z",
        "٢٤ Nov 2025 16:00:00 +0000", "Mon, 24 Nov 2025 16:00:00 +0000" + " " * 500,
    ],
)  # fmt: skip
def test_other_text_is_no_date(text: str) -> None:
    """What is no date is None, not an error."""
    assert dates.parse(text) is None


@given(st.text(st.sampled_from("Mon, 24ov:205+()-\t \u0664"), max_size=60))
def test_reading_never_fails(text: str) -> None:
    """Any text is a time or None."""
    found = dates.parse(text)

    assert found is None or isinstance(found, int)
