"""Where a recipient goes next: the answer of routing, the question to an agent (words)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from eilpost.mail.encryption import Encryption
from eilpost.mail.status import Status
from eilpost.mail.value import value


class Means(Enum):
    """How a next hop is reached."""

    MAILDIR = "maildir"
    LMTP = "lmtp"
    SMTP = "smtp"  # a given host: the smarthost, or an operator's reroute
    MX = "mx"  # the hosts that DNS names for the domain

    __hash__ = object.__hash__  # as good for singletons, and what Enum has is Python, for each look-up


_PROTECTION: Final[Mapping[Means, Encryption | None]] = {
    Means.MAILDIR: Encryption.OFF,
    Means.LMTP: Encryption.OFF,  # beside us, or on a network of our own
    Means.SMTP: Encryption.OPPORTUNISTIC,
    Means.MX: None,
}


@value(frozen=True, slots=True)
class NextHop:
    """Where a recipient goes next; equal next hops share connections and concurrency.

    ``host`` is a domain or an address literal in brackets for MX, a host or address for SMTP and
    LMTP, a path for a Unix socket (then ``port`` is 0), empty for MAILDIR. ``implicit`` means TLS from
    the first octet; ``encryption`` is None where nobody asked for another than is usual. The text form
    is what ``route.urls`` reads.
    """

    means: Means
    host: str = ""
    port: int = 0
    encryption: Encryption | None = None
    implicit: bool = False

    @property
    def protection(self) -> Encryption | None:
        """How the way there is to be encrypted; None by MX, where ``delivery.tls`` says it unless this hop does."""
        if self.encryption is None and self.implicit:
            return Encryption.VERIFY
        return self.encryption or _PROTECTION[self.means]

    def __str__(self) -> str:
        if self.means is Means.MAILDIR:
            return "maildir"
        if self.means is Means.MX:
            return f"mx:{self.host}"
        if not self.port:
            return f"{self.means.value}+unix:{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        asked = f"?tls={self.encryption.value}" if self.encryption is not None else ""
        return f"{self.means.value}{'s' if self.implicit else ''}://{host}:{self.port}{asked}"


@value(frozen=True, slots=True)
class Host:
    """One address to connect to; ``name`` is what DNS or the operator calls it.

    For a Unix socket ``name`` and ``address`` are its path and ``port`` is 0.
    """

    name: str
    address: str
    port: int


@value(frozen=True, slots=True)
class Unroutable:
    """No host to connect to; the class of ``status`` tells whether that may change."""

    status: Status
    text: str
