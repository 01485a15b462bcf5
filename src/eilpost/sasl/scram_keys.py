"""The keys of SCRAM, RFC 5802 §3: made of a password, kept by the directory, proved by both sides (a grammar)."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, Literal

from eilpost.mail.value import value
from eilpost.sasl.prepare import saslprep
from eilpost.sasl.words import ScramKeys

HashName = Literal["sha1", "sha256"]
HASHES: Final[tuple[HashName, ...]] = ("sha256", "sha1")
DIGEST_SIZE: Final[dict[str, int]] = {"sha1": 20, "sha256": 32}
ITERATIONS: Final[dict[str, int]] = {"sha1": 10_000, "sha256": 10_000}  # for new keys: 3 ms of the client
SALT_SIZE: Final = 16  # octets


def salted_password(password: str, salt: bytes, iterations: int, hash_name: str) -> bytes | None:
    """``Hi(Normalize(password), salt, i)``; None when the password cannot be prepared. Takes its time by intent."""
    prepared = saslprep(password)
    return None if prepared is None else hashlib.pbkdf2_hmac(hash_name, prepared.encode(), salt, iterations)


def derive(account: str, password: str, salt: bytes, iterations: int, hash_name: str) -> ScramKeys | None:
    """The keys to keep for a password; None when SCRAM cannot carry it (RFC 4013 §2.3)."""
    salted = salted_password(password, salt, iterations, hash_name)
    if salted is None:
        return None
    client_key = hmac.digest(salted, b"Client Key", hash_name)
    stored_key = hashlib.new(hash_name, client_key).digest()
    return ScramKeys(account, salt, iterations, stored_key, hmac.digest(salted, b"Server Key", hash_name))


def fake_keys(name: str, pepper: bytes, iterations: int, hash_name: str) -> ScramKeys:
    """Keys of nobody, the same ones whenever this name is asked for: who guesses names learns nothing.

    ``pepper`` is a secret of the server that outlives its restarts.
    """
    said = name.encode("utf-8", "surrogatepass")
    salt = hmac.digest(pepper, b"salt\0" + said, "sha256")[:SALT_SIZE]
    stored, server = (hmac.digest(pepper, kind + said, hash_name) for kind in (b"stored\0", b"server\0"))
    return ScramKeys(None, salt, iterations, stored, server)


@value(frozen=True, slots=True)
class Proofs:
    """What the client sends and what the server answers, for one exchange."""

    client: bytes
    server: bytes


def proofs(salted: bytes, said: bytes, hash_name: str) -> Proofs:
    """Both proofs, as who knows the password computes them; ``said`` is the AuthMessage."""
    client_key = hmac.digest(salted, b"Client Key", hash_name)
    stored_key = hashlib.new(hash_name, client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", hash_name)
    signature = hmac.digest(stored_key, said, hash_name)
    return Proofs(xor(client_key, signature), hmac.digest(server_key, said, hash_name))


def proved(keys: ScramKeys, said: bytes, proof: bytes, hash_name: str) -> bool:
    """Whether the proof comes from who knows the password; takes the same time for each wrong one."""
    if len(proof) != DIGEST_SIZE[hash_name]:
        return False
    client_key = xor(proof, hmac.digest(keys.stored_key, said, hash_name))
    return hmac.compare_digest(hashlib.new(hash_name, client_key).digest(), keys.stored_key)


def xor(left: bytes, right: bytes) -> bytes:
    """Of two strings of one length."""
    return (int.from_bytes(left) ^ int.from_bytes(right)).to_bytes(len(left))
