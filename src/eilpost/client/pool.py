"""Kept sessions, so that the next message finds one open (a deed).

A session is found again by its key (a next hop) and by its host: two domains with one mail
server share it. One timer looks after all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Generic, TypeVar

from eilpost.client.conversation import Conversation, Way

K = TypeVar("K", bound=Hashable)


class Pool(Generic[K]):
    """Sessions without work, each for at most ``idle`` seconds (twice that at worst)."""

    __slots__ = ("_by_key", "_by_way", "_idle", "_keys", "_loop", "_partings", "_timer")

    def __init__(self, idle: float) -> None:
        self._idle = idle
        self._by_key: dict[K, dict[Conversation, None]] = {}
        self._by_way: dict[Way, dict[Conversation, None]] = {}
        self._keys: dict[Conversation, K] = {}
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._partings: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._keys)

    def take(self, key: K) -> Conversation | None:
        """The session used last for this key, now the caller's; None if there is none."""
        return self._take(self._by_key.get(key))

    def take_at(self, way: Way) -> Conversation | None:
        """The same for a host, as it is to be spoken with, whatever the session was kept for."""
        return self._take(self._by_way.get(way))

    def _take(self, row: dict[Conversation, None] | None) -> Conversation | None:
        while row:
            conversation = next(reversed(row))
            self._remove(conversation)
            if conversation.is_usable:
                return conversation
            self.part(conversation)
        return None

    def keep(self, key: K, conversation: Conversation) -> None:
        """Keeps a session for others; one that is over is let go."""
        if self._idle <= 0 or not conversation.is_usable:
            self.part(conversation)
            return
        conversation.kept_until = self._loop.time() + self._idle
        self._keys[conversation] = key
        _add(self._by_key, key, conversation)
        _add(self._by_way, conversation.way, conversation)
        if self._timer is None:
            self._timer = self._loop.call_later(self._idle, self._sweep)

    def part(self, conversation: Conversation) -> None:
        """Says QUIT to a session in the background."""
        if not conversation.is_usable:
            conversation.abort()
            return
        task = self._loop.create_task(conversation.quit())
        self._partings.add(task)
        task.add_done_callback(self._partings.discard)

    async def close(self) -> None:
        """Ends all sessions politely."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for conversation in list(self._keys):
            self._remove(conversation)
            self.part(conversation)
        await asyncio.gather(*self._partings)

    def _remove(self, conversation: Conversation) -> None:
        _strike(self._by_key, self._keys.pop(conversation), conversation)
        _strike(self._by_way, conversation.way, conversation)

    def _sweep(self) -> None:
        self._timer = None
        now = self._loop.time()
        for conversation in [kept for kept in self._keys if kept.kept_until <= now]:
            self._remove(conversation)
            self.part(conversation)
        if self._keys:
            self._timer = self._loop.call_later(self._idle, self._sweep)


R = TypeVar("R", bound=Hashable)


def _add(rows: dict[R, dict[Conversation, None]], key: R, conversation: Conversation) -> None:
    row = rows.get(key)
    if row is None:
        rows[key] = {conversation: None}
    else:
        row[conversation] = None


def _strike(rows: dict[R, dict[Conversation, None]], key: R, conversation: Conversation) -> None:
    row = rows[key]
    del row[conversation]
    if not row:
        del rows[key]
