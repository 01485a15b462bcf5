"""Options and help that many commands share (words)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def config_option(function: F) -> F:
    """``-c FILE``, as the parameter ``config_file``; None searches the usual places."""
    option = click.option(
        "-c",
        "--config",
        "config_file",
        metavar="FILE",
        type=click.Path(),
        help="The configuration; else $EILPOST_CONFIG, ./eilpost.toml or /etc/eilpost/eilpost.toml.",
    )
    return option(function)


def json_option(function: F) -> F:
    """``--json``, as the parameter ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")(function)


def yes_option(function: F) -> F:
    """``--yes``, as the parameter ``yes``."""
    return click.option("-y", "--yes", is_flag=True, help="Do it without asking.")(function)


def example(*lines: str) -> str:
    """The section of a command's help that shows it at work; give it as ``epilog``."""
    return "\n".join(["\b", "Example:", *(f"  {line}" for line in lines)])
