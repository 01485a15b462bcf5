"""How a connection is, or has to be, encrypted (words)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import Enum

from eilpost.mail.value import value


class Encryption(Enum):
    """What is asked of the way to a server; each is stricter than the one before."""

    OFF = "off"
    OPPORTUNISTIC = "opportunistic"  # encrypted where the server can, unverified; else in clear (RFC 7435)
    REQUIRED = "required"  # encrypted, unverified
    VERIFY = "verify"  # encrypted, and the certificate is one for the host's name

    __hash__ = object.__hash__  # as good for singletons, and what Enum has is Python, for each look-up

    @property
    def is_binding(self) -> bool:
        """True where nothing may go in clear."""
        return self is Encryption.REQUIRED or self is Encryption.VERIFY


@value(frozen=True, slots=True)
class Security:
    """What the handshake came to.

    ``server_name`` is the name the client asked for. ``verified`` tells that the peer showed a
    certificate that was checked; then ``names`` are the mail addresses, host names and common names
    in it. ``bindings`` are the channel's, by type (RFC 5929, RFC 9266); no log shows them.
    """

    version: str
    cipher: str
    bits: int
    server_name: str = ""
    verified: bool = False
    names: tuple[str, ...] = ()
    bindings: Mapping[str, bytes] = field(default_factory=dict, repr=False, hash=False)

    def __str__(self) -> str:
        return f"{self.version} {self.cipher}"
