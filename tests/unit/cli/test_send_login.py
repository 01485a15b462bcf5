"""``eilpost send`` logs in."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from eilpost.cli.exits import Exit
from eilpost.server.server import Server
from tests.unit.cli.conftest import Run

LETTER = ("--from", "anna@a.test", "--to", "bob@b.test", "--body", "x")


@pytest.fixture(params=[("SCRAM-SHA-256", "LOGIN", "PLAIN")])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that takes mail from anna alone."""
    ready, over = threading.Event(), threading.Event()
    ports: list[int] = []

    async def serve() -> None:
        there = Server(
            accounts={"anna@a.test": "pass word"}, mechanisms=request.param, plain_text=True, login_required=True
        )
        async with there:
            ports.append(there.port)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait()
    yield f"127.0.0.1:{ports[0]}"
    over.set()
    thread.join()


def test_the_password_comes_from_standard_input(run: Run, address: str) -> None:
    """The first line is the password, blanks included; no option shows it to the machine."""
    done = run("send", "--server", address, "--user", "anna@a.test", "--password-stdin", *LETTER, given="pass word\n")
    assert done.code == 0, done.err


def test_or_from_the_environment(run: Run, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """$EILPOST_PASSWORD is taken where no standard input was asked for, and the dialogue does not show it."""
    monkeypatch.setenv("EILPOST_PASSWORD", "pass word")
    done = run(
        "send", "--server", address, "--user", "anna@a.test", "--auth", "plain", "--plain-on-loopback",
        "--transcript", *LETTER,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "AUTH PLAIN (not shown)" in done.err


def test_a_wrong_password(run: Run, address: str) -> None:
    """A refused login has an exit code of its own."""
    done = run("send", "--server", address, "--user", "anna@a.test", "--password-stdin", *LETTER, given="wrong\n")
    assert done.code == Exit.NOPERM
    assert "535" in done.err
    assert "wrong" not in done.err


def test_plain_text_is_not_sent_in_clear(run: Run, address: str) -> None:
    """Without TLS a password is not shown, unless it was allowed for this machine."""
    done = run(
        "send",
        "--server",
        address,
        "--user",
        "anna@a.test",
        "--auth",
        "LOGIN",
        "--password-stdin",
        *LETTER,
        given="x\n",
    )
    assert done.code == Exit.UNAVAILABLE
    assert "no verified TLS" in done.err


@pytest.mark.parametrize(
    ("arguments", "given", "said"),
    [
        (("--password-stdin",), "x\n", "--user"),
        (("--auth", "PLAIN"), "", "--user"),
        (("--user", "a"), "", "EILPOST_PASSWORD"),
        (("--user", "a", "--password-stdin"), "\n", "no secret"),
        (("--user", "a", "--password-stdin", "--token-stdin"), "x\n", "one thing only"),
        (("--user", "a", "--auth", "NTLM", "--password-stdin"), "x\n", "NTLM"),
    ],
)
def test_what_does_not_go_together(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], given: str, said: str
) -> None:
    """What is missing or too much is said before anything is sent."""
    monkeypatch.delenv("EILPOST_PASSWORD", raising=False)
    monkeypatch.delenv("EILPOST_TOKEN", raising=False)
    done = run("send", *arguments, *LETTER, given=given)
    assert done.code == Exit.USAGE
    assert said in done.err
