"""EXTERNAL, RFC 4422 appendix A: who the client is, its TLS certificate has said (a grammar)."""

from __future__ import annotations

from eilpost.sasl.prepare import user_name
from eilpost.sasl.steps import challenge, check
from eilpost.sasl.words import (
    MAX_NAME,
    CheckCertificate,
    Client,
    ClientTerms,
    Credentials,
    Failure,
    Granted,
    Reason,
    Response,
    Server,
    ServerTerms,
    Success,
)


def server(initial: bytes | None, terms: ServerTerms) -> Server:
    """The message names whom the client wants to be; empty: whoever the certificate says."""
    message = initial if initial is not None else (yield from challenge(b""))
    if isinstance(message, Failure):
        return message
    name = user_name(message) if message else ""
    if name is None or terms.certificate is None:
        return Failure(Reason.CREDENTIALS, "no verified certificate" if name is not None else "nobody's name")
    answer = yield from check(CheckCertificate(name, terms.certificate))
    return Success(answer.account) if isinstance(answer, Granted) else answer


def client(credentials: Credentials, terms: ClientTerms) -> Client:
    """The identity to act as, and that is often nothing: the certificate speaks."""
    octets = (credentials.authorize or credentials.user).encode()
    if len(octets) > MAX_NAME or b"\0" in octets:
        return Failure(Reason.UNFIT, "the name is too long or holds NUL")
    yield Response(octets, complete=True)
    return Failure(Reason.MALFORMED, "the server asks for more than EXTERNAL has")
