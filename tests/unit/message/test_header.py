"""The header scanner."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.message.header import Header, Span, scan, unfold, without

MAIL = (
    b"Received: from a\r\n\tby b; today\r\n"
    b"RECEIVED: from c\r\n"
    b"From: Anna <anna@example.test>\r\n"
    b"Subject : folded\r\n  subject\r\n"
    b"Bcc: x@example.test,\r\n y@example.test\r\n"
    b"\r\n"
    b"Bcc: this is body\r\n"
)


def fields(header: Header) -> list[tuple[bytes, bytes]]:
    """Names and values in order."""
    return [(item.name, item.value) for item in header.fields()]


def test_a_header_ends_at_the_first_empty_line() -> None:
    """RFC 5322 §2.1: fields, an empty line, the body."""
    header = scan(MAIL)

    assert fields(header) == [
        (b"Received", b"from a\tby b; today"),
        (b"RECEIVED", b"from c"),
        (b"From", b"Anna <anna@example.test>"),
        (b"Subject", b"folded  subject"),
        (b"Bcc", b"x@example.test, y@example.test"),
    ]
    assert MAIL[header.body :] == b"Bcc: this is body\r\n"
    assert not header.over_limit


def test_names_have_no_case() -> None:
    """RFC 5322 §1.2.2: a field's name is found in any case, with or without a blank before its colon."""
    header = scan(MAIL)

    assert header.count(b"received") == header.count(b"Received") == 2
    assert header.has(b"SUBJECT")
    assert header.first(b"subject") == b"folded  subject"
    assert header.all(b"received") == (b"from a\tby b; today", b"from c")
    assert header.first(b"date") is None
    assert not header.has(b"rom")
    assert not header.has(b"by b")


@pytest.mark.parametrize("blank", [b"", b" ", b"\t "])
def test_spans_hold_whole_fields(blank: bytes) -> None:
    """A span is the field with its folds and its line end, so that the rest stays as it was."""
    mail = MAIL.replace(b"Subject :", b"Subject" + blank + b":")
    header = scan(mail)

    cut = without(mail, header.spans(b"bcc", b"Received"))

    assert cut == (
        b"From: Anna <anna@example.test>\r\nSubject"
        + blank
        + b": folded\r\n  subject\r\n\r\nBcc: this is body\r\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "octets", "body"),
    [
        (b"", b"", 0),
        (b"\r\n", b"", 2),
        (b"\r\nFrom: x\r\n", b"", 2),
        (b"From: x", b"From: x", 7),
        (b"From: x\r\n", b"From: x\r\n", 9),
        (b"From: x\r\n\r\n", b"From: x\r\n", 11),
    ],
)
def test_f106_small_messages_have_headers(content: bytes, octets: bytes, body: int) -> None:
    """Nothing, only an empty line, and only a header are messages."""
    header = scan(content)

    assert (header.octets, header.body) == (octets, body)


@pytest.mark.parametrize(
    ("content", "body"),
    [
        (b" X: fold first\r\nFrom: x\r\n\r\n", b" X: fold first\r\nFrom: x\r\n\r\n"),
        (b"\tX: fold first\r\n", b"\tX: fold first\r\n"),
        (b"From anna Mon Nov 23\r\nFrom: x\r\n\r\n", b"From anna Mon Nov 23\r\nFrom: x\r\n\r\n"),
        (b"From: x\r\nHello,\r\nReceived: not\r\n\r\nbye", b"Hello,\r\nReceived: not\r\n\r\nbye"),
        (b"From: x\r\n: no name\r\n\r\n", b": no name\r\n\r\n"),
        (b"From: x\r\nna me: y\r\n\r\n", b"na me: y\r\n\r\n"),
        (b"From: x\r\nn\xe4me: y\r\n\r\n", b"n\xe4me: y\r\n\r\n"),
        (b"Hello", b"Hello"),
    ],
)
def test_f103_what_is_no_field_begins_the_body(content: bytes, body: bytes) -> None:
    """Without an empty line the body begins where the fields end."""
    header = scan(content)

    assert content[header.body :] == body
    assert content.startswith(header.octets)
    assert header.count(b"received") == 0


def test_f096_only_crlf_ends_a_line() -> None:
    """U+0085, U+2028, form feed, a bare CR and a bare LF end no line."""
    header = scan("X: a\x1cInjected: b\x85Injected: c\u2028Injected: d\x0cInjected: e\nInjected: f\r\r\n\r\n".encode())

    assert [name for name, _ in fields(header)] == [b"X"]
    assert not header.has(b"injected")


@pytest.mark.parametrize("name", [b"__proto__", b"constructor", b"__class__", b"n" * 1024])
def test_f093_strange_names_are_names(name: bytes) -> None:
    """A field may be called as it likes."""
    header = scan(name + b": v\r\nFrom: x\r\n\r\n")

    assert header.first(name) == b"v"
    assert header.has(b"from")


@pytest.mark.parametrize(
    "content",
    [
        b"X: " + b"a" * 1_000_000 + b"\r\nFrom: x\r\n\r\n",
        b"".join(b"X-%d: v\r\n" % number for number in range(100_000)) + b"From: x\r\n\r\n",
        b"X: v\r\n" + b" f\r\n" * 250_000 + b"From: x\r\n\r\n",
        b"X: v\r\n" + b"a" * 1_000_000 + b"\r\nFrom: x\r\n\r\n",
        b"X" + b" " * 1_000_000 + b": v\r\nFrom: x\r\n\r\n",
        b"X: v\r\n" + b"a " * 500_000,
        b"\r" * 1_000_000,
    ],
    ids=["long line", "many fields", "many folds", "no colon", "blanks before the colon", "no end", "bare CR"],
)
def test_f085_hostile_headers_take_linear_time(content: bytes) -> None:
    """A megabyte of anything is read in a moment."""
    header = scan(content, limit=2_000_000)

    assert header.count(b"from") in (0, 1)
    assert sum(1 for _ in header.fields()) <= 100_001
    assert header.spans(b"from", b"bcc") == tuple(item.span for item in header.named(b"from"))


def test_f085_a_header_has_a_limit() -> None:
    """More than the limit is not looked at, and it is told."""
    content = b"X: v\r\n" * 1000

    header = scan(content + b"From: x\r\n\r\n", limit=100)

    assert header.over_limit
    assert len(header.octets) == 100
    assert not header.has(b"from")
    assert not scan(content + b"\r\n", limit=len(content)).over_limit
    assert scan(content + b"\r\n", limit=len(content) - 1).over_limit


def test_a_body_may_go_on_behind_the_limit() -> None:
    """A header below the limit is whole, however long the body is."""
    header = scan(b"From: x\r\n\r\n" + b"a" * 1000, limit=50)

    assert not header.over_limit
    assert header.body == 11


def test_unfolding_takes_line_ends_and_nothing_else() -> None:
    """RFC 5322 §2.2.3: the blank after a fold stays."""
    assert unfold(b" a\r\n\tb\r\n  c ") == b"a\tb  c"


def test_without_leaves_what_is_not_named() -> None:
    """No span, no change."""
    assert without(b"abcdef", ()) == b"abcdef"
    assert without(b"abcdef", (Span(0, 2), Span(4, 6))) == b"cd"


_PIECE = st.sampled_from(
    [b"From", b"received", b"Bcc", b"X-Y",
     b":", b" :", b" ", b"\t", b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"\0", b"v", b"\xff"]
)  # fmt: skip
CONTENT = st.lists(_PIECE, max_size=40).map(b"".join)


@given(CONTENT, st.integers(0, 60))
def test_a_scan_agrees_with_its_fields(content: bytes, limit: int) -> None:
    """Look-ups and the walk over the fields tell the same, and spans tile the header."""
    header = scan(content, limit)

    found = list(header.fields())
    assert len(header.octets) <= limit
    assert content.startswith(header.octets)
    for name in (b"from", b"received", b"bcc", b"x-y"):
        same = [item for item in found if item.name.lower() == name]
        assert header.count(name) == len(same)
        assert header.has(name) is bool(same)
        assert list(header.named(name)) == same
        assert header.spans(name) == tuple(item.span for item in same)
    if not header.over_limit:
        assert b"".join(content[item.span.start : item.span.end] for item in found) == header.octets


@given(CONTENT)
def test_a_cut_leaves_no_field_of_that_name(content: bytes) -> None:
    """After the cut no such field is left, and all others are."""
    header = scan(content)
    rest = [item for item in fields(header) if item[0].lower() != b"bcc"]

    again = scan(without(content, header.spans(b"bcc")))

    if header.octets.endswith(b"\r\n"):
        assert fields(again)[: len(rest)] == rest
        assert len(again.octets) <= len(header.octets) or not rest
