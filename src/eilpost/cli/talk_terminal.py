"""Where the person sits: a terminal with line editing and history, or a pipe (a deed)."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import click

from eilpost.cli.output import escape

_BOLD, _RESET = "\x1b[1m", "\x1b[0m"
_COLOURS: Final[Mapping[str, str]] = MappingProxyType({
    "2": "\x1b[32m",
    "3": "\x1b[36m",
    "4": "\x1b[33m",
    "5": "\x1b[31m",
    "+": "\x1b[32m",
    "-": "\x1b[31m",
})  # fmt: skip
"""By the first sign of a reply."""

_DIM: Final = "\x1b[2m"


class Terminal:
    """Lines in, lines out; colours where a person looks and NO_COLOR is not set."""

    def __init__(self, words: tuple[str, ...] = ()) -> None:
        self.is_terminal = sys.stdin.isatty()
        self._in_colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._history: Callable[[str], None] = _forget
        if self.is_terminal:
            self._history = _edit(words)

    def line(self, prompt: str) -> str | None:
        """The next line; None at the end of the input."""
        if not self.is_terminal:
            text = sys.stdin.readline()
            return text.rstrip("\r\n") if text else None
        try:
            return input(self._prompt(prompt))
        except EOFError:
            click.echo()
            return None

    def remember(self, line: str) -> None:
        """Puts a line into the history; secrets are never given."""
        if line.strip():
            self._history(line)

    def secret(self, what: str) -> str | None:
        """Something that is not echoed; None at the end of the input."""
        if not self.is_terminal:
            return self.line("")
        try:
            return getpass.getpass(f"{what}: ")
        except EOFError:
            return None

    def show(self, side: str, text: str) -> None:
        """A line with its side, harmless for a terminal (F155)."""
        shown = escape(f"{side}: {text}" if side else f"   {text}")
        if self._in_colour:
            colour = _COLOURS.get(text[:1], "") if side == "S" else ("" if side else _DIM)
            shown = f"{colour}{shown}{_RESET}" if colour else shown
        click.echo(shown)

    def _prompt(self, text: str) -> str:
        # \x01 and \x02 tell readline which signs take no room.
        return f"\x01{_BOLD}\x02{text}\x01{_RESET}\x02" if self._in_colour else text


def _forget(line: str) -> None:
    """A pipe has no history."""


def _edit(words: tuple[str, ...]) -> Callable[[str], None]:
    """Switches line editing on, with completion; how to add to the history."""
    try:
        import readline
    except ImportError:  # a Python without it still reads lines
        return _forget

    def complete(text: str, state: int) -> str | None:
        fitting = [word for word in words if word.startswith(text.upper())]
        return f"{fitting[state]} " if state < len(fitting) else None

    readline.set_auto_history(False)  # what may be a password must not get there
    readline.set_completer(complete)
    readline.parse_and_bind("tab: complete")
    return readline.add_history
