"""Durations and sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.config.units import UnitError, parse_duration, parse_size, show_duration, show_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90), ("5m", 300), ("4h", 14_400), ("5d", 432_000), ("2w", 1_209_600), ("250ms", 0.25),
        ("1h30m", 5400), ("1h 30m", 5400), ("1.5h", 5400), ("0", 0), ("90", 90),
    ],
)  # fmt: skip
def test_durations_are_read(text: str, seconds: float) -> None:
    """A duration is one or more numbers with units, or bare seconds."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "5x", "5M", "-5m", "5m5m", "5m 3", "٣s", "1e3s", "5 minutes", "5m\n;"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Anything else is no duration, and the error shows what one looks like."""
    with pytest.raises(UnitError, match='"5d"'):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("25MB", 25_000_000), ("256KB", 256_000), ("1GiB", 2**30), ("1.5kb", 1500), ("7", 7), ("7 B", 7),
        ("2tib", 2**41),
    ],
)  # fmt: skip
def test_sizes_are_read(text: str, octets: int) -> None:
    """MB is a million octets and MiB 1,048,576; case does not matter."""
    assert parse_size(text) == octets


@pytest.mark.parametrize("text", ["", "MB", "25M B", "-1MB", "1PB", "0x10", "1MBB", "١MB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """Anything else is no size, and the error shows what one looks like."""
    with pytest.raises(UnitError, match='"25MB"'):
        parse_size(text)


@given(st.integers(0, 10**12))
def test_a_shown_duration_reads_as_itself(milliseconds: int) -> None:
    """Showing and reading a duration gives the same milliseconds."""
    assert round(parse_duration(show_duration(milliseconds / 1000)) * 1000) == milliseconds


@given(st.integers(0, 10**15 - 1))
def test_a_shown_size_reads_as_itself(octets: int) -> None:
    """Showing and reading a size gives the same octets."""
    assert parse_size(show_size(octets)) == octets


@given(st.text(max_size=30))
def test_no_text_breaks_the_grammars(text: str) -> None:
    """Whatever the text, the answer is a number that is not negative, or UnitError."""
    for parse in (parse_duration, parse_size):
        try:
            assert parse(text) >= 0
        except UnitError:
            continue


@pytest.mark.parametrize(("octets", "text"), [(0, "0B"), (256_000, "256KB"), (4096, "4KiB"), (2**30, "1GiB")])
def test_sizes_are_shown_short(octets: int, text: str) -> None:
    """The shortest exact spelling is shown."""
    assert show_size(octets) == text
