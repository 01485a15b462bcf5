"""Which next hop a recipient has (decisions).

A domain that is at home here is delivered as its row says. All else goes to the smarthost or, without
one, to the hosts that DNS names. An address literal is no name: with the means MX and the literal as
host it takes the same road, so that the rule for private addresses holds for it too (F067, F136).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from eilpost.config.schema import Domain, Relay
from eilpost.mail.address import Address
from eilpost.mail.next_hop import Means, NextHop
from eilpost.mail.value import value
from eilpost.route.urls import parse_deliver, parse_next_hop, parse_smarthost

_MAILDIR = NextHop(Means.MAILDIR)


@value(frozen=True, slots=True)
class Routes:
    """The settings that routing needs, parsed once. Domains match whole, never by suffix (F069)."""

    local: Mapping[str, NextHop]
    smarthost: NextHop | None = None


def routes(domains: Iterable[Domain], relay: Relay) -> Routes:
    """The table that the settings spell; NextHopError if one cannot be read."""
    local = {domain.name.lower(): parse_deliver(domain.deliver) for domain in domains}
    return Routes(local, parse_smarthost(relay.smarthost) if relay.smarthost else None)


def choose(address: Address, table: Routes, reroute: str = "") -> NextHop:
    """The next hop of ``address``; an operator's ``reroute`` comes before every rule.

    NextHopError if ``reroute`` cannot be read; it was checked when it was given.
    """
    if reroute:
        return parse_next_hop(reroute)
    if not address.domain:
        return _MAILDIR  # a bare postmaster is ours by definition (RFC 5321 §4.5.1)
    return table.local.get(address.domain) or table.smarthost or NextHop(Means.MX, address.domain)
