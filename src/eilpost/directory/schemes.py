"""Hashes as others write them: ``{SSHA512}…``, ``$6$…``; which we can check, and how (a table; a deed).

The names are Dovecot's, of which each tool for mail accounts writes one. ``{SCHEME.B64}`` and
``{SCHEME.HEX}`` say how octets are spelled. A hash without a name is ``crypt``'s or Argon2's own form.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Final

from eilpost.directory import libcrypt
from eilpost.mail.value import value
from eilpost.sasl.scram_keys import derive
from eilpost.sasl.words import ScramKeys

_TAGGED: Final = re.compile(
    r"\{([A-Za-z0-9-]{1,40})(?:\.(B64|BASE64|HEX))?\}(.*)", re.ASCII | re.DOTALL | re.IGNORECASE
)
_MAX_ITERATIONS: Final = 10_000_000


class SchemeError(ValueError):
    """A hash that cannot be checked here; the message says why, as a clause."""


@value(frozen=True, slots=True)
class Scheme:
    """One row. ``octets``: the hash is octets, in base64 unless its name says otherwise; else it is a text."""

    name: str
    octets: bool
    verify: Callable[[bytes, str | bytes], bool]


def verify(hashed: str, password: str) -> bool:
    """Whether this is the password; may take tens of milliseconds by intent. SchemeError."""
    name, encoding, rest = split(hashed)
    scheme = _scheme(name)
    if not rest or not password:
        return False
    found = _decode(rest, encoding or "B64") if scheme.octets or encoding else rest
    if not scheme.octets and isinstance(found, bytes):
        found = found.decode("ascii", "replace")
    try:
        return scheme.verify(password.encode("utf-8", "surrogatepass"), found)
    except libcrypt.CryptMissing as error:
        raise SchemeError(str(error)) from None


def check(hashed: str) -> str:
    """Why a hash cannot be checked here, as a clause; empty when it can."""
    try:
        name, encoding, rest = split(hashed)
        scheme = _scheme(name)
        if scheme.octets or encoding:
            _decode(rest, encoding or "B64")
        if name.startswith("SCRAM"):
            scram_keys(name, "", rest)
    except SchemeError as error:
        return str(error)
    return "" if rest else "it has no hash"


def split(hashed: str) -> tuple[str, str, str]:
    """Scheme, encoding and the hash itself; a bare hash is CRYPT's or Argon2's."""
    found = _TAGGED.fullmatch(hashed)
    if found is None:
        return ("ARGON2" if hashed.startswith("$argon2") else "CRYPT"), "", hashed
    encoding = (found[2] or "").upper().replace("BASE64", "B64")
    return found[1].upper(), encoding, found[3]


def _scheme(name: str) -> Scheme:
    scheme = SCHEMES.get(name)
    if scheme is None:
        raise SchemeError(f"the scheme {{{name}}} is not known")
    return scheme


def _decode(text: str, encoding: str) -> bytes:
    try:
        if encoding == "HEX":
            return bytes.fromhex(text)
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise SchemeError(f"it is no {'hexadecimal' if encoding == 'HEX' else 'base64'}") from None


def scram_keys(name: str, account: str, text: str) -> ScramKeys:
    """``iterations,salt,stored key,server key``, the last three in base64. SchemeError."""
    count, *parts = text.split(",")
    if not (count.isascii() and count.isdigit() and len(parts) == 3 and 0 < int(count[:9]) <= _MAX_ITERATIONS):
        raise SchemeError(f"{name} has iterations, a salt and two keys")
    salt, stored, server = (_decode(part, "B64") for part in parts)
    return ScramKeys(account, salt, int(count), stored, server)


def scram_text(keys: ScramKeys) -> str:
    """As ``scram_keys`` reads it."""
    parts = (base64.b64encode(part).decode() for part in (keys.salt, keys.stored_key, keys.server_key))
    return f"{keys.iterations},{','.join(parts)}"


def _argon2(password: bytes, hashed: str | bytes) -> bool:
    from argon2 import PasswordHasher  # loads a C library that only few commands need
    from argon2.exceptions import VerificationError

    try:
        return PasswordHasher().verify(hashed, password)
    except (ValueError, VerificationError):  # an invalid hash is a ValueError
        return False


def _crypt(password: bytes, hashed: str | bytes) -> bool:
    assert isinstance(hashed, str)
    return libcrypt.verify(password, hashed)


def _plain(password: bytes, kept: str | bytes) -> bool:
    octets = kept.encode() if isinstance(kept, str) else kept
    return hmac.compare_digest(hashlib.sha256(octets).digest(), hashlib.sha256(password).digest())


def _digest(hash_name: str, *, salted: bool) -> Callable[[bytes, str | bytes], bool]:
    """A digest of the password and then the salt, which stands behind it."""
    size = hashlib.new(hash_name).digest_size

    def verify(password: bytes, kept: str | bytes) -> bool:
        assert isinstance(kept, bytes)
        digest, salt = kept[:size], kept[size:]
        if len(digest) != size or bool(salt) != salted:
            return False
        return hmac.compare_digest(hashlib.new(hash_name, password + salt).digest(), digest)

    return verify


def _pbkdf2(password: bytes, kept: str | bytes) -> bool:
    """Dovecot's: ``$1$salt$rounds$hexadecimal`` with SHA-1."""
    assert isinstance(kept, str)
    parts = kept.split("$")
    if len(parts) != 5 or parts[:2] != ["", "1"] or not (parts[3].isascii() and parts[3].isdigit()):
        return False
    rounds = int(parts[3][:9])
    if not 0 < rounds <= _MAX_ITERATIONS:
        return False
    made = hashlib.pbkdf2_hmac("sha1", password, parts[2].encode(), rounds).hex()
    return hmac.compare_digest(made.encode(), parts[4].lower().encode())


def _scram(hash_name: str) -> Callable[[bytes, str | bytes], bool]:
    def verify(password: bytes, kept: str | bytes) -> bool:
        assert isinstance(kept, str)
        keys = scram_keys("SCRAM", "", kept)
        made = derive("", password.decode("utf-8", "replace"), keys.salt, keys.iterations, hash_name)
        return made is not None and hmac.compare_digest(made.stored_key, keys.stored_key)

    return verify


SCHEMES: Final[dict[str, Scheme]] = {
    row.name: row
    for row in (
        *(Scheme(name, False, _argon2) for name in ("ARGON2ID", "ARGON2I", "ARGON2")),
        *(
            Scheme(name, False, _crypt)
            for name in ("CRYPT", "SHA512-CRYPT", "SHA256-CRYPT", "BLF-CRYPT", "MD5-CRYPT", "DES-CRYPT")
        ),
        Scheme("PBKDF2", False, _pbkdf2),
        Scheme("SCRAM-SHA-256", False, _scram("sha256")),
        Scheme("SCRAM-SHA-1", False, _scram("sha1")),
        Scheme("SHA512", True, _digest("sha512", salted=False)),
        Scheme("SHA256", True, _digest("sha256", salted=False)),
        *(Scheme(name, True, _digest("sha1", salted=False)) for name in ("SHA", "SHA1")),
        Scheme("SSHA512", True, _digest("sha512", salted=True)),
        Scheme("SSHA256", True, _digest("sha256", salted=True)),
        Scheme("SSHA", True, _digest("sha1", salted=True)),
        *(Scheme(name, False, _plain) for name in ("PLAIN", "CLEARTEXT", "CLEAR")),
    )
}
