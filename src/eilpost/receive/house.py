"""What all sessions share: the rules, the ways to spool and queue, memory and rates (a deed)."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from eilpost.config.schema import Limits
from eilpost.journal import Journal
from eilpost.mail.envelope import Recipient
from eilpost.mail.value import value
from eilpost.message import dates
from eilpost.net.tls import Keys
from eilpost.policy import peer as peers
from eilpost.policy import rates
from eilpost.policy.facts import Client
from eilpost.receive.authenticate import Logins
from eilpost.receive.inquiry import Inquiry
from eilpost.spool.contract import Entry, Filter, Spool

BLOCK: Final = 262_144
"""Octets of a content that are gathered in memory also when it goes to a file."""

RATES_KEPT: Final = 100_000
"""Clients whose rate is remembered; the one that was not heard of for longest is forgotten first (F135)."""


async def _nothing_waits(_meant: Filter) -> int:
    """For a house without a queue."""
    return 0


@value(frozen=True, slots=True)
class Ways:
    """Where accepted mail goes, and how its sender's host is looked up.

    ``waits_until`` says when mail for some recipients is tried: None, now, and the queue takes the
    entry claimed; else it waits in the spool until that Unix time. ``accept`` hands it over.
    ``reverse`` gives an address's verified name in DNS or an empty string, within its own deadline.
    ``user_name`` names a local user. ``inline`` is how many octets of one content lie in memory at most.
    ``start`` tries what waits and is meant, and says how many recipients that is.
    """

    spool: Spool
    waits_until: Callable[[Sequence[Recipient]], float | None]
    accept: Callable[[Entry], None]
    user_name: Callable[[int], str]
    reverse: Callable[[str], Awaitable[str]] | None = None
    inline: int = BLOCK
    start: Callable[[Filter], Awaitable[int]] = _nothing_waits


class House:
    """The one everybody is a guest of. ``guests`` counts them; ``stopping`` ends their stay.

    ``keys`` is None where nothing can be encrypted; ``handshake`` is how many seconds one may take.
    """

    __slots__ = (
        "_date",
        "_memory",
        "_rates",
        "_second",
        "guests",
        "handshake",
        "hostname",
        "inquiry",
        "journal",
        "keys",
        "limits",
        "logins",
        "stopping",
        "ways",
    )

    def __init__(
        self,
        hostname: str,
        limits: Limits,
        inquiry: Inquiry,
        logins: Logins,
        ways: Ways,
        journal: Journal,
        keys: Keys | None = None,
        handshake: float = 20.0,
    ) -> None:
        self.hostname = hostname
        self.limits = limits
        self.inquiry = inquiry
        self.logins = logins
        self.ways = ways
        self.journal = journal
        self.keys = keys
        self.handshake = handshake
        self.guests = 0
        self.stopping = False
        self._rates: OrderedDict[str, float] = OrderedDict()
        self._memory = 0
        self._second = 0
        self._date = ""

    def patience(self) -> float:
        """Seconds a client has now for one command."""
        return peers.patience(self.limits, in_all=self.guests)

    def may_begin(self, client: Client) -> bool:
        """Whether this client's rate allows one more message; counts it."""
        per_minute = self.limits.messages_per_minute
        if client.trusted or not per_minute:
            return True
        spent = rates.spend(self._rates.get(client.key, 0.0), asyncio.get_running_loop().time(), per_minute)
        self._rates[client.key] = spent.whole_at
        self._rates.move_to_end(client.key)
        if len(self._rates) > RATES_KEPT:
            self._rates.popitem(last=False)
        return spent.allowed

    def hold(self, octets: int) -> bool:
        """Takes memory for content; False when all of it is in use (F127)."""
        if self._memory + octets > self.limits.memory:
            return False
        self._memory += octets
        return True

    def let_go(self, octets: int) -> None:
        """Gives memory back."""
        self._memory -= octets

    def date(self, now: float) -> str:
        """Now, as headers write it."""
        second = int(now)
        if second != self._second:
            self._second = second
            self._date = dates.format(second, time.localtime(second).tm_gmtoff)
        return self._date
