"""Who lives here, answered at once from memory while commands change the files (a deed).

All accounts and aliases lie in dictionaries. Whether the database has changed is looked at five
times a second for what is found, and always before anybody is told "unknown": then the database
itself is asked, so ``eilpost user add`` counts at once. The dictionaries are made anew in a
thread and swapped; the event loop never waits for them.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eilpost.directory.alias_file import AliasFile
from eilpost.directory.names import fold
from eilpost.directory.store import FILE_NAME, connect, create, told
from eilpost.mail.account import Account, Alias
from eilpost.mail.address import Address, AddressError, parse_address
from eilpost.route.expand import Known

LOOK_EVERY: Final = 0.2  # seconds

_Key = tuple[str, str]
_AccountRow = tuple[str, str, str, float, int]

_ACCOUNTS: Final = "SELECT domain, key, local_part, created, password != '' FROM accounts"
_MEMBERS: Final = "SELECT domain, key, local_part, member FROM alias_members"
_ONE: Final = " WHERE domain = ? AND key = ?"
_IN_ORDER: Final = " ORDER BY position"


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The whole directory; accounts stay rows until somebody asks, which keeps loading cheap."""

    version: int
    accounts: dict[_Key, _AccountRow]
    aliases: dict[_Key, Alias]


class Directory:
    """Accounts and aliases for the server; use it from one thread. DirectoryError when the file is broken."""

    def __init__(
        self, data: Path | str, alias_file: AliasFile | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = Path(data) / FILE_NAME
        create(self._path)
        self._alias_file = alias_file
        self._clock = clock
        with told(self._path):
            self._connection = connect(self._path)
            self._snapshot = _load(self._connection, self._version())
        self._next_look = clock() + LOOK_EVERY
        self._reloading: threading.Thread | None = None

    def known(self, address: Address) -> Known | None:
        """What is known of exactly this address: an alias made by command comes before one of the file."""
        key = (address.domain, fold(address.local_part))
        self._look_sometimes()
        snapshot = self._snapshot
        account = snapshot.accounts.get(key)
        alias = snapshot.aliases.get(key)
        if account is None and alias is None and not self._is_current(snapshot):
            account, alias = self._ask(key)
        if alias is None and self._alias_file is not None:
            alias = self._alias_file.find(address)
        if account is None and alias is None:
            return None
        return Known(_account(account).address if account else None, alias.members if alias else ())

    def account(self, address: Address) -> Account | None:
        """The account of that address, whatever aliases say."""
        key = (address.domain, fold(address.local_part))
        self._look_sometimes()
        snapshot = self._snapshot
        row = snapshot.accounts.get(key)
        if row is None and not self._is_current(snapshot):
            row, _ = self._ask(key)
        return _account(row) if row else None

    def _ask(self, key: _Key) -> tuple[_AccountRow | None, Alias | None]:
        with told(self._path):
            row = self._connection.execute(_ACCOUNTS + _ONE, key).fetchone()
            return row, _aliases(self._connection.execute(_MEMBERS + _ONE + _IN_ORDER, key)).get(key)

    def close(self) -> None:
        """Ends the reading; harmless twice."""
        if self._reloading is not None:
            self._reloading.join()
        self._connection.close()

    def _look_sometimes(self) -> None:
        now = self._clock()
        if now >= self._next_look:
            self._next_look = now + LOOK_EVERY
            self._is_current(self._snapshot)

    def _is_current(self, snapshot: _Snapshot) -> bool:
        """Whether it says what the database says; if not, new dictionaries are on their way.

        The one asked about is the one that was read: another may have taken its place just now.
        """
        with told(self._path):
            version = self._version()
        if version == snapshot.version:
            return True
        if version == self._snapshot.version:
            return False
        if self._reloading is None or not self._reloading.is_alive():
            self._reloading = threading.Thread(target=self._reload, args=(version,), name="directory", daemon=True)
            self._reloading.start()
        return False

    def _version(self) -> int:
        """Changes when another connection has changed the database."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def _reload(self, version: int) -> None:
        # What cannot be read now is tried again at the next look; until then the database is asked.
        with contextlib.suppress(sqlite3.Error, AddressError), contextlib.closing(connect(self._path)) as connection:
            self._snapshot = _load(connection, version)


def _load(connection: sqlite3.Connection, version: int) -> _Snapshot:
    """All there is, at least as new as ``version``, which was read before."""
    accounts = {row[:2]: row for row in connection.execute(_ACCOUNTS)}
    return _Snapshot(version, accounts, _aliases(connection.execute(_MEMBERS + _IN_ORDER)))


def _account(row: _AccountRow) -> Account:
    domain, _, local_part, created, can_log_in = row
    return Account(Address(local_part, domain), created, bool(can_log_in))


def _aliases(rows: Iterable[tuple[str, str, str, str]]) -> dict[_Key, Alias]:
    found: dict[_Key, tuple[Address, list[Address]]] = {}
    for domain, key, local_part, member in rows:
        _, members = found.setdefault((domain, key), (Address(local_part, domain), []))
        members.append(parse_address(member))
    return {key: Alias(address, tuple(members)) for key, (address, members) in found.items()}
