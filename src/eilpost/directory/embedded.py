"""Logins against the accounts of ``eilpost user`` (a deed)."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

from eilpost.directory.kept import Kept, User
from eilpost.directory.last_use import LastUse
from eilpost.directory.source import SourceError
from eilpost.directory.store import DirectoryError, Store
from eilpost.mail.address import Address, parse_address

NOTED_EVERY: Final = 60.0
"""Seconds: one app password in steady use is not written down more often."""


class Embedded:
    """The embedded store, as whom to ask and as who takes notes."""

    def __init__(self, data: Path | str) -> None:
        self._data = data
        self._store = Store(data)
        self._uses = LastUse(data)
        self._noted: dict[tuple[str, str], float] = {}

    def pepper(self) -> bytes:
        """The secret for answers about nobody."""
        return self._uses.pepper()

    async def find(self, address: Address) -> User | None:
        """One row by its key: quicker than handing it to a thread."""
        try:
            return self._store.user(address)
        except DirectoryError as error:
            raise SourceError(str(error)) from error

    async def used(self, account: str, app_password: str, client: str) -> None:
        """Written to disk beside the event loop, once a minute at most."""
        now = time.time()
        if now - self._noted.get((account, app_password), 0.0) < NOTED_EVERY:
            return
        self._noted[account, app_password] = now
        await asyncio.to_thread(self._uses.note, account, app_password, now, client)

    async def renew(self, user: User, kept: Kept) -> None:
        """The stored hash is replaced, unless it has changed meanwhile."""
        await asyncio.to_thread(self._renew, user, kept)

    def _renew(self, user: User, kept: Kept) -> None:
        with Store(self._data) as store:
            store.renew(parse_address(user.account), user.kept.password, kept)

    def close(self) -> None:
        """Ends the reading; harmless twice."""
        self._store.close()
