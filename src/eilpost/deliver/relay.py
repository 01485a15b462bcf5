"""SMTP onward: to the hosts that DNS or the operator names for a next hop (a deed)."""

from __future__ import annotations

import time
from collections.abc import Callable

from eilpost.client.transcript import Tell
from eilpost.config.schema import Delivery
from eilpost.deliver.exchange import Exchange, FindHosts, FindLogin
from eilpost.journal import Journal
from eilpost.mail.outcome import Fate
from eilpost.smtp.commands import Dialect


class Relay(Exchange):
    """The agent for next hops by MX and by a given host; made where an event loop runs.

    ``find_hosts`` answers where a next hop is; ``find_login`` as whom we log in
    there; ``now`` is Unix time.
    """

    __slots__ = ()

    def __init__(
        self,
        settings: Delivery,
        find_hosts: FindHosts,
        *,
        hostname: str,
        now: Callable[[], float] = time.time,
        tell: Tell | None = None,
        find_login: FindLogin | None = None,
        journal: Journal | None = None,
    ) -> None:
        super().__init__(
            settings, find_hosts, hostname=hostname, dialect=Dialect.SMTP, success=Fate.RELAYED, now=now, tell=tell,
            find_login=find_login, journal=journal,
        )  # fmt: skip
