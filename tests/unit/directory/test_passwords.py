"""Passwords."""

from __future__ import annotations

import argon2
import pytest

from eilpost.directory.passwords import (
    PasswordError,
    hash_app_password,
    hash_password,
    is_app_password,
    keep,
    make_app_password,
    prepare,
)
from eilpost.directory.schemes import verify

QUICK = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


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


def test_what_is_kept_proves_the_password_in_each_way() -> None:
    """Hash and SCRAM keys of both kinds; the password itself only on demand (RFC 5802 §3)."""
    kept = keep("grün geheim", hasher=QUICK)

    assert verify(kept.password, "grün geheim")
    assert verify("{SCRAM-SHA-256}" + kept.scram_sha256, "grün geheim")
    assert verify("{SCRAM-SHA-1}" + kept.scram_sha1, "grün geheim")
    assert kept.secret == ""
    assert keep("geheim", cram=True, hasher=QUICK).secret == "geheim"
    assert "$" not in repr(kept)


def test_an_app_password_is_typed_as_one_likes() -> None:
    """118 bits in groups; hyphens, spaces and case do not count."""
    password = make_app_password()
    hashed = hash_app_password(password)

    assert len(password) == 29
    assert is_app_password(password, hashed)
    assert is_app_password(password.replace("-", " ").upper(), hashed)
    assert not is_app_password(make_app_password(), hashed)
