"""The REST API: what it lists, changes, waits for and describes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from eilpost.inbox.archive import mbox_messages
from eilpost.inbox.release import ReleaseRules
from eilpost.server.handler import Handler
from eilpost.server.server import Server
from eilpost.web.api_types import OPERATIONS
from eilpost.web.app import app
from eilpost.web.serve import WebServer
from tests.unit.inbox.samples import arrival, message, mixed
from tests.unit.web.house import House, house


@pytest.fixture
async def made() -> AsyncIterator[House]:
    """An inbox with two messages."""
    async with house() as running:
        await running.inbox.take(arrival(tags=("t",), transcript="S: 220"), message("first"))
        await running.inbox.take(arrival(), mixed())
        yield running


async def test_list_and_search(made: House) -> None:
    """A listing has totals; a search finds; a slip is a 400 that names the mend."""
    everything = (await made.web.get("/api/messages?limit=1")).json()
    assert (everything["total"], everything["messages"][0]["subject"]) == (2, "parts")
    assert (await made.web.get("/api/messages", params={"q": "tag:t"})).json()["total"] == 1
    wrong = await made.web.get("/api/messages", params={"q": "form:anna"})
    assert (wrong.status_code, "from:" in wrong.json()["error"]) == (400, True)
    assert (await made.web.get("/api/messages?limit=-1")).status_code == 400


async def test_one_message(made: House) -> None:
    """Text, HTML, parts, source, transcript; a part is saved, whatever it says it is (RFC 2183, RFC 6266, RFC 8187)."""
    found = (await made.web.get("/api/messages/latest")).json()
    token = found["message"]["summary"]["id"]
    assert found["text"] == "Grüße"
    assert [each["kind"] for each in found["parts"]["parts"]] == [
        "multipart/alternative",
        "image/png",
        "application/pdf",
    ]
    assert (await made.web.get(f"/api/messages/{token}/raw")).content == mixed()
    part = await made.web.get(f"/api/messages/{token}/parts/3")
    assert part.content == b"%PDF-1"
    assert part.headers["content-type"] == "application/octet-stream"
    assert part.headers["content-disposition"] == "attachment; filename=\"_ b.pdf\"; filename*=UTF-8''%C3%A4%20b.pdf"
    oldest = (await made.web.get("/api/messages?start=1")).json()["messages"][0]["id"]
    assert (await made.web.get(f"/api/messages/{oldest}/transcript")).text == "S: 220"
    for path in ("x", "x/raw", "x/transcript", f"{token}/parts/9", "x/parts/1"):
        assert (await made.web.get(f"/api/messages/{path}")).status_code == 404


async def test_change_and_delete(made: House) -> None:
    """Flags, tags and deletion, by id or by search; both at once is a mistake."""
    token = (await made.web.get("/api/messages")).json()["messages"][0]["id"]
    changed = await made.web.patch("/api/messages", json={"ids": [token], "read": True, "tags": ["a", "b"]})
    assert changed.json() == {"count": 1}
    assert [each["name"] for each in (await made.web.get("/api/tags")).json()] == ["a", "b", "t"]
    assert (await made.web.patch("/api/tags/a", json={"name": "c"})).json() == {"count": 1}
    assert (await made.web.delete("/api/tags/c")).json() == {"count": 1}
    both = await made.web.request("DELETE", "/api/messages", json={"ids": [token], "q": "x"})
    assert both.status_code == 400
    assert (await made.web.request("DELETE", "/api/messages", json={"q": "tag:b"})).json() == {"count": 1}
    assert (await made.web.delete("/api/messages")).json() == {"count": 1}
    stats = (await made.web.get("/api/stats")).json()
    assert (stats["total"], stats["deleted"]) == (0, 2)


async def test_put_and_export(made: House) -> None:
    """An .eml can be put in, and all come out as one mbox."""
    eml = message("put").replace(b"\r\n", b"\n")
    put = await made.web.post("/api/messages?to=x@y.test,z@y.test", content=eml)
    assert put.status_code == 201
    assert (put.json()["recipients"], put.json()["size"]) == (["x@y.test", "z@y.test"], len(message("put")))
    assert (await made.web.post("/api/messages", content=b"")).status_code == 400
    mbox = (await made.web.get("/api/export")).content
    assert list(mbox_messages(mbox.splitlines(keepends=True))) == [message("first"), mixed(), message("put")]


async def test_wait(made: House) -> None:
    """It answers at once, or when the message comes, or with 408."""
    first = (await made.web.get("/api/wait", params={"q": "subject:first"})).json()
    waiting = asyncio.create_task(made.web.get(f"/api/wait?q=to:bob&after={first['number'] + 1}"))
    await asyncio.sleep(0)
    await made.inbox.take(arrival("other@x.test"), message("not", sender="x@x.test").replace(b"bob@", b"eve@"))
    taken = await made.inbox.take(arrival(), message("late"))
    assert (await waiting).json()["number"] >= first["number"] + 2
    assert taken.subject == "late"
    assert (await made.web.get("/api/wait?q=subject:never&timeout=0")).status_code == 408


async def test_faults(made: House) -> None:
    """What is set is shown as it was given, holds at once, and can be taken away."""
    faults = [{"stage": "rcpt", "to": "*@full.test", "reply": "452 4.2.2 Mailbox full", "times": "2"}]
    assert (await made.web.put("/api/faults", json={"faults": faults})).json() == {"faults": faults}
    assert len(made.desk.board.rules) == 1
    assert (await made.web.put("/api/faults", json={"faults": faults * 300})).status_code == 400
    wrong = await made.web.put("/api/faults", json={"faults": [{"stage": "rcpt", "rpely": 550}]})
    assert (wrong.status_code, "fault 1: there is no key" in wrong.json()["error"]) == (400, True)
    assert (await made.web.delete("/api/faults")).json() == {"faults": []}


async def test_release_is_refused_unless_allowed(made: House) -> None:
    """Without a server and an allow-list nothing is sent."""
    refused = await made.web.post("/api/messages/latest/release", json={"to": ["a@b.test"]})
    assert (refused.status_code, "--release-to" in refused.json()["error"]) == (403, True)


async def test_release() -> None:
    """A message goes on to a real server, for those who are allowed."""

    class Sink(Handler):
        def __init__(self) -> None:
            self.taken: list[tuple[str, bytes]] = []

        def message(self, session: object, envelope: object, content: bytes) -> None:
            self.taken.append((str(envelope.recipients[0].address), content))  # type: ignore[attr-defined]

    sink = Sink()
    async with (
        Server(sink) as server,
        house(release=ReleaseRules("127.0.0.1", server.port, ("*@me.test",))) as made,
    ):
        await made.inbox.take(arrival("x@other.test"), message())
        assert (await made.web.post("/api/messages/latest/release", json={})).status_code == 403
        told = await made.web.post("/api/messages/latest/release", json={"to": ["a@me.test"]})
        assert [(each["recipient"], each["fate"]) for each in told.json()] == [("a@me.test", "relayed")]
        assert sink.taken[0][0] == "a@me.test"


async def test_the_document_describes_every_operation(made: House) -> None:
    """OpenAPI is written from the table: each row has its path, and every reference resolves."""
    document = (await made.web.get("/api/openapi.json")).json()
    for row in OPERATIONS:
        assert document["paths"][f"/api{row.path}"][row.method.lower()]["operationId"] == row.name
    text = json.dumps(document)
    for name in {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in document["components"]["schemas"]


async def test_events_over_a_socket(made: House) -> None:
    """A listener hears an arrival; the stream ends with the inbox."""
    async with WebServer(app(made.desk), "127.0.0.1", 0) as server, httpx.AsyncClient() as client:
        async with client.stream("GET", f"http://127.0.0.1:{server.port}/api/events") as response:
            lines = response.aiter_lines()
            while not (await anext(lines)).startswith(": the inbox"):
                pass
            await made.inbox.take(arrival(), message("live"))
            heard = await anext(lines)
            while not heard.startswith("data"):
                heard = await anext(lines)
            made.inbox.end_watching()
            assert not [line async for line in lines if line.startswith("data")]
        assert json.loads(heard.removeprefix("data: "))["message"]["subject"] == "live"


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"ids":' + b"9" * 1_000_000, b'{"ids":[' + b"1" * 100_000 + b"]}", b"\xff", b'{"x":1}', b"null"],
)
async def test_f183_hostile_json(made: House, body: bytes) -> None:
    """Deep, endless and wrong bodies are 400 or 413, and the inbox lives on."""
    refused = await made.web.request("DELETE", "/api/messages", content=body)
    assert refused.status_code in (400, 413)
    assert (await made.web.get("/api/stats")).json()["total"] == 2


async def test_f183_an_endless_body_is_cut(made: House) -> None:
    """A body without a declared length is read no further than its limit."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(100_000)

    assert (await made.web.request("DELETE", "/api/messages", content=endless())).status_code == 413


async def test_f185_ids_cannot_be_guessed(made: House) -> None:
    """An id is 96 random bits; a message's number is none."""
    ids = [each["id"] for each in (await made.web.get("/api/messages")).json()["messages"]]
    assert all(len(each) == 24 for each in ids)
    assert (await made.web.get("/api/messages/1")).status_code == 404


async def test_f073_paths_in_ids_lead_nowhere(made: House) -> None:
    """Whatever an id holds, it is looked up and nothing else."""
    for path in ("..%2f..%2fetc%2fpasswd", "%00", "latest/parts/..%2f1", "' OR 1=1 --"):
        assert (await made.web.get(f"/api/messages/{path}")).status_code == 404
