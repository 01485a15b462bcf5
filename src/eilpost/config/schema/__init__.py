"""Every setting: type, default, unit and one sentence (a table; words).

A section is a frozen dataclass, a setting one field made by ``setting``; sections that belong together
stand in one module. This is the whole file, and where everybody finds them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from eilpost.config.schema.house import LOG_LEVELS, Aliases, Domain, Limits, Listen, Log, LogFormat, Role, Server, Spool
from eilpost.config.schema.outward import Delivery, Dns, Queue, Relay
from eilpost.config.schema.rows import DAY, HOUR, KB, MB, MINUTE, Duration, Kind, Size, setting
from eilpost.config.schema.users import (
    CHAIN_NAME,
    DIRECTORY_KINDS,
    KEY_NAME,
    SASL_MECHANISMS,
    Auth,
    Directory,
    Oauth,
    Pop3,
    Sender,
    SmtpAfterPop,
    Tls,
)

__all__ = [
    "CHAIN_NAME",
    "DAY",
    "DIRECTORY_KINDS",
    "HOUR",
    "KB",
    "KEY_NAME",
    "LOG_LEVELS",
    "MB",
    "MINUTE",
    "SASL_MECHANISMS",
    "Aliases",
    "Auth",
    "Config",
    "Delivery",
    "Directory",
    "Dns",
    "Domain",
    "Duration",
    "Kind",
    "Limits",
    "Listen",
    "Log",
    "LogFormat",
    "Oauth",
    "Pop3",
    "Queue",
    "Relay",
    "Role",
    "Sender",
    "Server",
    "Size",
    "SmtpAfterPop",
    "Spool",
    "Tls",
    "setting",
]


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file."""

    server: Server
    listen: tuple[Listen, ...] = ()
    domain: tuple[Domain, ...] = ()
    relay: Relay = field(default_factory=Relay)
    dns: Dns = field(default_factory=Dns)
    queue: Queue = field(default_factory=Queue)
    limits: Limits = field(default_factory=Limits)
    aliases: Aliases = field(default_factory=Aliases)
    delivery: Delivery = field(default_factory=Delivery)
    spool: Spool = field(default_factory=Spool)
    log: Log = field(default_factory=Log)
    tls: Tls = field(default_factory=Tls)
    pop3: Pop3 = field(default_factory=Pop3)
    smtp_after_pop: SmtpAfterPop = field(default_factory=SmtpAfterPop)
    auth: Auth = field(default_factory=Auth)
    directory: Directory = field(default_factory=Directory)
    oauth: Oauth = field(default_factory=Oauth)
    sender: tuple[Sender, ...] = ()
