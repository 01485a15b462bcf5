"""CRAM-MD5, RFC 2195: proof of a shared secret by a keyed digest of a challenge (a grammar).

The server must keep the password itself, and one who listened can guess at leisure: SCRAM is better in both.
"""

from __future__ import annotations

import hmac
import re
from typing import Final

from eilpost.sasl.prepare import user_name
from eilpost.sasl.steps import challenge, find_secret
from eilpost.sasl.words import (
    MAX_NAME,
    MAX_PASSWORD,
    Client,
    ClientTerms,
    Credentials,
    Failure,
    FindSecret,
    Reason,
    Response,
    Server,
    ServerTerms,
    Success,
)

_DIGEST: Final = re.compile(rb"[0-9a-f]{32}", re.ASCII)  # RFC 2195 §2: in lower case


def digest(secret: bytes, said: bytes) -> bytes:
    """The keyed digest of what the server said, in hexadecimal."""
    return hmac.new(secret, said, "md5").hexdigest().encode()


def server(initial: bytes | None, terms: ServerTerms) -> Server:
    """``<nonce@hostname>``, and back comes ``name SP digest``."""
    if initial is not None:
        return Failure(Reason.MALFORMED, "in CRAM-MD5 the server speaks first")
    said = f"<{terms.nonce}@{terms.hostname}>".encode()
    message = yield from challenge(said)
    if isinstance(message, Failure):
        return message
    octets, space, proof = message.rpartition(b" ")  # a name may hold spaces
    if not space or not octets or not _DIGEST.fullmatch(proof):
        return Failure(Reason.MALFORMED, "no name and digest")
    name = user_name(octets)
    if name is None:
        return Failure(Reason.CREDENTIALS, "a name that nobody can have")
    found = yield from find_secret(FindSecret(name))
    if isinstance(found, Failure):
        return found
    right = hmac.compare_digest(digest(found.octets, said), proof)
    if right and found.account is not None:
        return Success(found.account)
    return Failure(Reason.CREDENTIALS)


def client(credentials: Credentials, terms: ClientTerms) -> Client:
    """The server speaks first; one digest answers it."""
    name, secret = credentials.user.encode(), (credentials.password or "").encode()
    if credentials.authorize or not 0 < len(name) <= MAX_NAME or not 0 < len(secret) <= MAX_PASSWORD:
        return Failure(Reason.UNFIT, "CRAM-MD5 carries a name and a password, not empty and not too long")
    said = yield Response(None)
    yield Response(name + b" " + digest(secret, said), complete=True)
    return Failure(Reason.MALFORMED, "the server asks for more than CRAM-MD5 has")
