"""What a message's file in a Maildir is called (a grammar).

``seconds.M<microseconds>P<process>Q<number>R<random>.host,S=<size>``, as maildir(5) and the
servers that read Maildirs have it. No two deliveries share a name: time, process and number tell those
of one machine apart, the random part those of machines whose clocks or process numbers agree.
"""

from __future__ import annotations

import re
from typing import Final

_UNSAFE: Final = re.compile(r"[/:\x00-\x20\x7f]")
_MAX_HOST: Final = 100


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
