"""Who gets what is sent to an address that is at home here (decisions).

Aliases, sub-addresses, catch-all and postmaster are resolved when a recipient is accepted
(docs/decisions/0003). The result is a set: an alias that is met again adds nothing, so a loop does
no harm as long as it leads to somebody. ``a: a, b`` means the account ``a`` and ``b``.

An alias that cannot be resolved is our own fault and not the sender's: it is deferred, so that no
mail is returned while the operator mends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from typing import ClassVar, Final

from eilpost.config.schema import Aliases, Domain
from eilpost.mail.address import Address, parse_address
from eilpost.mail.envelope import RcptParameters, Recipient
from eilpost.mail.status import Status, status
from eilpost.mail.value import value

_MAILDIR: Final = "maildir"


@value(frozen=True, slots=True)
class Known:
    """What the directory knows of one address: an account as it is spelt, an alias's members, or both."""

    account: Address | None = None
    members: tuple[Address, ...] = ()


Lookup = Callable[[Address], Known | None]
"""Asks for exactly this address; whether case matters is for the directory to say."""


@value(frozen=True, slots=True)
class Homes:
    """The settings that expansion needs; ``postmaster`` gets mail for every domain's without one."""

    domains: Mapping[str, Domain]
    aliases: Aliases = field(default_factory=Aliases)
    postmaster: Address | None = None


def homes(domains: Iterable[Domain], aliases: Aliases, postmaster: str = "") -> Homes:
    """The table that the settings spell; the first domain is that of the bare ``postmaster``."""
    rows = {domain.name.lower(): domain for domain in domains}
    return Homes(rows, aliases, parse_address(postmaster) if postmaster else None)


@value(frozen=True, slots=True)
class Expanded:
    """The recipients to deliver to, here or elsewhere; each address once, in the order found."""

    recipients: tuple[Recipient, ...]


@value(frozen=True, slots=True)
class Elsewhere:
    """The domain is not at home here: whether to relay is for policy to say."""

    address: Address


@value(frozen=True, slots=True)
class Unknown:
    """The domain is ours and has nobody of this name."""

    status: ClassVar[Status] = status("5.1.1")
    text: ClassVar[str] = "No such mailbox here"
    address: Address


@value(frozen=True, slots=True)
class Loop:
    """The alias leads to nobody but itself."""

    status: ClassVar[Status] = status("4.3.5")
    text: ClassVar[str] = "The alias leads back to itself"
    address: Address


@value(frozen=True, slots=True)
class TooDeep:
    """Aliases lead to aliases more often than ``aliases.depth`` allows; ``address`` is the last one."""

    status: ClassVar[Status] = status("4.3.5")
    text: ClassVar[str] = "The alias leads through too many others"
    address: Address


@value(frozen=True, slots=True)
class TooMany:
    """An alias leads to more addresses than ``aliases.members`` allows."""

    status: ClassVar[Status] = status("4.3.5")
    text: ClassVar[str] = "The alias leads to too many addresses"
    address: Address


Expansion = Expanded | Elsewhere | Unknown | Loop | TooDeep | TooMany


@value(frozen=True, slots=True)
class _Final:
    """Nothing more to resolve: an account, an address elsewhere, or a name nobody has."""

    address: Address
    known: bool = True


@value(frozen=True, slots=True)
class _Members:
    """An alias, or a rule that works like one."""

    addresses: tuple[Address, ...]


def expand(address: Address, parameters: RcptParameters, table: Homes, lookup: Lookup) -> Expansion:
    """Who gets what is sent to ``address``, with the wishes that came with it."""
    if not address.domain and not table.domains and table.postmaster is not None:
        return Expanded((Recipient(table.postmaster, parameters, given=address),))
    given = _with_domain(address, table)
    if given.domain not in table.domains:
        return Elsewhere(given)
    finals = _resolve(given, table, lookup)
    if not isinstance(finals, list):
        return finals
    if not finals:
        return Loop(address)
    if not any(final.known for final in finals):
        return Unknown(address)
    passed_on = _inherited(address, parameters)
    return Expanded(
        tuple(
            Recipient(address, parameters)
            if final.address == address
            else Recipient(final.address, passed_on, given=address)
            for final in finals
        )
    )


def distinct(recipients: Iterable[Recipient]) -> tuple[Recipient, ...]:
    """The recipients of a whole transaction, each address once; the first one's wishes hold (F083)."""
    found: dict[Address, Recipient] = {}
    for recipient in recipients:
        found.setdefault(recipient.address, recipient)
    return tuple(found.values())


def _with_domain(address: Address, table: Homes) -> Address:
    """RFC 5321 §4.5.1: ``<postmaster>`` without a domain is always taken."""
    if address.domain:
        return address
    return Address(address.local_part, next(iter(table.domains), ""))


def _inherited(address: Address, parameters: RcptParameters) -> RcptParameters:
    """What each target keeps of the recipient it came from: its wishes and its name (RFC 3461 §5.2.7)."""
    if parameters.orcpt is not None or not address.domain:
        return parameters
    kind = "rfc822" if address.is_ascii else "utf-8"  # RFC 6533 §3
    return replace(parameters, orcpt=f"{kind};{address}")


def _resolve(start: Address, table: Homes, lookup: Lookup) -> list[_Final] | TooDeep | TooMany:
    """Depth first, so that the order is the one a person reads in the aliases."""
    limits = table.aliases
    finals: dict[Address, _Final] = {}
    seen: set[Address] = set()
    waiting: list[tuple[Address, Address, int]] = [(start, start, 0)]
    while waiting:
        address, parent, depth = waiting.pop()
        found = _account_of(address, table, lookup) if depth and address == parent else _step(address, table, lookup)
        if isinstance(found, _Final):
            finals.setdefault(found.address, found)
            continue
        if address in seen:
            continue
        seen.add(address)
        if depth >= limits.depth:
            return TooDeep(address)
        if len(found.addresses) + len(finals) + len(waiting) > limits.members:
            return TooMany(address)
        waiting.extend((member, address, depth + 1) for member in reversed(found.addresses))
    return list(finals.values())


def _account_of(address: Address, table: Homes, lookup: Lookup) -> _Final | _Members:
    """An alias that names itself means the account of that name, if there is one."""
    domain, known = table.domains[address.domain], lookup(address)
    if known is not None and known.account is not None:
        return _Final(_spelt(address, known.account, domain))
    return _Members(()) if domain.verify else _Final(address)


def _step(address: Address, table: Homes, lookup: Lookup) -> _Final | _Members:
    """One address, one step further: to its end, or to those it stands for."""
    domain = table.domains.get(address.domain)
    if domain is None:
        return _Final(address)
    for name in _names(address, table.aliases.delimiter):
        known = lookup(name)
        if known is not None and known.members:
            return _Members(known.members)
        if known is not None and known.account is not None:
            return _Final(_spelt(address, known.account, domain))
    if address.is_postmaster:
        return _postmaster(address, table)
    if not domain.verify:
        return _Final(address)
    if domain.catch_all and (catcher := parse_address(domain.catch_all)) != address:
        return _Members((catcher,))
    return _Final(address, known=False)


def _names(address: Address, delimiter: str) -> tuple[Address, ...]:
    """The whole address first, then the account before the delimiter: ``anna+news``, ``anna``."""
    base, found, _ = address.local_part.partition(delimiter) if delimiter else ("", "", "")
    return (address, Address(base, address.domain)) if found and base else (address,)


def _spelt(address: Address, account: Address, domain: Domain) -> Address:
    """A Maildir belongs to the account; an LMTP server wants to see the sub-address."""
    return account if domain.deliver == _MAILDIR else address


def _postmaster(address: Address, table: Homes) -> _Final | _Members:
    """RFC 5321 §4.5.1: every domain has a postmaster, whether or not anybody made it."""
    if table.postmaster is not None and table.postmaster != address:
        return _Members((table.postmaster,))
    return _Final(Address("postmaster", address.domain))
