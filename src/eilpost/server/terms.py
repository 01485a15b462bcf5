"""What all sessions of one server share (words)."""

from __future__ import annotations

from eilpost.mail.value import value
from eilpost.server.limits import Deadlines, Limits
from eilpost.smtp.server import ServerSettings


@value(frozen=True, slots=True)
class Terms:
    """Decided once per server. ``transcript`` is how many octets of a session are kept; 0 keeps none."""

    hostname: str
    banner: str
    settings: ServerSettings
    limits: Limits
    deadlines: Deadlines
    transcript: int = 0
