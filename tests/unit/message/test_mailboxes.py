"""The addresses in an address list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.message.mailboxes import addresses


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("anna@a.test", ["anna@a.test"]),
        ("anna, Bob <bob@a.test>,, eva@b.test (Eva)", ["anna", "bob@a.test", "eva@b.test"]),
        ('"Last, First" <x@a.test>, "a b"@a.test', ["x@a.test", '"a b"@a.test']),
        ("Team: anna@a.test, Bob <b@a.test>; eva@b.test", ["anna@a.test", "b@a.test", "eva@b.test"]),
        ("undisclosed-recipients:;", []),
        ("<@relay.test,@other.test:anna@a.test>", ["anna@a.test"]),
        ("x@[IPv6:2001:db8::1], y@[192.0.2.1]", ["x@[IPv6:2001:db8::1]", "y@[192.0.2.1]"]),
        ("(a, (nested) comment) anna@a.test", ["anna@a.test"]),
        ('"quote \\" , inside" <x@a.test>', ["x@a.test"]),
        ("", []),
        ("<>", []),
    ],
)
def test_all_forms_of_rfc_5322_section_3_4(value: str, expected: list[str]) -> None:
    """Names, comments, groups and routes are left out, and addresses stay as they are spelt."""
    assert list(addresses(value)) == expected


@pytest.mark.parametrize("value", ["=?utf-8?q?v=40evil=2Ctest?=@ours.test", "alice@a.example)bob@evil"])
def test_f072_f098_nothing_is_decoded_or_guessed(value: str) -> None:
    """What is confused stays one token, which is no address for anybody."""
    assert len(list(addresses(value))) == 1


@given(st.text(alphabet='ab@.,:;<>()[]"\\ \t', max_size=60))
def test_any_text_has_addresses_without_blanks_around_them(value: str) -> None:
    """Whatever stands there, the parser ends and yields non-empty texts."""
    assert all(found and found == found.strip() for found in addresses(value))
