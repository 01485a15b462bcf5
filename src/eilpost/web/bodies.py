"""Bodies of requests, bounded, and answers (a deed)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from eilpost.inbox.contract import InboxError, NoMessage
from eilpost.inbox.fault_rules import FaultError
from eilpost.inbox.release import ReleaseError
from eilpost.inbox.search import SearchError
from eilpost.message.compose import ComposeError

JSON_LIMIT: Final = 1_000_000
MESSAGE_LIMIT: Final = 100_000_000
MOST_LISTED: Final = 1_000

T = TypeVar("T")
Handle = Callable[[Request], Awaitable[Response]]


class Refused(Exception):
    """The request cannot be done; ``code`` and the sentence are the answer."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


CODES: Final[tuple[tuple[type[Exception], int], ...]] = (
    (NoMessage, 404),
    (ReleaseError, 403),
    (SearchError, 400),
    (FaultError, 400),
    (ComposeError, 400),
    (msgspec.MsgspecError, 400),
    (RecursionError, 400),
    (UnicodeError, 400),
    (ClientDisconnect, 413),
    (InboxError, 400),
)
"""The first row that fits decides; what fits none is a bug."""


async def octets(request: Request, limit: int = JSON_LIMIT) -> bytes:
    """The body; Refused when it is longer than the limit, before it is read (F183)."""
    declared = request.headers.get("content-length", "0")
    if declared.isascii() and declared.isdigit() and len(declared) < 20 and int(declared) > limit:
        raise Refused(413, f"the body is longer than {limit} octets")
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > limit:
            raise Refused(413, f"the body is longer than {limit} octets")
        pieces.append(piece)
    return b"".join(pieces)


async def body(request: Request, kind: type[T], limit: int = JSON_LIMIT) -> T:
    """The body as a value of a type, whatever type it claims to be. An empty one is an empty object."""
    return msgspec.json.decode(await octets(request, limit) or b"{}", type=kind)


def number(request: Request, name: str, default: int, most: int) -> int:
    """A parameter of the query; Refused when it is no number."""
    text = request.query_params.get(name)
    if text is None or not text:
        return default
    if not (text.isascii() and text.isdigit()):
        raise Refused(400, f"{name} is a number from 0 on")
    return min(int(text), most) if len(text) <= 15 else most


def text_of(request: Request, name: str) -> str:
    """A parameter of the query; empty when it is not given."""
    return request.query_params.get(name, "")


def answer(result: Any, code: int = 200) -> Response:
    """A value as JSON."""
    return Response(msgspec.json.encode(result), code, media_type="application/json")


def told(error: Exception) -> Response:
    """What a mishap is answered; raises it when it is a bug."""
    if isinstance(error, Refused):
        return answer({"error": str(error)}, error.code)
    code = next((code for kind, code in CODES if isinstance(error, kind)), 0)
    if not code:
        raise error
    return answer({"error": str(error) or "the body is not what it should be"}, code)


def telling(handle: Handle) -> Handle:
    """A handler whose mishaps are answered."""

    async def handled(request: Request) -> Response:
        try:
            return await handle(request)
        except Exception as error:
            return told(error)

    return handled
