"""Passwords."""

from __future__ import annotations

import argon2
import pytest

from eilpost.directory.passwords import PasswordError, hash_password, prepare


def test_a_password_is_kept_as_argon2id() -> None:
    """The hash is Argon2id (RFC 9106), salted, and verifies the password alone."""
    one, other = hash_password("geheim"), hash_password("geheim")
    hasher = argon2.PasswordHasher()

    assert one.startswith("$argon2id$")
    assert one != other
    assert hasher.verify(one, "geheim")
    with pytest.raises(argon2.exceptions.VerifyMismatchError):
        hasher.verify(one, "Geheim")


def test_rfc8265_section_4_2_opaque_string() -> None:
    """Spaces beyond ASCII become spaces and the text is composed, so that every keyboard gives the same."""
    assert prepare("a\u00a0b") == "a b"
    assert prepare("u\u0308") == "\u00fc"
    assert prepare("Ab") == "Ab"


@pytest.mark.parametrize("password", ["", "a\nb", "a\x00", "x" * 1025])
def test_what_is_no_password_is_refused(password: str) -> None:
    """Empty, endless and control characters are refused."""
    with pytest.raises(PasswordError):
        prepare(password)
