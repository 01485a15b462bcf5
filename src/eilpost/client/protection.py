"""How a session is encrypted: whether, from when on, and what the certificate has to be (a deed).

| what is asked | not offered | refused, or no handshake | certificate |
|---|---|---|---|
| off | in clear | – | – |
| opportunistic | in clear | again, in clear, over a new connection | not looked at (RFC 7435) |
| required | no session | no session | not looked at |
| verify | no session | no session | checked for the host's name |

With ``implicit`` TLS begins with the first octet, and there is nothing to offer or to refuse.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Final

from eilpost.mail.encryption import Encryption

HANDSHAKE: Final = 30.0
"""Seconds that a handshake may take."""


@dataclass(frozen=True, slots=True)
class Protection:
    """One row of the table, with the context that its handshakes follow."""

    encryption: Encryption = Encryption.OFF
    implicit: bool = False
    context: ssl.SSLContext | None = field(default=None, repr=False, compare=False)
    timeout: float = HANDSHAKE

    @property
    def way(self) -> tuple[Encryption, bool]:
        """What sessions must have in common to stand for each other."""
        return self.encryption, self.implicit


PLAIN: Final = Protection()


def protection(
    tls: str, *, verify: bool = True, ca_file: str = "", context: ssl.SSLContext | None = None
) -> Protection:
    """What a user of ``Client`` asks for: ``tls`` is off, starttls or implicit. ValueError, KeysError."""
    from eilpost.net.tls import client_context

    if tls not in ("off", "starttls", "implicit"):
        raise ValueError(f"tls is {tls!r}; expected off, starttls or implicit")
    if tls == "off":
        return PLAIN
    level = Encryption.VERIFY if verify else Encryption.REQUIRED
    return Protection(level, tls == "implicit", context or client_context(verify=verify, ca_file=ca_file))
