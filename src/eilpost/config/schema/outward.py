"""The settings of mail that goes out: by which way, when, and how encrypted (a table; words)."""

from __future__ import annotations

from dataclasses import dataclass

from eilpost.config.schema.rows import DAY, HOUR, MINUTE, Duration, Kind, setting
from eilpost.config.schema.users import SASL_MECHANISMS
from eilpost.mail.encryption import Encryption


@dataclass(frozen=True, slots=True)
class Relay:
    """Who may send through us to others, and how it goes on."""

    networks: tuple[str, ...] = setting(
        "Clients that may relay without logging in, and are trusted in limits.",
        (),
        example='["192.0.2.0/24"]',
        kind=Kind.NETWORK,
    )
    smarthost: str = setting(
        "Where all mail for others goes: smtps://host, encrypted from the first octet and verified; smtp://host:port, "
        "encrypted where it can be, with ?tls=verify, required or off as that says; unset: by MX.",
        "",
        example='"smtp://relay.example.org:587?tls=verify"',
        kind=Kind.SMARTHOST,
    )
    user: str = setting("As whom to log in at the smarthost; empty: without a login.", "", example='"anna@example.org"')
    password_file: str = setting(
        "The file with the password for it, in its first line; read for each session, and readable by nobody else.",
        "",
        example='"smarthost.password"',
        kind=Kind.PATH,
    )
    token_file: str = setting(
        "The file with an OAuth token instead, which somebody else keeps fresh.", "", kind=Kind.PATH
    )
    auth: str = setting(
        "How to log in there: auto, the best that both have, or a mechanism.",
        "auto",
        choices=("auto", *SASL_MECHANISMS),
    )
    plain_on_loopback: bool = setting("Whether a smarthost on this machine is shown the password without TLS.", False)


@dataclass(frozen=True, slots=True)
class Dns:
    """How names are looked up."""

    servers: tuple[str, ...] = setting(
        "Resolvers as host or host:port; unset: the system's.", (), example='["127.0.0.1:53"]', kind=Kind.RESOLVER
    )
    timeout: Duration = setting("How long one look-up may take in all.", Duration(15.0), unit="duration", least=0.1)
    cache: int = setting("How many answers are remembered for their time to live.", 10_000)


@dataclass(frozen=True, slots=True)
class Queue:
    """When is mail tried again, and when is it given up?"""

    retry: tuple[Duration, ...] = setting(
        "The waits between attempts; the last one repeats.",
        tuple(Duration(m * MINUTE) for m in (5, 15, 30, 60, 120, 240)),
        unit="duration",
        least=0.1,
    )
    expire: Duration = setting(
        "After this long a message is returned to its sender.", Duration(5 * DAY), unit="duration"
    )
    delay_warning: Duration = setting(
        "After this long the sender is told once that mail waits; 0 never.", Duration(4 * HOUR), unit="duration"
    )
    jitter: float = setting("By how much of itself a wait may be longer, so that retries spread.", 0.1, most=1)
    destination_concurrency: int = setting("The most attempts at once to one destination.", 20, least=1)
    concurrency: int = setting("The most attempts at once to all destinations.", 500, least=1)


@dataclass(frozen=True, slots=True)
class Delivery:
    """How mail goes out."""

    connect_timeout: Duration = setting("How long a connection may take to open.", Duration(30.0), unit="duration")
    greeting_timeout: Duration = setting(
        "How long a peer may take to greet, and to answer each command.", Duration(5 * MINUTE), unit="duration"
    )
    data_timeout: Duration = setting("How long a peer may take to answer DATA.", Duration(2 * MINUTE), unit="duration")
    block_timeout: Duration = setting(
        "How long a block of content may take to be taken.", Duration(3 * MINUTE), unit="duration"
    )
    end_timeout: Duration = setting(
        "How long a peer may take to answer the end of the content; a shorter wait makes duplicates.",
        Duration(10 * MINUTE),
        unit="duration",
    )
    attempt_deadline: Duration = setting(
        "How long one attempt may take in all.", Duration(30 * MINUTE), unit="duration"
    )
    messages_per_connection: int = setting("Messages sent over one connection before it is renewed.", 1000, least=1)
    idle: Duration = setting("How long a connection without work is kept.", Duration(5.0), unit="duration")
    recipients_per_transaction: int = setting("The most recipients in one transaction.", 100, least=1)
    port: int = setting("The port of other mail servers; another one is for tests.", 25, least=1, most=65_535)
    private_addresses: bool = setting("Whether mail by MX may go to loopback and private addresses.", False)
    prefer_ipv6: bool = setting("Whether IPv6 addresses are tried before IPv4.", True)
    tls: str = setting(
        "How mail by MX is encrypted: off; opportunistic where the server can, unverified, else in clear; required, "
        "unverified; verify.",
        "opportunistic",
        choices=tuple(level.value for level in Encryption),
    )
    tls_timeout: Duration = setting("How long a server may take for a handshake.", Duration(30.0), unit="duration")
    authorities: str = setting(
        "The authorities that servers are verified against, PEM; empty: the system's.", "", kind=Kind.PATH
    )
