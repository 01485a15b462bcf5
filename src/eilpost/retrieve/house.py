"""What all POP3 sessions share: the rules, the mailboxes, and when who logged in (a deed)."""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from eilpost.config.schema import Auth, Limits, Pop3, SmtpAfterPop
from eilpost.directory.authenticator import Authenticator
from eilpost.journal import Journal
from eilpost.maildrop.drop import Drops
from eilpost.policy import peer as peers

DELAYS_KEPT: Final = 100_000
"""Accounts whose last login is remembered; the one that was not heard of for longest is forgotten first."""

OpenRelay = Callable[[str, str, float], Awaitable[None]]
"""Lets an address relay as an account for so many seconds (SMTP-after-POP)."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What of the configuration sessions obey; a reload makes others."""

    limits: Limits
    auth: Auth
    pop3: Pop3
    after_pop: SmtpAfterPop
    handshake: float = 20.0


@dataclass(slots=True)
class Ways:
    """What sessions reach for: ``context`` is None where there is no certificate."""

    authenticator: Authenticator
    drops: Drops
    open_relay: OpenRelay | None = None
    context: Callable[[], ssl.SSLContext] | None = None
    keys: bool = True
    others: Callable[[], int] = field(default=lambda: 0)


class House:
    """The one everybody is a guest of. ``guests`` counts them; ``stopping`` ends their stay."""

    __slots__ = ("_last_login", "guests", "hostname", "journal", "rules", "stopping", "ways")

    def __init__(self, hostname: str, rules: Rules, ways: Ways, journal: Journal) -> None:
        self.hostname = hostname
        self.rules = rules
        self.ways = ways
        self.journal = journal
        self.guests = 0
        self.stopping = False
        self._last_login: OrderedDict[str, float] = OrderedDict()

    @property
    def in_all(self) -> int:
        """Everybody who is connected to this system, by whatever protocol."""
        return self.guests + self.ways.others()

    def patience(self) -> float:
        """Seconds a client has now to log in."""
        return peers.patience(self.rules.limits, in_all=self.in_all)

    def is_too_soon(self, account: str) -> bool:
        """Whether this account has logged in within LOGIN-DELAY; notes it when not (RFC 2449 §6.5)."""
        delay = self.rules.pop3.login_delay
        if not delay:
            return False
        now = asyncio.get_running_loop().time()
        last = self._last_login.get(account)
        if last is not None and now - last < delay:
            return True
        self._last_login[account] = now
        self._last_login.move_to_end(account)
        if len(self._last_login) > DELAYS_KEPT:
            self._last_login.popitem(last=False)
        return False
