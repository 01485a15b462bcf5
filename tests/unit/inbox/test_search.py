"""What a person types to find messages."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.inbox.queries import compile_search
from eilpost.inbox.search import FILTERS, Search, SearchError, Term, parse

NOW = 1_795_000_000.0


@given(st.text(max_size=200))
def test_whatever_is_typed_is_a_search_or_an_error(text: str) -> None:
    """Nothing but SearchError comes out, and the query has as many values as marks."""
    try:
        search = parse(text, NOW)
    except SearchError:
        return
    query = compile_search(search, "box")
    assert query.where.count("?") == len(query.values)
    again = parse(str(search), NOW)
    assert [(each.name, each.text, each.negated, each.amount) for each in again.terms] == [
        (each.name, each.text, each.negated, each.amount) for each in search.terms
    ]


WORDS = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Z"], blacklist_characters='"'), min_size=1, max_size=8)


@given(
    st.lists(
        st.builds(
            Term,
            st.sampled_from(["", "from", "to", "subject", "tag"]),
            WORDS,
            st.booleans(),
            st.booleans(),
        ),
        max_size=5,
    )
)
def test_a_search_is_written_as_it_is_read(terms: list[Term]) -> None:
    """What a search looks like when it is typed again means the same; only an exact word may stay exact."""
    again = parse(str(Search(tuple(terms))), NOW)
    assert [(each.name, each.text, each.negated) for each in again.terms] == [
        (each.name, each.text, each.negated) for each in terms
    ]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("a b", (Term("", "a"), Term("", "b"))),
        ('"a  b', (Term("", "a b", exact=True),)),
        ('from:"a b"', (Term("from", "a b", exact=True),)),
        ("-tag:x", (Term("tag", "x", negated=True),)),
        ("http://x", (Term("", "http://x"),)),
        ("12:30", (Term("", "12:30"),)),
        ("- !", (Term("", "!"),)),
        ("larger:1.5MB", (Term("larger", "1.5MB", amount=1_500_000.0),)),
        ("before:2h", (Term("before", "2h", amount=NOW - 7200),)),
        ("after:1970-01-02", (Term("after", "1970-01-02", amount=86_400.0),)),
        ("", ()),
    ],
)
def test_terms(text: str, terms: tuple[Term, ...]) -> None:
    """Words, phrases, filters and their opposites."""
    if text == "- !":
        assert all(not term.name for term in parse(text, NOW).terms)
    else:
        assert parse(text, NOW).terms == terms


def test_days_begin_in_a_zone() -> None:
    """A date is midnight where the person is."""
    zone = timezone(timedelta(hours=2))
    assert parse("after:1970-01-02", NOW, zone).terms[0].amount == 86_400 - 7_200
    assert parse("after:today", NOW, zone).terms[0].amount <= NOW
    assert parse("after:yesterday", NOW).terms[0].amount == parse("after:today", NOW).terms[0].amount - 86_400


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("form:anna", 'the nearest is "from:"'),
        ("subjct:x", 'the nearest is "subject:"'),
        ("from:", "needs something after the colon"),
        ("has:cheese", "has:attachment"),
        ("before:soon", "before:2026-11-23"),
        ("larger:big", "larger:5MB"),
        ("x" * 3000, "at most"),
        ("a " * 60, "at most"),
    ],
)
def test_a_slip_is_told(text: str, told: str) -> None:
    """The message names what to type instead."""
    with pytest.raises(SearchError, match=told):
        parse(text, NOW)


def test_every_filter_has_help() -> None:
    """The table is what help shows."""
    assert all(row.help and row.name == name for name, row in FILTERS.items())
