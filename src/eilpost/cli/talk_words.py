"""What a dialogue by hand consists of: what was heard, and what is to be done next (words)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Protocol(Enum):
    """What the server speaks."""

    SMTP = "smtp"
    LMTP = "lmtp"
    POP3 = "pop3"


@dataclass(frozen=True, slots=True)
class Heard:
    """A whole reply, its lines without their ends."""

    lines: tuple[str, ...]

    @property
    def code(self) -> str:
        """``250``, ``+OK``, ``-ERR``, or ``+`` when a login goes on."""
        return self.lines[0].split(" ", 1)[0] if self.lines[0][:1] in "+-" else self.lines[0][:3]

    @property
    def text(self) -> str:
        """The last line of SMTP, or the first of POP3, without its code."""
        return self.lines[0][len(self.code) + 1 :] if self.lines[0][:1] in "+-" else self.lines[-1][4:]

    @property
    def is_positive(self) -> bool:
        """Yes, done."""
        return self.code == "+OK" or self.code[:1] == "2"

    @property
    def is_challenge(self) -> bool:
        """The login goes on."""
        return self.code in ("334", "+")


@dataclass(frozen=True, slots=True)
class Send:
    """Octets for the server."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Show:
    """A line for the person: by the client (C), by the server (S), or by us (empty)."""

    side: str
    text: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Something the person has to say; a secret is neither shown nor kept."""

    what: str
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The server is ready for TLS."""


Action = Send | Show | Ask | Upgrade
