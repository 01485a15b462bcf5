"""Logins over TLS: what is offered then, channel binding, and what does not survive the upgrade."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, cast

import argon2
import pytest

from eilpost.config.schema import Auth, Listen, Role, Tls
from eilpost.directory.passwords import keep
from eilpost.directory.store import Store
from eilpost.journal import LoggedIn
from eilpost.mail.address import parse_address
from eilpost.net.dev_certificate import DevCertificate, prepare
from eilpost.sasl.mechanisms import MECHANISMS
from eilpost.sasl.words import BindingKind, ChannelBinding, ClientTerms, Credentials
from tests.unit.receive.running import Running, configuration, running
from tests.unit.receive.test_tls import Talker, dial

ANNA: Final = "anna@example.test"
PLAIN: Final = "AUTH PLAIN " + base64.b64encode(f"\0{ANNA}\0geheim".encode()).decode()
QUICK: Final = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> DevCertificate:
    """The server's certificate."""
    return prepare(tmp_path_factory.mktemp("tls"), ["mx.example.test"], time.time())


@pytest.fixture
async def world(tmp_path: Path, made: DevCertificate) -> AsyncIterator[Running]:
    """Anna may log in; plain text is allowed on loopback, so that a login before TLS can be had."""
    config = configuration(
        tmp_path / "data",
        auth=Auth(plain_on_loopback=True),
        tls=Tls(made.pair.certificate, made.pair.key),
        listen=tuple(Listen(role, "127.0.0.1:0") for role in (Role.SUBMISSION, Role.SUBMISSIONS)),
    )
    async with running(config) as system:
        with Store(tmp_path / "data") as store:
            store.set_kept(parse_address(ANNA), keep("geheim", hasher=QUICK))
        yield system


async def over_tls(world: Running, made: DevCertificate) -> tuple[Talker, str]:
    """On submissions, and what is offered there."""
    talker = await dial(world, made, Role.SUBMISSIONS)
    await talker.secure()
    await talker.hear()
    return talker, await talker.say("EHLO client.example")


async def test_over_tls_everything_is_offered(world: Running, made: DevCertificate) -> None:
    """-PLUS and plain text; mail is traced as ESMTPSA (RFC 3848)."""
    talker, offer = await over_tls(world, made)
    assert "250-AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN\r\n" in offer
    assert (await talker.say(PLAIN)).startswith("235 ")
    for line in (f"MAIL FROM:<{ANNA}>", f"RCPT TO:<{ANNA}>", "DATA"):
        await talker.say(line)
    talker.stream.write(f"From: <{ANNA}>\r\n\r\n.\r\n".encode())
    assert (await talker.hear()).startswith("250 ")
    assert b" with ESMTPSA id " in (await world.delivered(ANNA))[0]
    assert world.of(LoggedIn)[0].tls


@pytest.mark.parametrize("kind", ["tls-exporter", "tls-server-end-point"])
async def test_f115_scram_plus_names_the_channel(world: Running, made: DevCertificate, kind: str) -> None:
    """The right binding logs in; one of another channel does not, and y while PLUS is offered is a downgrade."""
    for change, code in ((b"", "235 "), (b"x", "535 ")):
        talker, _ = await over_tls(world, made)
        security = talker.stream.tls
        assert security is not None
        if kind not in security.bindings:
            pytest.skip(f"this Python knows no {kind}")
        binding = ChannelBinding(cast(BindingKind, kind), security.bindings[kind] + change)
        terms = ClientTerms("x" * 24, bindings=(binding,), binding_offered=True)
        assert (await _log_in(talker, "SCRAM-SHA-256-PLUS", terms)).startswith(code)

    talker, _ = await over_tls(world, made)
    downgraded = await talker.say("AUTH SCRAM-SHA-256 " + base64.b64encode(b"y,,n=anna,r=" + b"x" * 24).decode())
    if downgraded.startswith("334 "):
        downgraded = await talker.say(base64.b64encode(b"c=eSws,r=x,p=eA==").decode())
    assert downgraded[:3] in ("501", "535")


async def _log_in(talker: Talker, mechanism: str, terms: ClientTerms) -> str:
    client = MECHANISMS[mechanism].client(Credentials(ANNA, "geheim"), terms)
    said = await talker.say(f"AUTH {mechanism} {base64.b64encode(next(client).octets or b'').decode()}")
    while said.startswith("334 "):
        said = await talker.say(base64.b64encode(client.send(base64.b64decode(said[4:])).octets or b"").decode())
    return said


async def test_f034_a_login_in_clear_does_not_survive_starttls(world: Running, made: DevCertificate) -> None:
    """RFC 3207 §4.2: after the handshake the client is a stranger again, and may log in anew."""
    talker = await dial(world, made, Role.SUBMISSION)
    await talker.hear()
    await talker.say("EHLO client.example")
    assert (await talker.say(PLAIN)).startswith("235 ")
    assert (await talker.say("STARTTLS")).startswith("220 ")
    await talker.secure()
    await talker.say("EHLO client.example")
    assert (await talker.say(f"MAIL FROM:<{ANNA}>")).startswith("530 5.7.0")
    assert (await talker.say(PLAIN)).startswith("235 ")
    assert (await talker.say(f"MAIL FROM:<{ANNA}>")).startswith("250 ")
