"""What a person is told when a command fails: one sentence, never a traceback (a table; words)."""

from __future__ import annotations

from typing import Final

import click

from eilpost.cli.exits import Exit
from eilpost.config.problem import ConfigError
from eilpost.directory.store import AccountExists, DirectoryError, NotFound
from eilpost.spool.contract import SpoolClosed, SpoolError, SpoolFull, SpoolLocked

DEBUG_VARIABLE: Final = "EILPOST_DEBUG"


class CommandError(click.ClickException):
    """A command cannot do what it was asked; ``message`` names the cause and the mend."""

    def __init__(self, message: str, code: Exit = Exit.SOFTWARE) -> None:
        super().__init__(message)
        self.code = code


CODES: Final[tuple[tuple[type[BaseException], Exit], ...]] = (
    (click.FileError, Exit.NOINPUT),
    (click.ClickException, Exit.USAGE),
    (ConfigError, Exit.CONFIG),
    (AccountExists, Exit.CANTCREAT),
    (NotFound, Exit.NOUSER),
    (DirectoryError, Exit.IOERR),
    (SpoolLocked, Exit.TEMPFAIL),
    (SpoolFull, Exit.TEMPFAIL),
    (SpoolClosed, Exit.TEMPFAIL),
    (SpoolError, Exit.IOERR),
    (PermissionError, Exit.NOPERM),
    (FileNotFoundError, Exit.NOINPUT),
    (FileExistsError, Exit.CANTCREAT),
    (ConnectionError, Exit.UNAVAILABLE),
    (TimeoutError, Exit.TEMPFAIL),
    (OSError, Exit.IOERR),
)
"""The first row that fits decides; what fits none is a bug."""


def code_of(error: BaseException) -> Exit:
    """The exit code of an error."""
    if isinstance(error, CommandError):
        return error.code
    return next((code for kind, code in CODES if isinstance(error, kind)), Exit.SOFTWARE)


def sentences(error: BaseException) -> list[str]:
    """What to say of an error: one sentence, or one for each problem of a configuration."""
    match error:
        case ConfigError():
            return [str(problem) for problem in error.problems if problem.severity.value == "error"]
        case click.UsageError():
            return [f"{error.format_message().rstrip('.')}{_help_hint(error)}"]
        case click.ClickException():
            return [error.format_message()]
        case OSError() if error.strerror:
            return [f"{error.filename}: {error.strerror}" if error.filename else error.strerror]
        case OSError() | SpoolError() | DirectoryError():
            return [str(error) or type(error).__name__]
        case _:
            what = f"{type(error).__name__}: {error}".rstrip(": ")
            return [f"unexpected fault, {what}; set {DEBUG_VARIABLE}=1 to see where, and please report it"]


def _help_hint(error: click.UsageError) -> str:
    return f"; see: {error.ctx.command_path} --help" if error.ctx else ""
