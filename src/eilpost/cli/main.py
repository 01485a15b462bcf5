"""The command ``eilpost``: which nouns there are, and what happens when one fails (a table; a deed).

A noun's module is imported when the noun is used, never for ``--help``: that answers at once.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import click

from eilpost.cli.exits import Exit
from eilpost.cli.options import example


@dataclass(frozen=True, slots=True)
class Noun:
    """One row: the word, where its command is, and the line that help shows."""

    name: str
    module: str
    attribute: str
    help: str


NOUNS: Final[Mapping[str, Noun]] = MappingProxyType(
    {
        row.name: row
        for row in (
            Noun("serve", "eilpost.cli.serve", "serve", "Run the mail system in the foreground."),
            Noun("dev", "eilpost.cli.dev", "dev", "Run the developer's inbox: take every mail, deliver none."),
            Noun("send", "eilpost.cli.send", "send", "Send a message."),
            Noun("fetch", "eilpost.cli.fetch", "fetch", "Fetch mail by POP3."),
            Noun("talk", "eilpost.cli.talk", "talk", "Talk with a mail server by hand."),
            Noun("queue", "eilpost.cli.queue", "queue", "See and steer mail that waits."),
            Noun("user", "eilpost.cli.user", "user", "Add, list and remove accounts."),
            Noun("alias", "eilpost.cli.alias", "alias", "Add, list and remove addresses that stand for others."),
            Noun("domain", "eilpost.cli.domain", "domain", "List the domains that are at home here."),
            Noun("config", "eilpost.cli.config", "config", "Check, show and explain the configuration."),
        )
    }
)


class Nouns(click.Group):
    """A group whose commands are rows of the table, imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(NOUNS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a row; None for a word that is no noun."""
        row = NOUNS.get(cmd_name)
        return _load(row) if row else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, but an unknown word gets the nearest noun."""
        if args and args[0] not in NOUNS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], NOUNS, n=1)
            ctx.fail(f"no such command: {args[0]}" + (f"; the nearest is {near[0]!r}" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The rows' own help, so that nothing is imported."""
        with formatter.section("Commands"):
            formatter.write_dl([(row.name, row.help) for row in NOUNS.values()])


def _load(row: Noun) -> click.Command:
    try:
        module = importlib.import_module(row.module)
    except ModuleNotFoundError as error:
        if error.name != row.module:
            raise
        from eilpost.cli.errors import CommandError

        what = f"the command {row.name!r} is not part of this installation; install eilpost again"
        raise CommandError(what, Exit.UNAVAILABLE) from None
    command = vars(module)[row.attribute]
    assert isinstance(command, click.Command), row
    return command


def _version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    click.echo(f"eilpost {version('eilpost')}")
    ctx.exit()


@click.group(
    cls=Nouns,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=example("eilpost config check", "eilpost user add anna@example.org", "eilpost serve"),
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version and exit."
)
def eilpost() -> None:
    """Eilpost, a complete mail system."""


def main(arguments: list[str] | None = None) -> int:
    """Runs a command line; returns the exit code."""
    try:
        code = eilpost.main(arguments, prog_name="eilpost", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else Exit.OK
    except click.exceptions.Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return Exit.INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        return Exit.BROKEN_PIPE
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return Exit.USAGE
    except Exception as error:
        return _fail(error)


def _forget_output() -> None:
    """The reader has gone; without this the interpreter would complain when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(error: Exception) -> int:
    from eilpost.cli.errors import DEBUG_VARIABLE, code_of, sentences
    from eilpost.cli.output import note

    code = code_of(error)
    if code is Exit.SOFTWARE and os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(error)
    for sentence in sentences(error):
        note(f"eilpost: {sentence}")
    return code
