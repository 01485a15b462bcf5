"""Lines of a passwd-style file: ``name:hash:…``, as /etc/shadow, Dovecot and htpasswd write them (a grammar)."""

from __future__ import annotations

from dataclasses import field
from typing import Final

from eilpost.directory.schemes import check
from eilpost.mail.address import Address, AddressError, parse_address
from eilpost.mail.value import value

_LOCKED: Final = ("!", "*")


@value(frozen=True, slots=True)
class Entry:
    """Somebody with a hash that can be checked."""

    line: int
    address: Address
    hash: str = field(repr=False)


@value(frozen=True, slots=True)
class Skipped:
    """A line without a login for us, and why, as a clause."""

    line: int
    name: str
    why: str


def parse(text: str, domain: str) -> list[Entry | Skipped]:
    """Each line that is no comment, in order; ``domain`` is that of names without one."""
    lines = enumerate(text.split("\n"), 1)
    return [
        _line(number, line.rstrip("\r"), domain) for number, line in lines if line.strip() and line.lstrip()[0] != "#"
    ]


def _line(number: int, line: str, domain: str) -> Entry | Skipped:
    name, colon, rest = line.partition(":")
    hashed = _hash(rest)
    if name and "@" not in name and not domain:
        return Skipped(number, name, "the name has no domain, and none was given for those")
    try:
        address = parse_address(name if "@" in name else f"{name}@{domain}")
    except AddressError as error:
        return Skipped(number, name, f"the name is no address: {error}")
    if not colon or not hashed:
        return Skipped(number, name, "it has no password")
    if hashed.startswith(_LOCKED) or hashed == "x":
        return Skipped(number, name, "its password is locked, or kept elsewhere")
    why = check(hashed)
    return Skipped(number, name, why) if why else Entry(number, address, hashed)


def _hash(rest: str) -> str:
    """The second field; only a plain password may hold what looks like the next one's colon, and no file can say so."""
    return rest.partition(":")[0].strip()
