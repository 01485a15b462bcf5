"""The REST API: each operation of the table does its one thing (a deed)."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from eilpost.inbox import archive, mime, transfer
from eilpost.inbox.contract import Arrival, Arrived, Summary, Told, Via
from eilpost.inbox.fault_rules import KEYS, rules_of
from eilpost.inbox.faults import Rule
from eilpost.inbox.search import EVERYTHING, Search, parse
from eilpost.web import attachments, bodies
from eilpost.web.api_types import (
    OPERATIONS,
    Change,
    Done,
    FaultList,
    MessageView,
    NewName,
    OutcomeView,
    PartView,
    Recipients,
    Which,
)
from eilpost.web.bodies import Handle, Refused, answer, number, telling, text_of
from eilpost.web.desk import Desk
from eilpost.web.events import stream
from eilpost.web.openapi import document

_LONGEST_WAIT: Final = 300
_MOST_FAULTS: Final = 200


class Api:
    """The operations, on one inbox."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._inbox = desk.inbox

    def routes(self) -> list[BaseRoute]:
        """What the application mounts, from the table."""
        handlers: dict[str, Handle] = {
            "list": self.list_messages, "put": self.put, "change": self.change, "delete": self.delete,
            "get": self.get, "raw": self.raw, "transcript": self.transcript, "part": self.part,
            "release": self.release, "wait": self.wait, "mailboxes": self.mailboxes, "tags": self.tags,
            "rename_tag": self.rename_tag, "delete_tag": self.delete_tag, "stats": self.stats,
            "faults": self.faults, "set_faults": self.set_faults, "clear_faults": self.clear_faults,
            "events": self.events, "export": self.export,
        }  # fmt: skip
        by_path: dict[str, dict[str, Handle]] = {}
        for row in OPERATIONS:
            by_path.setdefault(row.path, {})[row.method] = telling(handlers[row.name])
        routes: list[BaseRoute] = [
            Route(f"/api{path}", _by_method(methods), methods=list(methods)) for path, methods in by_path.items()
        ]
        return [*routes, Route("/api/openapi.json", self.openapi)]

    async def openapi(self, request: Request) -> Response:
        """The document that describes all this."""
        return answer(document(self._desk.version))

    # ── lists and changes ──

    async def list_messages(self, request: Request) -> Response:
        """A part of what a search finds."""
        search = parse(text_of(request, "q"), time.time())
        start, limit = number(request, "start", 0, 10**9), number(request, "limit", 50, bodies.MOST_LISTED)
        mailbox = request.query_params.get("mailbox")
        return answer(await self._inbox.search(search, mailbox, start=start, limit=limit))

    async def put(self, request: Request) -> Response:
        """A message that came over HTTP."""
        content = archive.canonical(await bodies.octets(request, bodies.MESSAGE_LIMIT))
        if not content:
            raise Refused(400, "the body is the message, as an .eml has it")
        known = archive.arrival_of(content, time.time())
        recipients = tuple(each.strip()[:330] for each in text_of(request, "to").split(",") if each.strip())
        peer = request.client.host if request.client else ""
        arrival = Arrival(
            text_of(request, "from")[:330] or known.reverse_path,
            recipients[:1000] or known.recipients,
            time.time(),
            Via(peer=peer, protocol="HTTP"),
        )
        return answer(await self._inbox.take(arrival, content), 201)

    async def change(self, request: Request) -> Response:
        """Read flags and tags."""
        wanted = await bodies.body(request, Change)
        which = _which(wanted)
        count = 0
        if wanted.read is not None:
            count = await self._inbox.mark(which, read=wanted.read, mailbox=wanted.mailbox)
        if wanted.tags is not None:
            count = await self._inbox.set_tags(which, wanted.tags)
        return answer(Done(count))

    async def delete(self, request: Request) -> Response:
        """Some, or all."""
        wanted = await bodies.body(request, Which)
        return answer(Done(await self._inbox.delete(_which(wanted), mailbox=wanted.mailbox)))

    async def wait(self, request: Request) -> Response:
        """The first message that matches, now or within the time."""
        search = parse(text_of(request, "q"), time.time())
        mailbox = request.query_params.get("mailbox")
        after = number(request, "after", 0, 10**15)
        seconds = number(request, "timeout", 10, _LONGEST_WAIT)
        with self._inbox.watch() as watcher:
            try:
                async with asyncio.timeout(seconds):
                    while (found := await self._newest(search, mailbox, after)) is None:
                        happening = await watcher.next()
                        while happening is not None and not isinstance(happening, Arrived):
                            happening = await watcher.next()
                        if happening is None:
                            break
            except TimeoutError:
                found = None
        if found is None:
            raise Refused(408, f"no such message came within {seconds} seconds")
        return answer(found)

    async def _newest(self, search: Search, mailbox: str | None, after: int) -> Summary | None:
        listing = await self._inbox.search(search, mailbox, limit=1)
        return next((each for each in listing.messages if each.number > after), None)

    # ── one message ──

    async def get(self, request: Request) -> Response:
        """A message with its texts and parts."""
        token = await self._token(request)
        kept, content = await self._inbox.get(token), await self._inbox.content(token)
        return answer(await asyncio.to_thread(_view, kept, content))

    async def raw(self, request: Request) -> Response:
        """A message as it came, to be saved."""
        token = await self._token(request)
        await self._inbox.get(token)
        headers = {"Content-Disposition": attachments.disposition(f"{token}.eml", save=True)}
        return StreamingResponse(self._inbox.blocks(token), media_type="message/rfc822", headers=headers)

    async def transcript(self, request: Request) -> Response:
        """The session that brought it."""
        return Response(await self._inbox.transcript(await self._token(request)), media_type="text/plain")

    async def part(self, request: Request) -> Response:
        """One part, to be saved."""
        content = await self._inbox.content(await self._token(request))
        root = await asyncio.to_thread(mime.parse, content)
        part = next((each for each in root.leaves() if each.path == request.path_params["path"]), None)
        if part is None:
            raise Refused(404, "the message has no such part")
        octets = await asyncio.to_thread(mime.decoded, content, part)
        return Response(octets, headers=attachments.headers(part, save=True))

    async def release(self, request: Request) -> Response:
        """Sent on to the real server."""
        wanted = await bodies.body(request, Recipients)
        receipt = await self._desk.releaser.release(await self._token(request), wanted.to)
        return answer([OutcomeView(str(each.recipient), each.fate.value, each.diagnostic) for each in receipt.outcomes])

    async def _token(self, request: Request) -> str:
        token = str(request.path_params["id"])
        return await self._inbox.latest() if token == "latest" else token

    # ── about the inbox ──

    async def mailboxes(self, request: Request) -> Response:
        """By name."""
        return answer(await self._inbox.mailboxes())

    async def tags(self, request: Request) -> Response:
        """By name."""
        return answer(await self._inbox.tags())

    async def rename_tag(self, request: Request) -> Response:
        """Another name for a tag."""
        wanted = await bodies.body(request, NewName)
        return answer(Done(await self._inbox.rename_tag(request.path_params["tag"], wanted.name)))

    async def delete_tag(self, request: Request) -> Response:
        """No message has it any more."""
        return answer(Done(await self._inbox.rename_tag(request.path_params["tag"], None)))

    async def stats(self, request: Request) -> Response:
        """Numbers."""
        return answer(await self._inbox.stats())

    async def faults(self, request: Request) -> Response:
        """The rules that are set, as objects."""
        return answer({"faults": [as_object(rule) for rule in self._desk.board.rules]})

    async def set_faults(self, request: Request) -> Response:
        """Other rules from now on."""
        wanted = await bodies.body(request, FaultList)
        if len(wanted.faults) > _MOST_FAULTS:
            raise Refused(400, f"there are at most {_MOST_FAULTS} faults")
        return await self._set(rules_of(wanted.faults), request)

    async def clear_faults(self, request: Request) -> Response:
        """No rules from now on."""
        return await self._set((), request)

    async def _set(self, rules: tuple[Rule, ...], request: Request) -> Response:
        self._desk.board.set(rules)
        self._inbox.tell(Told("faults", f"{len(rules)} faults are set"))
        return await self.faults(request)

    async def events(self, request: Request) -> Response:
        """What happens, as it happens."""
        return stream(self._inbox)

    async def export(self, request: Request) -> Response:
        """All messages as an mbox, the oldest first."""
        headers = {"Content-Disposition": attachments.disposition("inbox.mbox", save=True)}
        entries = self._mbox(request.query_params.get("mailbox"))
        return StreamingResponse(entries, media_type="application/mbox", headers=headers)

    async def _mbox(self, mailbox: str | None) -> AsyncIterator[bytes]:
        async for summary, content in transfer.messages(self._inbox, mailbox):
            yield archive.mbox_entry(summary, content)


def _by_method(methods: dict[str, Handle]) -> Handle:
    """One route for a path, so that a wrong method hears of all the right ones."""

    async def handle(request: Request) -> Response:
        return await methods["GET" if request.method == "HEAD" else request.method](request)

    return handle


def _which(wanted: Which | Change) -> list[str] | Search:
    if wanted.ids and wanted.q:
        raise Refused(400, "name ids or a search, not both")
    if wanted.ids:
        return wanted.ids
    return parse(wanted.q, time.time()) if wanted.q else EVERYTHING


def _view(kept: Any, content: bytes) -> MessageView:
    root = mime.parse(content)
    text, rich = mime.bodies(content, root)
    return MessageView(kept, text, rich, _part(root))


def _part(part: mime.Part) -> PartView:
    return PartView(
        part.path,
        part.kind,
        part.name,
        part.disposition,
        part.content_id,
        part.end - part.start,
        [_part(each) for each in part.parts],
    )


def as_object(rule: Rule) -> dict[str, str]:
    """A rule with the keys that people write, as it can be sent back."""
    words = shlex.split(rule.text)
    given = dict(word.partition("=")[::2] for word in words[1:])
    return {"stage": rule.stage.value, **{name: text for name, text in given.items() if name in KEYS}}
