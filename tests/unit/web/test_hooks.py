"""Webhooks: arrivals are posted to the addresses that whoever started the inbox named, and nowhere else."""

from __future__ import annotations

import asyncio
import json

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from eilpost.inbox.contract import Told
from eilpost.inbox.store import Inbox
from eilpost.web.hooks import HookError, Hooks, checked
from eilpost.web.serve import WebServer
from tests.unit.inbox.samples import arrival, message


async def test_arrivals_are_posted() -> None:
    """Each arrival is one POST of JSON."""
    posted: asyncio.Queue[dict[str, object]] = asyncio.Queue()

    async def take(request: Request) -> Response:
        posted.put_nowait(json.loads(await request.body()))
        return Response(status_code=204)

    receiver = Starlette(routes=[Route("/mail", take, methods=["POST"])])
    async with WebServer(receiver, "127.0.0.1", 0) as server, Inbox() as inbox:
        async with Hooks(inbox, (f"http://127.0.0.1:{server.port}/mail",)):
            await asyncio.sleep(0)
            taken = await inbox.take(arrival(), message("hooked"))
            told = await posted.get()
        assert told["event"] == "arrived"
        assert told["message"]["id"] == taken.id  # type: ignore[index]


async def test_f181_no_redirect_is_followed() -> None:
    """An answer that points elsewhere leads nowhere; an answer that refuses is told to who watches."""
    asked: list[str] = []

    async def send_elsewhere(request: Request) -> Response:
        asked.append(request.url.path)
        return RedirectResponse("/inner", 302)

    async def refuse(request: Request) -> Response:
        return Response(status_code=500)

    routes = [
        Route("/mail", send_elsewhere, methods=["POST"]),
        Route("/inner", send_elsewhere),
        Route("/no", refuse, methods=["POST"]),
    ]
    async with WebServer(Starlette(routes=routes), "127.0.0.1", 0) as server, Inbox() as inbox:
        here = f"http://127.0.0.1:{server.port}"
        with inbox.watch() as watcher:
            async with Hooks(inbox, (f"{here}/mail", f"{here}/no"), pauses=(0.0,)):
                await asyncio.sleep(0)
                await inbox.take(arrival(), message())
                await watcher.next()
                assert await watcher.next() == Told("webhook", "127.0.0.1 did not take an event: HTTP 500")
    assert asked == ["/mail"]


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "http://x:99999/", "ftp://x/", "http://", "http://user:secret@x/", "x"]
)
def test_f181_only_web_addresses(url: str) -> None:
    """What is no plain address of the web is refused, and its password not shown."""
    with pytest.raises(HookError) as raised:
        checked(url)
    assert "write http://127.0.0.1:3000/mail" in str(raised.value)
    assert "secret" not in str(raised.value)
