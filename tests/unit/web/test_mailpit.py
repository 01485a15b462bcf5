"""Mailpit's API v1, as its clients use it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import pytest

from tests.unit.inbox.samples import arrival, message, mixed
from tests.unit.web.house import House, house


@pytest.fixture
async def made() -> AsyncIterator[House]:
    """An inbox with two messages."""
    async with house() as running:
        await running.inbox.take(arrival("bob@example.test", "hidden@example.test"), message("first"))
        await running.inbox.take(arrival(), mixed())
        yield running


async def test_messages_have_mailpits_fields(made: House) -> None:
    """A list, its totals, and each message's fields under Mailpit's names."""
    found = (await made.web.get("/api/v1/messages")).json()
    assert {key: found[key] for key in ("total", "unread", "count", "messages_count", "start")} == {
        "total": 2, "unread": 2, "count": 2, "messages_count": 2, "start": 0,
    }  # fmt: skip
    first = found["messages"][1]
    assert first["From"] == {"Name": "Anna Ä", "Address": "anna@example.test"}
    assert first["To"] == [{"Name": "Bob", "Address": "bob@example.test"}]
    assert first["Bcc"] == [{"Name": "", "Address": "hidden@example.test"}]
    assert (first["Subject"], first["Read"], first["MessageID"]) == ("first", False, "1@example.test")
    assert first["Created"] == "1970-01-01T00:16:40.000Z"
    assert {"ID", "Cc", "ReplyTo", "Tags", "Size", "Attachments", "Snippet", "Username"} <= first.keys()


async def test_a_message_is_read_by_looking(made: House) -> None:
    """Text, HTML, attachments, headers, source and parts; afterwards it is read."""
    whole = (await made.web.get("/api/v1/message/latest")).json()
    assert (whole["Text"], "cid:pic" in whole["HTML"]) == ("Grüße", True)
    assert [(each["PartID"], each["FileName"]) for each in whole["Attachments"]] == [("3", "ä b.pdf")]
    assert [each["ContentID"] for each in whole["Inline"]] == ["pic"]
    token = whole["ID"]
    assert (await made.web.get(f"/api/v1/message/{token}/headers")).json()["Subject"] == ["parts"]
    assert (await made.web.get(f"/api/v1/message/{token}/raw")).content == mixed()
    assert (await made.web.get(f"/api/v1/message/{token}/part/3")).content == b"%PDF-1"
    assert (await made.web.get("/api/v1/messages")).json()["unread"] == 1
    assert (await made.web.get("/view/latest.txt")).text == "Grüße"
    html = await made.web.get("/view/latest.html")
    assert html.headers["content-type"].startswith("text/plain")
    assert (await made.web.get("/api/v1/message/nothing")).status_code == 404


async def test_search_and_delete(made: House) -> None:
    """Search, deletion by search, by ids and of all."""
    found = (await made.web.get("/api/v1/search", params={"query": "subject:first", "tz": "Europe/Berlin"})).json()
    assert (found["total"], found["messages_count"]) == (2, 1)
    assert (await made.web.get("/api/v1/search?query=x&tz=../../etc/passwd")).status_code == 400
    assert (await made.web.delete("/api/v1/search")).status_code == 400
    assert (await made.web.delete("/api/v1/search?query=subject:first")).text == "ok"
    token = (await made.web.get("/api/v1/messages")).json()["messages"][0]["ID"]
    assert (await made.web.put("/api/v1/messages", json={"IDs": [token], "Read": True})).text == "ok"
    assert (await made.web.get("/api/v1/messages")).json()["unread"] == 0
    gone = await made.web.request("DELETE", "/api/v1/messages", json={"IDs": [token]})
    assert gone.text == "ok"
    assert (await made.web.delete("/api/v1/messages")).text == "ok"
    assert (await made.web.get("/api/v1/messages")).json()["total"] == 0


async def test_names_in_any_case_and_forms(made: House) -> None:
    """``ids`` is ``IDs``, and a form is as good as JSON: clients send both; nothing chosen is everything."""
    first, second = [each["ID"] for each in (await made.web.get("/api/v1/messages")).json()["messages"]]
    assert (await made.web.put("/api/v1/messages", data={"ids": [first], "Read": True})).text == "ok"
    assert (await made.web.get("/api/v1/messages")).json()["unread"] == 1
    assert (await made.web.request("DELETE", "/api/v1/messages", data={"ids": [first]})).text == "ok"
    assert [each["ID"] for each in (await made.web.get("/api/v1/messages")).json()["messages"]] == [second]
    assert (await made.web.request("DELETE", "/api/v1/messages", json={"ids": [second]})).text == "ok"
    assert (await made.web.get("/api/v1/messages")).json()["total"] == 0


async def test_send(made: House) -> None:
    """A message is composed of JSON, with HTML, files and tags."""
    sending = {
        "From": {"Email": "a@b.test", "Name": 'Ann "A"'},
        "To": [{"Email": "c@d.test", "Name": "C"}],
        "Bcc": ["e@f.test"],
        "Subject": "Grüße",
        "Text": "hi",
        "HTML": "<p>hi",
        "Tags": ["api"],
        "Headers": {"X-Test": "1"},
        "Attachments": [{"Content": base64.b64encode(b"x").decode(), "Filename": "x.bin"}],
    }
    token = (await made.web.post("/api/v1/send", json=sending)).json()["ID"]
    whole = (await made.web.get(f"/api/v1/message/{token}")).json()
    assert (whole["Subject"], whole["HTML"].strip(), whole["Tags"]) == ("Grüße", "<p>hi", ["api"])
    assert (whole["From"]["Name"], whole["Bcc"][0]["Address"]) == ('Ann "A"', "e@f.test")
    assert whole["Attachments"][0]["FileName"] == "x.bin"


@pytest.mark.parametrize(
    "change",
    [
        {"Subject": "a\r\nBcc: x@y.test"},
        {"Headers": {"X\r\nBcc": "x"}},
        {"Headers": {"X-A": "x\nBcc: y"}},
        {"From": {"Email": "a@b.test\r\nBcc: x@y.test"}},
        {"To": [{"Email": "c@d.test", "Name": "x\r\nBcc: y"}]},
        {"ReplyTo": [{"Email": "c@d.test\r\nBcc: x"}]},
        {"Attachments": [{"Content": "eA==", "Filename": "a\r\nBcc: x"}]},
        {"Attachments": [{"Content": "eA==", "ContentType": "text/x\r\nBcc: x"}]},
        {"Attachments": [{"Content": "eA==", "ContentType": "multipart/mixed"}]},
        {"Attachments": [{"Content": "eA==", "ContentID": "a\r\nBcc: x"}]},
        {"Attachments": [{"Content": "!"}]},
    ],
)
async def test_f095_no_header_is_injected(made: House, change: dict[str, object]) -> None:
    """What would begin another field is refused."""
    sending = {"From": {"Email": "a@b.test"}, "To": [{"Email": "c@d.test"}], "Subject": "s", "Text": "t", **change}
    assert (await made.web.post("/api/v1/send", json=sending)).status_code == 400
    assert (await made.inbox.stats()).total == 2


async def test_tags_and_info(made: House) -> None:
    """Tags are set, renamed and taken; info has Mailpit's numbers."""
    token = (await made.web.get("/api/v1/messages")).json()["messages"][0]["ID"]
    assert (await made.web.put("/api/v1/tags", json={"IDs": [token], "Tags": ["x", "y"]})).text == "ok"
    assert (await made.web.put("/api/v1/tags/x", json={"Name": "z"})).text == "ok"
    assert (await made.web.delete("/api/v1/tags/y")).text == "ok"
    assert (await made.web.get("/api/v1/tags")).json() == ["z"]
    info = (await made.web.get("/api/v1/info")).json()
    assert (info["Messages"], info["Tags"], info["RuntimeStats"]["SMTPAccepted"]) == (2, {"z": 1}, 2)
    assert (await made.web.get("/api/v1/webui")).json()["MessageRelay"]["Enabled"] is False
    assert (await made.web.get("/livez")).text == "ok"


async def test_chaos_is_rules(made: House) -> None:
    """Mailpit's triggers become rules, and rules like them are shown as triggers."""
    trigger = {"Recipient": {"ErrorCode": 452, "Probability": 30}}
    told = (await made.web.put("/api/v1/chaos", json=trigger)).json()
    assert told["Recipient"] == {"ErrorCode": 452, "Probability": 30}
    assert [rule.text for rule in made.desk.board.rules] == ["rcpt reply=452 probability=30%"]
    assert (await made.web.put("/api/v1/chaos", json={})).json()["Recipient"]["Probability"] == 0
    assert made.desk.board.rules == ()
    assert (
        await made.web.put("/api/v1/chaos", json={"Sender": {"ErrorCode": 250, "Probability": 1}})
    ).status_code == 400


async def test_release_needs_permission(made: House) -> None:
    """As our own."""
    assert (await made.web.post("/api/v1/message/latest/release", json={"To": ["a@b.test"]})).status_code == 403


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"IDs":' + b"9" * 900_000 + b"}", b'{"a":' * 50_000, b"\xff", b"[]"]
)
async def test_f183_hostile_bodies(made: House, body: bytes) -> None:
    """Deep, endless and wrong bodies are refused, and delete nothing."""
    assert (await made.web.request("DELETE", "/api/v1/messages", content=body)).status_code == 400
    assert (await made.inbox.stats()).total == 2
