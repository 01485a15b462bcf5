"""Numbers are unique, sorted and written in eleven letters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.spool.numbers import Numbers, to_number, to_text

NUMBERS = st.integers(0, 32**11 - 1)


@given(NUMBERS, NUMBERS)
def test_texts_sort_as_numbers(one: int, two: int) -> None:
    """RFC 4648 §7: a text is its number's, and texts compare as numbers do."""
    assert to_number(to_text(one)) == one
    assert (to_text(one) < to_text(two)) == (one < two)


@pytest.mark.parametrize("text", ["", "0", "0000000000w", "0000000000V", " 0000000000", "0_000000000", "000000000000"])
def test_what_is_no_id_is_refused(text: str) -> None:
    """Only eleven letters of the alphabet are an id."""
    with pytest.raises(ValueError, match="not a message id"):
        to_number(text)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True)))
def test_numbers_only_grow(times: list[float]) -> None:
    """E30: whatever the clock does, each number is greater than all before."""
    numbers = Numbers(5)
    given_out = [numbers.next(time) for time in times]
    assert given_out == sorted(set(given_out))
    assert all(number > 5 for number in given_out)
    assert all(to_number(to_text(number)) == number for number in given_out)
