"""The phases of a POP3 session and what moves it from one to the next (a table; words).

Theory. RFC 1939 §3 knows three states: before the login, after it, and what QUIT does then. A
command that has no row in its phase is out of order, -ERR. A command with a row may come; its
*answer* decides whether the phase changes: +OK leads where the first column says, -ERR where the
second one says. The server judges its peer by this table, the client refuses to break it.

``NAMED`` lies between USER and PASS. ``SECURING`` is between the answer to STLS and the end of the
TLS handshake: nothing is read there. QUIT after the login deletes and then closes, whatever its
answer (RFC 1939 §6); without it nothing is deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple

from eilpost.pop3.commands import Verb


class Phase(Enum):
    """Where a session stands."""

    GREETING = "greeting"  # the server has not said +OK yet
    AUTHORIZATION = "authorization"  # nobody is logged in
    NAMED = "named"  # USER was accepted, PASS may come
    SECURING = "securing"  # STLS was accepted, TLS does not stand yet
    TRANSACTION = "transaction"  # logged in, the maildrop is locked
    CLOSED = "closed"

    __hash__ = object.__hash__  # as good for singletons, and what Enum has is Python, for each look-up


class Moves(NamedTuple):
    """Where +OK and -ERR lead; None stays."""

    ok: Phase | None = None
    err: Phase | None = None


STAY: Final = Moves()
_LOGIN: Final = Moves(ok=Phase.TRANSACTION)
_END: Final = Moves(Phase.CLOSED, Phase.CLOSED)

_BEFORE: Final[dict[Verb, Moves]] = {
    Verb.USER: Moves(ok=Phase.NAMED),
    Verb.APOP: _LOGIN,
    Verb.AUTH: _LOGIN,
    Verb.STLS: Moves(ok=Phase.SECURING),
    Verb.CAPA: STAY,
    Verb.UTF8: STAY,  # RFC 6856 §2.1: before the login only
    Verb.LANG: STAY,
    Verb.QUIT: _END,
}

PHASES: Final[Mapping[Phase, Mapping[Verb, Moves]]] = MappingProxyType(
    {
        Phase.GREETING: {},
        Phase.AUTHORIZATION: _BEFORE,
        Phase.NAMED: _BEFORE
        | {
            Verb.PASS: Moves(Phase.TRANSACTION, Phase.AUTHORIZATION),  # RFC 1939 §7: only right after USER
            Verb.USER: Moves(Phase.NAMED, Phase.AUTHORIZATION),
        },
        Phase.SECURING: {},
        Phase.TRANSACTION: dict.fromkeys(
            (
                Verb.CAPA, Verb.LANG, Verb.STAT, Verb.LIST, Verb.UIDL, Verb.RETR, Verb.TOP, Verb.DELE, Verb.NOOP,
                Verb.RSET,
            ),
            STAY,
        )
        | {Verb.QUIT: _END},
        Phase.CLOSED: {},
    }
)  # fmt: skip


def follow(phase: Phase, verb: Verb, *, ok: bool) -> Phase:
    """The phase after ``verb`` was answered so; KeyError if the verb has no row."""
    moves = PHASES[phase][verb]
    return (moves.ok if ok else moves.err) or phase
