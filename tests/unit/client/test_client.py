"""The client for programs, async and blocking."""

from __future__ import annotations

import asyncio
from email.message import EmailMessage
from pathlib import Path

import pytest

import eilpost
from eilpost import Client, send
from eilpost.client import MessageError, NotConnected, NotDelivered
from eilpost.client.patience import Timeouts
from eilpost.mail.outcome import Fate
from eilpost.smtp.commands import Dialect
from tests.unit.peers import OFFER, Peer, refusing_port, staged

OCTETS = b"From: anna@a.example\r\nTo: bob@b.example\r\nSubject: x\r\n\r\n.hello\r\n"


def message() -> EmailMessage:
    """A message as programs make it."""
    made = EmailMessage()
    made["From"] = "Anna <anna@a.example>"
    made["To"] = "bob@b.example, Carl <carl@b.example>"
    made["Bcc"] = "dora@d.example"
    made["Subject"] = "hello"
    made.set_content(".hidden\nbye\n")
    return made


async def honest(peer: Peer) -> None:
    """Takes messages to one recipient until the client leaves."""
    await peer.open()
    while (line := await peer.hear()).startswith(b"MAIL"):
        await peer.say(b"250 Ok\r\n")
        await peer.expect((b"RCPT", b"250 Ok\r\n"), (b"DATA", b"354 go\r\n"))
        await peer.hear_content()
        await peer.say(b"250 2.0.0 taken\r\n")
    if line:
        await peer.say(b"221 bye\r\n")


async def test_a_message_finds_its_own_way() -> None:
    """Sender and recipients come from the header, and Bcc is not sent."""

    async def part(peer: Peer) -> None:
        await peer.open()
        content = await peer.take(b"250 2.0.0 as 7\r\n", recipients=3)
        assert b"dora" not in content
        assert b"\r\n..hidden\r\nbye\r\n" in content
        await peer.leave()

    async with staged(part) as stage:
        async with Client("127.0.0.1", stage.port, hostname="me.example") as client:
            receipt = await client.send(message())
        assert stage.lines[1:5] == [
            b"MAIL FROM:<anna@a.example> SIZE=%d\r\n" % _size(stage.lines[1]),
            b"RCPT TO:<bob@b.example>\r\n",
            b"RCPT TO:<carl@b.example>\r\n",
            b"RCPT TO:<dora@d.example>\r\n",
        ]
    assert receipt.is_complete
    assert [str(outcome.recipient) for outcome in receipt.outcomes] == [
        "bob@b.example", "carl@b.example", "dora@d.example",
    ]  # fmt: skip
    assert receipt.reply is not None
    assert receipt.reply.text == "as 7"
    receipt.raise_for_failures()


def _size(line: bytes) -> int:
    return int(line.rpartition(b"=")[2])


async def test_refusals_are_outcomes() -> None:
    """A refused recipient is no exception, unless one is asked for."""

    async def part(peer: Peer) -> None:
        await peer.open()
        await peer.expect((b"MAIL", b"250 Ok\r\n"), (b"RCPT", b"250 Ok\r\n"), (b"RCPT", b"550 5.1.1 who?\r\n"))
        await peer.expect((b"DATA", b"354 go\r\n"))
        await peer.hear_content()
        await peer.say(b"250 Ok\r\n")
        await peer.leave()

    async with staged(part) as stage, Client("127.0.0.1", stage.port) as client:
        receipt = await client.send(OCTETS, sender="", recipients=["bob@b.example", "eve@b.example"])
        assert stage.lines[1].startswith(b"MAIL FROM:<> ")
        assert [outcome.fate for outcome in receipt.outcomes] == [Fate.RELAYED, Fate.FAILED]
        with pytest.raises(NotDelivered, match=r"eve@b.example: smtp; 550 5.1.1 who\?") as caught:
            receipt.raise_for_failures()
        assert caught.value.receipt is receipt


async def test_many_tasks_share_a_client() -> None:
    """Tasks share a few kept sessions; every message arrives."""
    async with staged(honest) as stage:
        async with Client("127.0.0.1", stage.port, size=3) as client:
            receipts = await asyncio.gather(*(client.send(OCTETS) for _ in range(30)))
        assert all(receipt.is_complete for receipt in receipts)
        assert stage.sessions <= 3
        assert stage.lines.count(b"DATA\r\n") == 30


async def test_an_idle_session_that_was_dropped_is_replaced() -> None:
    """The client connects again when the server has hung up meanwhile."""

    async def drop(peer: Peer) -> None:
        await peer.open()
        peer.close()

    async with staged(drop, honest) as stage:
        async with Client("127.0.0.1", stage.port) as client:
            assert (await client.send(OCTETS)).is_complete
        assert stage.sessions == 2


async def test_nothing_is_left_after_an_error() -> None:
    """After a refused transaction the next one begins clean."""

    async def part(peer: Peer) -> None:
        await peer.open()
        await peer.expect((b"MAIL", b"250 Ok\r\n"), (b"RCPT", b"550 no\r\n"), (b"DATA", b"503 no\r\n"))
        await peer.expect((b"RSET", b"250 Ok\r\n"))
        await peer.take()
        await peer.leave()

    async with staged(part) as stage, Client("127.0.0.1", stage.port) as client:
        assert not (await client.send(OCTETS)).is_complete
        assert (await client.send(OCTETS)).is_complete


async def test_a_cancelled_send_ends_its_session() -> None:
    """Cancelling in the middle leaves no session that waits for an answer."""
    waiting = asyncio.Event()

    async def silent(peer: Peer) -> None:
        await peer.open()
        await peer.hear()
        waiting.set()
        while await peer.hear():
            continue

    async with staged(silent, honest) as stage, Client("127.0.0.1", stage.port, size=1) as client:
        task = asyncio.create_task(client.send(OCTETS))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await client.send(OCTETS)).is_complete


async def test_no_session_is_an_error() -> None:
    """A server that is not there, or refuses, is told at once."""

    async def refuse(peer: Peer) -> None:
        await peer.say(b"554 5.7.1 not you\r\n")

    port = await refusing_port()
    with pytest.raises(NotConnected, match="Connection refused") as caught:
        async with Client("127.0.0.1", port):
            pass
    assert caught.value.reply is None
    with pytest.raises(NotConnected, match="Connection refused"):
        await asyncio.to_thread(send, OCTETS, "127.0.0.1", port)
    async with staged(refuse) as stage:
        with pytest.raises(NotConnected, match=r"554 5\.7\.1 not you") as caught:
            async with Client("127.0.0.1", stage.port):
                pass
        assert caught.value.reply is not None
        with pytest.raises(NotConnected, match=r"554 5\.7\.1 not you"):
            await asyncio.to_thread(send, OCTETS, "127.0.0.1", stage.port)


async def test_a_client_must_be_entered() -> None:
    """Sending before ``async with`` is a mistake that is named."""
    with pytest.raises(RuntimeError, match="async with"):
        await Client("127.0.0.1", 1).send(OCTETS)


async def test_a_silent_server_costs_the_timeout() -> None:
    """The timeouts are the caller's."""

    async def silent(peer: Peer) -> None:
        await peer.open()
        while await peer.hear():
            continue

    timeouts = Timeouts(command=0.05)
    async with staged(silent) as stage:
        async with Client("127.0.0.1", stage.port, timeouts=timeouts) as client:
            receipt = await client.send(OCTETS)
        assert receipt.outcomes[0].diagnostic == "the server did not answer in time while naming the sender"
        assert receipt.reply is None
        blocking = await asyncio.to_thread(send, OCTETS, "127.0.0.1", stage.port, timeouts=timeouts)
        assert blocking.outcomes[0].diagnostic == receipt.outcomes[0].diagnostic


async def test_the_blocking_send() -> None:
    """Scripts need no event loop; the dialogue is the same."""
    told: list[tuple[str, bytes]] = []
    async with staged(honest) as stage:
        receipt = await asyncio.to_thread(
            send, OCTETS, "127.0.0.1", stage.port, hostname="me.example", tell=lambda *line: told.append(line)
        )
    assert receipt.is_complete
    assert told == [
        ("S", b"220 peer.example"),
        ("C", b"EHLO me.example"),
        *[("S", line) for line in OFFER.split(b"\r\n")[:-1]],
        ("C", b"MAIL FROM:<anna@a.example> SIZE=%d" % len(OCTETS)),
        ("C", b"RCPT TO:<bob@b.example>"),
        ("C", b"DATA"),
        ("S", b"250 Ok"),
        ("S", b"250 Ok"),
        ("S", b"354 go"),
        ("C", b"(%d octets of content)" % (len(OCTETS) + 1)),
        ("C", b"."),
        ("S", b"250 2.0.0 taken"),
        ("C", b"QUIT"),
        ("S", b"221 bye"),
    ]


async def test_the_transcript_of_chunks() -> None:
    """A chunk is shown by its command and its size."""
    told: list[tuple[str, bytes]] = []

    async def part(peer: Peer) -> None:
        await peer.open(OFFER.replace(b"250-SIZE 1000000", b"250-CHUNKING"))
        await peer.expect((b"MAIL", b"250 Ok\r\n"), (b"RCPT", b"250 Ok\r\n"))
        await peer.take_chunk(await peer.hear())
        await peer.say(b"250 in\r\n")
        await peer.leave()

    async with (
        staged(part) as stage,
        Client("127.0.0.1", stage.port, tell=lambda *line: told.append(line)) as client,
    ):
        assert (await client.send(OCTETS)).is_complete
    at = told.index(("C", b"BDAT %d LAST" % len(OCTETS)))
    assert told[at + 1] == ("C", b"(%d octets of content)" % len(OCTETS))


async def test_lmtp_over_a_unix_socket(tmp_path: Path) -> None:
    """Port 0 names a Unix socket, and LMTP delivers."""
    path = tmp_path / "lmtp"
    async with staged(honest, path=path) as stage:
        async with Client(str(path), 0, dialect=Dialect.LMTP, hostname="me.example") as client:
            receipt = await client.send(OCTETS)
        assert [outcome.fate for outcome in receipt.outcomes] == [Fate.DELIVERED]
        receipt = await asyncio.to_thread(send, OCTETS, str(path), 0, dialect=Dialect.LMTP)
        assert receipt.is_complete
        assert stage.lines[0] == b"LHLO me.example\r\n"


async def test_a_message_that_cannot_be_sent() -> None:
    """Without sender, without recipient or with a bad address, nothing is tried."""
    async with staged(honest) as stage, Client("127.0.0.1", stage.port) as client:
        for octets, told in (
            (b"To: bob@b.example\r\n\r\nx", "no sender"),
            (b"From: anna@a.example\r\n\r\nx", "no recipient"),
            (b"From: anna@a.example\r\nTo: bob@@b.example\r\n\r\nx", "no address"),
        ):
            with pytest.raises(MessageError, match=told):
                await client.send(octets)
        with pytest.raises(MessageError, match="no address"):
            await client.send(OCTETS, recipients=["bob@b.example>\r\nRSET\r\n"])
        assert len(stage.lines) == 1


def test_the_package_has_a_front() -> None:
    """What the front names is there; another name is an AttributeError."""
    assert eilpost.send is send
    for package in (eilpost, eilpost.client):
        with pytest.raises(AttributeError, match="nonsense"):
            _ = package.nonsense
