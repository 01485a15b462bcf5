"""What the server's machine has understood (words).

Every event but ``Disconnected`` stands for a command, or a line of a login, that awaits one
answer. ``Refused`` carries the answer that the grammar or the phase table demands.
No event shows a secret when it is printed.
"""

from __future__ import annotations

from dataclasses import field
from enum import Enum
from typing import Final

from eilpost.mail.value import value
from eilpost.pop3.replies import Answer


@value(frozen=True, slots=True)
class User:
    """USER: who wants to log in."""

    name: str


@value(frozen=True, slots=True)
class Pass:
    """PASS with the name that USER gave."""

    name: str
    password: str = field(repr=False)


@value(frozen=True, slots=True)
class Apop:
    """APOP: ``digest`` is what MD5 made of the greeting's timestamp and the secret, in hexadecimal."""

    name: str
    digest: bytes = field(repr=False)


@value(frozen=True, slots=True)
class Auth:
    """AUTH; ``initial`` is the decoded initial response, None when there is none."""

    mechanism: str
    initial: bytes | None = field(repr=False)


@value(frozen=True, slots=True)
class AuthResponse:
    """The client's next octets in a login; None when it cancels."""

    octets: bytes | None = field(repr=False)


@value(frozen=True, slots=True)
class ListMechanisms:
    """AUTH without an argument, which old clients send to ask for the mechanisms."""


@value(frozen=True, slots=True)
class StartTls:
    """STLS; after a positive answer ``secured`` is awaited."""


@value(frozen=True, slots=True)
class Capa:
    """CAPA."""


@value(frozen=True, slots=True)
class Utf8:
    """UTF8."""


@value(frozen=True, slots=True)
class Lang:
    """LANG with a language tag, ``*`` for the default, or an empty string to list them."""

    tag: str


@value(frozen=True, slots=True)
class Stat:
    """STAT."""


@value(frozen=True, slots=True)
class List:
    """LIST; number 0 asks for all."""

    number: int


@value(frozen=True, slots=True)
class Uidl:
    """UIDL; number 0 asks for all."""

    number: int


@value(frozen=True, slots=True)
class Retr:
    """RETR."""

    number: int


@value(frozen=True, slots=True)
class Top:
    """TOP: the header and ``lines`` of the body."""

    number: int
    lines: int


@value(frozen=True, slots=True)
class Dele:
    """DELE."""

    number: int


@value(frozen=True, slots=True)
class Noop:
    """NOOP."""


@value(frozen=True, slots=True)
class Rset:
    """RSET."""


@value(frozen=True, slots=True)
class Quit:
    """QUIT; ``deletes`` after the login (RFC 1939 §6)."""

    deletes: bool


@value(frozen=True, slots=True)
class Refused:
    """A line that may not be obeyed; ``verb`` is what of it may be logged."""

    verb: str
    answer: Answer
    fatal: bool = False


@value(frozen=True, slots=True)
class Disconnected:
    """The peer closed its side, or the session is over; nothing more comes."""


CommandEvent = (
    User | Pass | Apop | Auth | AuthResponse | ListMechanisms | StartTls | Capa | Utf8 | Lang | Stat | List | Uidl
    | Retr | Top | Dele | Noop | Rset | Quit | Refused
)  # fmt: skip
Event = CommandEvent | Disconnected


class NeedData(Enum):
    """What a machine says when it has nothing to tell until more octets come."""

    NEED_DATA = "need data"


NEED_DATA: Final = NeedData.NEED_DATA
