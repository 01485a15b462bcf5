"""The file of aliases in sendmail's form, read again when it changes (a deed)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from eilpost.directory.names import fold
from eilpost.mail.account import Alias
from eilpost.mail.address import Address

Parse = Callable[[str], Mapping[str, tuple[Address, ...]]]
"""The grammar: from the file's text to the members of each name.

A name is ``name`` or ``name@domain``; a member without a domain is at the domain that was asked
for. ValueError tells what is wrong with the file.
"""

Warn = Callable[[str], None]
_Stamp = tuple[int, int, int]


class AliasFile:
    """Looks aliases up. A file that is missing or wrong leaves those in force that were read last."""

    def __init__(self, path: Path | str, parse: Parse, warn: Warn) -> None:
        self._path = Path(path)
        self._parse = parse
        self._warn = warn
        self._stamp: _Stamp | None = None
        self._names: Mapping[str, tuple[Address, ...]] = {}
        self._read_if_changed()

    def find(self, address: Address) -> Alias | None:
        """The alias of that address: ``name@domain`` before ``name``."""
        self._read_if_changed()
        name = fold(address.local_part)
        members = self._names.get(f"{name}@{address.domain}") or self._names.get(name)
        if not members:
            return None
        at_home = tuple(member if member.domain else Address(member.local_part, address.domain) for member in members)
        return Alias(address, at_home)

    def _read_if_changed(self) -> None:
        try:
            facts = os.stat(self._path)
            stamp = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
            if stamp == self._stamp:
                return
            names = self._parse(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            stamp, why = (0, 0, 0), "there is no such file"
        except (OSError, ValueError) as error:
            why = str(error)
        else:
            self._names = {_fold_name(name): members for name, members in names.items()}
            self._stamp = stamp
            return
        if stamp != self._stamp:
            self._stamp = stamp
            self._warn(f"{self._path}: {why}; the aliases read last stay in force")


def _fold_name(name: str) -> str:
    local_part, at, domain = name.rpartition("@")
    return f"{fold(local_part)}@{domain.lower()}" if at else fold(name)
