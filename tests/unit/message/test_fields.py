"""Fields that we write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.message.fields import field, one_line, spell


def test_a_field_is_folded_at_blanks() -> None:
    """RFC 5322 §2.2.3: lines keep to 78 characters where a blank allows it."""
    written = field("Subject", "word " * 30)

    assert all(len(line) <= 78 for line in written.split("\r\n"))
    assert written.replace("\r\n\t", " ") == "Subject: " + " ".join(["word"] * 30) + "\r\n"


@given(st.text(max_size=3000))
def test_a_field_is_always_one_field(value: str) -> None:
    """Whatever the value, the field is one, has no empty fold and no line above 998 octets of ASCII."""
    written = field("X", value)

    assert written.endswith("\r\n")
    lines = written.encode("utf-8", "replace").split(b"\r\n")[:-1]
    assert all(line.startswith(b"\t") for line in lines[1:])
    assert all(line.strip(b" \t") for line in lines)
    assert all(len(line.decode()) <= 998 for line in lines)


@pytest.mark.parametrize(
    ("text", "utf8", "expected"),
    [
        ("a\r\nBcc: b", False, "a Bcc: b"),
        ("a\x1b\x00\x07b", False, "a???b"),
        ("ä\u202e", False, "\\x{E4}?"),
        ("ä\u202e", True, "ä?"),
        ("  a \t b  ", False, "a b"),
        ("x" * 50, False, "x" * 17 + "..."),
    ],
)
def test_f163_foreign_text_fits_a_line(text: str, utf8: bool, expected: str) -> None:
    """Text of a peer is one printable line of limited length."""
    assert one_line(text, 20, utf8=utf8) == expected


@given(st.text(max_size=200), st.booleans())
def test_foreign_text_never_breaks_out(text: str, utf8: bool) -> None:
    """One line prints, keeps its limit, and is ASCII unless UTF-8 is allowed."""
    line = one_line(text, 50, utf8=utf8)

    assert line.isprintable()
    assert len(line) <= 50
    assert utf8 or line.isascii()


def test_spelling_is_the_one_of_rfc_6533() -> None:
    """RFC 6533 §3: ``\\x{HEX}`` with two digits or more."""
    assert spell("annä漢😀") == "ann\\x{E4}\\x{6F22}\\x{1F600}"
