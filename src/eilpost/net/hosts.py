"""From a next hop to the addresses to connect to, by DNS and ``route.mx`` (a deed).

What comes back was checked and is what is connected to: nobody asks DNS again in between (F137).
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
from collections.abc import Callable
from typing import Final, Protocol

from eilpost.config.schema import Delivery
from eilpost.mail.answer import Answer, Found, Mx, NoData, Trouble
from eilpost.mail.next_hop import Host, Means, NextHop, Unroutable
from eilpost.mail.status import status
from eilpost.net.memory import Memory
from eilpost.route.mx import (
    NOBODY,
    Addresses,
    Exchange,
    Self,
    exchanges,
    given_hosts,
    hosts,
    literal_host,
)

_SYSTEM_TTL: Final = 30.0  # seconds; the system's own look-up tells none
_GIVEN_NAMES: Final = 1000


class Names(Protocol):
    """Who knows DNS: ``net.dns.Resolver``, or ``testing.FixedResolver``."""

    async def mx(self, domain: str) -> Answer[Mx]:
        """The MX records of a domain."""
        ...

    async def ipv4(self, host: str) -> Answer[str]:
        """The IPv4 addresses of a host."""
        ...

    async def ipv6(self, host: str) -> Answer[str]:
        """The IPv6 addresses of a host."""
        ...


class Hosts:
    """Answers where to connect for a next hop.

    ``ourselves`` are the names and addresses whose port ``delivery.port`` is ours. Hosts that the
    operator names are looked up as the system does it, hosts file included, or by ``names`` alone
    with ``system_names=False``: right when ``dns.servers`` is set.
    """

    def __init__(
        self,
        names: Names,
        delivery: Delivery,
        *,
        ourselves: Self = NOBODY,
        system_names: bool = True,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._names = names
        self._delivery = delivery
        self._ourselves = ourselves
        self._system_names = system_names
        self._draw = draw
        self._given: Memory[str] = Memory(_GIVEN_NAMES)

    async def hosts(self, next_hop: NextHop) -> tuple[Host, ...] | Unroutable:
        """The addresses in the order to try them, or why there are none."""
        if next_hop.means is Means.MX:
            return await self._of_domain(next_hop.host)
        if not next_hop.port:
            return (Host(next_hop.host, next_hop.host, 0),)
        return await self._of_given(next_hop.host, next_hop.port)

    async def close(self) -> None:
        """Ends look-ups that are under way."""
        await self._given.close()

    async def _of_domain(self, domain: str) -> tuple[Host, ...] | Unroutable:
        port, private = self._delivery.port, self._delivery.private_addresses
        if domain.startswith("["):
            host = literal_host(domain, port, ourselves=self._ourselves, private=private)
            return host if isinstance(host, Unroutable) else (host,)
        wanted = exchanges(domain, await self._names.mx(domain), self._draw, self._ourselves)
        if isinstance(wanted, Unroutable):
            return wanted
        found = await asyncio.gather(*(self._addresses(exchange) for exchange in wanted))
        return hosts(
            domain,
            found,
            port,
            ourselves=self._ourselves,
            private=private,
            prefer_ipv6=self._delivery.prefer_ipv6,
        )

    async def _addresses(self, exchange: Exchange) -> Addresses:
        ipv4, ipv6 = await asyncio.gather(self._names.ipv4(exchange.name), self._names.ipv6(exchange.name))
        return Addresses(exchange, ipv4, ipv6)

    async def _of_given(self, host: str, port: int) -> tuple[Host, ...] | Unroutable:
        """A host that the operator named: its absence is our fault, so mail for it waits."""
        if _is_address(host):
            return (Host(host, host, port),)
        if self._system_names or host == "localhost":  # RFC 6761 §6.3: localhost is never asked of DNS
            found = _by_family(await self._given.get(host, lambda: _ask_system(host)))
        else:
            ipv4, ipv6 = await asyncio.gather(self._names.ipv4(host), self._names.ipv6(host))
            found = ipv4, ipv6
        given = given_hosts(host, port, found[0], found[1], self._delivery.prefer_ipv6)
        if given:
            return given
        why = next((answer.why for answer in found if isinstance(answer, Trouble)), "it has no address")
        return Unroutable(status("4.4.4"), f"The host {host} cannot be found: {why}")


async def _ask_system(host: str) -> Answer[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return Trouble(getattr(error, "strerror", None) or str(error))
    return Found(tuple(dict.fromkeys(str(item[4][0]) for item in found)), _SYSTEM_TTL)


def _by_family(answer: Answer[str]) -> tuple[Answer[str], Answer[str]]:
    """The IPv4 and the IPv6 part of an answer that holds both."""
    if not isinstance(answer, Found):
        return answer, answer
    parts = [tuple(text for text in answer.records if (":" in text) is six) for six in (False, True)]
    ipv4, ipv6 = (Found(part, answer.ttl) if part else NoData(answer.ttl) for part in parts)
    return ipv4, ipv6


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
