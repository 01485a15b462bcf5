"""DNS answers that a test writes down, without a server (a deed).

It stands where ``net.dns.Resolver`` stands. A name that is not in the tables does not exist.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from eilpost.mail.answer import Answer, Found, Mx, NoData, NoSuchDomain, Trouble

T = TypeVar("T")


@dataclass(slots=True)
class FixedResolver:
    """``exchanges`` are MX records, ``addresses`` those of hosts, ``pointers`` the names of IP addresses.

    Look-ups of names in ``broken`` fail with trouble. Each question is noted in
    ``asked``, as ``"MX example.test"``.
    """

    exchanges: Mapping[str, Sequence[tuple[int, str]]] = field(default_factory=dict)
    addresses: Mapping[str, Sequence[str]] = field(default_factory=dict)
    pointers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()
    asked: list[str] = field(default_factory=list)

    async def mx(self, domain: str) -> Answer[Mx]:
        """The MX records of a domain."""
        records = self.exchanges.get(domain, ())
        return self._answer("MX", domain, tuple(Mx(preference, name) for preference, name in records))

    async def ipv4(self, host: str) -> Answer[str]:
        """The IPv4 addresses of a host."""
        return self._answer("A", host, tuple(text for text in self.addresses.get(host, ()) if ":" not in text))

    async def ipv6(self, host: str) -> Answer[str]:
        """The IPv6 addresses of a host."""
        return self._answer("AAAA", host, tuple(text for text in self.addresses.get(host, ()) if ":" in text))

    async def names(self, address: str) -> Answer[str]:
        """The names of an IP address."""
        wanted = str(ipaddress.ip_address(address))
        return self._answer("PTR", wanted, tuple(self.pointers.get(wanted, ())))

    async def close(self) -> None:
        """Nothing is under way."""

    def _answer(self, kind: str, name: str, records: tuple[T, ...]) -> Answer[T]:
        self.asked.append(f"{kind} {name}")
        if name in self.broken:
            return Trouble("SERVFAIL")
        if records:
            return Found(records, 60.0)
        known = name in self.exchanges or name in self.addresses or name in self.pointers
        return NoData(60.0) if known else NoSuchDomain(60.0)
