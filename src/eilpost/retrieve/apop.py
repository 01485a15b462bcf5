"""APOP and USER/PASS as login mechanisms, so that all logins take one way (a grammar)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from eilpost.sasl import apop
from eilpost.sasl.mechanisms import MECHANISMS, Mechanism
from eilpost.sasl.steps import find_secret
from eilpost.sasl.words import Failure, FindSecret, Reason, Server, ServerTerms, Success

USER_PASS: Final = replace(MECHANISMS["PLAIN"], name="USER")
"""RFC 1939 §7: what PLAIN says in one message; a line holds no NUL, so its parts stay apart."""


def user_pass(name: str, password: str) -> bytes:
    """USER's and PASS's arguments as PLAIN's message."""
    return f"\0{name}\0{password}".encode()


def mechanism(greeted: bytes, name: str, digest: bytes) -> Mechanism:
    """APOP: the client's digest of the greeting's timestamp and the secret, RFC 1939 §7."""

    def server(initial: bytes | None, terms: ServerTerms) -> Server:
        answer = yield from find_secret(FindSecret(name))
        if isinstance(answer, Failure):
            return answer
        proved = apop.proves(greeted, answer.octets, digest)  # computed for unknown users too (F120)
        if proved and answer.account is not None:
            return Success(answer.account)
        return Failure(Reason.CREDENTIALS)

    return replace(MECHANISMS["CRAM-MD5"], name="APOP", server=server)
