"""Passwords: prepared as RFC 8265 says, kept as Argon2id (a deed: it needs randomness and time)."""

from __future__ import annotations

import unicodedata
from typing import Final

MAX_PASSWORD: Final = 1024  # characters; longer ones only cost time


class PasswordError(ValueError):
    """The text is no password; the message says why, as a clause."""


def prepare(password: str) -> str:
    """The password as it is compared: RFC 8265 §4.2, OpaqueString."""
    if not password:
        raise PasswordError("it is empty")
    if len(password) > MAX_PASSWORD:
        raise PasswordError(f"it is longer than {MAX_PASSWORD} characters")
    if any(unicodedata.category(char) in ("Cc", "Cs", "Cn") for char in password):
        raise PasswordError("it holds a control character")
    spaced = "".join(" " if unicodedata.category(char) == "Zs" else char for char in password)
    return unicodedata.normalize("NFC", spaced)


def hash_password(password: str) -> str:
    """The encoded Argon2id hash, RFC 9106 §4; takes some tens of milliseconds by intent."""
    from argon2 import PasswordHasher  # loads a C library that only few commands need

    return PasswordHasher().hash(prepare(password))
