"""What a message's file in a Maildir is called (a grammar).

``seconds.M<microseconds>P<process>Q<number>R<random>.host,S=<size>``, as maildir(5) and the
servers that read Maildirs have it. No two deliveries share a name: time, process and number tell those
of one machine apart, the random part those of machines whose clocks or process numbers agree.
"""

from __future__ import annotations

import hashlib
import re
import sys
from typing import Final

from eilpost.mail.value import value

_UNSAFE: Final = re.compile(r"[/:\x00-\x20\x7f]")
_MAX_HOST: Final = 100
_OURS: Final = re.compile(r"[0-9]+\.M[0-9]+P[0-9]+Q[0-9]+R[0-9a-f]{12}\.", re.ASCII)
_SIZE: Final = re.compile(r"(?:^|,)S=([0-9]{1,18})(?=,|$)", re.ASCII)
_WIRE: Final = re.compile(r"(?:^|,)W=([0-9]{1,18})(?=,|$)", re.ASCII)
_PRINTABLE: Final = re.compile(r"[!-~]{1,70}", re.ASCII)


def host_part(host: str) -> str:
    """The host's name with ``/`` and ``:`` as ``\\057`` and ``\\072`` (F166)."""
    return _UNSAFE.sub(lambda found: f"\\{ord(found[0]):03o}", host[:_MAX_HOST])


def unique_name(now: float, process: int, number: int, token: str, host: str) -> str:
    """A name that nobody else makes; ``token`` is random, ``host`` comes from ``host_part``."""
    seconds = int(now)
    return f"{seconds}.M{int((now - seconds) * 1e6)}P{process}Q{number}R{token}.{host}"


def with_size(name: str, size: int) -> str:
    """The name under which the message is delivered: readers take the size from it."""
    return f"{name},S={size}"


@value(frozen=True, slots=True)
class Named:
    """What a file's name tells: the part that never changes, and the size on the wire where it is known.

    ``wire`` is -1 where the file must be looked at.
    """

    unique: str
    wire: int


def read_name(name: str) -> Named:
    """A name in ``new`` or ``cur``, whoever gave it.

    ``W=`` is the size with CR LF as line ends, ``S=`` that of the file. What we wrote is stored as it
    goes onto the wire (docs/decisions/0004), so our own ``S=`` is both; others' is not.
    """
    base = name.partition(":")[0]
    unique, comma, fields = base.partition(",")
    if comma:
        wire = _WIRE.search(fields)
        if wire is None and _OURS.match(unique):
            wire = _SIZE.search(fields)
        if wire is not None:
            return Named(unique, int(wire[1]))
    return Named(unique, -1)


def uidl(unique: str) -> str:
    """The message's name for POP3, RFC 1939 §7: 1 to 70 printable characters, and always the same."""
    if _PRINTABLE.fullmatch(unique):
        return unique
    return hashlib.sha256(unique.encode("utf-8", "surrogateescape")).hexdigest()


def delivery_order(name: str) -> tuple[int, str]:
    """Names begin with the second of their delivery; who does not say it comes last."""
    seconds = name.partition(".")[0]
    return (int(seconds) if seconds.isdecimal() and len(seconds) < 19 else sys.maxsize, name)
