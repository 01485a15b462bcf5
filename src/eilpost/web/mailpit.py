"""Mailpit's API v1, the part that client libraries use, on our inbox (a deed)."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Iterable
from datetime import UTC, tzinfo
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from eilpost.inbox import archive, mime
from eilpost.inbox.contract import Arrival, Listing, Via
from eilpost.inbox.fault_rules import rule_of
from eilpost.inbox.faults import Rule, Stage
from eilpost.inbox.search import EVERYTHING, Search, parse
from eilpost.message import dates
from eilpost.message.compose import ComposeError, Letter, compose
from eilpost.web import attachments, bodies, mailpit_types
from eilpost.web.bodies import Refused, answer, number, telling, text_of
from eilpost.web.desk import Desk
from eilpost.web.mailpit_types import Chaos, ReleaseTo, Selection, Sending, TagName, TagSelection, Trigger

T = TypeVar("T", bound=msgspec.Struct)

_SEND_LIMIT: Final = 60_000_000
_CHAOS: Final = ("Sender", "Recipient", "Authentication")
_STAGES: Final = {"Sender": Stage.MAIL, "Recipient": Stage.RCPT, "Authentication": Stage.AUTH}
_OK: Final = "ok"


class Mailpit:
    """The operations of ``/api/v1``."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._inbox = desk.inbox

    def routes(self) -> list[BaseRoute]:
        """What the application mounts."""
        table = (
            ("GET", "/messages", self.messages),
            ("PUT", "/messages", self.mark),
            ("DELETE", "/messages", self.delete),
            ("GET", "/search", self.search),
            ("DELETE", "/search", self.delete_found),
            ("GET", "/message/{id}", self.message),
            ("GET", "/message/{id}/headers", self.headers),
            ("GET", "/message/{id}/raw", self.raw),
            ("GET", "/message/{id}/part/{part}", self.part),
            ("POST", "/message/{id}/release", self.release),
            ("GET", "/tags", self.tags),
            ("PUT", "/tags", self.set_tags),
            ("PUT", "/tags/{tag}", self.rename_tag),
            ("DELETE", "/tags/{tag}", self.delete_tag),
            ("POST", "/send", self.send),
            ("GET", "/info", self.info),
            ("GET", "/webui", self.webui),
            ("GET", "/chaos", self.chaos),
            ("PUT", "/chaos", self.set_chaos),
        )
        routes: list[BaseRoute] = [
            Route(f"/api/v1{path}", telling(handle), methods=[method]) for method, path, handle in table
        ]
        return [
            *routes,
            Route("/view/{id}.txt", telling(self.text)),
            Route("/view/{id}.html", telling(self.html)),
            Route("/livez", telling(self.alive)),
            Route("/readyz", telling(self.alive)),
        ]

    # ── lists ──

    async def messages(self, request: Request) -> Response:
        """The newest."""
        return await self._listing(request, EVERYTHING)

    async def search(self, request: Request) -> Response:
        """What a search finds."""
        return await self._listing(request, _search(request))

    async def _listing(self, request: Request, search: Search) -> Response:
        start, limit = number(request, "start", 0, 10**9), number(request, "limit", 50, bodies.MOST_LISTED)
        found = await self._inbox.search(search, start=start, limit=limit)
        everything = await self._inbox.stats()
        return answer(await self._listed(found, everything.total, everything.unread))

    async def _listed(self, found: Listing, total: int, unread: int) -> dict[str, Any]:
        return {
            "total": total,
            "unread": unread,
            "count": len(found.messages),
            "messages_count": found.total,
            "messages_unread": found.unread,
            "start": found.start,
            "tags": [each.name for each in await self._inbox.tags()],
            "messages": [mailpit_types.listed(each) for each in found.messages],
        }

    async def mark(self, request: Request) -> Response:
        """Read or unread: these, those that are found, or all."""
        wanted = await _loosely(request, Selection)
        which: Iterable[str] | Search = wanted.IDs
        if not wanted.IDs:
            which = parse(wanted.Search, time.time()) if wanted.Search else EVERYTHING
        await self._inbox.mark(which, read=wanted.Read)
        return PlainTextResponse(_OK)

    async def delete(self, request: Request) -> Response:
        """These, or all."""
        wanted = await _loosely(request, Selection)
        await self._inbox.delete(wanted.IDs or EVERYTHING)
        return PlainTextResponse(_OK)

    async def delete_found(self, request: Request) -> Response:
        """Those that are found; an empty search is a mistake here."""
        search = _search(request)
        if not search.terms:
            raise Refused(400, "query says nothing; DELETE /api/v1/messages deletes all")
        await self._inbox.delete(search)
        return PlainTextResponse(_OK)

    # ── one message ──

    async def _token(self, request: Request) -> str:
        token = str(request.path_params["id"])
        return await self._inbox.latest() if token == "latest" else token

    async def message(self, request: Request) -> Response:
        """A message, which is read from now on."""
        token = await self._token(request)
        kept, content = await self._inbox.get(token), await self._inbox.content(token)
        if not kept.summary.is_read:
            await self._inbox.mark([token], read=True)
        return answer(await asyncio.to_thread(mailpit_types.whole, kept, content))

    async def headers(self, request: Request) -> Response:
        """All fields."""
        content = await self._inbox.content(await self._token(request))
        return answer(await asyncio.to_thread(mailpit_types.headers, content))

    async def raw(self, request: Request) -> Response:
        """As it came."""
        token = await self._token(request)
        await self._inbox.get(token)
        disposition = attachments.disposition(f"{token}.eml", save="dl" in request.query_params)
        headers = {"Content-Disposition": disposition, "Content-Security-Policy": attachments.NOTHING}
        return StreamingResponse(self._inbox.blocks(token), media_type="text/plain; charset=utf-8", headers=headers)

    async def part(self, request: Request) -> Response:
        """One part."""
        content = await self._inbox.content(await self._token(request))
        root = await asyncio.to_thread(mime.parse, content)
        part = next((each for each in root.leaves() if each.path == request.path_params["part"]), None)
        if part is None:
            raise Refused(404, "the message has no such part")
        octets = await asyncio.to_thread(mime.decoded, content, part)
        return Response(octets, headers=attachments.headers(part, save=False))

    async def text(self, request: Request) -> Response:
        """The text alone: what a test looks into."""
        return PlainTextResponse((await self._bodies(request))[0])

    async def html(self, request: Request) -> Response:
        """The HTML alone, as text to a browser: it is hostile, and shown by the page alone (F176)."""
        rich = (await self._bodies(request))[1]
        if not rich:
            raise Refused(404, "the message has no HTML")
        return PlainTextResponse(rich, headers={"Content-Security-Policy": attachments.NOTHING})

    async def _bodies(self, request: Request) -> tuple[str, str]:
        content = await self._inbox.content(await self._token(request))
        return await asyncio.to_thread(lambda: mime.bodies(content, mime.parse(content)))

    async def release(self, request: Request) -> Response:
        """Sent on to the real server."""
        wanted = await _loosely(request, ReleaseTo)
        receipt = await self._desk.releaser.release(await self._token(request), wanted.To)
        for outcome in receipt.failures:
            raise Refused(400, f"{outcome.recipient}: {outcome.diagnostic}")
        return PlainTextResponse(_OK)

    # ── tags ──

    async def tags(self, request: Request) -> Response:
        """Their names."""
        return answer([each.name for each in await self._inbox.tags()])

    async def set_tags(self, request: Request) -> Response:
        """These messages have exactly these tags."""
        wanted = await _loosely(request, TagSelection)
        await self._inbox.set_tags(wanted.IDs, wanted.Tags)
        return PlainTextResponse(_OK)

    async def rename_tag(self, request: Request) -> Response:
        """Another name."""
        wanted = await bodies.body(request, TagName)
        await self._inbox.rename_tag(request.path_params["tag"], wanted.Name)
        return PlainTextResponse(_OK)

    async def delete_tag(self, request: Request) -> Response:
        """No message has it any more."""
        await self._inbox.rename_tag(request.path_params["tag"], None)
        return PlainTextResponse(_OK)

    # ── the rest ──

    async def send(self, request: Request) -> Response:
        """A message is composed and put into the inbox."""
        wanted = await bodies.body(request, Sending, _SEND_LIMIT)
        content = await asyncio.to_thread(_composed, wanted, time.time())
        recipients = tuple(each.Email for each in (*wanted.To, *wanted.Cc)) + tuple(wanted.Bcc)
        via = Via(peer=request.client.host if request.client else "", protocol="HTTP")
        arrival = Arrival(wanted.From.Email, recipients[:1000], time.time(), via, tuple(wanted.Tags))
        summary = await self._inbox.take(arrival, content)
        self._desk.releaser.taken(summary)
        return answer({"ID": summary.id})

    async def info(self, request: Request) -> Response:
        """Numbers, as Mailpit names them."""
        stats = await self._inbox.stats()
        return answer(
            {
                "Version": f"eilpost {self._desk.version}",
                "LatestVersion": "",
                "Database": self._desk.database,
                "DatabaseSize": stats.octets,
                "Messages": stats.total,
                "Unread": stats.unread,
                "Tags": {each.name: each.total for each in await self._inbox.tags()},
                "RuntimeStats": {
                    "Uptime": int(time.time() - stats.started),
                    "Memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                    "MessagesDeleted": stats.deleted,
                    "SMTPAccepted": stats.taken,
                    "SMTPAcceptedSize": stats.taken_octets,
                    "SMTPRejected": stats.refused,
                    "SMTPIgnored": 0,
                },
            }
        )

    async def webui(self, request: Request) -> Response:
        """What a page may offer."""
        rules = self._desk.releaser.rules
        relay = {
            "Enabled": rules.is_possible,
            "SMTPServer": f"{rules.host}:{rules.port}" if rules.is_possible else "",
            "ReturnPath": rules.sender,
            "AllowedRecipients": "|".join(rules.allowed),
            "BlockedRecipients": "",
            "OverrideFrom": "",
            "PreserveMessageIDs": True,
        }
        return answer(
            {
                "ChaosEnabled": True,
                "DuplicatesIgnored": False,
                "Label": "",
                "MessageRelay": relay,
                "SpamAssassin": False,
            }
        )

    async def chaos(self, request: Request) -> Response:
        """The triggers that are set, as far as rules are like Mailpit's."""
        return answer(_as_chaos(self._desk.board.rules))

    async def set_chaos(self, request: Request) -> Response:
        """The triggers take the place of all rules that are like them; others stay."""
        wanted = await bodies.body(request, Chaos)
        triggers = {"Sender": wanted.Sender, "Recipient": wanted.Recipient, "Authentication": wanted.Authentication}
        others = [rule for rule in self._desk.board.rules if _trigger_of(rule) is None]
        self._desk.board.set([*others, *(_as_rule(name, each) for name, each in triggers.items() if each.Probability)])
        return await self.chaos(request)

    async def alive(self, request: Request) -> Response:
        """It serves."""
        return PlainTextResponse(_OK)


async def _loosely(request: Request, kind: type[T]) -> T:
    """A body as Mailpit's clients send it: JSON whose names may be in any case, or a form."""
    octets = await bodies.octets(request)
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded") and octets[:1] != b"{":
        given: dict[str, Any] = {name: _said(name, texts) for name, texts in parse_qs(octets.decode()).items()}
    else:
        given = msgspec.json.decode(octets or b"{}", type=dict[str, Any])
    names = {field.name.lower(): field.name for field in msgspec.structs.fields(kind)}
    return msgspec.convert({names.get(name.lower(), name): what for name, what in given.items()}, kind)


def _said(name: str, texts: list[str]) -> Any:
    """What a form's field says: a list, a flag or a text."""
    match name.lower():
        case "read":
            return texts[-1].lower() in ("true", "1")
        case "search":
            return texts[-1]
        case _:
            return texts


def _search(request: Request) -> Search:
    zone: tzinfo = UTC
    name = text_of(request, "tz")
    if name:
        try:
            zone = ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise Refused(400, f"{name[:40]!r} is no time zone; write Europe/Berlin") from None
    return parse(text_of(request, "query"), time.time(), zone)


def _as_rule(name: str, trigger: Trigger) -> Rule:
    probability = max(0, min(100, trigger.Probability))
    return rule_of({"stage": _STAGES[name].value, "reply": trigger.ErrorCode, "probability": f"{probability}%"})


def _trigger_of(rule: Rule) -> str | None:
    """Which of the triggers a rule is, when it has no other condition and does nothing else."""
    name = next((name for name in _CHAOS if _STAGES[name] is rule.stage), None)
    if name is None or rule.reply is None:
        return None
    is_like = _as_rule(name, Trigger(rule.reply.code, round(rule.probability * 100)))
    return name if (is_like.reply, is_like.probability) == (rule.reply, rule.probability) and _is_bare(rule) else None


def _is_bare(rule: Rule) -> bool:
    return not (rule.sender or rule.recipient or rule.larger or rule.every or rule.times or rule.rate or rule.delay)


def _as_chaos(rules: Iterable[Rule]) -> Chaos:
    found = Chaos()
    for rule in rules:
        if rule.reply is None or (name := _trigger_of(rule)) is None:
            continue
        trigger = Trigger(rule.reply.code, round(rule.probability * 100))
        match name:
            case "Sender":
                found.Sender = trigger
            case "Recipient":
                found.Recipient = trigger
            case _:
                found.Authentication = trigger
    return found


def _composed(wanted: Sending, now: float) -> bytes:
    letter = Letter(
        sender=_spelt(wanted.From.Name, wanted.From.Email),
        to=[_spelt(each.Name, each.Email) for each in wanted.To],
        cc=[_spelt(each.Name, each.Email) for each in wanted.Cc],
        subject=wanted.Subject,
        text=wanted.Text,
        headers=[f"{name}: {text}" for name, text in wanted.Headers.items()],
    )
    message = compose(letter, date=dates.format(now), message_id=f"<{time.time_ns():x}@inbox.invalid>")
    if wanted.ReplyTo:
        message["Reply-To"] = ", ".join(_spelt(each.Name, each.Email) for each in wanted.ReplyTo)
    if wanted.HTML:
        message.add_alternative(wanted.HTML, subtype="html")
    _attach(message, wanted)
    return archive.canonical(message.as_bytes(policy=SMTP))


def _attach(message: EmailMessage, wanted: Sending) -> None:
    for file in wanted.Attachments:
        octets = mailpit_types.octets_of(file.Content)
        if octets is None:
            raise Refused(400, f"the attachment {file.Filename[:60]!r} is no base64")
        main, _, sub = (file.ContentType or "application/octet-stream").partition("/")
        if not mime.is_type(main, sub) or any(char in file.Filename + file.ContentID for char in "\r\n\0"):
            raise Refused(400, f"the attachment {file.Filename[:60]!r} has no media type, or a name of several lines")
        cid = f"<{file.ContentID}>" if file.ContentID else None
        disposition = "inline" if file.ContentID else "attachment"
        message.add_attachment(
            octets, maintype=main, subtype=sub, filename=file.Filename or None, cid=cid, disposition=disposition
        )


def _spelt(name: str, address: str) -> str:
    if any(char in name + address for char in "\r\n\0"):
        raise ComposeError("an address is a single line")  # F095
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>' if name else address
