"""The settings of the house: who it is, where it listens, what it may use and what it keeps (a table; words)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from eilpost.config.schema.rows import DAY, HOUR, KB, MB, MINUTE, Duration, Kind, Size, setting

LOG_LEVELS: Final = ("error", "warning", "info", "debug")


class Role(Enum):
    """What a listener is for."""

    __hash__ = object.__hash__  # as good for singletons, and what Enum has is Python, for each look-up

    MX = "mx"
    SUBMISSION = "submission"
    SUBMISSIONS = "submissions"
    LMTP = "lmtp"
    POP3 = "pop3"
    POP3S = "pop3s"

    @property
    def is_pop3(self) -> bool:
        """Mail is fetched there, and none comes in."""
        return self is Role.POP3 or self is Role.POP3S


class LogFormat(Enum):
    """How a journal event becomes a line."""

    KEY_VALUE = "key-value"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Server:
    """Who this server is."""

    hostname: str = setting(
        "The name it greets with and writes into Received; it should have an address in DNS.",
        example='"mx.example.org"',
        kind=Kind.DOMAIN,
    )
    data: str = setting(
        "The directory that holds spool, accounts and mail; on a local file system.", "var", kind=Kind.PATH
    )
    user: str = setting(
        "The user it becomes after binding its ports when started as root; empty stays what it is.", "eilpost"
    )
    postmaster: str = setting(
        "The address that gets mail for postmaster where a domain names nobody; "
        "empty delivers to the account postmaster of the domain.",
        "",
        kind=Kind.ADDRESS,
    )
    reverse_dns: bool = setting("Whether a client's address is looked up for the Received field.", False)


@dataclass(frozen=True, slots=True)
class Listen:
    """One address that mail comes in by; repeat the section for more."""

    role: Role = setting(
        "What comes in here: mx from the Internet, submission from users, submissions the same with TLS from the "
        "first octet, lmtp from a local MTA; pop3 and pop3s are where users fetch theirs.",
        example='"mx"',
    )
    address: str = setting("host:port, [v6]:port or unix:/path.", example='"0.0.0.0:25"', kind=Kind.LISTENER)


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain whose mail is at home here; repeat the section for more."""

    name: str = setting("The domain, as it stands right of the @.", example='"example.org"', kind=Kind.DOMAIN)
    deliver: str = setting(
        "maildir, or the server that has the mailboxes: lmtp://host:port, lmtp+unix:/path or smtp://host:port.",
        "maildir",
        kind=Kind.DELIVERY,
    )
    catch_all: str = setting(
        "The address that gets mail for names nobody has; empty refuses it.", "", kind=Kind.ADDRESS
    )
    verify: bool = setting(
        "Whether unknown names are refused at RCPT; a domain whose accounts another server has needs false.", True
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """What one message, one session and one client may use."""

    message_size: Size = setting("The biggest message.", Size(25 * MB), unit="size", least=1)
    recipients: int = setting("The most recipients of one transaction; RFC 5321 wants at least 100.", 100, least=1)
    header_size: Size = setting("The biggest header of a message.", Size(256 * KB), unit="size", least=1000)
    hops: int = setting(
        "The most Received fields before mail counts as looping; RFC 5321 §6.3 wants at least 100.", 100, least=1
    )
    line: Size = setting("The longest command line.", Size(4096), unit="size", least=512)
    junk_commands: int = setting("Commands without effect in a session before 421.", 100, least=1)
    errors: int = setting("Refused commands in a session before 421.", 20, least=1)
    error_delay_after: int = setting("Refused commands before each further one is answered slowly.", 10)
    error_delay: Duration = setting("How slowly.", Duration(1.0), unit="duration")
    messages_per_session: int = setting("Messages on one connection before 421.", 1000, least=1)
    connections: int = setting("Connections at once, in all.", 15_000, least=1)
    connections_per_client: int = setting("Connections at once from one IPv4 address or one IPv6 /64.", 50, least=1)
    messages_per_minute: int = setting("Messages that one client may begin in a minute; 0: no limit.", 600)
    command_deadline: Duration = setting(
        "How long a client may take to send a whole command (RFC 5321 §4.5.3.2.7).",
        Duration(5 * MINUTE),
        unit="duration",
    )
    content_rate: Size = setting(
        "The octets a second below which content is given up, after a minute.", Size(100), unit="size", least=1
    )
    session_deadline: Duration = setting("How long one session may last.", Duration(2 * HOUR), unit="duration")
    hold: Duration = setting(
        "How long users may have their mail held before it is sent (FUTURERELEASE); 0 does not offer it.",
        Duration(7 * DAY),
        unit="duration",
    )
    memory: Size = setting(
        "Content held in memory at once, in all sessions; beyond it: 452.", Size(256 * MB), unit="size"
    )


@dataclass(frozen=True, slots=True)
class Aliases:
    """Addresses that stand for others."""

    file: str = setting(
        "A file of aliases in sendmail's form; besides it there is `eilpost alias`.", "", kind=Kind.PATH
    )
    depth: int = setting("How deep aliases may lead to aliases.", 10, least=1)
    members: int = setting("The most addresses one alias may lead to.", 1000, least=1)
    delimiter: str = setting(
        "What splits a sub-address from its account, as in anna+news; empty: nothing.", "+", kind=Kind.DELIMITER
    )


@dataclass(frozen=True, slots=True)
class Spool:
    """Where mail lies between acceptance and its fate."""

    inline: Size = setting(
        "Content up to this size lies in the database, above it in a file.", Size(256 * KB), unit="size"
    )
    reserve: Size = setting(
        "Free space to keep on the disk; with less, mail is refused with 452.", Size(16 * MB), unit="size"
    )


@dataclass(frozen=True, slots=True)
class Log:
    """What is written to standard error."""

    level: str = setting("error, warning, info or debug.", "info", choices=LOG_LEVELS)
    format: LogFormat = setting("key-value or json.", LogFormat.KEY_VALUE)
