"""A running inbox with its application, for the tests of the web."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx

from eilpost.inbox.board import Board
from eilpost.inbox.release import NO_RELEASE, Releaser, ReleaseRules
from eilpost.inbox.store import Inbox
from eilpost.web.app import NO_RULES, app
from eilpost.web.desk import Desk
from eilpost.web.gate import Rules
from eilpost.web.guard import Accounts


@dataclass
class House:
    """The inbox, and a client that speaks to the application without a socket."""

    inbox: Inbox
    desk: Desk
    web: httpx.AsyncClient


@contextlib.asynccontextmanager
async def house(
    *, rules: Rules = NO_RULES, accounts: Accounts | None = None, release: ReleaseRules = NO_RELEASE
) -> AsyncIterator[House]:
    """An empty inbox."""
    async with Inbox() as inbox, Releaser(inbox, release) as releaser:
        desk = Desk(inbox, Board(), releaser, "1.2.3", "127.0.0.1:1025")
        transport = httpx.ASGITransport(app(desk, rules=rules, accounts=accounts))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8025") as web:
            yield House(inbox, desk, web)
