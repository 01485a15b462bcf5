"""What a session does beside taking mail: names, held mail, and ETRN's start of the queue (a deed)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import datetime

from eilpost.config.schema import Limits
from eilpost.mail.reply import Reply
from eilpost.policy import wishes
from eilpost.policy.facts import Client
from eilpost.receive.house import House
from eilpost.smtp import replies
from eilpost.smtp.events import Etrn
from eilpost.spool.contract import Filter


async def name_of(reverse: Callable[[str], Awaitable[str]], address: str) -> str:
    """A client's verified name, as a task wants it."""
    return await reverse(address)


def unmet(hold: int | datetime, limits: Limits) -> Reply | None:
    """Why mail is not held for so long; None when it is."""
    return replies.TOO_LONG_HELD if wishes.is_held_too_long(hold, time.time(), limits) else None


async def start_queue(house: House, client: Client, event: Etrn) -> Reply:
    """ETRN (RFC 1985): what waits for a domain is tried now, even if it was found down."""
    if not wishes.may_start(client):
        return wishes.NODE_NOT_ALLOWED
    if event.option:
        return wishes.NODE_UNABLE
    return wishes.started(await house.ways.start(Filter(to=f"@{event.name}")))
