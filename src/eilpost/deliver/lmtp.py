"""LMTP: to a message store, which answers for each recipient (a deed; RFC 2033)."""

from __future__ import annotations

import time
from collections.abc import Callable

from eilpost.client.transcript import Tell
from eilpost.config.schema import Delivery
from eilpost.deliver.exchange import Exchange
from eilpost.mail.next_hop import Host, NextHop, Unroutable
from eilpost.mail.outcome import Fate
from eilpost.smtp.commands import Dialect


class Lmtp(Exchange):
    """The agent for LMTP servers, over TCP or a Unix socket; made where an event loop runs."""

    __slots__ = ()

    def __init__(
        self,
        settings: Delivery,
        *,
        hostname: str,
        now: Callable[[], float] = time.time,
        tell: Tell | None = None,
    ) -> None:
        super().__init__(
            settings, _the_host, hostname=hostname, dialect=Dialect.LMTP, success=Fate.DELIVERED, now=now, tell=tell
        )


async def _the_host(next_hop: NextHop, /) -> tuple[Host, ...] | Unroutable:
    return (Host(next_hop.host, next_hop.host, next_hop.port),)
