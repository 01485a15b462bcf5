"""Passwords: prepared as RFC 8265 says, and what is kept of them (a deed: it needs randomness and time)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import unicodedata
from typing import TYPE_CHECKING, Final

from eilpost.directory.kept import Kept
from eilpost.directory.schemes import scram_text
from eilpost.sasl.scram_keys import ITERATIONS, SALT_SIZE, derive

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MAX_PASSWORD: Final = 1024  # characters; longer ones only cost time
APP_GROUPS: Final = 6
_APP_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is read as something else
_APP_TAG: Final = "{APP}"


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


def hash_password(password: str, hasher: PasswordHasher | None = None) -> str:
    """The encoded Argon2id hash, RFC 9106 §4; takes some tens of milliseconds by intent."""
    from argon2 import PasswordHasher  # loads a C library that only few commands need

    return (hasher or PasswordHasher()).hash(prepare(password))


def keep(password: str, *, cram: bool = False, hasher: PasswordHasher | None = None) -> Kept:
    """What is kept of a new password; with ``cram`` the password itself too. PasswordError."""
    return Kept(
        hash_password(password, hasher), _scram(password, "sha256"), _scram(password, "sha1"),
        prepare(password) if cram else "",
    )  # fmt: skip


def _scram(password: str, hash_name: str) -> str:
    """Empty when SCRAM cannot carry such a password: then PLAIN over TLS is left."""
    salt = secrets.token_bytes(SALT_SIZE)
    keys = derive("", prepare(password), salt, ITERATIONS[hash_name], hash_name)
    return scram_text(keys) if keys is not None else ""


def make_app_password() -> str:
    """A password for a program: 118 bits, in groups that can be typed."""
    return "-".join("".join(secrets.choice(_APP_ALPHABET) for _ in range(4)) for _ in range(APP_GROUPS))


def hash_app_password(password: str) -> str:
    """One round is enough: nobody guesses 118 bits, and many app passwords cost no more than one."""
    salt = secrets.token_bytes(16)
    digest = hmac.digest(salt, _compact(password), "sha256")
    return _APP_TAG + base64.b64encode(salt + digest).decode()


def is_app_password(password: str, hashed: str) -> bool:
    """Whether the hash is that of this app password; its hyphens, spaces and case do not count."""
    octets = base64.b64decode(hashed.removeprefix(_APP_TAG))
    salt, digest = octets[:16], octets[16:]
    return hmac.compare_digest(hmac.digest(salt, _compact(password), "sha256"), digest)


def _compact(password: str) -> bytes:
    return hashlib.sha256(password.replace("-", "").replace(" ", "").lower().encode("utf-8", "surrogatepass")).digest()
