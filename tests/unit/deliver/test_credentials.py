"""As whom we log in at the smarthost, and at nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eilpost.client.login import Login
from eilpost.config.schema import Relay as Settings
from eilpost.deliver.credentials import SmarthostLogin
from eilpost.deliver.relay import Relay
from eilpost.mail.next_hop import Means, NextHop
from eilpost.mail.outcome import Fate
from eilpost.route.urls import parse_smarthost
from eilpost.sasl.words import Credentials
from eilpost.smtp.client_results import Lost
from tests.unit.deliver.errands import job, relaying
from tests.unit.peers import Peer, staged

URL = "smtp://relay.example:587"


def settings(**given: Any) -> Settings:
    """With a smarthost and a user."""
    return Settings(**({"smarthost": URL, "user": "anna"} | given))


def test_the_password_is_read_for_each_session(tmp_path: Path) -> None:
    """A new secret counts at once; it is the file's first line, and no repr shows it."""
    file = tmp_path / "password"
    find = SmarthostLogin(settings(password_file=str(file)))
    for secret in ("first", " second "):
        file.write_text(secret + "\r\nnotes\n")
        login = find(parse_smarthost(URL))
        assert isinstance(login, Login)
        assert login.credentials.password == secret
        assert secret not in repr(login)


def test_a_token_instead(tmp_path: Path) -> None:
    """A token's file gives a token."""
    (tmp_path / "token").write_text("abc\n")
    login = SmarthostLogin(settings(token_file=str(tmp_path / "token")))(parse_smarthost(URL))
    assert isinstance(login, Login)
    assert (login.credentials.token, login.credentials.password) == ("abc", None)


@pytest.mark.parametrize(
    "next_hop", [NextHop(Means.MX, "relay.example"), parse_smarthost("smtp://relay.example:25"), NextHop(Means.MAILDIR)]
)
def test_nobody_else_is_shown_the_secret(next_hop: NextHop, tmp_path: Path) -> None:
    """Mail that does not go to the smarthost goes without a login."""
    (tmp_path / "password").write_text("x")
    assert SmarthostLogin(settings(password_file=str(tmp_path / "password")))(next_hop) is None
    assert SmarthostLogin(Settings(smarthost=URL))(parse_smarthost(URL)) is None


@pytest.mark.parametrize("octets", [None, b"", b"\n", b"\xff\xfe"])
def test_a_secret_that_cannot_be_read(octets: bytes | None, tmp_path: Path) -> None:
    """Without its secret a session is not begun, and the mail waits."""
    file = tmp_path / "password"
    if octets is not None:
        file.write_bytes(octets)
    found = SmarthostLogin(settings(password_file=str(file)))(parse_smarthost(URL))
    assert isinstance(found, Lost)
    assert str(file) in found.text


async def test_a_login_that_is_refused_defers_the_mail() -> None:
    """Wrong credentials are ours to mend: no mail is lost for them (RFC 4954 §6)."""

    async def part(peer: Peer) -> None:
        await peer.say(b"220 x ESMTP\r\n")
        await peer.hear()
        await peer.say(b"250-x\r\n250 AUTH CRAM-MD5\r\n")
        await peer.hear()
        await peer.say(b"535 5.7.8 no\r\n")
        await peer.leave()

    async with staged(part) as stage, relaying(stage.port) as plain:
        find = lambda _: Login(Credentials("anna", "secret"))  # noqa: E731
        relay = Relay(plain._settings, plain._find_hosts, hostname="me.example", find_login=find)
        attempt = await relay.attempt(job())
        await relay.close()
    (outcome,) = attempt.outcomes
    assert (outcome.fate, str(outcome.status)) == (Fate.DEFERRED, "4.7.8")
