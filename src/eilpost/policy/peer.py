"""Who is this client, and may it connect and go on? (decisions)

Limits are counted by IPv4 address and by IPv6 /64, the smallest network a customer gets (F135).
Addresses are compared in canonical form: ``::ffff:192.0.2.1`` is ``192.0.2.1`` (F071).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import replace
from enum import Enum
from typing import Final

from eilpost.config.schema import Limits, Role
from eilpost.mail.reply import Reply
from eilpost.policy import verdicts
from eilpost.policy.facts import Client

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

CROWDED: Final = 0.8
"""From this part of all connections on, clients are given less time."""

HURRY: Final = 0.1
"""Which part of its time a client keeps when it is crowded."""


RESERVED_FILES: Final = 4096
"""Descriptors for big content, delivery, the store and logs, whatever comes in (F122)."""


def fitting(limits: Limits, files: int) -> Limits:
    """The limits with no more connections than so many open files can serve; of few, three quarters are kept back."""
    room = files - min(RESERVED_FILES, 3 * files // 4)
    return limits if limits.connections <= room else replace(limits, connections=max(1, room))


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """``relay.networks`` as networks; ValueError names the one that is none."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def identify(role: Role, address: str, networks: tuple[Network, ...]) -> Client:
    """The client behind a TCP connection."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    key = str(ip) if ip.version == 4 else str(ipaddress.ip_network((ip, 64), strict=False))
    trusted = any(ip.version == network.version and ip in network for network in networks)
    return Client(role, str(ip), key, trusted)


def after_pop(client: Client, account: str) -> Client:
    """The client whose address a POP3 login has opened relaying for: it sends as that account, and no other."""
    if not account or client.trusted or client.role is Role.LMTP:
        return client
    return replace(client, account=account, logged_in=True)


def identify_local(role: Role, account: str) -> Client:
    """The client behind a Unix socket: whoever the file's mode let in, named by ``account``."""
    return Client(role, "", "unix", True, account)


def admit(client: Client, limits: Limits, *, in_all: int, of_client: int) -> Reply | None:
    """The refusal of a new connection; the counts include it (F121, F122)."""
    if in_all > limits.connections:
        return verdicts.BUSY
    if not client.trusted and of_client > limits.connections_per_client:
        return verdicts.TOO_MANY_CONNECTIONS
    return None


def patience(limits: Limits, *, in_all: int) -> float:
    """Seconds a client has for a command: RFC 5321 §4.5.3.2.7, and less when it is crowded (F123)."""
    if in_all < CROWDED * limits.connections:
        return limits.command_deadline
    return limits.command_deadline * HURRY


class Conduct(Enum):
    """How a session goes on after a refused or useless command."""

    GO_ON = "go on"
    SLOWLY = "slowly"
    TOO_MANY_ERRORS = "too many errors"
    TOO_MUCH_JUNK = "too much junk"


def conduct(limits: Limits, *, errors: int, junk: int) -> Conduct:
    """Errors are slowed down, then ended (F047, F112); commands without effect are ended (F048)."""
    if errors > limits.errors:
        return Conduct.TOO_MANY_ERRORS
    if junk > limits.junk_commands:
        return Conduct.TOO_MUCH_JUNK
    if errors > limits.error_delay_after:
        return Conduct.SLOWLY
    return Conduct.GO_ON
