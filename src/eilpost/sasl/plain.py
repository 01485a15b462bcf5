"""PLAIN, RFC 4616: the password as it is, in one message (a grammar)."""

from __future__ import annotations

from eilpost.sasl.prepare import password, user_name
from eilpost.sasl.steps import challenge, check
from eilpost.sasl.words import (
    MAX_NAME,
    MAX_PASSWORD,
    CheckPassword,
    Client,
    ClientTerms,
    Credentials,
    Failure,
    Granted,
    Reason,
    Response,
    Result,
    Server,
    ServerTerms,
    Success,
)


def server(initial: bytes | None, terms: ServerTerms) -> Server:
    """``authzid NUL authcid NUL passwd``, RFC 4616 §2."""
    message = initial if initial is not None else (yield from challenge(b""))
    if isinstance(message, Failure):
        return message
    parts = message.split(b"\0")
    if len(parts) != 3 or not parts[1] or not parts[2]:
        return Failure(Reason.MALFORMED, "PLAIN has three parts, the last two of them not empty")
    authorize, name, secret = user_name(parts[0]), user_name(parts[1]), password(parts[2])
    if name is None or secret is None or (parts[0] and authorize is None):
        return Failure(Reason.CREDENTIALS, "a name or a password that nobody can have")
    answer = yield from check(CheckPassword(name, secret))
    return as_themselves(answer, name, authorize or "")


def as_themselves(answer: Granted | Failure, name: str, authorize: str) -> Result:
    """Nobody acts as somebody else: the authorization identity is empty or names the same account."""
    match answer:
        case Granted(account) if not authorize or authorize in (name, account):
            return Success(account)
        case Granted(account):
            return Failure(Reason.CREDENTIALS, f"{account} asked to act as somebody else")
        case _:
            return answer


def client(credentials: Credentials, terms: ClientTerms) -> Client:
    """One message says it all."""
    authorize, name = credentials.authorize.encode(), credentials.user.encode()
    secret = (credentials.password or "").encode()
    if not fits(authorize, name, secret):
        return Failure(Reason.UNFIT, "a name or a password is empty, too long or holds NUL")
    yield Response(authorize + b"\0" + name + b"\0" + secret, complete=True)
    return Failure(Reason.MALFORMED, "the server asks for more than PLAIN has")


def fits(authorize: bytes, name: bytes, secret: bytes) -> bool:
    """Whether these can be sent: RFC 4616 §2."""
    return (
        0 < len(name) <= MAX_NAME
        and len(authorize) <= MAX_NAME
        and 0 < len(secret) <= MAX_PASSWORD
        and b"\0" not in authorize + name + secret
    )
