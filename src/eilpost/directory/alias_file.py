"""The file of aliases in sendmail's form, read again when it changes (a deed)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from eilpost.directory.names import fold
from eilpost.mail.account import Alias
from eilpost.mail.address import Address
from eilpost.route.aliases_file import parse_aliases

Warn = Callable[[str], None]
_Stamp = tuple[int, int, int]
_Names = dict[tuple[str, str], tuple[Address, ...]]

_MISSING: _Stamp = (0, 0, 0)


class AliasFile:
    """Looks aliases up. A file that becomes wrong, or goes, leaves those in force that were read last."""

    def __init__(self, path: Path | str, warn: Warn) -> None:
        self._path = Path(path)
        self._warn = warn
        self._stamp: _Stamp | None = None
        self._names: _Names = {}
        self._read_if_changed()

    def find(self, address: Address) -> Alias | None:
        """The alias of that address: one written with its domain comes before one without."""
        self._read_if_changed()
        name = fold(address.local_part)
        members = self._names.get((address.domain, name)) or self._names.get(("", name))
        return Alias(address, tuple(_qualified(member, address.domain) for member in members)) if members else None

    def _read_if_changed(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._names = read_aliases(self._path)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            self._warn(f"{self._path}: {why}; the aliases read last stay in force")


def read_aliases(path: Path | str) -> _Names:
    """The members of each name, by domain and folded local part; the domain is empty where none is written."""
    lines = parse_aliases(Path(path).read_text(encoding="utf-8"))
    return {(line.name.domain, fold(line.name.local_part)): line.members for line in lines}


def _stamp(path: Path) -> _Stamp:
    try:
        facts = os.stat(path)
    except OSError:
        return _MISSING
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


def _qualified(member: Address, domain: str) -> Address:
    return member if member.domain else Address(member.local_part, domain)
