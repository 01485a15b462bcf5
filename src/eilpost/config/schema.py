"""Every setting: type, default, unit and one sentence (a table; words).

A section is a frozen dataclass, a setting one field made by ``setting``. The sentence is what
``eilpost config explain`` prints and the reference shows. Durations are seconds and sizes octets
here; the file spells them ``"90s"`` and ``"25MB"``.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field
from enum import Enum
from typing import Any, Final, NewType

from eilpost.mail.encryption import Encryption

Duration = NewType("Duration", float)
Size = NewType("Size", int)

MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 86400.0
KB: Final = 1000
MB: Final = 1000 * KB
LOG_LEVELS: Final = ("error", "warning", "info", "debug")


class Kind(Enum):
    """What a setting's text is, beyond its type; a grammar for each stands in ``config.values``."""

    TEXT = "text"
    PATH = "path"  # relative ones are relative to the file
    DOMAIN = "domain"
    ADDRESS = "address"
    LISTENER = "listener"  # host:port, [v6]:port, unix:/path
    NETWORK = "network"
    RESOLVER = "resolver"  # host or host:port
    DELIVERY = "delivery"  # maildir, or the URL of a server
    SMARTHOST = "smarthost"  # an SMTP URL
    DELIMITER = "delimiter"


def setting(
    sentence: str,
    default: Any = MISSING,
    *,
    unit: str = "",
    example: str = "",
    kind: Kind = Kind.TEXT,
    least: float = 0,
    most: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """One row of the table; without a default the setting is required.

    ``least`` and ``most`` bound a number, and each number of a list. ``choices`` closes a text.
    """
    metadata = {
        "sentence": sentence,
        "unit": unit,
        "example": example,
        "kind": kind,
        "least": least,
        "most": most,
        "choices": choices,
    }
    if isinstance(default, list | dict):
        raise TypeError("defaults are immutable: use a tuple")
    if default is MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


SASL_MECHANISMS: Final = (
    "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "OAUTHBEARER", "XOAUTH2", "EXTERNAL",
    "CRAM-MD5", "PLAIN", "LOGIN",
)  # fmt: skip
"""What may be offered; a test holds it against the table of ``sasl``."""


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


CHAIN_NAME: Final = "fullchain.pem"
KEY_NAME: Final = "privkey.pem"


@dataclass(frozen=True, slots=True)
class Tls:
    """Keys for encrypted connections; without them STARTTLS is not offered."""

    certificate: str = setting("The certificate chain, PEM.", "", kind=Kind.PATH)
    key: str = setting("The private key, PEM.", "", kind=Kind.PATH)
    directories: tuple[str, ...] = setting(
        "Further certificates, each shown to clients that ask for a name in it: directories that hold fullchain.pem "
        "and privkey.pem, as certbot makes them.",
        (),
        example='["/etc/letsencrypt/live/example.net"]',
        kind=Kind.PATH,
    )
    minimum: str = setting("The oldest version of TLS that is spoken: 1.2 or 1.3.", "1.2", choices=("1.2", "1.3"))
    handshake_deadline: Duration = setting(
        "How long a client may take for a handshake.", Duration(20.0), unit="duration", least=0.1
    )
    client_authorities: str = setting(
        "The authorities whose certificates users may show, PEM; empty: users are not asked for one.",
        "",
        kind=Kind.PATH,
    )

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The files of each certificate and its key, the first for names that no other has."""
        further = tuple((f"{place}/{CHAIN_NAME}", f"{place}/{KEY_NAME}") for place in self.directories)
        return ((self.certificate, self.key), *further) if self.certificate and self.key else further


DIRECTORY_KINDS: Final = ("store", "passwd", "sql", "dovecot")


@dataclass(frozen=True, slots=True)
class Pop3:
    """How mail is fetched from here."""

    idle: Duration = setting(
        "How long a session may do nothing before it ends; RFC 1939 wants at least 10 minutes.",
        Duration(10 * MINUTE),
        unit="duration",
        least=1,
    )
    login_delay: Duration = setting(
        "How long an account waits between two logins; 0: not at all.", Duration(0.0), unit="duration"
    )
    apop: bool = setting(
        "Whether APOP is offered; it rests on MD5, and needs accounts that keep their password in plain text.",
        False,
    )


@dataclass(frozen=True, slots=True)
class SmtpAfterPop:
    """Relaying without a login, for an address that has just fetched mail: the way of the 1990s."""

    enabled: bool = setting(
        "Whether a POP3 login opens relaying for its client's address; everybody behind that address is let in.", False
    )
    window: Duration = setting("For how long.", Duration(15 * MINUTE), unit="duration", least=1)
    tls_only: bool = setting("Whether only logins over TLS do.", True)


@dataclass(frozen=True, slots=True)
class Auth:
    """How users log in, and what that allows."""

    mechanisms: tuple[str, ...] = setting(
        "The login mechanisms, the preferred one first; each is offered where it can be used safely.",
        ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"),
        choices=SASL_MECHANISMS,
    )
    plain_on_loopback: bool = setting(
        "Whether programs on this machine may log in with a password in plain text without TLS.", False
    )
    on_mx: bool = setting("Whether login is offered on mx listeners; users belong on submission.", False)
    old_spelling: bool = setting("Whether AUTH is announced as AUTH= too, for programs from before 1999.", False)
    own_addresses: bool = setting(
        "Whether a user sends only as addresses of their own: the account, aliases of it alone, and [[sender]].", True
    )
    x_authenticated: bool = setting("Whether the account is written into the message, as X-Authenticated.", False)
    failures: int = setting("Failed logins in a session before 421.", 3, least=1)
    failure_delay: Duration = setting("How slowly a failed login is answered.", Duration(2.0), unit="duration")
    guesses_per_minute: int = setting(
        "Failed logins from one IPv4 address or IPv6 /64 in a minute before it is refused; its network may three "
        "times as many.",
        10,
        least=1,
    )
    guesses_per_day: int = setting("The same for a day.", 50, least=1)
    guesses_per_account: int = setting(
        "Failed logins to one account in a day, from anywhere, before unknown networks are answered slowly.",
        100,
        least=1,
    )
    guess_delay: Duration = setting("How slowly.", Duration(5.0), unit="duration")
    hashing_threads: int = setting("How many passwords are checked at once.", 2, least=1, most=64)
    hashing_queue: int = setting("How many checks may wait; one more is told to try again later.", 64, least=1)
    remember: Duration = setting(
        "How long a password that was right need not be checked by its slow hash again; 0 never remembers.",
        Duration(5 * MINUTE),
        unit="duration",
    )
    renew: bool = setting("Whether an imported hash is replaced by Argon2id and SCRAM keys at the next login.", True)


@dataclass(frozen=True, slots=True)
class Directory:
    """Who is asked whether a login is right."""

    kind: str = setting(
        "store: accounts made by `eilpost user`; passwd: a file; sql: a database; dovecot: Dovecot's auth socket.",
        "store",
        choices=DIRECTORY_KINDS,
    )
    file: str = setting("The file of passwd, or the SQLite file of sql.", "", kind=Kind.PATH)
    database: str = setting(
        "The PostgreSQL database of sql, as libpq writes it; unset: file is used.",
        "",
        example='"host=/run/postgresql dbname=mail"',
    )
    query: str = setting(
        "The query of sql: :user is the whole address, :local and :domain are its parts; "
        "it gives a column password, and if it wants account.",
        "SELECT password FROM users WHERE address = :user",
    )
    socket: str = setting("The socket of dovecot.", "/run/dovecot/auth-client", kind=Kind.PATH)
    domain: str = setting(
        "The domain of user names without one; unset: the only [[domain]], if there is only one.",
        "",
        kind=Kind.TEXT,
    )
    timeout: Duration = setting("How long an answer may take.", Duration(10.0), unit="duration", least=0.1)


@dataclass(frozen=True, slots=True)
class Oauth:
    """The authority whose tokens log in, by OAUTHBEARER and XOAUTH2."""

    introspection: str = setting(
        "Where each token is asked about; https, or http on loopback.", "", example='"https://id.example.org/introspect"'
    )
    client_id: str = setting("As whom we ask there; empty: as nobody.", "")
    client_secret_file: str = setting("The file with the secret for it.", "", kind=Kind.PATH)
    jwks: str = setting(
        "Where the keys are by which signed tokens are checked here instead.",
        "",
        example='"https://id.example.org/jwks.json"',
    )
    issuer: str = setting("The issuer that a token must name; empty: any.", "")
    audience: str = setting("The audience that a token must name; empty: any.", "")
    scope: str = setting("The scope that a token must have; empty: any.", "")
    claim: str = setting("The claim that holds the account's address.", "email")
    discovery: str = setting("Where a client without a good token may get one; told to it.", "")
    authorities: str = setting(
        "The authorities that its certificate is verified against, PEM; empty: the system's.", "", kind=Kind.PATH
    )
    timeout: Duration = setting("How long an answer may take.", Duration(10.0), unit="duration", least=0.1)


@dataclass(frozen=True, slots=True)
class Sender:
    """More addresses that an account may send as; repeat the section for more accounts."""

    account: str = setting("The account.", example='"anna@example.org"', kind=Kind.ADDRESS)
    addresses: tuple[str, ...] = setting(
        "Addresses, or whole domains as @example.org.", example='["info@example.org", "@shop.example.org"]'
    )


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
