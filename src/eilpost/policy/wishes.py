"""What may a client wish of the queue, and until when may mail be held? (decisions)

A stranger's urgency is nobody's but their own: priorities, deadlines and starts of the queue are for
users and for clients that are trusted; holding mail is for users alone (RFC 4865 §3).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from eilpost.config.schema import Limits, Role
from eilpost.mail.reply import Reply, reply
from eilpost.policy.facts import Client

NODE_NOT_ALLOWED: Final = reply(459, "4.7.1", "Only for our users and trusted clients")
NODE_UNABLE: Final = reply(458, "4.3.5", "Only whole domains have a queue")
NOTHING_WAITS: Final = reply(251, "2.0.0", "Nothing waits for it")

_USERS: Final = frozenset({Role.SUBMISSION, Role.SUBMISSIONS})
_FROM_USERS: Final = frozenset({"DELIVERBY", "MT-PRIORITY", "ETRN"})
_HOLD: Final = frozenset({"FUTURERELEASE"})
_NOTHING: Final[frozenset[str]] = frozenset()


def offered(client: Client, limits: Limits) -> frozenset[str]:
    """The extensions that this client is told of; a user may log in after being told."""
    if client.role in _USERS:
        return _FROM_USERS | _HOLD if limits.hold else _FROM_USERS
    return _FROM_USERS if client.trusted and client.role is Role.MX else _NOTHING


def release(hold: int | datetime, now: float) -> float:
    """The Unix time until which mail is held (RFC 4865 §4)."""
    return now + hold if isinstance(hold, int) else hold.timestamp()


def is_held_too_long(hold: int | datetime, now: float, limits: Limits) -> bool:
    """Whether a wish goes beyond what we told; one that lies in the past is for now."""
    return release(hold, now) - now > limits.hold


def may_start(client: Client) -> bool:
    """Whether ETRN starts the queue for this client (RFC 1985 §3)."""
    return client.trusted or client.logged_in


def started(number: int) -> Reply:
    """The answer to ETRN once ``number`` recipients are tried (RFC 1985 §5.2)."""
    if not number:
        return NOTHING_WAITS
    return reply(253, "2.0.0", f"{number} pending messages are tried now")
