"""Content by DATA and by BDAT: where it ends, and what is no text."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.mail.reply import Reply
from eilpost.smtp import replies
from eilpost.smtp.content import DotReader, TextChunks, find_fault

PARTS = (b"\r\n", b".", b"\r", b"\n", b"\0", b"a", b"bc", b"\t\x0b\x0c\x1c\x85\xff", b"\r\n.\r\n", b"\r\n..", b"\n.\n")
OCTETS = st.lists(st.sampled_from(PARTS), max_size=14).map(b"".join)
CLEAN_PARTS = tuple(part for part in PARTS if not find_fault(part))
CUTS = st.lists(st.integers(0, 60), max_size=6)


class Found(NamedTuple):
    """What was made of octets: the content, what was left for commands, how it stands."""

    content: bytes
    rest: bytes
    ended: bool
    fault: Reply | None


def naive(octets: bytes) -> Found:
    """The same, octet by octet, as RFC 5321 §4.5.2 tells it."""
    content, at, line_begins = b"", 0, True
    while at < len(octets):
        left = octets[at:]
        if line_begins and left.startswith(b"."):
            if left.startswith(b".\r\n"):
                return Found(content, left[3:], True, None)
            if b".\r\n".startswith(left):
                break
            at, line_begins = at + 1, False
        elif left.startswith(b"\r\n"):
            content, at, line_begins = content + b"\r\n", at + 2, True
        elif left == b"\r":
            break
        elif left[:1] in (b"\r", b"\n", b"\0"):
            fault = replies.NUL_IN_CONTENT if left[:1] == b"\0" else replies.BARE_LINE_END
            return Found(content, b"", False, fault)
        else:
            content, at, line_begins = content + left[:1], at + 1, False
    return Found(content, b"", False, None)


def cut(octets: bytes, cuts: list[int]) -> list[bytes]:
    """The octets in pieces."""
    edges = sorted({0, len(octets), *(each for each in cuts if each < len(octets))})
    return [octets[start:end] for start, end in pairwise(edges)]


def read(pieces: list[bytes]) -> Found:
    """What the reader makes of the pieces, up to the end or the fault."""
    reader, content = DotReader(), b""
    for number, octets in enumerate(pieces):
        piece = reader.read(octets)
        content += piece.octets
        if piece.fault is not None:
            return Found(content, b"", False, piece.fault)
        if piece.ended:
            return Found(content, octets[piece.consumed :] + b"".join(pieces[number + 1 :]), True, None)
        assert piece.consumed == len(octets)
    return Found(content, b"", False, None)


@given(OCTETS, CUTS)
def test_f001_f015_the_reader_agrees_with_the_naive_one(octets: bytes, cuts: list[int]) -> None:
    """Content, end, rest and fault are those of the octet-by-octet reading, however the input is cut."""
    expected, found = naive(octets), read(cut(octets, cuts))

    if expected.ended or expected.fault is not None:
        assert found == expected
    else:
        # A CR LF at the very end is held back: it may belong to the end mark.
        assert (found.ended, found.fault, found.rest) == (False, None, b"")
        assert expected.content in (found.content, found.content + b"\r\n")


@given(OCTETS.map(lambda octets: octets + b"\r\n.\r\nQUIT\r\n"))
def test_f015_every_single_cut_gives_the_same(octets: bytes) -> None:
    """An end mark is found wherever its octets are torn apart, and octet by octet."""
    expected = naive(octets)

    for at in range(len(octets) + 1):
        assert read(cut(octets, [at])) == expected
    assert read([octets[at : at + 1] for at in range(len(octets))]) == expected


@pytest.mark.parametrize(
    "imposter",
    [
        pytest.param(b"\n.\n", id="f001"),
        pytest.param(b"\n.\r\n", id="f002"),
        pytest.param(b"\r\n.\n", id="f003"),
        pytest.param(b"\r.\r", id="f004"),
        pytest.param(b"\r.\r\n", id="f005"),
        pytest.param(b"\n.\r", id="f006a"),
        pytest.param(b"\r.\n", id="f006b"),
        pytest.param(b"\r\n.\r\r\n", id="f007"),
        pytest.param(b"\r\r\n.\r\r\n", id="f008"),
        pytest.param(b"\r\n\0.\r\n", id="f009"),
        pytest.param(b"a\0b", id="f010"),
        pytest.param(b"a\rb", id="f011"),
        pytest.param(b"X: a\nBcc: v@x", id="f012"),
    ],
)
def test_what_only_looks_like_an_end_is_refused(imposter: bytes) -> None:
    """No other octets than CR LF dot CR LF end the content (RFC 5321 §4.1.1.4)."""
    octets = b"Subject: x\r\n\r\nbody" + imposter + b"MAIL FROM:<evil@example.test>\r\n.\r\n"
    whole = read([octets])

    assert whole.fault is not None
    assert str(whole.fault).startswith("554 5.6.0")
    assert b"evil" not in whole.content
    assert read([octets[at : at + 1] for at in range(len(octets))]) == whole


@pytest.mark.parametrize(
    ("sent", "content"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"a\r\n.\r\n", b"a\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"...\r\n.\r\n", b"..\r\n"),
        (b".a\r\n.\r\n", b"a\r\n"),
        (b"a\r\n..\r\nb\r\n.\r\n", b"a\r\n.\r\nb\r\n"),
        (b"a..\r\n.b.\r\n.\r\n", b"a..\r\nb.\r\n"),
    ],
)
def test_f013_one_dot_once(sent: bytes, content: bytes) -> None:
    """RFC 5321 §4.5.2: the first dot of a line goes, and no other."""
    assert read([sent]) == Found(content, b"", True, None)


@given(st.lists(st.sampled_from(CLEAN_PARTS), max_size=10).map(b"".join), st.booleans())
def test_what_was_stuffed_comes_out(text: bytes, pipelined: bool) -> None:
    """Stuffing by RFC 5321 §4.5.2 and reading give back the content, and the commands behind it."""
    content = text + b"\r\n"
    stuffed = b"".join(b"." * line.startswith(b".") + line + b"\r\n" for line in content[:-2].split(b"\r\n"))
    rest = b"MAIL FROM:<>\r\n\r\n.x\r\n.\r\n" if pipelined else b""

    assert read([stuffed + b".\r\n" + rest]) == Found(content, rest, True, None)


@given(OCTETS)
def test_a_fault_is_a_bare_line_end_or_a_nul(octets: bytes) -> None:
    """CR LF is the only line end, and the first fault names the refusal."""
    bare = octets.replace(b"\r\n", b"  ")
    faults = sorted(at for mark in b"\r\n\0" if (at := bare.find(mark)) >= 0)

    if not faults:
        assert find_fault(octets) is None
    elif bare[faults[0]] == 0:
        assert find_fault(octets) is replies.NUL_IN_CONTENT
    else:
        assert find_fault(octets) is replies.BARE_LINE_END


@given(OCTETS, CUTS)
def test_f024_chunks_of_text_are_checked_across_their_edges(octets: bytes, cuts: list[int]) -> None:
    """RFC 3030 §3: a line end may lie across two chunks; a bare one is found wherever it lies."""
    checker, content, fault = TextChunks(), b"", None
    pieces = cut(octets, cuts) or [b""]
    for number, octets_of_piece in enumerate(pieces, 1):
        taken, fault = checker.read(octets_of_piece, last=number == len(pieces))
        content += taken
        if fault is not None:
            break

    assert fault is find_fault(octets)
    assert octets.startswith(content)
    assert find_fault(content + b"\n" if content.endswith(b"\r") else content) is None
    assert fault is not None or content == octets


def test_f024_a_cr_waits_for_the_next_chunk() -> None:
    """A CR at a chunk's end is no fault before what follows is known; at the last chunk's end it is."""
    checker = TextChunks()

    assert checker.read(b"a\r", last=False) == (b"a", None)
    assert checker.read(b"", last=False) == (b"", None)
    assert checker.read(b"\nb", last=False) == (b"\r\nb", None)
    assert checker.read(b"\r", last=True) == (b"", replies.BARE_LINE_END)
