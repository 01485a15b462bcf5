"""Asks DNS: MX, A, AAAA and PTR, remembered and typed (a deed).

No expected mishap is an exception: what DNS says, and that it says nothing, are answers. A truncated
answer is asked for again by TCP; one with a wrong id or from somebody else is passed over (F140).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from eilpost.config.schema import Dns
from eilpost.mail.answer import Answer, Found, Mx, NoData, NoSuchDomain, Trouble
from eilpost.net.clock import Clock
from eilpost.net.memory import Memory

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver as Backend

_AT_ONCE: Final = 256  # questions; each holds a file descriptor
_ONE_TRY: Final = 5.0  # seconds until the next server, or the same again, is asked
_PAYLOAD: Final = 1232  # octets, what passes without fragments
_NO_TTL: Final = 60.0  # for a negative answer without SOA
_PORT: Final = 53


def _name(record: Any) -> str:
    return str(record.to_text(omit_final_dot=True)).lower() if record.labels != (b"",) else ""


_READ: Final[dict[str, Callable[[Any], object]]] = {
    "MX": lambda record: Mx(record.preference, _name(record.exchange)),
    "A": lambda record: record.address,
    "AAAA": lambda record: str(ipaddress.IPv6Address(record.address)),
    "PTR": lambda record: _name(record.target),
}
"""How a record of each type becomes ours."""


class Resolver:
    """Looks names up; for one event loop. ``close`` ends what is under way."""

    def __init__(self, settings: Dns, clock: Clock | None = None) -> None:
        self._settings = settings
        self._memory: Memory[Any] = Memory(settings.cache, clock)
        self._backend: Backend | None = None
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def mx(self, domain: str) -> Answer[Mx]:
        """The MX records of a domain."""
        return cast(Answer[Mx], await self._look_up(domain, "MX"))

    async def ipv4(self, host: str) -> Answer[str]:
        """The IPv4 addresses of a host."""
        return cast(Answer[str], await self._look_up(host, "A"))

    async def ipv6(self, host: str) -> Answer[str]:
        """The IPv6 addresses of a host."""
        return cast(Answer[str], await self._look_up(host, "AAAA"))

    async def names(self, address: str) -> Answer[str]:
        """The names that an IP address has in DNS, unverified."""
        return cast(Answer[str], await self._look_up(ipaddress.ip_address(address).reverse_pointer, "PTR"))

    async def close(self) -> None:
        """Ends the questions that wait for an answer."""
        await self._memory.close()

    async def _look_up(self, name: str, kind: str) -> Answer[Any]:
        return await self._memory.get((name, kind), lambda: self._ask(name, kind))

    async def _ask(self, name: str, kind: str) -> Answer[Any]:
        # Imported here: dnspython takes a tenth of a second, which a start does not have.
        import dns.exception
        import dns.flags
        import dns.name
        import dns.resolver

        try:
            question = dns.name.from_text(name)
        except (dns.exception.DNSException, UnicodeError):
            return NoSuchDomain(_NO_TTL)  # what cannot be asked cannot exist
        try:
            backend = self._backend = self._backend or await _make_backend(self._settings)
            async with self._turns:
                answer = await backend.resolve(question, kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN as error:
            return NoSuchDomain(_ttl(cast(Any, error).response(question)))
        except (dns.exception.DNSException, OSError) as error:
            return Trouble(_why(error))
        if answer.response.flags & dns.flags.TC:
            return Trouble("the answer is truncated, by TCP too")
        if answer.rrset is None:
            return NoData(_ttl(answer.response))
        return Found(tuple(_READ[kind](record) for record in answer.rrset), _ttl(answer.response))


async def _make_backend(settings: Dns) -> Backend:
    from dns.asyncresolver import Resolver as Backend
    from dns.nameserver import Do53Nameserver

    backend = Backend(configure=not settings.servers)
    if settings.servers:
        backend.nameservers = [Do53Nameserver(*address) for address in await _addresses(settings.servers)]
    backend.lifetime = settings.timeout
    backend.timeout = min(_ONE_TRY, settings.timeout / 3)
    backend.use_edns(0, 0, _PAYLOAD)
    return backend


async def _addresses(servers: Sequence[str]) -> list[tuple[str, int]]:
    """The resolvers' IP addresses; one that is given by name is asked of the system."""
    found: list[tuple[str, int]] = []
    for server in servers:
        host, port = _split(server)
        try:
            found.append((str(ipaddress.ip_address(host)), port))
        except ValueError:
            loop = asyncio.get_running_loop()
            named = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            found += [(str(item[4][0]), port) for item in named]
    return found


def _split(server: str) -> tuple[str, int]:
    """``host``, ``host:port``, ``[v6]:port`` or a bare IPv6 address."""
    if server.startswith("["):
        host, _, port = server[1:].partition("]")
        return host, int(port[1:] or _PORT)
    if server.count(":") > 1:
        return server, _PORT
    host, _, port = server.partition(":")
    return host, int(port or _PORT)


def _ttl(response: Any) -> float:
    """The time to live of an answer, or that of its SOA for a negative one (RFC 2308 §5)."""
    import dns.exception
    import dns.ttl

    try:
        ttl = float(response.resolve_chaining().minimum_ttl)
    except dns.exception.DNSException:
        return _NO_TTL
    return ttl if ttl < dns.ttl.MAX_TTL else _NO_TTL


def _why(error: Exception) -> str:
    """The cause in a few words; the servers' own, if each said one."""
    said = [str(item[3]) or type(item[3]).__name__ for item in getattr(error, "kwargs", {}).get("errors", ())]
    return ", ".join(dict.fromkeys(said)) or str(error) or type(error).__name__
