"""Where an account's Maildir lies."""

from __future__ import annotations

import os.path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.mail.address import Address, parse_address
from eilpost.maildrop.place import escape, place


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("anna@example.test", "example.test/anna"),
        ("anna.b_c-d+e=f@example.test", "example.test/anna.b_c-d+e=f"),
        ("ännä@xn--mller-kva.test", "xn--mller-kva.test/ännä"),
        ("a/b@example.test", "example.test/a%2Fb"),
        ("100%@example.test", "example.test/100%25"),
        ('"a b"@example.test', "example.test/a%20b"),
        ('".."@example.test', "example.test/%2E."),
        ('"."@example.test', "example.test/%2E"),
        ('""@example.test', "example.test/%"),
        ('"/"@example.test', "example.test/%2F"),
        ('"../../etc/cron.d/x"@example.test', "example.test/%2E.%2F..%2Fetc%2Fcron.d%2Fx"),
        ("-oQDIR@example.test", "example.test/%2DoQDIR"),
        ("anna@[IPv6:2001:db8::1]", "%5BIPv6%3A2001%3Adb8%3A%3A1%5D/anna"),
    ],
)
def test_f073_f075_a_name_is_one_directory(address: str, expected: str) -> None:
    """Ordinary names stay readable; what could lead elsewhere, hide or look like an option is escaped."""
    assert place(parse_address(address)) == expected


@pytest.mark.parametrize("name", ["\0", "a\nb", "\x85", "\u2028", "\u202e", "\ud800", "\\"])
def test_f073_control_characters_are_escaped(name: str) -> None:
    """What a terminal or a file system would act on does not reach a directory's name."""
    assert escape(name).isprintable()
    assert escape(name).startswith(("%", "a%"))


def test_f073_long_names_fit() -> None:
    """A local part of 64 octets, all escaped, is a directory's name; a longer one ends in a digest."""
    assert escape("/" * 64) == "%2F" * 64
    longest = escape("/" * 1000)
    assert len(longest) < 256
    assert longest != escape("/" * 1001)


@given(st.text(max_size=90), st.text(max_size=90))
def test_f073_different_names_have_different_directories(one: str, other: str) -> None:
    """The escaping is injective, yields one component, and no name that means something else."""
    first = escape(one)
    assert (first == escape(other)) == (one == other)
    assert "/" not in first
    assert first not in ("", ".", "..")
    assert len(first.encode()) <= 255
    assert os.path.normpath(f"/mail/{place(Address(one, other))}").startswith("/mail/")
