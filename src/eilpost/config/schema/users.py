"""The settings of users: keys, logins, who knows them, and how they fetch their mail (a table; words)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from eilpost.config.schema.rows import MINUTE, Duration, Kind, setting

CHAIN_NAME: Final = "fullchain.pem"
KEY_NAME: Final = "privkey.pem"
DIRECTORY_KINDS: Final = ("store", "passwd", "sql", "dovecot")
SASL_MECHANISMS: Final = (
    "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "OAUTHBEARER", "XOAUTH2", "EXTERNAL",
    "CRAM-MD5", "PLAIN", "LOGIN",
)  # fmt: skip
"""What may be offered; a test holds it against the table of ``sasl``."""


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
        "Where each token is asked about; https, or http on loopback.",
        "",
        example='"https://id.example.org/introspect"',
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
