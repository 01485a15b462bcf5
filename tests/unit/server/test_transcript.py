"""The transcript: the same however a client's octets come, bounded, and without secrets."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from eilpost.server.transcript import LONGEST, Side, Transcript

SECRET = b"AGFubmEAc2VjcmV0"


def split(octets: bytes, cuts: list[int]) -> list[bytes]:
    """The octets in pieces."""
    places = sorted({min(cut, len(octets)) for cut in cuts} | {0, len(octets)})
    return [octets[start:end] for start, end in itertools.pairwise(places)]


@given(st.lists(st.integers(0, 120)))
def test_lines_are_the_same_however_they_come(cuts: list[int]) -> None:
    """Split anywhere, commands, logins and chunks give the same lines, and no secret."""
    transcript = Transcript()
    said = (
        b"EHLO me\r\nauth PLAIN "
        + SECRET
        + b"\r\n"
        + SECRET
        + b"\r\nBDAT 12\r\nAUTH X "
        + b"yyyyy"
        + b"BDAT 2 LAST\r\n\r\nQUIT\r\n"
    )
    for piece in split(said, cuts):
        transcript.heard(0.0, piece)
    assert str(transcript).splitlines() == [
        "C: EHLO me",
        "C: AUTH PLAIN",
        "C: (not shown)",
        "C: BDAT 12",
        "#: 12 octets of content",
        "C: BDAT 2 LAST",
        "#: 2 octets of content",
        "C: QUIT",
    ]


@given(st.lists(st.integers(0, 60)))
def test_content_ends_at_its_dot_however_it_comes(cuts: list[int]) -> None:
    """Split anywhere, the content is counted up to its dot, and what follows are commands."""
    transcript = Transcript()
    content = b"Subject: x\r\n\r\n..dot\r\nbye\r\n"
    pieces = split(content + b".\r\n", cuts)
    for number, piece in enumerate(pieces):
        transcript.heard_content(0.0, piece + (b"QUIT\r\n" if number == len(pieces) - 1 else b""))
    assert str(transcript).splitlines() == [f"#: {len(content)} octets of content", "C: .", "C: QUIT"]


def test_an_empty_content_is_a_dot() -> None:
    """A dot right at the beginning ends the content."""
    transcript = Transcript()
    transcript.heard_content(0.0, b".\r\n")
    assert str(transcript) == "C: ."


def test_it_is_bounded() -> None:
    """Beyond its limit nothing more is kept, and a line without an end is not kept at all."""
    transcript = Transcript(most=10)
    transcript.heard(0.0, b"x" * 8 + b"\r\n")
    transcript.said(1.0, b"250 ok\r\n")
    assert str(transcript) == "C: xxxxxxxx"
    endless = Transcript()
    for _ in range(10):
        endless.heard(0.0, b"x" * LONGEST)
    assert endless.entries == []
    cut = Transcript(most=4)
    cut.said(0.0, b"250 ok\r\n")
    assert str(cut) == "S: 250 (cut)"


def test_answers_to_a_challenge_are_not_kept() -> None:
    """Of a response only that there was one is kept; notes and octets beyond UTF-8 are shown."""
    transcript = Transcript()
    transcript.heard_secret(0.5)
    transcript.note(1.0, "TLS")
    transcript.said(2.0, b"500 \xff\r\n")
    assert list(transcript.lines()) == [
        (0.5, Side.CLIENT, "(not shown)"),
        (1.0, Side.NOTE, "TLS"),
        (2.0, Side.SERVER, "500 \\xff"),
    ]
    transcript.heard_content(3.0, b"abc")
    assert str(transcript).endswith("#: 3 octets of content")
