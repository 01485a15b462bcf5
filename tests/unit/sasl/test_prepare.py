"""SASLprep and the names that may be asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.sasl.prepare import saslprep, user_name


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("\u0007", None),
        ("\u0627\u0031", None),
    ],
)
def test_rfc4013_section_3(text: str, prepared: str | None) -> None:
    """The examples of RFC 4013."""
    assert saslprep(text) == prepared


def test_what_else_saslprep_maps_and_refuses() -> None:
    """Blanks of all kinds are blanks; nothing, private use, surrogates and a mix of directions are refused."""
    assert saslprep("a\u00a0b") == "a b"
    assert saslprep("\u0627\u0628") == "\u0627\u0628"
    assert saslprep("😀") == "😀"  # unknown to Unicode 3.2, RFC 3454 §7
    for text in ("", "\u00ad", "\ue000", "\ud800", "\u0627a\u0628", "a\x7f"):
        assert saslprep(text) is None


@given(st.text())
def test_saslprep_once_is_enough(text: str) -> None:
    """What is prepared is not changed by preparing it again."""
    prepared = saslprep(text)
    if prepared is not None:
        assert saslprep(prepared) in (prepared, None)


@given(st.binary(max_size=400))
def test_user_names_are_what_can_be_seen(octets: bytes) -> None:
    """A name holds no blank and nothing invisible, or it is no name."""
    name = user_name(octets)
    assert name is None or (name and name.isprintable() and " " not in name)


def test_user_names_are_composed() -> None:
    """Two spellings of one letter are one name."""
    assert user_name("josé".encode()) == user_name("jose\u0301".encode()) == "jos\u00e9"
