"""Webhooks: each arrival is posted to addresses that whoever started the inbox named (a deed).

Nobody else can name one, no redirect is followed, and what the other side answers is not shown (F181).
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
from typing import Final
from urllib.parse import urlsplit

import msgspec

from eilpost.inbox.contract import Arrived, Told
from eilpost.inbox.store import Inbox

_TIMEOUT: Final = 10.0
PAUSES: Final = (0.0, 1.0, 5.0)
"""Seconds before each try."""


class HookError(ValueError):
    """The address cannot be posted to; the message names one that could."""


def checked(url: str) -> str:
    """The address, if it is one of http or https. HookError."""
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or "@" in parts.netloc:
        shown = "it" if "@" in url else repr(url[:100])  # what stands before an @ may be a password
        raise HookError(f"{shown} is no address to post to; write http://127.0.0.1:3000/mail")
    return url


class Hooks:
    """Use ``async with``: a slow receiver holds up the others behind it, never the inbox."""

    def __init__(self, inbox: Inbox, urls: tuple[str, ...], pauses: tuple[float, ...] = PAUSES) -> None:
        self._pauses = pauses
        self._inbox = inbox
        self._urls = tuple(checked(url) for url in urls)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Hooks:
        """Begins to post."""
        self._tasks = [asyncio.create_task(self._post_all(url)) for url in self._urls]
        return self

    async def __aexit__(self, *_: object) -> None:
        """What was not posted by now is not."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _post_all(self, url: str) -> None:
        with self._inbox.watch() as watcher:
            async for happening in watcher:
                if isinstance(happening, Arrived):
                    await self._post(url, msgspec.json.encode({"event": "arrived", "message": happening.message}))

    async def _post(self, url: str, body: bytes) -> None:
        problem = ""
        for pause in self._pauses:
            await asyncio.sleep(pause)
            try:
                code = await asyncio.to_thread(post, url, body)
            except (OSError, http.client.HTTPException) as error:
                problem = str(error) or type(error).__name__
                continue
            if code < 400:
                return
            problem = f"HTTP {code}"
        self._inbox.tell(Told("webhook", f"{urlsplit(url).hostname} did not take an event: {problem}"))


def post(url: str, body: bytes) -> int:
    """Posts JSON; the answer's code. Blocks; OSError, HTTPException."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_TIMEOUT)
    try:
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        connection.request("POST", target, body, {"Content-Type": "application/json", "User-Agent": "eilpost"})
        return connection.getresponse().status
    finally:
        connection.close()
