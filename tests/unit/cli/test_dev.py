"""``eilpost dev``: one command, every choice a flag and a variable, each mistake a sentence."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import smtplib
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from eilpost.cli.dev import dev
from eilpost.cli.dev_choices import Chosen, choose
from eilpost.cli.errors import CommandError
from eilpost.cli.exits import Exit
from eilpost.inbox.contract import Sorting


def chosen(*arguments: str, **variables: str) -> Chosen:
    """What flags and variables choose."""
    with pytest.MonkeyPatch.context() as patch:
        for name, text in variables.items():
            patch.setenv(f"EILPOST_DEV_{name}", text)
        return choose(dev.make_context("dev", list(arguments)).params)


def test_defaults() -> None:
    """Without a word: the usual ports on loopback, in memory, no faults."""
    made = chosen()
    assert (made.service.host, made.service.port, str(made.http), str(made.pop3)) == (
        "127.0.0.1", 1025, "127.0.0.1:8025", "127.0.0.1:1110",
    )  # fmt: skip
    assert (made.service.keep, made.service.faults, made.service.release.is_possible) == (None, (), False)


def test_flags_and_variables(tmp_path: Path) -> None:
    """Each flag is a variable too; several in one variable stand between semicolons."""
    faults = tmp_path / "faults.toml"
    faults.write_text('[[fault]]\nstage = "end"\nreply = 451\nevery = 3\n')
    made = chosen(
        "--mailboxes", "login", "--pop3", "off", "--faults", str(faults), "--newest", "5", "--age", "7d",
        "--release-to", "mx.test:25", "--release-allow", "*@me.test",
        FAULT="rcpt to=*@full.test reply=452;mail delay=1s", SMTP="[::1]:2025", USER="anna:x;bob:y",
    )  # fmt: skip
    assert [rule.text for rule in made.service.faults] == [
        "rcpt to='*@full.test' reply=452", "mail delay=1s", "end reply=451 every=3",
    ]  # fmt: skip
    assert (made.service.host, made.service.port, made.pop3) == ("::1", 2025, None)
    assert (made.service.sorting, made.service.retention.age) == (Sorting.LOGIN, 7 * 86_400)
    assert made.users == {"anna": "x", "bob": "y"}
    assert "'x'" not in repr(made)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--smtp", "1025x"], "--smtp: '1025x' is no address"),
        (["--http", "0.0.0.0:8025"], "nobody would have to sign in; add --user"),
        (["--fault", "rcpt rpely=550"], "--fault: there is no key"),
        (["--age", "soon"], "--age: 'soon' is not a duration"),
        (["--account", "secretpassword"], "--account: is written NAME:PASSWORD"),
        (["--release-to", "mx.test:25"], "--release-allow: names who"),
        (["--release-allow", "*"], "--release-to: names the server"),
        (["--webhook", "ftp://x"], "--webhook: 'ftp://x' is no address"),
        (["--export", "x"], "name the file with --keep"),
    ],
)
def test_mistakes_name_the_flag(arguments: list[str], told: str) -> None:
    """What cannot be is one sentence that names the flag and the mend, and never a password."""
    with pytest.raises(CommandError) as raised:
        chosen(*arguments)
    assert raised.value.code is Exit.USAGE
    assert told in raised.value.message
    assert "secretpassword" not in raised.value.message


def test_a_public_page_needs_somebody_who_signs_in() -> None:
    """With a user or a token it may listen anywhere."""
    assert str(chosen("--http", "0.0.0.0:80", "--token", "t").http) == "0.0.0.0:80"


def test_help_shows_it_at_work() -> None:
    """Help has examples."""
    assert "eilpost dev --keep mail.db" in CliRunner().invoke(dev, ["--help"]).output


def start(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    """The command as people run it."""
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from eilpost.cli.main import main; sys.exit(main())",
            "dev",
            "--tls-directory",
            str(tmp_path / "tls"),
            *arguments,
        ],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )


def read_banner(running: subprocess.Popen[str]) -> dict[str, str]:
    """The addresses that the banner names, by their words."""
    assert running.stderr is not None
    found: dict[str, str] = {}
    for line in running.stderr:
        words = line.split()
        if words and words[0] in ("SMTP", "page", "POP3"):
            found[words[0]] = words[1]
        if "anna+550" in line:
            break
    return found


def test_it_runs_takes_shows_and_ends(tmp_path: Path) -> None:
    """Started, sent to, asked, ended: exit 0, the mail kept, and exported by the next call."""
    free = "127.0.0.1:0"
    keep = str(tmp_path / "inbox.db")
    running = start(tmp_path, "--smtp", free, "--http", free, "--pop3", free, "--keep", keep)
    try:
        at = read_banner(running)
        host, _, port = at["SMTP"].rpartition(":")
        with smtplib.SMTP(host, int(port), timeout=10) as client:
            client.starttls()
            client.login("any", "thing")
            client.sendmail("a@x.test", ["b@x.test"], "Subject: hello\r\n\r\nhi\r\n")
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                client.sendmail("a@x.test", ["b+550@x.test"], "Subject: no\r\n\r\nhi\r\n")
        with urllib.request.urlopen(f"{at['page']}api/messages", timeout=10) as answer:
            assert [each["subject"] for each in json.load(answer)["messages"]] == ["hello"]
    finally:
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=20)
    assert running.returncode == 0
    exported = start(tmp_path, "--keep", keep, "--export", str(tmp_path / "out.mbox"))
    exported.communicate(timeout=20)
    assert (exported.returncode, b"Subject: hello" in (tmp_path / "out.mbox").read_bytes()) == (0, True)


async def test_a_busy_port_names_the_mend(tmp_path: Path) -> None:
    """Another inbox on the port: one sentence, exit 69."""
    with socket.create_server(("127.0.0.1", 0)) as busy:
        address = f"127.0.0.1:{busy.getsockname()[1]}"
        running = start(tmp_path, "--smtp", address, "--http", "off", "--pop3", "off")
        _, told = await asyncio.to_thread(running.communicate, timeout=20)
    assert running.returncode == Exit.UNAVAILABLE
    assert told.strip().splitlines()[-1].startswith(f"eilpost: {address}: Address already in use; end what uses it")
