"""LOGIN, draft-murchison-sasl-login: the name, then the password; no standard, but old clients know it (a grammar)."""

from __future__ import annotations

from typing import Final

from eilpost.sasl.plain import as_themselves, fits
from eilpost.sasl.prepare import password, user_name
from eilpost.sasl.steps import challenge, check
from eilpost.sasl.words import (
    CheckPassword,
    Client,
    ClientTerms,
    Credentials,
    Failure,
    Reason,
    Response,
    Server,
    ServerTerms,
)

USERNAME: Final = b"Username:"  # some clients compare these words, so they are not ours to choose
PASSWORD: Final = b"Password:"


def server(initial: bytes | None, terms: ServerTerms) -> Server:
    """Two questions; a client may answer the first one with the command."""
    first = initial or (yield from challenge(USERNAME))
    if isinstance(first, Failure):
        return first
    second = yield from challenge(PASSWORD)
    if isinstance(second, Failure):
        return second
    name, secret = user_name(first), password(second)
    if name is None or secret is None:
        return Failure(Reason.CREDENTIALS, "a name or a password that nobody can have")
    answer = yield from check(CheckPassword(name, secret))
    return as_themselves(answer, name, "")


def client(credentials: Credentials, terms: ClientTerms) -> Client:
    """The name to the first question and the password to the second, whatever their words are."""
    name, secret = credentials.user.encode(), (credentials.password or "").encode()
    if credentials.authorize or not fits(b"", name, secret):
        return Failure(Reason.UNFIT, "LOGIN carries a name and a password, not empty, not too long, without NUL")
    yield Response(None)
    yield Response(name)
    yield Response(secret, complete=True)
    return Failure(Reason.MALFORMED, "the server asks for more than LOGIN has")
