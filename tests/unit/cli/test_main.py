"""The command itself: help, errors and exit codes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import click
import pytest

from eilpost.cli.errors import CODES, CommandError, code_of, sentences
from eilpost.cli.exits import Exit
from eilpost.cli.main import NOUNS, eilpost
from eilpost.config.problem import ConfigError, Problem, Severity
from eilpost.spool.contract import SpoolFull, SpoolLocked


class Result(Protocol):
    code: int
    out: str
    err: str


class Run(Protocol):
    def __call__(self, *arguments: str, given: str = "") -> Result: ...


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command of the nouns that are installed."""
    waiting: list[tuple[str, click.Command]] = []
    for name in NOUNS:
        try:
            command = eilpost.get_command(click.Context(eilpost), name)
        except CommandError:
            continue
        assert command is not None
        waiting.append((f"eilpost {name}", command))
    while waiting:
        name, command = waiting.pop()
        yield name, command
        if isinstance(command, click.Group):
            waiting += [(f"{name} {inner}", command.commands[inner]) for inner in command.commands]


@pytest.mark.parametrize(("name", "command"), list(commands()), ids=str)
def test_every_help_shows_an_example(name: str, command: click.Command) -> None:
    """Each command's help has a section Example with its own words, unwrapped."""
    text = command.get_help(click.Context(command, info_name=name))

    assert re.search(rf"^  Example:\n    .*{name}", text, re.MULTILINE), text


@pytest.mark.parametrize(("name", "command"), list(commands()), ids=str)
def test_every_list_speaks_json(name: str, command: click.Command) -> None:
    """Whatever lists takes --json."""
    if name.endswith(" list"):
        assert any("--json" in parameter.opts for parameter in command.params)


def run_process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {key: value for key, value in os.environ.items() if not key.startswith("EILPOST_")} | environment
    return subprocess.run(
        [sys.executable, "-c", "import sys; from eilpost.cli.main import main; sys.exit(main())", *arguments],
        capture_output=True, text=True, timeout=30, env=variables, check=False,
    )  # fmt: skip


def test_help_answers_without_importing_much() -> None:
    """Help names every noun and imports none, nor what draws, hashes, resolves or serves."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "from eilpost.cli.main import main; main(['--help'])"],
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip

    for name, row in NOUNS.items():
        assert f"  {name} " in done.stdout
        assert f"{row.module}\n" not in done.stderr
    for heavy in ("rich", "asyncio", "argon2", "dns", "uvloop", "msgspec", "sqlite3", "ssl"):
        assert not re.search(rf"\| +{heavy}(\.|$)", done.stderr, re.MULTILINE), heavy


def test_the_version_is_told(run: Run) -> None:
    """--version prints name and version."""
    assert re.fullmatch(r"eilpost \d+\.\d+\.\d+\S*\n", run("--version").out)


def test_an_unknown_noun_names_the_nearest(run: Run) -> None:
    """A slip is told in one sentence, with exit code EX_USAGE."""
    result = run("aliass", "list")

    assert result.code == Exit.USAGE
    assert result.err == "eilpost: no such command: aliass; the nearest is 'alias'; see: eilpost --help\n"


@pytest.mark.parametrize("arguments", [("config", "explain"), ("user", "add"), ("--nope",), ("user", "list", "--nope")])
def test_wrong_usage_is_one_sentence(run: Run, arguments: tuple[str, ...]) -> None:
    """A missing argument or unknown option says so on one line and where help is."""
    result = run(*arguments)

    assert result.code == Exit.USAGE
    assert result.err.count("\n") == 1
    assert "--help" in result.err


@pytest.mark.parametrize("arguments", [(), ("config",)])
def test_a_noun_alone_shows_its_help(run: Run, arguments: tuple[str, ...]) -> None:
    """Without a verb there is help on standard error, and EX_USAGE."""
    result = run(*arguments)

    assert result.code == Exit.USAGE
    assert result.out == ""
    assert "Example:" in result.err


def test_a_process_returns_the_code(tmp_path: Path) -> None:
    """The real program fails with EX_CONFIG and one sentence, without a traceback."""
    done = run_process("domain", "list", "-c", str(tmp_path / "missing.toml"))

    assert done.returncode == Exit.CONFIG
    assert done.stderr == f"eilpost: {tmp_path}/missing.toml: cannot be read: No such file or directory\n"
    assert done.stdout == ""


def test_a_reader_that_goes_away_is_no_fault() -> None:
    """A broken pipe ends the command without a word."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from eilpost.cli.main import main; sys.exit(main())",
         "config", "reference", "--markdown"],
        stdout=write, stderr=subprocess.PIPE, text=True, timeout=30, check=False,
    )  # fmt: skip
    os.close(write)

    assert done.stderr == ""
    assert done.returncode != 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (click.UsageError("x"), Exit.USAGE),
        (ConfigError(()), Exit.CONFIG),
        (SpoolLocked("x"), Exit.TEMPFAIL),
        (SpoolFull("x"), Exit.TEMPFAIL),
        (PermissionError(13, "x"), Exit.NOPERM),
        (FileNotFoundError(2, "x"), Exit.NOINPUT),
        (ConnectionRefusedError(111, "x"), Exit.UNAVAILABLE),
        (OSError(5, "x"), Exit.IOERR),
        (CommandError("x", Exit.NOUSER), Exit.NOUSER),
        (KeyError("x"), Exit.SOFTWARE),
    ],
    ids=lambda value: value.name if isinstance(value, Exit) else type(value).__name__,
)
def test_errors_have_codes_of_sysexits(error: Exception, code: Exit) -> None:
    """Each kind of error has the code that scripts expect."""
    assert code_of(error) is code


def test_special_errors_stand_before_general_ones() -> None:
    """No row of the table is hidden by one above it."""
    kinds = [kind for kind, _ in CODES]
    for number, kind in enumerate(kinds):
        assert not any(issubclass(kind, earlier) for earlier in kinds[:number]), kind


def test_every_error_is_a_sentence() -> None:
    """Files are named with their errors, problems one a line, and a bug asks to be reported."""
    problems = (
        Problem(Severity.ERROR, "a.toml", 3, "x.y", "is wrong"),
        Problem(Severity.WARNING, "a.toml", 1, "", "w"),
    )

    assert sentences(OSError(28, "No space left on device", "/var/x")) == ["/var/x: No space left on device"]
    assert sentences(ConfigError(problems)) == ["a.toml:3: x.y: is wrong"]
    assert "EILPOST_DEBUG=1" in sentences(ZeroDivisionError("division by zero"))[0]


def test_a_bug_shows_no_traceback_unless_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected exception is one sentence with EX_SOFTWARE; EILPOST_DEBUG=1 shows where."""

    @click.command()
    def bug() -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("eilpost.cli.config.config", bug)
    result = run("config")
    assert result.code == Exit.SOFTWARE
    assert result.err.count("\n") == 1

    monkeypatch.setenv("EILPOST_DEBUG", "1")
    assert "Traceback" in run("config").err


def test_an_interrupt_is_quiet(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends with 130 and says nothing."""

    @click.command()
    def waits() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("eilpost.cli.config.config", waits)
    result = run("config")

    assert result.code == Exit.INTERRUPTED
    assert (result.out + result.err).strip() == ""
