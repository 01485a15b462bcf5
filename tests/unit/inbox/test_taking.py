"""Mail comes into the inbox over SMTP, whole or with faults."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eilpost.inbox.board import Board
from eilpost.inbox.contract import Arrived, Summary
from eilpost.inbox.fault_rules import rule_of_text
from eilpost.inbox.store import Inbox
from eilpost.inbox.taking import Taking
from eilpost.net.dev_certificate import prepare
from eilpost.net.tls import server_context
from eilpost.server.limits import Limits
from eilpost.server.server import DEFAULT_LIMITS, Server
from tests.unit.inbox.samples import message


class Wire:
    """A client that speaks line by line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def reply(self) -> str:
        """The next reply, its last line; what came before the end of the connection otherwise."""
        line = b""
        with contextlib.suppress(ConnectionError):
            while (line := await self.reader.readline())[3:4] == b"-":
                continue
        return line.decode()

    async def say(self, line: str) -> str:
        """Says a line and hears the reply."""
        self.writer.write(line.encode() + b"\r\n")
        return await self.reply()

    async def send(self, *recipients: str, sender: str = "anna@shop.test", content: bytes = b"") -> list[str]:
        """A whole transaction; the code of each reply until one is no success."""
        codes = [(await self.say(f"MAIL FROM:<{sender}>"))[:3]]
        for each in recipients:
            if codes[-1] == "250":
                codes += [(await self.say(f"RCPT TO:<{each}>"))[:3]]
        if codes[-1] != "250":
            return codes
        codes.append((await self.say("DATA"))[:3])
        if codes[-1] == "354":
            self.writer.write(content or message())
            codes.append((await self.say("."))[:3])
        return codes


class House:
    """An inbox with its server."""

    def __init__(self, inbox: Inbox, board: Board, server: Server) -> None:
        self.inbox, self.board, self.server = inbox, board, server
        self.wires: list[Wire] = []

    async def connect(self, *, greet: bool = True) -> Wire:
        """A client that has said EHLO."""
        wire = Wire(*await asyncio.open_connection("127.0.0.1", self.server.port))
        self.wires.append(wire)
        if greet:
            await wire.reply()
            await wire.say("EHLO client.test")
        return wire


@contextlib.asynccontextmanager
async def house(
    *rules: str, tls: ssl.SSLContext | None = None, limits: Limits = DEFAULT_LIMITS
) -> AsyncIterator[House]:
    """A running inbox with these faults."""
    board = Board([rule_of_text(text) for text in rules])
    async with Inbox() as inbox:
        taking = Taking(inbox, board)
        server = Server(
            taking,
            typed=True,
            transcript=True,
            grace=0.1,
            tls=tls,
            mechanisms=("PLAIN",),
            plain_text=True,
            limits=limits,
        )
        async with server:
            made = House(inbox, board, server)
            try:
                yield made
            finally:
                for wire in made.wires:
                    wire.writer.close()
        await taking.close()


async def newest(house: House) -> Summary:
    """The newest message."""
    return (await house.inbox.newest()).messages[0]


async def test_everything_is_taken() -> None:
    """Any login, any recipient, typed forms; the envelope, the way in and the transcript are kept."""
    async with house() as made:
        wire = await made.connect()
        assert (await wire.say("AUTH PLAIN AHRlYW0Ac2VjcmV0"))[:3] == "235"
        assert (await wire.say("mail from: anna@shop.test"))[:3] == "250"
        await wire.say("rcpt to: bob+sale@full.test")
        await wire.say("DATA")
        wire.writer.write(message().replace(b"some words", b"..dotted"))
        told = await wire.say(".")
        kept = await made.inbox.get(told.split()[-1])
        assert kept.summary.recipients == ("bob+sale@full.test",)
        assert kept.summary.tags == ("sale",)
        assert (kept.via.login, kept.via.mechanism, kept.via.protocol) == ("team", "PLAIN", "ESMTPA")
        assert await made.inbox.content(kept.summary.id) == message().replace(b"some words", b".dotted")
        transcript = await made.inbox.transcript(kept.summary.id)
        assert "C: mail from: anna@shop.test" in transcript
        assert "c2VjcmV0" not in transcript
        assert "secret" not in transcript


async def test_the_null_sender_and_utf8_are_taken() -> None:
    """``<>`` and addresses beyond ASCII are mail like other mail."""
    async with house() as made:
        wire = await made.connect()
        await wire.say("MAIL FROM:<> SMTPUTF8 BODY=8BITMIME RET=HDRS ENVID=x1")
        await wire.say("RCPT TO:<bücher@full.test> NOTIFY=FAILURE,DELAY")
        await wire.say("DATA")
        wire.writer.write(message())
        assert (await wire.say("."))[:3] == "250"
        kept = await made.inbox.get((await newest(made)).id)
        assert kept.summary.reverse_path == ""
        assert kept.parameters.splitlines() == [
            "BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x1",
            "bücher@full.test: NOTIFY=DELAY,FAILURE",
        ]


async def test_starttls_with_its_own_certificate(tmp_path: Path) -> None:
    """The session says which TLS it had."""
    made_for = prepare(tmp_path, ["localhost"], time.time())
    async with house(tls=server_context(made_for.pair)) as made:
        wire = await made.connect()
        assert (await wire.say("STARTTLS"))[:3] == "220"
        context = ssl.create_default_context(cafile=made_for.authority)
        await wire.writer.start_tls(context, server_hostname="localhost")
        await wire.say("EHLO again.test")
        assert (await wire.send("bob@full.test"))[-1] == "250"
        kept = await made.inbox.get((await newest(made)).id)
        assert kept.via.tls.startswith("TLSv1.3")
        assert (kept.via.helo, kept.via.protocol) == ("again.test", "ESMTPS")


@pytest.mark.parametrize(
    ("rule", "codes"),
    [
        ("mail reply=550", ["550"]),
        ("mail from=eve@* reply=550", ["250", "250", "354", "250"]),
        ("rcpt to=*@full.test reply=452", ["250", "452"]),
        ("data reply=451", ["250", "250", "451"]),
        ("end larger=10 reply='554 5.7.1 No'", ["250", "250", "354", "554"]),
        ("end larger=10k reply=554", ["250", "250", "354", "250"]),
        ("end drop=close", ["250", "250", "354", ""]),
        ("end drop=reset", ["250", "250", "354", ""]),
        ("rcpt half=yes", ["250", "250"]),
        ("rcpt reply=421", ["250", "421"]),
    ],
)
async def test_faults_by_rule(rule: str, codes: list[str]) -> None:
    """Each stage can be answered, half-answered or cut off; what is refused after the dot is not kept."""
    async with house(rule) as made:
        wire = await made.connect()
        assert (await wire.send("bob@full.test"))[: len(codes)] == codes
        assert (await made.inbox.newest()).total == (codes[-1:] == ["250"] and len(codes) == 4)


@pytest.mark.parametrize(
    ("rule", "heard"),
    [
        ("connect drop=close", ""),
        ("banner reply='554 5.3.2 Not today'", "554 5.3.2 Not today\r\n"),
        ("banner half=yes", "220 Eilpost develo"),
    ],
)
async def test_faults_at_the_door(rule: str, heard: str) -> None:
    """The banner can be missing, half or a refusal."""
    async with house(rule) as made:
        wire = await made.connect(greet=False)
        assert await wire.reply() == heard


@pytest.mark.parametrize(
    ("rule", "line", "code"),
    [
        ("ehlo reply=501", "EHLO x", "501"),
        ("auth reply=535", "AUTH PLAIN AHRlYW0Ac2VjcmV0", "535"),
        ("auth reply=454", "AUTH PLAIN AHRlYW0Ac2VjcmV0", "454"),
    ],
)
async def test_faults_before_mail(rule: str, line: str, code: str) -> None:
    """EHLO and AUTH can fail."""
    async with house(rule) as made:
        wire = await made.connect()
        assert (await wire.say(line))[:3] == code


async def test_faults_by_address() -> None:
    """What stands behind the plus decides, for this recipient and this transaction alone."""
    async with house() as made:
        wire = await made.connect()
        assert await wire.send("anna+550@x.test") == ["250", "550"]
        await wire.say("RSET")
        assert await wire.send("anna+452-end@x.test") == ["250", "250", "354", "452"]
        assert await wire.send("anna+451-data@x.test") == ["250", "250", "451"]
        await wire.say("RSET")
        assert await wire.send("anna@x.test", sender="me+553@x.test") == ["553"]
        assert await wire.send("anna+grey@x.test") == ["250", "451"]
        await wire.say("RSET")
        assert await wire.send("anna@x.test", "anna+news@x.test") == ["250", "250", "250", "354", "250"]
        assert (await newest(made)).tags == ("news",)
        assert (await made.inbox.stats()).refused == 1
        assert made.board.count == 5


async def test_a_bounce_is_sent_later() -> None:
    """A message to ``+bounce0`` is taken, and its bounce comes into the inbox for the sender."""
    async with house() as made:
        wire = await made.connect()
        with made.inbox.watch() as watcher:
            assert (await wire.send("anna+bounce0@x.test"))[-1] == "250"
            first, second = await watcher.next(), await watcher.next()
        assert isinstance(first, Arrived)
        assert isinstance(second, Arrived)
        assert second.message.recipients == ("anna@shop.test",)
        assert second.message.reverse_path == ""
        assert second.message.tags == ("bounce",)


async def test_a_delay_holds_up_nobody_else() -> None:
    """While one client waits for its fault, another is served."""
    async with house("rcpt to=slow@* delay=1h") as made:
        slow, quick = await made.connect(), await made.connect()
        waiting = asyncio.create_task(slow.send("slow@x.test"))
        assert (await quick.send("bob@x.test"))[-1] == "250"
        waiting.cancel()


async def test_slow_reading() -> None:
    """The server reads so many octets a second from then on."""
    async with house("mail slow=20000") as made:
        wire = await made.connect()
        started = time.perf_counter()
        await wire.send("bob@x.test", content=message(text="x" * 4000))
        assert time.perf_counter() - started > 0.2


async def test_rules_change_while_sessions_are_open() -> None:
    """New rules hold from the next step on; the transcript tells of each fault."""
    async with house() as made:
        wire = await made.connect()
        made.board.set([rule_of_text("rcpt times=1 reply=450")])
        assert await wire.send("bob@x.test") == ["250", "450"]
        await wire.say("RSET")
        assert (await wire.send("bob@x.test"))[-1] == "250"
        assert "fault: rcpt times=1 reply=450" in await made.inbox.transcript((await newest(made)).id)


async def test_f054_content_beyond_the_limit_leaves_nothing() -> None:
    """A content that is refused for its size is not kept, and the next one is whole."""
    async with house(limits=Limits(message_size=3_000_000)) as made:
        wire = await made.connect()
        assert (await wire.send("bob@x.test", content=message(text="x\r\n" * 1_200_000)))[-1] == "552"
        assert (await wire.send("bob@x.test"))[-1] == "250"
        assert await made.inbox.content((await newest(made)).id) == message()


async def test_each_message_has_its_own_part_of_the_transcript() -> None:
    """The opening of the session, and what was said since the message before; not the messages in between."""
    async with house() as made:
        wire = await made.connect()
        for name in ("first", "second", "third"):
            await wire.send(f"{name}@x.test")
        lines = (await made.inbox.transcript((await newest(made)).id)).splitlines()
        assert lines[0].startswith("S: 220 ")
        assert "C: EHLO client.test" in lines
        assert "# 2 messages before this one" in lines
        assert [line for line in lines if "@x.test" in line] == ["C: RCPT TO:<third@x.test>"]
        assert lines[-2:] == ["C: .", "S: 250 2.0.0 Kept"]


async def test_a_big_message_stalls_nobody() -> None:
    """While twenty megabytes come in, small messages are taken at their usual pace."""
    async with house() as made:
        big, small = await made.connect(), await made.connect()
        coming = asyncio.create_task(
            big.send("bob@x.test", content=message(text="y" * 70 + "\r\n") + b"z" * 78 * 250_000 + b"\r\n")
        )
        slowest = 0.0
        while not coming.done():
            started = time.perf_counter()
            assert (await small.send("bob@x.test"))[-1] == "250"
            slowest = max(slowest, time.perf_counter() - started)
        assert (await coming)[-1] == "250"
        assert slowest < 2.0
