"""What happens in the inbox as server-sent events, for programs (a deed)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from starlette.responses import Response, StreamingResponse

from eilpost.inbox.contract import Arrived, Changed, Deleted, Happening, Missed, Told
from eilpost.inbox.store import Inbox
from eilpost.web.bodies import Refused

MOST_LISTENERS: Final = 200
HEARTBEAT: Final = 20.0
"""Seconds of silence before a stream says that it is still there."""


def stream(inbox: Inbox) -> Response:
    """The stream; it ends with the inbox. Refused when too many listen."""
    if inbox.watched_by >= MOST_LISTENERS:
        raise Refused(503, f"{MOST_LISTENERS} listen already; close some of them")
    return StreamingResponse(_events(inbox), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _events(inbox: Inbox) -> AsyncIterator[bytes]:
    with inbox.watch() as watcher:
        yield b"retry: 2000\n: the inbox tells what happens\n\n"
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT):
                    happening = await watcher.next()
            except TimeoutError:
                yield b": still here\n\n"
                continue
            if happening is None:
                return
            yield encode(happening)


def encode(happening: Happening) -> bytes:
    """One event; JSON has no line ends of its own."""
    name, what = described(happening)
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(what) + b"\n\n"


def described(happening: Happening) -> tuple[str, dict[str, Any]]:
    """The event's name and its object."""
    match happening:
        case Arrived(message):
            return "arrived", {"message": message}
        case Changed(ids):
            return "changed", {"ids": ids}
        case Deleted(ids):
            return "deleted", {"ids": ids}
        case Missed():
            return "missed", {}
        case Told(topic, text):
            return "told", {"topic": topic, "text": text}
