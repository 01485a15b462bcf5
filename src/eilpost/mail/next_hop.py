"""Where a recipient goes next: the answer of routing, the question to an agent (words)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Means(Enum):
    """How a next hop is reached."""

    MAILDIR = "maildir"
    LMTP = "lmtp"
    SMTP = "smtp"  # a given host: the smarthost, or an operator's reroute
    MX = "mx"  # the hosts that DNS names for the domain


@dataclass(frozen=True, slots=True)
class NextHop:
    """Where a recipient goes next; equal next hops share connections and concurrency.

    ``host`` is a domain for MX, a host or address for SMTP and LMTP, a path for a Unix socket
    (then ``port`` is 0), empty for MAILDIR.
    """

    means: Means
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        if self.means is Means.MAILDIR:
            return "maildir"
        if self.means is Means.MX:
            return f"mx:{self.host}"
        return f"{self.means.value}://{self.host}:{self.port}" if self.port else f"{self.means.value}+unix:{self.host}"
