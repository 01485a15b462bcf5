"""Sessions that are encrypted, have to be, or can only be in clear; and peers that lie about it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from eilpost.client import Client, NotConnected, send
from eilpost.client.conversation import Conversation, Manner, converse
from eilpost.client.protection import Protection
from eilpost.mail.encryption import Encryption
from eilpost.mail.next_hop import Host
from eilpost.mail.outcome import Fate
from eilpost.net.dev_certificate import DevCertificate, prepare
from eilpost.net.listen import Listener, bind_tcp
from eilpost.net.stream import Stream
from eilpost.net.tls import client_context, server_context
from eilpost.smtp.client_results import Answered, Cause, Lost, Stage

MESSAGE = b"From: <anna@example.org>\r\nTo: <berta@example.org>\r\nSubject: hi\r\n\r\nHello.\r\n"
OFFER = b"250-peer.example\r\n250 STARTTLS\r\n"
BARE = b"250 peer.example\r\n"
READY = b"220 2.0.0 go\r\n"


class Actor:
    """A server's end of a connection, whose every word the test writes."""

    def __init__(self, stream: Stream, made: DevCertificate) -> None:
        self.stream = stream
        self._made = made

    async def expect(self, *exchanges: tuple[bytes, bytes]) -> None:
        """Hears a line that begins so, and answers so; again for each pair."""
        for beginning, answer in exchanges:
            line = await self.stream.receive()
            if not line:
                raise ConnectionError("the client went")
            assert line.startswith(beginning), (line, beginning)
            self.stream.write(answer)

    async def greet(self, offer: bytes = OFFER) -> None:
        """Greets and answers EHLO."""
        self.stream.write(b"220 peer.example\r\n")
        await self.expect((b"EHLO", offer))

    async def secure(self) -> None:
        """The handshake."""
        await self.stream.start_tls_server(server_context(self._made.pair), 5.0)

    async def take(self) -> None:
        """A message, and QUIT."""
        await self.expect((b"MAIL", b"250 Ok\r\n"), (b"RCPT", b"250 Ok\r\n"), (b"DATA", b"354 go\r\n"))
        content = b""
        while not content.endswith(b"\r\n.\r\n"):
            content += await self.stream.receive()
        self.stream.write(b"250 2.0.0 taken\r\n")
        await self.expect((b"QUIT", b"221 bye\r\n"))


Play = Callable[[Actor], Awaitable[None]]


@contextlib.asynccontextmanager
async def acting(made: DevCertificate, *plays: Play) -> AsyncIterator[int]:
    """A server that plays one play a connection, the last one again and again; its port."""
    sock = bind_tcp("127.0.0.1", 0, [])
    listener = Listener(sock)
    tasks: list[asyncio.Task[None]] = []

    def connected(stream: Stream) -> None:
        tasks.append(asyncio.ensure_future(act(stream, plays[min(len(tasks), len(plays) - 1)])))

    async def act(stream: Stream, play: Play) -> None:
        with contextlib.suppress(ConnectionError):
            await play(Actor(stream, made))
        await stream.receive()  # until the client goes
        stream.close()
        await stream.closed()

    await listener.start(connected)
    try:
        yield sock.getsockname()[1]
    finally:
        listener.close()
        await asyncio.wait_for(asyncio.gather(*tasks), 5.0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> DevCertificate:
    """The certificate of the servers."""
    return prepare(tmp_path_factory.mktemp("tls"), ["mx.example.test"], time.time())


def manner(made: DevCertificate, level: Encryption, *, implicit: bool = False) -> Manner:
    """How to speak with a server on this level."""
    context = client_context(verify=level is Encryption.VERIFY, ca_file=made.authority)
    return Manner("me.example", protection=Protection(level, implicit, context, timeout=1.0))


def host(port: int, name: str = "mx.example.test") -> Host:
    return Host(name, "127.0.0.1", port)


async def whole(actor: Actor) -> None:
    """Everything as it should be."""
    await actor.greet()
    await actor.expect((b"STARTTLS", READY))
    await actor.secure()
    await actor.expect((b"EHLO", b"250-peer.example\r\n250 SIZE 1000\r\n"))
    await actor.take()


async def plain(actor: Actor) -> None:
    """A server that knows no TLS."""
    await actor.greet(BARE)


async def refuses(actor: Actor) -> None:
    """A server, or somebody before it, that offers TLS and refuses it."""
    await actor.greet()
    await actor.expect((b"STARTTLS", b"454 4.7.0 not now\r\n"))
    await actor.expect((b"QUIT", b"221 bye\r\n"))


async def breaks(actor: Actor) -> None:
    """The handshake is no handshake."""
    await actor.greet()
    await actor.expect((b"STARTTLS", READY))
    await actor.stream.receive()
    actor.stream.write(b"what?\r\n")


async def injects(actor: Actor) -> None:
    """A word more behind the 220, in the same segment."""
    await actor.greet()
    await actor.expect((b"STARTTLS", READY + b"250-AUTH PLAIN\r\n"))


@pytest.mark.parametrize("level", [Encryption.OPPORTUNISTIC, Encryption.REQUIRED, Encryption.VERIFY])
async def test_what_is_offered_is_used(made: DevCertificate, level: Encryption) -> None:
    """STARTTLS is taken on every level but off, and what was said before it is forgotten (RFC 3207 §4.2, F032)."""
    async with acting(made, whole) as port:
        found = await converse(host(port), manner(made, level))
        assert isinstance(found, Conversation)
        assert found.security is not None
        assert found.security.verified is (level is Encryption.VERIFY)
        assert found.offer.size == 1000
        assert "STARTTLS" not in found.offer
        found.abort()


async def test_f037_what_is_not_offered_is_missed_only_where_it_is_needed(made: DevCertificate) -> None:
    """F037: with TLS gone from the offer, opportunity goes on in clear (RFC 7435), and obligation does not."""
    async with acting(made, plain) as port:
        found = await converse(host(port), manner(made, Encryption.OPPORTUNISTIC))
        assert isinstance(found, Conversation)
        assert found.security is None
        found.abort()
        for level in (Encryption.REQUIRED, Encryption.VERIFY):
            lost = await converse(host(port), manner(made, level))
            assert isinstance(lost, Lost)
            assert (lost.stage, lost.cause) == (Stage.STARTTLS, Cause.TLS)


@pytest.mark.parametrize("play", [refuses, breaks, injects])
async def test_f038_an_opportunity_that_fails_is_tried_in_clear_anew(made: DevCertificate, play: Play) -> None:
    """F031, F038: over a new connection, and with a word of why; nothing of the broken one is heard."""
    async with acting(made, play, plain) as port:
        found = await converse(host(port), manner(made, Encryption.OPPORTUNISTIC))
        assert isinstance(found, Conversation)
        assert found.security is None
        assert found.why_clear
        assert not found.offer.mechanisms
        found.abort()


@pytest.mark.parametrize("play", [refuses, breaks, injects])
async def test_f038_an_obligation_that_fails_is_no_session(made: DevCertificate, play: Play) -> None:
    """F031, F038: what must be encrypted is not sent in clear."""
    async with acting(made, play) as port:
        found = await converse(host(port), manner(made, Encryption.REQUIRED))
        assert isinstance(found, Lost | Answered)
        if isinstance(found, Answered):
            assert found.stage is Stage.STARTTLS


async def test_f039_a_certificate_for_another_name(made: DevCertificate) -> None:
    """F039: it is good enough for opportunity and for encryption alone, and not for verification."""
    async with acting(made, whole) as port:
        for level in (Encryption.OPPORTUNISTIC, Encryption.REQUIRED):
            found = await converse(host(port, "mx.example.org"), manner(made, level))
            assert isinstance(found, Conversation)
            assert found.security is not None
            found.abort()
        lost = await converse(host(port, "mx.example.org"), manner(made, Encryption.VERIFY))
        assert isinstance(lost, Lost)
        assert "not accepted" in lost.text


async def test_f035_a_server_that_is_silent_in_the_handshake(made: DevCertificate) -> None:
    """F035: our patience ends too."""

    async def silent(actor: Actor) -> None:
        await actor.greet()
        await actor.expect((b"STARTTLS", READY))
        while await actor.stream.receive():
            pass

    async with acting(made, silent) as port:
        protection = Protection(Encryption.REQUIRED, context=client_context(verify=False), timeout=0.05)
        lost = await converse(host(port), Manner("me.example", protection=protection))
        assert isinstance(lost, Lost)
        assert lost.text == "the handshake took too long"


async def implicit(actor: Actor) -> None:
    """A server that is encrypted from the first octet."""
    await actor.secure()
    await actor.greet(BARE)
    await actor.take()


@pytest.mark.parametrize(("tls", "play"), [("starttls", whole), ("implicit", implicit)])
async def test_clients_of_programs_are_encrypted(made: DevCertificate, tls: str, play: Play) -> None:
    """``Client`` and ``send`` verify by default, against the system's authorities unless told others (F040)."""
    async with acting(made, play) as port:
        async with Client("localhost", port, tls=tls, ca_file=made.authority) as client:
            assert (await client.send(MESSAGE)).outcomes[0].fate is Fate.RELAYED
        receipt = await asyncio.to_thread(send, MESSAGE, "localhost", port, tls=tls, ca_file=made.authority)
        assert receipt.outcomes[0].fate is Fate.RELAYED
        with pytest.raises(NotConnected, match="not accepted"):
            await Client("localhost", port, tls=tls).__aenter__()
        with pytest.raises(NotConnected, match="not accepted"):
            await asyncio.to_thread(send, MESSAGE, "localhost", port, tls=tls)
        async with Client("localhost", port, tls=tls, verify=False) as client:
            assert (await client.send(MESSAGE)).outcomes[0].fate is Fate.RELAYED


async def test_f031_a_script_leaves_a_server_that_talks_on(made: DevCertificate) -> None:
    """F031: the blocking client drops what came behind the 220, with the connection."""
    async with acting(made, injects) as port:
        with pytest.raises(NotConnected):
            await asyncio.to_thread(send, MESSAGE, "localhost", port, tls="starttls", verify=False)


def test_what_is_unknown_is_told(tmp_path: Path) -> None:
    """A word that means nothing is an error at once."""
    with pytest.raises(ValueError, match="expected off, starttls or implicit"):
        Client(tls="maybe")
