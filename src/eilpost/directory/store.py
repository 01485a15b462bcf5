"""Accounts and aliases on disk: ``<data>/directory.db``, for the server and commands at once (a deed).

SQLite in WAL mode: readers never wait for a writer. A change is on disk when the call returns.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from eilpost.directory.kept import AppPassword, Kept, User
from eilpost.directory.names import fold
from eilpost.mail.account import Account, Alias
from eilpost.mail.address import Address, AddressError, parse_address

FILE_NAME: Final = "directory.db"
BUSY_SECONDS: Final = 10.0

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE accounts (
            domain TEXT NOT NULL,
            key TEXT NOT NULL,
            local_part TEXT NOT NULL,
            password TEXT NOT NULL,
            created REAL NOT NULL,
            PRIMARY KEY (domain, key)
        ) WITHOUT ROWID""",
        """CREATE TABLE alias_members (
            position INTEGER PRIMARY KEY,
            domain TEXT NOT NULL,
            key TEXT NOT NULL,
            local_part TEXT NOT NULL,
            member TEXT NOT NULL,
            UNIQUE (domain, key, member)
        )""",
    ),
    (
        "ALTER TABLE accounts ADD COLUMN scram_sha256 TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE accounts ADD COLUMN scram_sha1 TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE accounts ADD COLUMN secret TEXT NOT NULL DEFAULT ''",
        """CREATE TABLE app_passwords (
            domain TEXT NOT NULL,
            key TEXT NOT NULL,
            name TEXT NOT NULL,
            hash TEXT NOT NULL,
            created REAL NOT NULL,
            PRIMARY KEY (domain, key, name)
        ) WITHOUT ROWID""",
    ),
)
"""Step n brings a file of version n to n + 1; ``key`` is the folded local part."""


class DirectoryError(Exception):
    """The directory could not do it; the message is a whole sentence."""


class AccountExists(DirectoryError):
    """There is such an account already."""


class NotFound(DirectoryError):
    """There is no such account or alias."""


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Tells SQLite's errors, and members that are no addresses, as ours, with the file's name."""
    try:
        yield
    except (sqlite3.Error, AddressError) as error:
        raise DirectoryError(f"{path}: {error}") from error


def connect(path: Path) -> sqlite3.Connection:
    """A connection to a file that exists; statements outside a transaction commit by themselves."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def create(path: Path, user: str = "") -> None:
    """Makes the file if it is missing, readable by its owner alone, and brings its schema up to date.

    ``user`` is whom the server becomes: when root makes the data directory, it is made for that user.
    """
    create_file(path, user)
    with told(path), contextlib.closing(connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        _migrate(connection, path)
        _sync_directory(path.parent)


def create_file(path: Path, user: str = "") -> None:
    """An empty file for its owner alone, unless there is one."""
    _make_directory(path.parent, user)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        _give_to_owner_of(path.parent, path)


def _make_directory(directory: Path, user: str) -> None:
    if directory.exists():
        return
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    if user and os.geteuid() == 0:
        with contextlib.suppress(KeyError):  # without such a user the server stays root
            owner = pwd.getpwnam(user)
            os.chown(directory, owner.pw_uid, owner.pw_gid)


def _give_to_owner_of(directory: Path, path: Path) -> None:
    """Root may run a command before or while the server runs as another user."""
    if os.geteuid() == 0:
        owner = directory.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection) == len(MIGRATIONS):
        return
    with transaction(connection):
        version = _version(connection)  # another process may have been quicker
        if version > len(MIGRATIONS):
            raise DirectoryError(f"{path} was made by a newer Eilpost; install that one again, or restore a backup")
        for step in MIGRATIONS[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _sync_directory(directory: Path) -> None:
    """The names of the database and its WAL must survive a power cut too; SQLite does not see to it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; the write lock is taken at once, so that it is never upgraded in vain."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


class Store:
    """Reads and changes accounts and aliases; for commands. The server looks up in ``lookup.Directory``."""

    def __init__(self, data: Path | str, user: str = "") -> None:
        self.path = Path(data) / FILE_NAME
        create(self.path, user)
        with told(self.path):
            self._connection = connect(self.path)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives the file back; harmless twice."""
        self._connection.close()

    def add_account(self, address: Address, password_hash: str, created: float) -> Account:
        """A new account; an empty hash makes one that nobody can log in to. AccountExists."""
        return self.add_user(address, Kept(password_hash), created)

    def add_user(self, address: Address, kept: Kept, created: float) -> Account:
        """A new account with all that is kept of its password. AccountExists."""
        row = (address.domain, fold(address.local_part), address.local_part, created, *_columns(kept))
        with told(self.path):
            done = self._connection.execute(
                "INSERT INTO accounts (domain, key, local_part, created, password, scram_sha256, scram_sha1, secret)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                row,
            )
        if not done.rowcount:
            raise AccountExists(f"the account {self.account(address).address} exists already")
        return Account(address, created, bool(kept.password))

    def account(self, address: Address) -> Account:
        """The account that the address means; NotFound."""
        found = self._accounts("WHERE domain = ? AND key = ?", *_key(address))
        if not found:
            raise NotFound(f"there is no account {address}")
        return found[0]

    def accounts(self, domain: str = "") -> list[Account]:
        """All accounts, or those of a domain, by domain and name."""
        return self._accounts("WHERE domain = ?", domain) if domain else self._accounts("")

    def _accounts(self, where: str, *values: str) -> list[Account]:
        with told(self.path):
            rows = self._connection.execute(
                f"SELECT local_part, domain, created, password != '' FROM accounts {where} ORDER BY domain, key", values
            ).fetchall()
        return [
            Account(Address(local_part, domain), created, bool(login)) for local_part, domain, created, login in rows
        ]

    def user(self, address: Address) -> User | None:
        """Somebody who may log in, with all that is kept of their passwords; None: there is no such account."""
        with told(self.path):
            row = self._connection.execute(
                "SELECT local_part, domain, password, scram_sha256, scram_sha1, secret FROM accounts"
                " WHERE domain = ? AND key = ?",
                _key(address),
            ).fetchone()
        if row is None:
            return None
        local_part, domain, *kept = row
        return User(str(Address(local_part, domain)), Kept(*kept), tuple(self.app_passwords(address)))

    def password_hash(self, address: Address) -> str:
        """The stored hash, empty when there is none; NotFound."""
        user = self.user(address)
        if user is None:
            raise NotFound(f"there is no account {address}")
        return user.kept.password

    def set_password(self, address: Address, password_hash: str) -> None:
        """Another hash, or with an empty one no password; what else was kept is forgotten. NotFound."""
        self.set_kept(address, Kept(password_hash))

    def set_kept(self, address: Address, kept: Kept) -> None:
        """Another password, or none; NotFound."""
        self._change_account(
            "UPDATE accounts SET password = ?, scram_sha256 = ?, scram_sha1 = ?, secret = ?"
            " WHERE domain = ? AND key = ?",
            address,
            *_columns(kept),
        )

    def renew(self, address: Address, before: str, kept: Kept) -> bool:
        """The same password, kept in a newer form; False when it has been changed meanwhile."""
        with told(self.path):
            done = self._connection.execute(
                "UPDATE accounts SET password = ?, scram_sha256 = ?, scram_sha1 = ?"
                " WHERE domain = ? AND key = ? AND password = ?",
                (kept.password, kept.scram_sha256, kept.scram_sha1, *_key(address), before),
            )
        return bool(done.rowcount)

    def app_passwords(self, address: Address) -> list[AppPassword]:
        """The app passwords of an account, the oldest first; when they were used stands in ``last_use``."""
        with told(self.path):
            rows = self._connection.execute(
                "SELECT name, hash, created FROM app_passwords WHERE domain = ? AND key = ? ORDER BY created, name",
                _key(address),
            ).fetchall()
        return [AppPassword(*row) for row in rows]

    def add_app_password(self, address: Address, app: AppPassword) -> None:
        """One more; AccountExists when the name is taken, NotFound without the account."""
        self.account(address)
        with told(self.path):
            done = self._connection.execute(
                "INSERT INTO app_passwords VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (*_key(address), app.name, app.hash, app.created),
            )
        if not done.rowcount:
            raise AccountExists(f"{address} has an app password {app.name!r} already")

    def remove_app_password(self, address: Address, name: str) -> None:
        """The program that has it cannot log in any more; NotFound."""
        with told(self.path):
            done = self._connection.execute(
                "DELETE FROM app_passwords WHERE domain = ? AND key = ? AND name = ?", (*_key(address), name)
            )
        if not done.rowcount:
            raise NotFound(f"{address} has no app password {name!r}")

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """All changes inside are made together, and quicker; none of them when one fails."""
        with told(self.path), transaction(self._connection):
            yield

    def remove_account(self, address: Address) -> None:
        """Forgets the account and its app passwords, never its mail; NotFound."""
        with told(self.path):
            self._connection.execute("DELETE FROM app_passwords WHERE domain = ? AND key = ?", _key(address))
        self._change_account("DELETE FROM accounts WHERE domain = ? AND key = ?", address)

    def _change_account(self, statement: str, address: Address, *values: str) -> None:
        with told(self.path):
            done = self._connection.execute(statement, (*values, *_key(address)))
        if not done.rowcount:
            raise NotFound(f"there is no account {address}")

    def add_alias(self, address: Address, members: Sequence[Address]) -> Alias:
        """Adds members to the alias, which is made if it is new; known members stay as they are."""
        with told(self.path), transaction(self._connection):
            self._connection.executemany(
                "INSERT INTO alias_members (domain, key, local_part, member) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                [(*_key(address), address.local_part, str(member)) for member in members],
            )
        return self.alias(address)

    def alias(self, address: Address) -> Alias:
        """The alias of that address; NotFound."""
        found = self._aliases("WHERE domain = ? AND key = ?", *_key(address))
        if not found:
            raise NotFound(f"there is no alias {address}")
        return found[0]

    def aliases(self, domain: str = "") -> list[Alias]:
        """All aliases, or those of a domain, by domain and name."""
        return self._aliases("WHERE domain = ?", domain) if domain else self._aliases("")

    def _aliases(self, where: str, *values: str) -> list[Alias]:
        with told(self.path):
            rows = self._connection.execute(
                f"SELECT domain, key, local_part, member FROM alias_members {where} ORDER BY domain, key, position",
                values,
            ).fetchall()
            found: dict[tuple[str, str], tuple[Address, list[Address]]] = {}
            for domain, key, local_part, member in rows:
                _, members = found.setdefault((domain, key), (Address(local_part, domain), []))
                members.append(parse_address(member))
        return [Alias(address, tuple(members)) for address, members in found.values()]

    def remove_alias(self, address: Address, members: Sequence[Address] = ()) -> None:
        """Forgets the alias, or only some members of it; NotFound."""
        self.alias(address)
        with told(self.path), transaction(self._connection):
            if not members:
                self._connection.execute("DELETE FROM alias_members WHERE domain = ? AND key = ?", _key(address))
            for member in members:
                done = self._connection.execute(
                    "DELETE FROM alias_members WHERE domain = ? AND key = ? AND member = ?",
                    (*_key(address), str(member)),
                )
                if not done.rowcount:
                    raise NotFound(f"{member} is no member of {address}")

    def aliases_with(self, member: Address) -> list[Alias]:
        """The aliases that lead straight to ``member``."""
        wanted = _key(member)
        return [alias for alias in self.aliases() if any(_key(other) == wanted for other in alias.members)]


def _columns(kept: Kept) -> tuple[str, str, str, str]:
    return kept.password, kept.scram_sha256, kept.scram_sha1, kept.secret


def _key(address: Address) -> tuple[str, str]:
    return address.domain, fold(address.local_part)
