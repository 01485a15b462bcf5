"""Which hosts take a domain's mail, in which order: RFC 5321 §5.1 (decisions).

Two steps, because addresses are looked up between them: ``exchanges`` orders the names that the MX
records give, ``hosts`` turns their addresses into the list that an attempt goes through.

What DNS is certain about is final: there is no such domain (5.1.2), it takes no mail (5.1.10), none of
its hosts has an address that mail may go to (5.4.4; RFC 3463 §3.5 names the lookup without records as
the example of "unable to route", and RFC 5321 §5.1 wants it reported), the best of them is ourselves (5.4.6).
What DNS could not say is deferred, 4.4.3, and never fails a message (F140).

The rules where the standard leaves a choice (F139): an exchange that is an IP address is no host
name and is passed over; one that is an alias (CNAME) is followed, since refusing it helps nobody.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain, zip_longest
from typing import Final

from eilpost.mail.answer import Answer, Found, Mx, NoData, NoSuchDomain, Trouble
from eilpost.mail.next_hop import Host, Unroutable
from eilpost.mail.status import status
from eilpost.mail.value import value

MAX_EXCHANGES: Final = 10
"""Hosts that are looked up for one attempt."""

MAX_ADDRESSES: Final = 6
"""Addresses of one host that one attempt goes to."""

MAX_HOSTS: Final = 20
"""Addresses in all that one attempt goes to; RFC 5321 §5.1 wants at least two."""

_IP = ipaddress.IPv4Address | ipaddress.IPv6Address

_PRIVATE: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
        "::/128", "::1/128", "64:ff9b:1::/48", "100::/64", "2001::/32", "fc00::/7", "fe80::/10", "fec0::/10",
        "ff00::/8",
    )
)  # fmt: skip
"""Where mail for a public domain never goes: this host, private and shared space, link-local, multicast
and reserved space, local NAT64, discard-only, Teredo (RFC 6890)."""

_EMBEDDED: Final = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped
    (ipaddress.IPv6Network("::/96"), 0),  # IPv4-compatible
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4
)
"""IPv6 networks that hold an IPv4 address, and how many bits stand right of it."""


@value(frozen=True, slots=True)
class Self:
    """Who we are: what must not be found in a list of hosts. Names in lower case."""

    names: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()


NOBODY: Final = Self()


@value(frozen=True, slots=True)
class Exchange:
    """A host whose addresses are wanted."""

    preference: int
    name: str


@value(frozen=True, slots=True)
class Addresses:
    """What DNS says about one exchange."""

    exchange: Exchange
    ipv4: Answer[str]
    ipv6: Answer[str]


def exchanges(
    domain: str, answer: Answer[Mx], draw: Callable[[], float], ourselves: Self = NOBODY
) -> tuple[Exchange, ...] | Unroutable:
    """The names to look up, best first; ``draw`` gives a random number for each record.

    Hosts of one preference come in random order, so that their load spreads (RFC 5321 §5.1).
    """
    match answer:
        case NoSuchDomain():
            return Unroutable(status("5.1.2"), f"The domain {domain} does not exist")
        case Trouble(why):
            return Unroutable(status("4.4.3"), f"The MX records of {domain} cannot be looked up: {why}")
        case NoData():
            return (Exchange(0, domain),)  # the implicit MX, RFC 5321 §5.1
        case Found(records):
            return _ranked(domain, records, draw, ourselves)


def _ranked(
    domain: str, records: Sequence[Mx], draw: Callable[[], float], ourselves: Self
) -> tuple[Exchange, ...] | Unroutable:
    if all(not record.exchange for record in records):
        return Unroutable(status("5.1.10"), f"The domain {domain} takes no mail")  # RFC 7505 §4.1
    named = [record for record in records if record.exchange and not _is_address(record.exchange)]
    if not named:
        return Unroutable(status("5.4.4"), f"The MX records of {domain} name no host")
    limit = min((record.preference for record in named if record.exchange in ourselves.names), default=None)
    useful = named if limit is None else [record for record in named if record.preference < limit]
    if not useful:
        return _loop(domain)
    best: dict[str, Exchange] = {}
    for preference, _, name in sorted((record.preference, draw(), record.exchange) for record in useful):
        best.setdefault(name, Exchange(preference, name))
    return tuple(best.values())[:MAX_EXCHANGES]


def hosts(
    domain: str,
    found: Sequence[Addresses],
    port: int,
    *,
    ourselves: Self = NOBODY,
    private: bool = False,
    prefer_ipv6: bool = True,
) -> tuple[Host, ...] | Unroutable:
    """The addresses to connect to, in order; ``private`` lifts the rule for private addresses.

    The answers of one look-up are checked and used: nobody asks again between the check and the connection (F137).
    """
    usable = _without_ourselves(found, ourselves)
    if not usable and found:
        return _loop(domain)
    everything = [(item, text) for item in usable for text in _interleaved(item, prefer_ipv6)]
    chosen = tuple(Host(item.exchange.name, text, port) for item, text in everything if private or not is_private(text))
    if chosen:
        return chosen[:MAX_HOSTS]
    trouble = next((answer.why for item in usable for answer in _answers(item) if isinstance(answer, Trouble)), None)
    if trouble is not None:
        return Unroutable(status("4.4.3"), f"The hosts of {domain} cannot be looked up: {trouble}")
    if everything:
        return Unroutable(
            status("5.4.4"), f"The hosts of {domain} have only private addresses, such as {everything[0][1]}"
        )
    return Unroutable(status("5.4.4"), f"The domain {domain} has no host with an address")


def literal_host(domain: str, port: int, *, ourselves: Self = NOBODY, private: bool = False) -> Host | Unroutable:
    """The host that an address literal names, ``[192.0.2.1]`` or ``[IPv6:2001:db8::1]``."""
    text = domain[1:-1].removeprefix("IPv6:")
    if text in ourselves.addresses:
        return _loop(domain)
    if not private and is_private(text):
        return Unroutable(status("5.4.4"), f"{domain} is a private address")
    return Host(domain, text, port)


def given_hosts(host: str, port: int, ipv4: Answer[str], ipv6: Answer[str], prefer_ipv6: bool) -> tuple[Host, ...]:
    """The addresses of a host that the operator named: no rule of the public Internet holds for it."""
    item = Addresses(Exchange(0, host), ipv4, ipv6)
    return tuple(Host(host, text, port) for text in _interleaved(item, prefer_ipv6))


def is_private(text: str) -> bool:
    """Whether mail for a public domain must not go to this IP address, also when it hides in another one."""
    address = ipaddress.ip_address(text)
    if _listed(address, _PRIVATE):
        return True
    if isinstance(address, ipaddress.IPv4Address):
        return False
    inner = next((_inner(address, shift) for network, shift in _EMBEDDED if address in network), None)
    return inner is not None and _listed(inner, _PRIVATE)


def _inner(address: ipaddress.IPv6Address, shift: int) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int(address) >> shift & 0xFFFFFFFF)


def _listed(address: _IP, networks: Collection[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _loop(domain: str) -> Unroutable:
    return Unroutable(status("5.4.6"), f"The best host of {domain} is this one, and mail for it is not at home here")


def _without_ourselves(found: Sequence[Addresses], ourselves: Self) -> tuple[Addresses, ...]:
    """RFC 5321 §5.1: we and all that are not better than we are left out."""
    ours = [item.exchange.preference for item in found if not ourselves.addresses.isdisjoint(_texts(item))]
    if not ours:
        return tuple(found)
    return tuple(item for item in found if item.exchange.preference < min(ours))


def _answers(item: Addresses) -> tuple[Answer[str], Answer[str]]:
    return item.ipv4, item.ipv6


def _texts(item: Addresses) -> tuple[str, ...]:
    return tuple(text for answer in _answers(item) if isinstance(answer, Found) for text in answer.records)


def _interleaved(item: Addresses, prefer_ipv6: bool) -> tuple[str, ...]:
    """Both families in turn, so that one that does not work here costs one attempt and not all."""
    families: Mapping[bool, Sequence[str]] = {
        version: answer.records if isinstance(answer, Found) else ()
        for version, answer in ((False, item.ipv4), (True, item.ipv6))
    }
    pairs = zip_longest(families[prefer_ipv6], families[not prefer_ipv6])
    return tuple(text for text in chain.from_iterable(pairs) if text is not None)[:MAX_ADDRESSES]
