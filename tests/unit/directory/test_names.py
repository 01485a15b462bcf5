"""Names of accounts."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.directory.names import doubts, fold, refusal, skeleton


@pytest.mark.parametrize(
    ("one", "other"),
    [("Anna", "anna"), ("J\u00fcrgen", "Ju\u0308rgen"), ("\u212a", "k"), ("ANNA\u00e9", "annae\u0301")],
)
def test_f191_the_same_name(one: str, other: str) -> None:
    """ASCII letters are the same in either case, other letters in either normal form; K is the Kelvin sign."""
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"), [("stra\u00dfe", "strasse"), ("\u0131", "i"), ("\u00c9va", "\u00e9va"), ("a", "\u0430")]
)
def test_f191_other_names(one: str, other: str) -> None:
    """Nothing beyond ASCII is folded: ß is not ss, dotless ı not i, and look-alikes stay apart (F190)."""
    assert fold(one) != fold(other)


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    """A folded name is its own folded form, whatever its normal form was."""
    assert fold(fold(text)) == fold(text)
    assert fold(unicodedata.normalize("NFD", text)) == fold(text)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "an\u200dna",  # zero width joiner
        "an\u200bna",
        "\u202eanna",  # right-to-left override
        "anna\u2066",
        "an\U000e0041na",  # a tag
        "an\x1bna",
        "an\x00na",
        "an na",
        "an\u00a0na",
        "anna\uff20home",  # full-width @
        "anna\uff0ehome",
        "\uff41nna",
        "\u0301anna",
        "an\u2028na",
        "an\ue000na",
    ],
)
def test_f193_hidden_characters_are_refused(name: str) -> None:
    """What cannot be seen, turns the line around, or is another spelling of ASCII is in no name of ours."""
    assert refusal(name)


ORDINARY = ["anna", "j\u00fcrgen", "Ju\u0308rgen", "\u7530\u4e2d", "o'neil", "a.b+c", "\u03b1\u03bd\u03bd\u03b1"]


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_names_are_given(name: str) -> None:
    """Letters, digits and signs of any one language are fine."""
    assert refusal(name) == ""
    assert doubts(name, ["bert"]) == ()


def test_f190_mixed_scripts_raise_a_doubt() -> None:
    """A Cyrillic a among Latin letters is named; scripts that one language mixes are not."""
    assert doubts("\u0430nna", []) == ("it mixes letters of Cyrillic and Latin",)
    assert doubts("\u7530\u4e2d\u3055\u3093tanaka", []) == ()


def test_f190_a_lookalike_raises_a_doubt() -> None:
    """A name all in another script that looks like one that is there is named, from either side."""
    cyrillic = "\u0430\u0440\u0440\u0435"

    assert doubts(cyrillic, ["appe", "bert"]) == ("it looks like the account 'appe'",)
    assert doubts("appe", [cyrillic]) == (f"it looks like the account {cyrillic!r}",)
    assert skeleton(cyrillic) == skeleton("APPE")


@given(st.text(max_size=20))
def test_every_text_has_an_answer(name: str) -> None:
    """No text makes the rules fail."""
    refusal(name)
    doubts(name, ["anna", "\u0430nna"])
