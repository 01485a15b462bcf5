"""``eilpost fetch`` against our own server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from eilpost.cli.exits import Exit
from eilpost.cli.main import main
from eilpost.config.schema import Role
from tests.unit.retrieve.conftest import World, certificate, world

__all__ = ["certificate", "world"]

MAIL = (
    b"From: =?utf-8?q?B=C3=A9rta?= <berta@example.test>\r\nTo: anna@example.test\r\n"
    b"Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n"
    b"Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\nSch=C3=B6n \x1b[31mrot\r\n"
)


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anna's, in the environment."""
    monkeypatch.setenv("EILPOST_PASSWORD", "geheim")


async def fetch(world: World, *words: str, tls: str = "implicit", user: str = "anna@example.test") -> int:
    """Runs the command in a thread: the server lives in this loop."""
    port = world.ports[Role.POP3S if tls == "implicit" else Role.POP3]
    keys = [] if tls == "off" else ["--ca-file", world.certificate.authority]
    command = ["fetch", *words, "--server", f"localhost:{port}", "--user", user, "--tls", tls, *keys]
    return await asyncio.to_thread(main, command)


async def test_list(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The list tells numbers, sizes, decoded fields and stable names, as a table and as JSON."""
    world.put("1.a.h", MAIL)
    assert await fetch(world, "list", "--json") == Exit.OK
    [row] = json.loads(capsys.readouterr().out)
    assert row == {
        "number": 1, "octets": len(MAIL), "date": "Mon, 23 Nov 2026 10:00:00 +0000",
        "from": "Bérta <berta@example.test>", "subject": "Grüße", "uidl": "1.a.h",
    }  # fmt: skip
    assert await fetch(world, "list", tls="starttls") == Exit.OK
    assert "Grüße" in capsys.readouterr().out


async def test_read_escapes_what_steers_a_terminal(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A message is shown decoded, its control characters spelled out (F155)."""
    world.put("1.a.h", MAIL)
    assert await fetch(world, "read", "1") == Exit.OK
    shown = capsys.readouterr().out
    assert "Subject: Grüße" in shown
    assert "Schön \\x1b[31mrot" in shown
    assert "\x1b" not in shown
    assert await fetch(world, "read", "7") == Exit.NOINPUT


async def test_save_fetches_nothing_twice(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """New messages are saved as they are; what was saved before is not fetched again."""
    home = tmp_path / "saved"
    world.put("1.a.h", MAIL)
    assert await fetch(world, "save", str(home)) == Exit.OK
    world.put("2.a.h", b"Subject: two\r\n\r\n.x\r\n")
    assert await fetch(world, "save", str(home)) == Exit.OK
    assert capsys.readouterr().out == "1 saved, 0 known already\n1 saved, 1 known already\n"
    assert sorted(path.read_bytes() for path in (home / "new").iterdir()) == sorted(
        [MAIL, b"Subject: two\r\n\r\n.x\r\n"]
    )
    assert len(list((world.home / "new").iterdir())) == 2
    assert await fetch(world, "save", str(home), "--delete") == Exit.OK
    assert not list((world.home / "new").iterdir())
    assert len(list((home / "new").iterdir())) == 2
    assert await fetch(world, "save", str(home)) == Exit.OK
    assert not (home / "eilpost-fetched").read_text()


@pytest.mark.parametrize("auth", ["auto", "SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN", "APOP", "USER"])
async def test_every_login(world: World, auth: str) -> None:
    """Each login that the server has can be asked for."""
    assert await fetch(world, "list", "--auth", auth) == Exit.OK


async def test_a_password_is_not_said_in_clear(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Without TLS the best login that hides the password is taken, and USER is refused by us."""
    assert await fetch(world, "list", "--transcript", tls="off") == Exit.OK
    assert "geheim" not in capsys.readouterr().err
    assert await fetch(world, "list", "--auth", "PLAIN", tls="off") == Exit.NOPERM
    assert await fetch(world, "list", "--auth", "USER", tls="off") == Exit.NOPERM
    assert await fetch(world, "list", "--auth", "USER", "--plain-on-loopback", tls="off") == Exit.OK


async def test_what_goes_wrong_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong password, a mailbox in use and a server that is not there have their exit codes and sentences."""
    monkeypatch.setenv("EILPOST_PASSWORD", "wrong")
    assert await fetch(world, "list") == Exit.NOPERM
    monkeypatch.setenv("EILPOST_PASSWORD", "geheim")
    caller = await world.call()
    await caller.log_in()
    assert await fetch(world, "list") == Exit.NOPERM
    assert "in use" in capsys.readouterr().err
    world.ports[Role.POP3S] = 1
    assert await fetch(world, "list") == Exit.UNAVAILABLE


async def test_an_unknown_certificate_is_refused(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Certificates are checked unless the person says otherwise."""
    command = ["fetch", "list", "--server", f"localhost:{world.ports[Role.POP3S]}", "--user", "anna@example.test"]
    assert await asyncio.to_thread(main, command) == Exit.UNAVAILABLE
    assert "TLS" in capsys.readouterr().err
    assert await asyncio.to_thread(main, [*command, "--insecure"]) == Exit.OK
