"""Passwords and tokens that a command is given: from standard input, the environment or a person (a deed).

Never from the command line, which everybody on the machine can read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, Final

import click

from eilpost.cli.errors import CommandError
from eilpost.cli.exits import Exit
from eilpost.sasl.mechanisms import MECHANISMS, Wants

PASSWORD: Final = "EILPOST_PASSWORD"
TOKEN: Final = "EILPOST_TOKEN"
LOGIN_REFUSED: Final = frozenset({530, 534, 535, 538})  # RFC 4954 §6


def asked_login(given: Mapping[str, Any]) -> dict[str, Any]:
    """What ``Client`` is told of a login; empty: none was asked for."""
    from_stdin = [name for name in ("password_stdin", "token_stdin") if given[name]]
    row = MECHANISMS.get(given["auth"].upper())
    shows_certificate = row is not None and row.wants is Wants.CERTIFICATE
    if given["user"] is None and not shows_certificate:
        if from_stdin or row is not None:
            raise click.UsageError("say as whom to log in: --user NAME")
        return {}
    _check(given, from_stdin)
    wanted: dict[str, Any] = {
        "user": given["user"], "auth": given["auth"], "plain_on_loopback": given["plain_on_loopback"]
    }  # fmt: skip
    return wanted if shows_certificate else wanted | _secret(from_stdin, wants_token=row is not None and _is_token(row))


def _is_token(row: Any) -> bool:
    return row.wants is Wants.TOKEN


def _check(given: Mapping[str, Any], from_stdin: list[str]) -> None:
    taken = given["stdin"] or given["text_file"] == "-" or "-" in given["eml"]
    if len(from_stdin) > 1 or (from_stdin and taken):
        raise click.UsageError(f"standard input can be one thing only; the secret may be in ${PASSWORD} or ${TOKEN}")


def _secret(from_stdin: list[str], *, wants_token: bool) -> dict[str, str]:
    match from_stdin:
        case ["token_stdin"]:
            return {"token": _line()}
        case ["password_stdin"]:
            return {"password": _line()}
        case _:
            return _found(wants_token=wants_token)


def _found(*, wants_token: bool) -> dict[str, str]:
    """From the environment, else from whoever sits there."""
    names = (("token", TOKEN),) if wants_token else (("password", PASSWORD), ("token", TOKEN))
    for key, name in names:
        if name in os.environ:
            return {key: os.environ[name]}
    if not sys.stdin.isatty():
        raise CommandError(f"no password was given: by --password-stdin or in ${PASSWORD}", Exit.USAGE)
    kind = "token" if wants_token else "password"
    return {kind: click.prompt(kind.capitalize(), hide_input=True, err=True)}


def _line() -> str:
    """The first line; a password may begin and end with blanks."""
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise CommandError("there is no secret on standard input", Exit.USAGE)
    return line
