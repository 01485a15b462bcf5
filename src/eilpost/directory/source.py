"""What a login may be asked of: a directory that shows what it keeps, or one that only says yes or no (words)."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import field
from typing import Protocol

from eilpost.directory.kept import Kept, User
from eilpost.directory.store import DirectoryError
from eilpost.mail.address import Address
from eilpost.mail.value import value


class SourceError(DirectoryError):
    """The directory cannot answer now; the message is a sentence for our own log, without any secret."""


@value(frozen=True, slots=True)
class Peer:
    """Who wants to log in: for the log, for counting, and for a directory that wants to know.

    ``address`` is canonical and empty on a local socket; ``service`` is smtp or pop3.
    """

    session: str
    role: str
    address: str
    service: str = "smtp"
    trusted: bool = False
    tls: bool = False


class Finder(Protocol):
    """Shows what it keeps of somebody."""

    def find(self, address: Address) -> Awaitable[User | None]:
        """The user of that address; None: nobody has it. SourceError."""


class Checker(Protocol):
    """Says whether a password is right."""

    def check(self, address: Address, password: str, peer: Peer) -> Awaitable[str | None]:
        """The account that they are; None: no. SourceError."""


class Keeper(Protocol):
    """Notes what a login tells. Neither may take long, and neither may fail a login."""

    def used(self, account: str, app_password: str, client: str) -> Awaitable[None]:
        """An app password was used now."""

    def renew(self, user: User, kept: Kept) -> Awaitable[None]:
        """The user's password, kept in today's form."""


@value(frozen=True, slots=True)
class Sources:
    """Who is asked: one of the two; ``keeper`` where something can be noted.

    ``pepper`` makes answers about nobody. ``domain`` is that of user names without one.
    """

    finder: Finder | None = None
    checker: Checker | None = None
    keeper: Keeper | None = None
    pepper: bytes = field(default=b"", repr=False)
    domain: str = ""


def kept_by_hash(hashed: str) -> Kept:
    """What one hash of others can prove: SCRAM's keys are that as well, a plain password everything."""
    scheme, closing, rest = hashed.partition("}")
    match scheme.upper() if closing else "":
        case "{SCRAM-SHA-256":
            return Kept(hashed, scram_sha256=rest)
        case "{SCRAM-SHA-1":
            return Kept(hashed, scram_sha1=rest)
        case "{PLAIN" | "{CLEARTEXT" | "{CLEAR":
            return Kept(hashed, secret=rest)
        case _:
            return Kept(hashed)
