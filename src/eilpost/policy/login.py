"""May this client log in, how, and what is a failure answered? (a table; decisions)"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Final

from eilpost.config.schema import Auth, Role
from eilpost.mail.reply import Reply, reply
from eilpost.policy.facts import Client
from eilpost.sasl.mechanisms import MECHANISMS, Wants, offer
from eilpost.sasl.words import Reason

LOGGED_IN: Final = reply(235, "2.7.0", "Logged in")
NEEDS_TLS: Final = reply(538, "5.7.11", "That login needs encryption: STARTTLS first")  # RFC 4954 §6
NO_SUCH_MECHANISM: Final = reply(504, "5.5.4", "That login is not offered here")
TOO_MANY_FAILURES: Final = reply(421, "4.7.0", "Too many failed logins")

FAILURES: Final[Mapping[Reason, Reply]] = {
    # One text whatever is wrong with them (F110).
    Reason.CREDENTIALS: reply(535, "5.7.8", "Wrong user name or password"),
    Reason.BINDING: reply(535, "5.7.8", "Wrong user name or password"),
    Reason.IMPOSTOR: reply(535, "5.7.8", "Wrong user name or password"),
    Reason.MALFORMED: reply(501, "5.5.2", "That is no answer to this login"),
    Reason.CANCELLED: reply(501, "5.7.0", "Login cancelled"),  # RFC 4954 §4
    Reason.UNAVAILABLE: reply(454, "4.7.0", "Logins cannot be checked now, try again later"),
    Reason.THROTTLED: reply(421, "4.7.0", "Too many failed logins from there, try again later"),  # F107
    Reason.UNFIT: reply(504, "5.5.4", "That login cannot be used here"),
}


def takes_logins(role: Role, rules: Auth) -> bool:
    """Whether AUTH is a word here at all (F118)."""
    return role in (Role.SUBMISSION, Role.SUBMISSIONS) or (role is Role.MX and rules.on_mx)


def offered(client: Client, rules: Auth, *, secured: bool, certificate: bool, keys: bool = True) -> tuple[str, ...]:
    """What is announced to this client. ``keys``: the directory shows what it keeps."""
    if not takes_logins(client.role, rules):
        return ()
    enabled = [name for name in rules.mechanisms if keys or not _needs_keys(name)]
    return offer(
        enabled, secured=secured, plain_text=_nobody_listens(client, rules), bindings=secured, certificate=certificate
    )


def refusal(mechanism: str, announced: tuple[str, ...], rules: Auth) -> Reply | None:
    """Why this mechanism is not begun; None when it is."""
    if mechanism in announced:
        return None
    row = MECHANISMS.get(mechanism)
    if row is not None and mechanism in rules.mechanisms and row.plain_text:
        return NEEDS_TLS
    return NO_SUCH_MECHANISM


def _nobody_listens(client: Client, rules: Auth) -> bool:
    """A local socket, or loopback where the operator says so."""
    return not client.address or (rules.plain_on_loopback and ipaddress.ip_address(client.address).is_loopback)


def _needs_keys(name: str) -> bool:
    row = MECHANISMS[name]
    return row.wants is Wants.PASSWORD and not row.plain_text
