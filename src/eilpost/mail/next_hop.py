"""Where a recipient goes next: the answer of routing, the question to an agent (words)."""

from __future__ import annotations

from enum import Enum

from eilpost.mail.status import Status
from eilpost.mail.value import value


class Means(Enum):
    """How a next hop is reached."""

    MAILDIR = "maildir"
    LMTP = "lmtp"
    SMTP = "smtp"  # a given host: the smarthost, or an operator's reroute
    MX = "mx"  # the hosts that DNS names for the domain

    __hash__ = object.__hash__  # as good for singletons, and what Enum has is Python, for each look-up


@value(frozen=True, slots=True)
class NextHop:
    """Where a recipient goes next; equal next hops share connections and concurrency.

    ``host`` is a domain or an address literal in brackets for MX, a host or address for SMTP and
    LMTP, a path for a Unix socket (then ``port`` is 0), empty for MAILDIR. The text form is what
    ``route.urls`` reads.
    """

    means: Means
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        if self.means is Means.MAILDIR:
            return "maildir"
        if self.means is Means.MX:
            return f"mx:{self.host}"
        if not self.port:
            return f"{self.means.value}+unix:{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.means.value}://{host}:{self.port}"


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
