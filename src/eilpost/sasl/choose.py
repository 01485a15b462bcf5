"""Which mechanism a client takes (decisions)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from eilpost.mail.value import value
from eilpost.sasl.mechanisms import MECHANISMS, Mechanism, Wants
from eilpost.sasl.words import BindingKind, ChannelBinding, Credentials

AUTO: Final = "auto"
COMMON: Final[frozenset[BindingKind]] = frozenset({"tls-exporter", "tls-unique"})


@value(frozen=True, slots=True)
class NoMechanism:
    """Why none can be taken, as a clause."""

    reason: str


def choose(
    offered: Iterable[str],
    credentials: Credentials,
    *,
    wanted: str = AUTO,
    private: bool,
    bindings: Iterable[ChannelBinding] = (),
    certificate: bool = False,
) -> Mechanism | NoMechanism:
    """The first of our table that the server offers and that these credentials fit.

    ``private``: nobody can listen, for there is TLS, or a person allowed plain text to a loopback
    address. ``wanted`` names one mechanism, and then it is that one or none. A -PLUS mechanism is
    taken by itself only where the binding is one that servers know: few know more than the
    connection's own ones, no server says which (RFC 5802 §6), and a wrong guess is a failed login.
    """
    kinds = frozenset(each.kind for each in bindings)
    names = {name.upper() for name in offered}
    if wanted.upper() != AUTO.upper():
        return _named(wanted.upper(), names, credentials, private, bool(kinds), certificate)
    if not names:
        return NoMechanism("the server offers no login")
    usable = [
        row
        for row in MECHANISMS.values()
        if row.name in names and _fits(row, credentials, bool(kinds & COMMON), certificate)
    ]
    for row in usable:
        if private or not row.plain_text:
            return row
    if usable:
        return NoMechanism(f"without verified TLS the server offers only logins that show the secret ({_join(usable)})")
    return NoMechanism(f"none of the logins that the server offers fits ({', '.join(sorted(names))})")


def _named(
    wanted: str, names: set[str], credentials: Credentials, private: bool, bindings: bool, certificate: bool
) -> Mechanism | NoMechanism:
    """A person asked for this one: say what is in its way."""
    row = MECHANISMS.get(wanted)
    if row is None:
        return NoMechanism(f"{wanted} is no login that we know ({', '.join(MECHANISMS)})")
    if wanted not in names:
        offered = ", ".join(sorted(names)) or "none"
        return NoMechanism(f"the server does not offer {wanted} (it offers {offered})")
    if row.binding and not bindings:
        return NoMechanism(f"{wanted} needs TLS")
    if not _fits(row, credentials, bindings, certificate):
        return NoMechanism(f"{wanted} needs {row.wants.value}")
    if row.plain_text and not private:
        return NoMechanism(f"{wanted} would show the secret to others than the server: there is no verified TLS")
    return row


def _fits(row: Mechanism, credentials: Credentials, bindings: bool, certificate: bool) -> bool:
    """Whether we have what it needs."""
    match row.wants:
        case Wants.PASSWORD:
            return credentials.password is not None and (bindings or not row.binding)
        case Wants.TOKEN:
            return credentials.token is not None
        case Wants.CERTIFICATE:
            return certificate


def _join(rows: Iterable[Mechanism]) -> str:
    return ", ".join(row.name for row in rows)
