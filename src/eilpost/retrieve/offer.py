"""What a POP3 client is offered, and what a login that failed is answered (a table; decisions)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Final

from eilpost.config.schema import Auth, Pop3
from eilpost.policy.facts import Client
from eilpost.pop3 import replies
from eilpost.pop3.replies import Answer, err
from eilpost.pop3.server import ALL, ServerSettings
from eilpost.sasl.mechanisms import MECHANISMS, Wants, offer
from eilpost.sasl.words import Reason

LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "i-default": "Default language"}  # RFC 6856 §3.1

FAILURES: Final[Mapping[Reason, Answer]] = {
    # One text whatever is wrong with them (F110).
    Reason.CREDENTIALS: replies.FAILED,
    Reason.BINDING: replies.FAILED,
    Reason.IMPOSTOR: replies.FAILED,
    Reason.MALFORMED: err("That is no answer to this login"),
    Reason.CANCELLED: replies.CANCELLED,
    Reason.UNAVAILABLE: replies.UNAVAILABLE,
    Reason.THROTTLED: err("Too many failed logins from there, try again later", "SYS/TEMP"),
    Reason.UNFIT: replies.UNKNOWN_MECHANISM,
}


def settings(
    client: Client, auth: Auth, pop3: Pop3, *, line: int, secured: bool, certificate: bool, can_secure: bool,
    keys: bool = True,
) -> ServerSettings:  # fmt: skip
    """What the machine of a session is told, at its begin and once more after STLS.

    ``can_secure``: there is a certificate. ``keys``: the directory shows what it keeps, and does not only
    say yes or no; without it neither APOP nor SCRAM can work.
    """
    plain_text = secured or _nobody_listens(client, auth)
    enabled = [name for name in auth.mechanisms if keys or not _needs_keys(name)]
    mechanisms = offer(enabled, secured=secured, plain_text=plain_text, bindings=secured, certificate=certificate)
    offered = ALL - (set() if plain_text else {"USER"}) - (set() if can_secure and not secured else {"STLS"})
    return ServerSettings(
        offered=frozenset(offered),
        mechanisms=mechanisms,
        apop=pop3.apop and keys,
        login_delay=round(pop3.login_delay),
        line=line,
    )


def opens_relay(client: Client, *, enabled: bool, tls_only: bool, secured: bool) -> bool:
    """Whether a login lets its client's address relay (SMTP-after-POP). A local socket has none."""
    return enabled and bool(client.address) and (secured or not tls_only)


def _nobody_listens(client: Client, auth: Auth) -> bool:
    """A local socket, or loopback where the operator says so."""
    return not client.address or (auth.plain_on_loopback and ipaddress.ip_address(client.address).is_loopback)


def _needs_keys(name: str) -> bool:
    row = MECHANISMS[name]
    return row.wants is Wants.PASSWORD and not row.plain_text
