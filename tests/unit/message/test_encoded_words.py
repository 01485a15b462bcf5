"""Encoded words: RFC 2047."""

from __future__ import annotations

import email.header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.message.encoded_words import DISPLAY_LIMIT, display, encode, printable


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"Hello", "Hello"),
        (b"=?utf-8?q?Gr=C3=BC=C3=9Fe_aus?= Wien", "Grüße aus Wien"),
        (b"=?UTF-8?B?R3LDvMOfZQ==?=", "Grüße"),
        (b"=?UTF-8?B?R3LDvMOfZQ?=", "Grüße"),
        (b"=?iso-8859-1?Q?a?= =?iso-8859-2?Q?b?=", "ab"),
        (b"=?utf-8?q?=C3?=\t =?utf-8?q?=BC?=", "ü"),
        (b"=?utf-8*de?q?a?= b =?utf-8?q?c?=", "a b c"),
        (b"a =?us-ascii?q?b?= =?us-ascii?q?c?= d", "a bc d"),
        ("rohes ü".encode(), "rohes ü"),
        (b"\xe4 latin", "\ufffd latin"),
        (b"=?nonsense?q?a?=", "=?nonsense?q?a?="),
        (b"=?unicode_escape?q?=5Cx41?=", "=?unicode_escape?q?=5Cx41?="),
        (b"=?utf-8?b?!?=", ""),
        (b"=?utf-8?b?a?=", "=?utf-8?b?a?="),
        (b"=?utf-8?x?a?=", "=?utf-8?x?a?="),
        (b"=?utf-8?q?a b?=", "=?utf-8?q?a b?="),
        (b"", ""),
    ],
)
def test_values_are_shown(value: bytes, expected: str) -> None:
    """RFC 2047 §6: words are decoded, blanks between them go, what is none stays."""
    assert display(value) == expected


@pytest.mark.parametrize(
    "value", [b"a\x1b[31mb", b"=?utf-8?q?a=1B[31mb?=", "a\u202eb".encode(), b"=?utf-8?q?a=E2=80=AEb?="]
)
def test_f177_what_does_not_print_is_replaced(value: bytes) -> None:
    """Escapes and bidirectional overrides never reach a terminal, encoded or not."""
    assert display(value).isprintable()
    assert "\ufffd" in display(value)


def test_f091_display_is_bounded() -> None:
    """A megabyte of encoded words shows its beginning."""
    assert len(display(b"=?utf-8?q?aaaa?= " * 60_000)) <= DISPLAY_LIMIT
    assert len(display(b"a" * 1_000_000, 80)) == 80


@given(st.binary(max_size=300) | st.text(st.sampled_from("=?utf-8qbQB_A =2\r\n\t"), max_size=80).map(str.encode))
def test_display_never_fails(value: bytes) -> None:
    """Any octets are shown, in characters that print."""
    assert display(value).isprintable()


@given(st.text(max_size=120))
def test_what_is_encoded_is_shown_as_it_was(text: str) -> None:
    """Encoding gives ASCII words of at most 75 characters that others read as we do."""
    encoded = encode(text)

    assert encoded.isascii()
    assert display(encoded.encode()) == printable(text)
    if encoded.startswith("=?"):
        assert all(len(word) <= 75 for word in encoded.split(" "))
        assert str(email.header.make_header(email.header.decode_header(encoded))) == printable(text)
