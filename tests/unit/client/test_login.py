"""Clients log in: over each mechanism, and not where they should not."""

from __future__ import annotations

import asyncio
import base64
from functools import partial
from typing import Any, Final

import pytest

from eilpost import Client, send
from eilpost.client import NotConnected
from eilpost.client.login import bindings_of, is_loopback, login_as
from eilpost.server.server import Server
from tests.unit.peers import Peer, staged

ANNA: Final = "anna@a.example"
OCTETS: Final = b"From: anna@a.example\r\nTo: bob@b.example\r\nSubject: x\r\n\r\nhello\r\n"
ALL: Final = ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN")
KNOWN: Final[dict[str, Any]] = {"user": ANNA, "password": "pässword", "plain_on_loopback": True}


def server(*mechanisms: str) -> Server:
    """A server that wants a login and has one account."""
    return Server(accounts={ANNA: "pässword"}, mechanisms=mechanisms, plain_text=True, login_required=True)


@pytest.mark.parametrize("mechanism", ALL)
async def test_each_mechanism_logs_in(mechanism: str) -> None:
    """A server with one mechanism, and a client that takes what there is."""
    async with server(mechanism) as there, Client("127.0.0.1", there.port, **KNOWN) as client:
        assert (await client.send(OCTETS)).is_complete


@pytest.mark.parametrize("mechanism", ALL)
async def test_each_mechanism_logs_a_script_in(mechanism: str) -> None:
    """The blocking driver has the same dialogues."""
    async with server(mechanism) as there:
        receipt = await asyncio.to_thread(lambda: send(OCTETS, "127.0.0.1", there.port, **KNOWN))
        assert receipt.is_complete


async def test_the_best_mechanism_is_taken() -> None:
    """Of what the server offers the client takes the one that shows least; or the one that was asked for."""
    lines: list[bytes] = []
    async with server("PLAIN", "LOGIN", "SCRAM-SHA-256", "CRAM-MD5") as there:
        async with Client("127.0.0.1", there.port, tell=lambda side, line: lines.append(line), **KNOWN):
            pass
        assert b"AUTH SCRAM-SHA-256 (not shown)" in lines
        async with Client("127.0.0.1", there.port, auth="login", tell=lambda _, line: lines.append(line), **KNOWN):
            pass
        assert b"AUTH LOGIN" in lines


async def test_f119_a_transcript_shows_no_secret() -> None:
    """Who listens in on a login hears neither password nor proof."""
    for mechanism in ALL:
        said: list[bytes] = []

        def tell(side: str, line: bytes, said: list[bytes] = said) -> None:
            if side == "C":
                said.append(line)

        async with server(mechanism) as there:
            async with Client("127.0.0.1", there.port, tell=tell, **KNOWN):
                pass
            await asyncio.to_thread(partial(send, OCTETS, "127.0.0.1", there.port, tell=tell, **KNOWN))
        spoken = b"\n".join(said)
        assert b"pass" not in spoken
        assert base64.b64encode("pässword".encode()) not in spoken
        assert not [line for line in said if line[:4] == b"AUTH" and len(line) > 40]


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_f118_no_password_without_tls(mechanism: str) -> None:
    """Without TLS a client does not show its password, whatever the server offers."""
    async with server(mechanism) as there:
        with pytest.raises(NotConnected, match="show the secret"):
            await Client("127.0.0.1", there.port, user=ANNA, password="pässword").__aenter__()
        with pytest.raises(NotConnected, match="show the secret"):
            await asyncio.to_thread(lambda: send(OCTETS, "127.0.0.1", there.port, user=ANNA, password="pässword"))


@pytest.mark.parametrize("mechanism", ALL)
async def test_a_wrong_password_is_told(mechanism: str) -> None:
    """The server's 535 is the reason."""
    async with server(mechanism) as there:
        with pytest.raises(NotConnected) as told:
            await Client("127.0.0.1", there.port, **(KNOWN | {"password": "wrong"})).__aenter__()
        assert told.value.reply is not None
        assert told.value.reply.code == 535
        assert "wrong" not in str(told.value)


async def test_a_server_without_logins() -> None:
    """Where no login is offered, the client says so instead of going on without."""
    async with Server() as there:
        with pytest.raises(NotConnected, match="offers no login"):
            await Client("127.0.0.1", there.port, **KNOWN).__aenter__()


async def login_of(*lines: bytes, mechanism: bytes = b"SCRAM-SHA-256", **changes: Any) -> tuple[str, list[bytes]]:
    """What a client says of a server that speaks these lines, and what the server heard after EHLO."""

    async def part(peer: Peer) -> None:
        await peer.say(b"220 x ESMTP\r\n")
        await peer.hear()
        await peer.say(b"250-x\r\n250 AUTH " + mechanism + b"\r\n")
        for line in lines:
            if not await peer.hear():
                return
            await peer.say(line)
        while await peer.hear():
            await peer.say(b"221 bye\r\n")

    async with staged(part) as stage:
        with pytest.raises(NotConnected) as told:
            await Client("127.0.0.1", stage.port, **(KNOWN | changes)).__aenter__()
        return str(told.value), stage.lines[1:]


async def test_a_success_without_a_proof_is_not_believed() -> None:
    """A 235 before the server has shown that it knows the password is an impostor's."""
    told, _ = await login_of(b"235 2.7.0 welcome\r\n")
    assert "did not prove" in told


async def test_a_challenge_that_is_no_scram_is_cancelled() -> None:
    """A client that does not go on says ``*`` (RFC 4954 §4), and why."""
    told, heard = await login_of(b"334 " + base64.b64encode(b"r=x") + b"\r\n", b"501 5.7.0 cancelled\r\n")
    assert "no first message" in told
    assert heard[1] == b"*\r\n"


async def test_base64_that_is_none_breaks_the_protocol() -> None:
    """A challenge that cannot be decoded ends the session."""
    told, _ = await login_of(b"334 !!!\r\n")
    assert "protocol" in told


async def test_a_token_that_was_refused() -> None:
    """The reason of an authority's refusal is acknowledged, and the 535 is told."""
    told, heard = await login_of(
        b"334 " + base64.b64encode(b'{"status":"invalid_token"}') + b"\r\n",
        b"535 5.7.8 no\r\n",
        mechanism=b"OAUTHBEARER",
        password=None,
        token="stale",
    )
    assert "535" in told
    assert heard[1] == base64.b64encode(b"\x01") + b"\r\n"


async def test_rfc4954_a_long_token_waits_for_the_first_challenge() -> None:
    """An initial response that does not fit into its line answers the server's empty challenge."""
    token = "t" * 3000
    told, heard = await login_of(b"334 \r\n", b"535 5.7.8 no\r\n", mechanism=b"XOAUTH2", password=None, token=token)
    assert heard[0] == b"AUTH XOAUTH2\r\n"
    assert base64.b64decode(heard[1]) == f"user={ANNA}\x01auth=Bearer {token}\x01\x01".encode()
    assert "535" in told


async def test_who_hangs_up_in_the_middle() -> None:
    """A session that ends in a login is told as one that dropped."""

    async def part(peer: Peer) -> None:
        await peer.say(b"220 x ESMTP\r\n")
        await peer.hear()
        await peer.say(b"250-x\r\n250 AUTH PLAIN\r\n")
        await peer.hear()

    async with staged(part) as stage:
        with pytest.raises(NotConnected, match="while logging in"):
            await Client("127.0.0.1", stage.port, **KNOWN).__aenter__()


def test_what_is_asked_for() -> None:
    """A secret needs a user; without any there is no login; EXTERNAL needs nothing."""
    assert login_as(None, None, None) is None
    assert login_as(None, None, None, "external") is not None
    with pytest.raises(ValueError, match="user"):
        login_as(None, "secret", None)


def test_the_strongest_binding_comes_first() -> None:
    """Bindings that SCRAM can name, and no others."""
    known = {"tls-server-end-point": b"a", "other": b"b", "tls-exporter": b"c"}
    assert [each.kind for each in bindings_of(known)] == ["tls-exporter", "tls-server-end-point"]


def test_what_stays_on_this_machine() -> None:
    """Loopback is an address, not a name that somebody gave it."""
    assert [is_loopback(each) for each in ("127.0.0.9", "::1", "localhost", "192.0.2.1", "localhost.example")] == [
        True, True, True, False, False,
    ]  # fmt: skip
