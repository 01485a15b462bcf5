"""Release: a caught message goes on to a real server, by hand or by rule, and never unless it is allowed (a deed)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

from eilpost.client.client import Client
from eilpost.client.receipt import ClientError, Receipt
from eilpost.inbox.contract import InboxError, Summary, Told
from eilpost.inbox.store import Inbox
from eilpost.mail.value import value

_MOST_WAITING: Final = 1_000
_MOST_RECIPIENTS: Final = 100
_PATIENCE: Final = 60.0


class ReleaseError(InboxError):
    """The message is not sent on; the message says why, and what would allow it."""


@value(frozen=True, slots=True)
class ReleaseRules:
    """Where to, and for whom. ``allowed`` and ``automatic`` are patterns of addresses: ``*@example.org``.

    Without a server or without allowed patterns nothing is ever sent. ``sender`` replaces the reverse-path.
    """

    host: str = ""
    port: int = 25
    allowed: tuple[str, ...] = ()
    automatic: tuple[str, ...] = ()
    sender: str = ""

    @property
    def is_possible(self) -> bool:
        """True when there is a server and somebody may be written to."""
        return bool(self.host and self.allowed)

    def allows(self, address: str) -> bool:
        """True when mail may be sent on to this address."""
        return any(fnmatchcase(address.lower(), pattern.lower()) for pattern in self.allowed)

    def wants(self, address: str) -> bool:
        """True when mail for this address is sent on without being asked."""
        return self.allows(address) and any(fnmatchcase(address.lower(), pattern.lower()) for pattern in self.automatic)


NO_RELEASE: Final = ReleaseRules()


def permitted(rules: ReleaseRules, summary: Summary, to: Iterable[str]) -> tuple[str, ...]:
    """To whom the message is sent on: those asked for, or the envelope's. ReleaseError names who may not."""
    if not rules.is_possible:
        raise ReleaseError("release is off: name a server with --release-to and addresses with --release-allow")
    wanted = tuple(dict.fromkeys(to)) or summary.recipients
    if len(wanted) > _MOST_RECIPIENTS:
        raise ReleaseError(f"a message is released to at most {_MOST_RECIPIENTS} recipients")
    refused = [address for address in wanted if not rules.allows(address)]
    if refused or not wanted:
        who = ", ".join(refused[:5]) or "nobody"
        raise ReleaseError(f"release to {who} is not allowed; --release-allow names who may be written to")
    return wanted


class Releaser:
    """Use ``async with``: what rules want released waits in a queue that never holds up taking."""

    def __init__(self, inbox: Inbox, rules: ReleaseRules = NO_RELEASE) -> None:
        self.rules = rules
        self._inbox = inbox
        self._queue: asyncio.Queue[tuple[str, tuple[str, ...]]] = asyncio.Queue(_MOST_WAITING)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Releaser:
        """Begins to send what rules want sent."""
        if self.rules.is_possible and self.rules.automatic:
            self._task = asyncio.create_task(self._work())
        return self

    async def __aexit__(self, *_: object) -> None:
        """What still waits is not sent; it stays in the inbox."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def taken(self, summary: Summary) -> None:
        """A message was taken: is it to be sent on?"""
        if self._task is None:
            return
        wanted = tuple(address for address in summary.recipients if self.rules.wants(address))
        if not wanted:
            return
        try:
            self._queue.put_nowait((summary.id, wanted))
        except asyncio.QueueFull:
            self._inbox.tell(Told("release", f"{summary.id} is not released: too many wait"))

    async def release(self, token: str, to: Iterable[str] = ()) -> Receipt:
        """Sends a message on now. ReleaseError: it may not, or there is no such server; NoMessage."""
        summary = (await self._inbox.get(token)).summary
        recipients = permitted(self.rules, summary, to)
        content = await self._inbox.content(token)
        sender = self.rules.sender or summary.reverse_path
        try:
            async with asyncio.timeout(_PATIENCE), Client(self.rules.host, self.rules.port, size=1) as client:
                receipt = await client.send(content, sender=sender, recipients=recipients)
        except (ClientError, OSError, TimeoutError) as error:
            where = f"{self.rules.host}:{self.rules.port}"
            raise ReleaseError(f"{where} did not take it: {error or 'no answer in time'}") from error
        self._inbox.tell(Told("release", f"{token} released to {', '.join(recipients)}"))
        return receipt

    async def _work(self) -> None:
        while True:
            token, recipients = await self._queue.get()
            try:
                receipt = await self.release(token, recipients)
            except InboxError as error:
                self._inbox.tell(Told("release", f"{token} is not released: {error}"))
                continue
            for outcome in receipt.failures:
                self._inbox.tell(
                    Told("release", f"{token} is not released to {outcome.recipient}: {outcome.diagnostic}")
                )
