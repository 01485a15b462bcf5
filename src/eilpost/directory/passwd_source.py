"""Logins against a passwd-style file, read again when it changes (a deed)."""

from __future__ import annotations

import os
from pathlib import Path

from eilpost.directory.kept import User
from eilpost.directory.names import fold
from eilpost.directory.passwd_file import Entry, parse
from eilpost.directory.source import SourceError, kept_by_hash
from eilpost.mail.address import Address

_Stamp = tuple[int, int, int]


class PasswdFile:
    """A file that cannot be read lets nobody in and nobody be called wrong: SourceError."""

    def __init__(self, path: Path | str, domain: str) -> None:
        self._path = Path(path)
        self._domain = domain
        self._stamp: _Stamp | None = None
        self._entries: dict[tuple[str, str], Entry] = {}

    async def find(self, address: Address) -> User | None:
        """The first line of that name."""
        self._read_if_changed()
        entry = self._entries.get((fold(address.local_part), address.domain))
        return User(str(entry.address), kept_by_hash(entry.hash)) if entry is not None else None

    def _read_if_changed(self) -> None:
        try:
            facts = os.stat(self._path)
            stamp = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
            if stamp == self._stamp:
                return
            text = self._path.read_text(encoding="utf-8")
        except OSError as error:
            raise SourceError(f"{self._path}: {error.strerror}") from error
        except UnicodeDecodeError:
            raise SourceError(f"{self._path} is no UTF-8") from None
        found: dict[tuple[str, str], Entry] = {}
        for entry in parse(text, self._domain):
            if isinstance(entry, Entry):
                found.setdefault((fold(entry.address.local_part), entry.address.domain), entry)
        self._entries, self._stamp = found, stamp
