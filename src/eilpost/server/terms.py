"""What all sessions of one server share (words)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from eilpost.mail.value import value
from eilpost.server.limits import Deadlines, Limits
from eilpost.smtp.server import ServerSettings


@value(frozen=True, slots=True)
class Terms:
    """Decided once per server.

    ``settings`` hold from the greeting on, ``secured`` after STARTTLS. ``tls`` is the SSLContext for
    it. ``mechanisms`` are all that are enabled, be they offered now or only over TLS. ``transcript``
    is how many octets of a session are kept; 0 keeps none.
    """

    hostname: str
    banner: str
    settings: ServerSettings
    secured: ServerSettings
    limits: Limits
    deadlines: Deadlines
    tls: Any = None
    implicit_tls: bool = False
    tls_required: bool = False
    login_required: bool = False
    mechanisms: tuple[str, ...] = ()
    accounts: Mapping[str, str] = field(default_factory=dict, repr=False)
    transcript: int = 0
