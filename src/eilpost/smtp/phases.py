"""The phases of a session and what moves it from one to the next (a table; words).

Theory. A session is in one phase at a time. A command that has no row in its phase is out of
order, 503 (RFC 5321 §4.1.4). A command with a row may come; its *reply* decides whether the
phase changes: only the severities named in the row move it, every other reply leaves the
session where it is. The server judges its peer by this table, the client refuses to break it:
neither has another.

Some things are not commands but move the phase as commands do. ``Verb.CONTENT_END`` is the end
of the content: the dot, or the last chunk. A 421 to anything ends the session (RFC 5321 §3.8), so it
stands in no row. A chunk that is not the last is ``Verb.BDAT``; after a refused chunk the message
has failed and no further chunk may come (RFC 3030 §2): that is ``SPOILT``, which RSET ends.
A response to a challenge is ``Verb.AUTH`` too. Out of ``HANDSHAKE`` leads no reply but TLS itself.

What is not a phase (logged in, over TLS, trusted) is a fact, and policy's.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from eilpost.mail.reply import Severity
from eilpost.smtp.commands import Verb


class Phase(Enum):
    """Where a session stands."""

    GREETING = "greeting"  # the server has not said 220 yet
    HELLO = "hello"  # greeted; no HELO, EHLO or LHLO accepted yet
    READY = "ready"  # no transaction
    TRANSACTION = "transaction"  # MAIL accepted, no recipient yet
    RECIPIENTS = "recipients"  # at least one recipient accepted
    CONTENT = "content"  # after 354: octets until the dot
    CHUNKS = "chunks"  # at least one BDAT chunk accepted, the last one not yet
    SPOILT = "spoilt"  # a chunk was refused: RSET or QUIT
    EXCHANGE = "exchange"  # after 334: responses until the login is decided
    HANDSHAKE = "handshake"  # after the 220 to STARTTLS: TLS's octets, none of ours
    CLOSED = "closed"

    __hash__ = object.__hash__  # as good for singletons, and what Enum has is Python, for each look-up


Moves = Mapping[Severity, Phase]


def on(severity: Severity, phase: Phase) -> Moves:
    """A row: replies of this severity lead to ``phase``."""
    return MappingProxyType({severity: phase})


def _whatever(phase: Phase) -> Moves:
    return MappingProxyType(dict.fromkeys(Severity, phase))


STAY: Final[Moves] = MappingProxyType({})
_POSITIVE, _TRANSIENT, _PERMANENT = Severity.POSITIVE, Severity.TRANSIENT, Severity.PERMANENT

_ALWAYS: Final[dict[Verb, Moves]] = {
    Verb.EHLO: on(_POSITIVE, Phase.READY),  # RFC 5321 §4.1.4: as RSET, in any phase
    Verb.HELO: on(_POSITIVE, Phase.READY),
    Verb.LHLO: on(_POSITIVE, Phase.READY),
    Verb.RSET: on(_POSITIVE, Phase.READY),  # RFC 5321 §4.1.1.5
    Verb.NOOP: STAY,
    Verb.HELP: STAY,
    Verb.VRFY: STAY,
    Verb.EXPN: STAY,
    Verb.QUIT: on(_POSITIVE, Phase.CLOSED),
}

_CHUNK: Final[Moves] = MappingProxyType({_POSITIVE: Phase.CHUNKS, _TRANSIENT: Phase.SPOILT, _PERMANENT: Phase.SPOILT})

PHASES: Final[Mapping[Phase, Mapping[Verb, Moves]]] = MappingProxyType(
    {
        Phase.GREETING: {},
        Phase.HELLO: _ALWAYS | {Verb.RSET: STAY},  # RFC 5321 §4.1.4: RSET before EHLO is allowed
        Phase.READY: _ALWAYS
        | {
            Verb.MAIL: on(_POSITIVE, Phase.TRANSACTION),
            Verb.SEND: on(_POSITIVE, Phase.TRANSACTION),  # RFC 821 §3.4
            Verb.SOML: on(_POSITIVE, Phase.TRANSACTION),
            Verb.SAML: on(_POSITIVE, Phase.TRANSACTION),
            Verb.ETRN: STAY,
            Verb.XFORWARD: STAY,
            Verb.XCLIENT: on(_POSITIVE, Phase.HELLO),  # the session begins again, as another client's
            Verb.STARTTLS: on(_POSITIVE, Phase.HANDSHAKE),  # RFC 3207 §4: not in a transaction (F034)
            Verb.AUTH: on(Severity.INTERMEDIATE, Phase.EXCHANGE),  # RFC 4954 §4: not in a transaction (F060)
        },
        Phase.TRANSACTION: _ALWAYS | {Verb.RCPT: on(_POSITIVE, Phase.RECIPIENTS)},
        Phase.RECIPIENTS: _ALWAYS
        | {
            Verb.RCPT: on(_POSITIVE, Phase.RECIPIENTS),  # arrives once more: each is counted
            Verb.DATA: on(Severity.INTERMEDIATE, Phase.CONTENT),
            Verb.BDAT: _CHUNK,
            Verb.CONTENT_END: _whatever(Phase.READY),  # BDAT LAST as the only chunk
        },
        Phase.CONTENT: {Verb.CONTENT_END: _whatever(Phase.READY)},
        Phase.CHUNKS: _ALWAYS
        | {
            Verb.BDAT: _CHUNK,  # RFC 3030 §2: nothing but chunks until LAST or RSET
            Verb.CONTENT_END: _whatever(Phase.READY),
        },
        Phase.SPOILT: _ALWAYS,
        Phase.EXCHANGE: {
            Verb.AUTH: MappingProxyType(dict.fromkeys(Severity, Phase.READY) | {Severity.INTERMEDIATE: Phase.EXCHANGE})
        },
        Phase.HANDSHAKE: {},
        Phase.CLOSED: {},
    }
)


def follow(phase: Phase, verb: Verb, severity: Severity) -> Phase:
    """The phase after ``verb`` was answered so; KeyError if the verb has no row."""
    return PHASES[phase][verb].get(severity, phase)
