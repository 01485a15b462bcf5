"""TLS on the way in: STARTTLS, TLS from the first octet, and everything that must not get past it."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from eilpost.config.schema import Duration, Limits, Listen, Role, Tls
from eilpost.journal import (
    Accepted,
    HandshakeFailed,
    SessionClosed,
    SessionOpened,
    SessionSecured,
    SystemChanged,
    Warned,
)
from eilpost.net.dev_certificate import DevCertificate, prepare
from eilpost.net.stream import Stream, TlsError, connect
from eilpost.net.tls import client_context
from tests.unit.receive.running import MESSAGE, Running, configuration, jump, running

ANNA = "anna@example.test"
ROLES = (Role.MX, Role.SUBMISSION, Role.SUBMISSIONS, Role.LMTP)


class Talker:
    """A client over a stream, which may become encrypted."""

    def __init__(self, stream: Stream, made: DevCertificate) -> None:
        self.stream = stream
        self._made = made
        self._came = b""

    def close(self) -> None:
        """Ends the connection."""
        self.stream.abort()

    async def secure(self) -> None:
        """The handshake, with a certificate that is checked."""
        context = client_context(verify=True, ca_file=self._made.authority)
        await self.stream.start_tls_client(context, "mx.example.test", 5.0)

    async def hear(self) -> str:
        """A whole reply; empty when the server has closed."""
        while not re.search(rb"^[0-9]{3} .*\r\n\Z", self._came, re.M):
            octets = await self.stream.receive()
            if not octets:
                return self._came.decode()
            self._came += octets
        said, self._came = self._came, b""
        return said.decode()

    async def say(self, line: str) -> str:
        """Sends a line and hears the reply."""
        self.stream.write(f"{line}\r\n".encode())
        return await self.hear()

    async def mail(self) -> str:
        """A message to Anna; the reply to its end."""
        for line in ("MAIL FROM:<x@y.example>", f"RCPT TO:<{ANNA}>", "DATA"):
            await self.say(line)
        self.stream.write(MESSAGE + b".\r\n")
        return await self.hear()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> DevCertificate:
    """The server's certificate."""
    return prepare(tmp_path_factory.mktemp("tls"), ["mx.example.test"], time.time())


def tls(made: DevCertificate) -> Tls:
    """The settings for it."""
    return Tls(made.pair.certificate, made.pair.key, handshake_deadline=Duration(20.0))


@pytest.fixture
async def world(tmp_path: Path, made: DevCertificate) -> AsyncIterator[Running]:
    """A system that has a certificate, and a listener of each role."""
    config = configuration(
        tmp_path / "data",
        Limits(connections_per_client=2),
        tls=tls(made),
        listen=tuple(Listen(role, "127.0.0.1:0") for role in ROLES),
    )
    async with running(config) as system:
        yield system


async def dial(world: Running, made: DevCertificate, role: Role = Role.MX, *, trusted: bool = False) -> Talker:
    """Connects; nothing is heard yet."""
    host, port = world.addresses[role]
    talker = Talker(await connect(host, port, timeout=5.0, source="127.0.0.9" if trusted else None), made)
    world.talkers.append(talker)
    return talker


async def secured(world: Running, made: DevCertificate, role: Role = Role.MX) -> Talker:
    """Connected, greeted, upgraded, and not yet said hello to."""
    talker = await dial(world, made, role, trusted=True)
    await talker.hear()
    assert "STARTTLS" in await talker.say("EHLO one.example")
    assert (await talker.say("STARTTLS")).startswith("220 2.0.0")
    await talker.secure()
    return talker


@pytest.mark.parametrize("role", [Role.MX, Role.SUBMISSION])
async def test_mail_over_starttls_says_so(world: Running, made: DevCertificate, role: Role) -> None:
    """The trace names ESMTPS and the cipher (RFC 3848, RFC 8314 §7.4), and the journal tells of the handshake."""
    talker = await secured(world, made, role)
    assert (await talker.say("EHLO two.example")).startswith("250-")
    assert (await talker.mail()).startswith("250 ")
    (content,) = await world.delivered(ANNA)
    field = content[content.index(b"Received:") : content.index(b"From:")].decode()
    assert "from two.example" in field
    assert " with ESMTPS id " in field
    assert re.search(r"\r?\n\ttls TLS_[A-Z0-9_]+ \(TLSv1\.3\);", field)
    (event,) = world.of(SessionSecured)
    assert event.version == "TLSv1.3"
    assert [mail.tls for mail in world.of(Accepted)] == [f"TLSv1.3 {event.cipher}"]


async def test_submissions_is_encrypted_from_the_first_octet(world: Running, made: DevCertificate) -> None:
    """The greeting comes over TLS (RFC 8314 §3.3), and STARTTLS is neither offered nor taken."""
    talker = await dial(world, made, Role.SUBMISSIONS, trusted=True)
    await talker.secure()
    assert (await talker.hear()).startswith("220 ")
    assert "STARTTLS" not in await talker.say("EHLO client.example")
    assert (await talker.say("STARTTLS")).startswith(("502 ", "503 "))
    assert (await talker.mail()).startswith("250 ")


async def test_lmtp_and_systems_without_certificate_offer_nothing(world: Running, made: DevCertificate) -> None:
    """STARTTLS is not offered where it is of no use."""
    talker = await dial(world, made, Role.LMTP)
    await talker.hear()
    assert "STARTTLS" not in await talker.say("LHLO client.example")


async def test_starttls_without_a_certificate_is_not_there(tmp_path: Path) -> None:
    """What is not offered is refused, and the session goes on."""
    async with running(configuration(tmp_path / "data")) as world:
        caller = await world.call()
        assert (await caller.say("STARTTLS")).startswith("502 ")
        assert (await caller.say("NOOP")).startswith("250 ")


@pytest.mark.parametrize(
    "injected", ["MAIL FROM:<eve@x.example>\r\n", "RSET\r\n", "EHLO x\r\nMAIL FROM:<a@b>\r\n", "x"]
)
async def test_f029_commands_behind_starttls_are_never_obeyed(
    world: Running, made: DevCertificate, injected: str
) -> None:
    """F029: one segment with STARTTLS and more ends the session; nothing of it is executed (RFC 3207 §4)."""
    talker = await dial(world, made)
    await talker.hear()
    await talker.say("EHLO client.example")
    talker.stream.write(f"STARTTLS\r\n{injected}".encode())
    assert (await talker.hear())[:1] == "5"
    assert await talker.hear() == ""


async def test_f030_octets_sent_in_clear_after_the_220_fail_the_handshake(world: Running, made: DevCertificate) -> None:
    """F030: what comes in clear where the handshake is due is not a command and not read later."""
    talker = await dial(world, made)
    await talker.hear()
    await talker.say("EHLO client.example")
    await talker.say("STARTTLS")
    talker.stream.write(b"MAIL FROM:<eve@x.example>\r\n")
    await world.until(lambda: world.of(HandshakeFailed))
    await world.until(lambda: world.of(SessionClosed))
    (closed,) = world.of(SessionClosed)
    assert closed.reason == "handshake"


async def test_f032_nothing_is_remembered_over_the_upgrade(world: Running, made: DevCertificate) -> None:
    """F032: EHLO is needed again, and a transaction from before is gone (RFC 3207 §4.2)."""
    talker = await secured(world, made)
    assert (await talker.say("MAIL FROM:<x@y.example>")).startswith("503 5.5.1")
    await talker.say("EHLO two.example")
    assert (await talker.say(f"RCPT TO:<{ANNA}>")).startswith("503 5.5.1")
    assert (await talker.say("MAIL FROM:<x@y.example>")).startswith("250 ")


async def test_f033_starttls_inside_tls_is_out_of_order(world: Running, made: DevCertificate) -> None:
    """F033: it is not offered a second time, and refused."""
    talker = await secured(world, made)
    assert "STARTTLS" not in await talker.say("EHLO two.example")
    assert (await talker.say("STARTTLS")).startswith("503 5.5.1")


async def test_f034_starttls_in_a_transaction_is_out_of_order(world: Running, made: DevCertificate) -> None:
    """F034: a transaction is not taken over into TLS; the client is told, and goes on."""
    talker = await dial(world, made)
    await talker.hear()
    await talker.say("EHLO client.example")
    await talker.say("MAIL FROM:<x@y.example>")
    assert (await talker.say("STARTTLS")).startswith("503 5.5.1")
    assert (await talker.say(f"RCPT TO:<{ANNA}>")).startswith("250 ")


@pytest.mark.parametrize("role", [Role.MX, Role.SUBMISSIONS])
async def test_f035_silence_in_the_handshake_ends(world: Running, made: DevCertificate, role: Role) -> None:
    """F035: who begins TLS and says nothing is cut by the handshake's own deadline."""
    talker = await dial(world, made, role)
    if role is Role.MX:
        await talker.hear()
        await talker.say("EHLO client.example")
        await talker.say("STARTTLS")
    await world.until(lambda: world.of(SessionOpened))
    await asyncio.sleep(0.01)
    jump(30.0)
    assert await talker.hear() == ""
    (failed,) = world.of(HandshakeFailed)
    assert failed.why == "the handshake took too long"


async def test_f035_clients_in_the_handshake_count(world: Running, made: DevCertificate) -> None:
    """F035: connections in the handshake count against the client's limit, and one too many gets no handshake."""
    first, second = [await dial(world, made, Role.SUBMISSIONS) for _ in range(2)]
    await world.until(lambda: len(world.of(SessionOpened)) == 2)
    third = await dial(world, made, Role.SUBMISSIONS)
    with pytest.raises(TlsError):
        await third.secure()
    assert not first.stream.at_eof
    assert not second.stream.at_eof


async def test_reload_takes_the_new_certificate_and_keeps_sessions(
    world: Running, made: DevCertificate, tmp_path: Path
) -> None:
    """SIGHUP changes what new handshakes show; open sessions go on, and a broken pair changes nothing."""
    talker = await secured(world, made)
    other = prepare(tmp_path / "other", ["mx.example.test"], time.time())
    world.reread.append(replace(world.config, tls=tls(other)))
    world.system.reload()
    assert [event.state for event in world.of(SystemChanged)][-1] == "reloaded"
    assert (await talker.say("EHLO still.example")).startswith("250")
    again = await secured(world, other)
    world.reread.append(replace(world.config, tls=replace(tls(made), key=other.pair.key)))
    with pytest.raises(Exception, match="is not the key of"):
        world.system.reload()
    assert "is not the key of" in world.of(Warned)[-1].detail
    await secured(world, other)
    assert (await again.say("EHLO still.example")).startswith("250")


async def test_stopping_in_the_middle_of_a_handshake_is_quick(tmp_path: Path, made: DevCertificate) -> None:
    """A handshake that goes on does not hold up the end for longer than the grace that all have."""
    config = configuration(tmp_path / "data", tls=tls(made), listen=(Listen(Role.SUBMISSIONS, "127.0.0.1:0"),))
    async with running(config) as world:
        talker = await dial(world, made, Role.SUBMISSIONS)
        await world.until(lambda: world.of(SessionOpened))
    assert await talker.hear() == ""
    await asyncio.sleep(0)
