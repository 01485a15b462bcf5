"""The inbox in a browser: each page is rendered here, and changes nothing unless it was posted (a deed)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from eilpost.inbox import mime
from eilpost.inbox.contract import Arrived, Deleted, InboxError, Listing, NoMessage, Sorting
from eilpost.inbox.search import EVERYTHING, FILTERS, Search, SearchError, parse
from eilpost.inbox.store import Inbox
from eilpost.web import attachments, views
from eilpost.web.frame import frame
from eilpost.web.render import rendered

ON_A_PAGE: Final = 50
MOST_CHOSEN: Final = 1_000
"""Messages that one press of a button may change."""
FORM_LIMIT: Final = 100_000
"""Octets of a form."""
HEARTBEAT: Final = 25.0
"""Seconds of silence before a stream says that it is still there."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SAFE: Final[Mapping[str, str]] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with none at all, a browser's own forms come with an Origin of null
    "Cache-Control": "no-store",
    "Vary": "HX-Request",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Pages:
    """The inbox's pages. ``server`` is where it takes mail, ``release`` where it may send it on (``host:port``)."""

    def __init__(self, inbox: Inbox, templates: Environment, *, server: str, release: str = "") -> None:
        self._inbox = inbox
        self._server = server
        self._release = release
        self._templates = templates

    def routes(self) -> list[BaseRoute]:
        """What the application mounts."""
        return [
            Route("/", self.listing, name="inbox"),
            Route("/list", self.list_alone),
            Route("/message/{id}", self.message),
            Route("/message/{id}/frame", self.html_frame),
            Route("/message/{id}/raw", self.raw),
            Route("/message/{id}/part/{path}", self.part),
            Route("/message/{id}/{view}", self.view),
            Route("/messages", self.change, methods=["POST"]),
            Route("/stream", self.stream),
            Route("/help", self.help),
            Mount("/static", _Static(directory=Path(__file__).parent / "static")),
        ]

    # ── lists ──

    async def listing(self, request: Request) -> Response:
        """The list, and nothing opened."""
        return self._page("inbox.html", await self._around(request))

    async def list_alone(self, request: Request) -> Response:
        """The list without the page around it, for those who have the page."""
        return self._page("list_alone.html", await self._around(request))

    async def _around(self, request: Request) -> dict[str, Any]:
        """What every page shows: the list that was asked for, mailboxes, tags, numbers."""
        query, mailbox = request.query_params.get("q", "")[:2000], request.query_params.get("in")
        start = _number(request.query_params.get("start", "0"))
        search, problem = EVERYTHING, ""
        try:
            search = parse(query, time.time())
        except SearchError as error:
            problem = str(error)
        listing = Listing((), 0, 0, 0)
        if not problem:
            listing = await self._inbox.search(search, mailbox, start=start, limit=ON_A_PAGE)
        sorting = self._inbox.sorting
        return {
            "listing": listing,
            "query": query,
            "problem": problem,
            "mailbox": mailbox,
            "mailboxes": await self._inbox.mailboxes() if sorting is not Sorting.NONE else (),
            "tags": await self._inbox.tags(),
            "stats": await self._inbox.stats(),
            "link": lambda **changes: _link({"q": query, "in": mailbox, "start": start or None} | changes),
            "address": lambda id, view="": (
                f"/message/{id}{'/' if view else ''}{view}"
                + _link({"q": query, "in": mailbox, "start": start or None}, "")
            ),
            "next": start + ON_A_PAGE if start + ON_A_PAGE < listing.total else None,
            "previous": max(0, start - ON_A_PAGE) if start else None,
            "server": self._server,
            "opened": None,
        }

    # ── one message ──

    async def message(self, request: Request) -> Response:
        """A message, as it is shown when nobody chose how."""
        return await self._show(request, "")

    async def view(self, request: Request) -> Response:
        """A message, as it was chosen to be shown."""
        if request.path_params["view"] not in views.VIEWS:
            return self._missing("There is no such view of a message.")
        return await self._show(request, request.path_params["view"])

    async def _show(self, request: Request, name: str) -> Response:
        try:
            looked = await self._look(request)
        except NoMessage:
            return self._missing("This message is gone: it was deleted, or newer ones took its place.")
        if not looked.kept.summary.is_read:
            await self._inbox.mark([looked.kept.summary.id], read=True)
        view = views.VIEWS[name] if name else views.first_view(looked)
        facts = await asyncio.to_thread(view.facts, looked)
        opened = {
            "opened": looked.kept.summary,
            "kept": looked.kept,
            "view": view,
            "views": views.offered(looked),
            "release": self._release,
            **facts,
        }
        template = "message.html" if request.headers.get("HX-Request") else "inbox.html"
        return self._page(template, await self._around(request) | opened)

    async def _look(self, request: Request) -> views.Looked:
        id = request.path_params["id"]
        kept = await self._inbox.get(id)
        content = await self._inbox.content(id)
        root = await asyncio.to_thread(mime.parse, content)
        page = f"{request.url.scheme}://{request.url.netloc}"
        return views.Looked(kept, content, root, await self._inbox.transcript(id), page, self._server)

    async def html_frame(self, request: Request) -> Response:
        """The HTML of a message, for the sandboxed frame."""
        try:
            looked = await self._look(request)
        except NoMessage:
            return self._missing("This message is gone.")
        remote = request.query_params.get("remote") == "1"
        made = await asyncio.to_thread(frame, looked.content, looked.root, remote=remote)
        return HTMLResponse(made.html, headers={**SAFE, "Referrer-Policy": "no-referrer", **made.headers})

    async def raw(self, request: Request) -> Response:
        """The whole message, as it came, to be saved."""
        id = request.path_params["id"]
        try:
            await self._inbox.get(id)
        except NoMessage:
            return self._missing("This message is gone.")
        headers = {
            **SAFE,
            "Content-Security-Policy": attachments.NOTHING,
            "Content-Disposition": attachments.disposition(f"{id}.eml", save=True),
        }
        return StreamingResponse(self._inbox.blocks(id), media_type="message/rfc822", headers=headers)

    async def part(self, request: Request) -> Response:
        """One part: a picture is shown, all else is saved."""
        try:
            looked = await self._look(request)
        except NoMessage:
            return self._missing("This message is gone.")
        path = request.path_params["path"]
        part = next((each for each in looked.root.leaves() if (each.path or "1") == path), None)
        if part is None:
            return self._missing("The message has no such part.")
        octets = await asyncio.to_thread(mime.decoded, looked.content, part)
        save = request.query_params.get("save") == "1"
        return Response(octets, headers={**SAFE, **attachments.headers(part, save=save)})

    # ── changes ──

    async def change(self, request: Request) -> Response:
        """What a button of the list or of a message asks for; then the list again."""
        form = await form_of(request)
        if form is None:
            return self._problem("The form is too long: choose fewer messages.", 413)
        ids = form.get("id", [])[:MOST_CHOSEN]
        deed = form.get("deed", [""])[0]
        which: list[str] | Search = ids
        if form.get("all") == ["1"]:
            try:
                which = parse(form.get("q", [""])[0], time.time())
            except SearchError as error:
                return self._problem(str(error), 400)
        try:
            await self._do(deed, which, form)
        except KeyError:
            return self._problem("There is no such deed.", 400)
        except InboxError as error:
            return self._problem(str(error), 409)
        back = _link({"q": form.get("q", [""])[0] or None, "in": form.get("in", [None])[0]})
        if request.headers.get("HX-Request"):
            return Response(status_code=204, headers={**SAFE, "HX-Trigger": "changed"})
        return RedirectResponse(back, 303, headers=dict(SAFE))

    async def _do(self, deed: str, which: list[str] | Search, form: Mapping[str, list[str]]) -> None:
        mailbox = form.get("in", [None])[0]
        match deed:
            case "read" | "unread":
                await self._inbox.mark(which, read=deed == "read", mailbox=mailbox)
            case "delete":
                await self._inbox.delete(which, mailbox=mailbox)
            case "tags":
                await self._inbox.set_tags(which, form.get("tags", [""])[0].split(","))
            case _:
                raise KeyError(deed)

    # ── what happens, as it happens ──

    async def stream(self, request: Request) -> Response:
        """Tells a page that its list has changed, as server-sent events."""
        return StreamingResponse(self._happenings(), media_type="text/event-stream", headers=dict(SAFE))

    async def _happenings(self) -> AsyncIterator[str]:
        with self._inbox.watch() as watcher:
            yield "retry: 2000\n\n"
            waiting = asyncio.ensure_future(watcher.next())
            try:
                while True:
                    done, _ = await asyncio.wait({waiting}, timeout=HEARTBEAT)
                    if not done:
                        yield ": still here\n\n"
                        continue
                    happening = waiting.result()
                    if happening is None:
                        return
                    yield _event(happening)
                    waiting = asyncio.ensure_future(watcher.next())
            finally:
                waiting.cancel()

    # ── the rest ──

    async def help(self, request: Request) -> Response:
        """Keys, and what a search may say."""
        return self._page(
            "help.html", await self._around(request) | {"filters": FILTERS.values(), "views": views.VIEWS.values()}
        )

    def _page(self, template: str, facts: Mapping[str, Any], status: int = 200) -> Response:
        return HTMLResponse(rendered(self._templates, template, **facts), status, headers=dict(SAFE))

    def _missing(self, why: str) -> Response:
        return self._problem(why, 404)

    def _problem(self, why: str, status: int) -> Response:
        return self._page("problem.html", {"why": why}, status)


class _Static(StaticFiles):
    """Our own files: they change with a release alone."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-cache"
        return response


def _event(happening: object) -> str:
    """Server-sent: a name, and what a page may show without asking."""
    match happening:
        case Arrived(message=message):
            told = {"id": message.id, "subject": message.subject, "from": message.sender.name or message.sender.address}
            return f"event: arrived\ndata: {json.dumps(told)}\n\n"
        case Deleted(ids=ids):
            return f"event: deleted\ndata: {json.dumps(ids)}\n\n"
        case _:
            return "event: changed\ndata: \n\n"


async def form_of(request: Request) -> dict[str, list[str]] | None:
    """A form's fields; None when it is too long (F183)."""
    octets = b""
    async for piece in request.stream():
        octets += piece
        if len(octets) > FORM_LIMIT:
            return None
    try:
        return parse_qs(octets.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_CHOSEN + 20)
    except ValueError:
        return None


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _link(changes: Mapping[str, Any], base: str = "/") -> str:
    given = {name: text for name, text in changes.items() if text is not None and text != ""}
    return base + (f"?{urlencode(given)}" if given else "")
