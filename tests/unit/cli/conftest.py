"""A command line to try: a configuration, and a runner that goes through the real entry point."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from eilpost.cli.main import main


@dataclass(frozen=True, slots=True)
class Result:
    """What a command said and returned."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small configuration, found by its variable."""
    file = tmp_path / "eilpost.toml"
    file.write_text(
        '[server]\nhostname = "mx.example.test"\n'
        '[[listen]]\nrole = "mx"\naddress = "127.0.0.1:2525"\n'
        '[[domain]]\nname = "example.test"\n'
        '[[domain]]\nname = "bücher.example"\ndeliver = "lmtp://127.0.0.1:24"\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("EILPOST_CONFIG", str(file))
    return file


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command line; ``given`` is what stands on standard input."""

    def act(*arguments: str, given: str = "") -> Result:
        monkeypatch.setattr(sys, "stdin", io.StringIO(given))
        code = main(list(arguments))
        captured = capsys.readouterr()
        return Result(int(code), captured.out, captured.err)

    return act
