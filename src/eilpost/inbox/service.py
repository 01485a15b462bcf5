"""A running developer's inbox: the store, its faults, its releases, and the door that takes mail (a deed)."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from eilpost.inbox.board import Board
from eilpost.inbox.contract import FOR_EVER, Retention, Sorting
from eilpost.inbox.faults import Rule
from eilpost.inbox.release import NO_RELEASE, Releaser, ReleaseRules
from eilpost.inbox.store import Inbox
from eilpost.inbox.taking import Taking
from eilpost.server.limits import Limits
from eilpost.server.server import Server
from eilpost.smtp.extensions import STANDARD

ANY_LOGIN: Final = ("PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER")
"""Mechanisms in which any name and password can be let in; the others prove a password that must be known."""
GIVEN_LOGINS: Final = ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN")
_TRANSCRIPT: Final = 200_000
_GRACE: Final = 2.0


@dataclass(frozen=True, slots=True)
class Choices:
    """What may be chosen. ``host`` and ``port`` are where mail is taken; ``accounts`` the only logins, if any."""

    host: str = "127.0.0.1"
    port: int = 0
    hostname: str = "localhost"
    keep: Path | None = None
    retention: Retention = FOR_EVER
    sorting: Sorting = Sorting.NONE
    faults: tuple[Rule, ...] = ()
    by_address: bool = True
    plus_tags: bool = True
    accounts: Mapping[str, str] = field(default_factory=dict, repr=False)
    message_size: int = 100_000_000
    release: ReleaseRules = NO_RELEASE
    tls: ssl.SSLContext | None = None


DEFAULT: Final = Choices()


class Service:
    """Use ``async with Service(choices)``; InboxError or ListenError say why it cannot begin."""

    def __init__(self, choices: Choices = DEFAULT) -> None:
        self.inbox = Inbox(choices.keep, retention=choices.retention, sorting=choices.sorting)
        self.board = Board(choices.faults, by_address=choices.by_address)
        self.releaser = Releaser(self.inbox, choices.release)
        self._taking = Taking(self.inbox, self.board, plus_tags=choices.plus_tags, taken=self.releaser.taken)
        self.server = Server(
            self._taking,
            choices.host,
            choices.port,
            hostname=choices.hostname,
            banner="ESMTP Eilpost developer's inbox",
            extensions=STANDARD,
            typed=True,
            tls=choices.tls,
            accounts=choices.accounts,
            mechanisms=GIVEN_LOGINS if choices.accounts else ANY_LOGIN,
            plain_text=True,
            login_required=bool(choices.accounts),
            limits=Limits(message_size=choices.message_size, recipients=10_000, errors=10_000, junk=100_000),
            transcript=_TRANSCRIPT,
            grace=_GRACE,
        )
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Takes mail from now on."""
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self.inbox)
            await stack.enter_async_context(self.releaser)
            stack.push_async_callback(self._taking.close)
            await stack.enter_async_context(self.server)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Sessions finish, what was taken is written."""
        await self._stack.aclose()
