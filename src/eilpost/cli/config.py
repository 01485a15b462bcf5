"""``eilpost config``: check, show, explain and print the configuration (a deed)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from eilpost.cli.errors import CommandError
from eilpost.cli.exits import Exit
from eilpost.cli.options import config_option, example, json_option
from eilpost.cli.output import Column, note, say, show, show_json
from eilpost.config import reference
from eilpost.config.load import Loaded, Origin, find, load_all
from eilpost.config.problem import ConfigError, KeyPath, Problem, Severity, show_path
from eilpost.config.settings import SECTIONS, SETTINGS, Setting, nearest


@click.group(epilog=example("eilpost config check -c eilpost.toml", "eilpost config explain queue.retry"))
def config() -> None:
    """Check, show and explain the configuration."""


@config.command(epilog=example("eilpost config check -c /etc/eilpost/eilpost.toml"))
@config_option
@json_option
def check(config_file: str | None, as_json: bool) -> Exit:
    """Say everything that is wrong with the configuration.

    Exits with 0 when the server would start, with 78 when it would not.
    """
    place = find(config_file)
    try:
        problems = load_all(config_file).warnings
    except ConfigError as error:
        problems = error.problems
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    if as_json:
        show_json([problem.as_json() for problem in problems])
    else:
        for problem in problems:
            say(_line(problem))
        counts = [_count(errors, "error"), _count(len(problems) - errors, "warning")]
        say(f"{place or 'environment'}: {', '.join(counts)}")
    return Exit.CONFIG if errors else Exit.OK


def _line(problem: Problem) -> str:
    return f"{problem.severity.value}: {problem}"


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


@config.command(name="show", epilog=example("eilpost config show limits", "eilpost config show queue.retry --json"))
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@config_option
@json_option
def show_settings(keys: tuple[str, ...], config_file: str | None, as_json: bool) -> None:
    """Show every setting in force and where it comes from.

    KEY is a section or a setting; without one, all are shown.
    """
    for key in keys:
        _known(key, {**SETTINGS, **SECTIONS})
    loaded = load_all(config_file)
    for warning in loaded.warnings:
        note(_line(warning))
    rows = [row for row in _rows(loaded) if not keys or _chosen(row["setting"], keys)]
    columns = [Column("Key", "key"), Column("Value", "value"), Column("From", "from")]
    show([{name: row[name] for name in ("key", "value", "from")} for row in rows], columns, as_json=as_json)


def _chosen(setting: Setting, keys: tuple[str, ...]) -> bool:
    return any(key in (setting.key, setting.section) for key in keys)


def _rows(loaded: Loaded) -> Iterator[dict[str, Any]]:
    for path, row, value in _values(loaded):
        origin = loaded.origins.get(path, Origin())
        yield {
            "setting": row,
            "key": show_path(path),
            "value": reference.show_value(row, value),
            "from": str(origin),
        }


def _values(loaded: Loaded) -> Iterator[tuple[KeyPath, Setting, Any]]:
    """Every setting in force; the table's names are the dataclasses' fields."""
    for section in SECTIONS.values():
        here = _field(loaded.config, section.name)
        parts = enumerate(here) if section.repeated else [(None, here)]
        for number, part in parts:
            path: KeyPath = (section.name,) if number is None else (section.name, number)
            for row in section.settings.values():
                yield (*path, row.name), row, _field(part, row.name)


def _field(value: object, name: str) -> Any:
    return getattr(value, name)


@config.command(name="reference", epilog=example("eilpost config reference > eilpost.toml"))
@click.option("--markdown", is_flag=True, help="Print the page of the manual instead.")
def show_reference(markdown: bool) -> None:
    """Print a configuration in which every setting stands, with its default and a sentence."""
    click.echo(reference.render() if markdown else reference.example(), nl=False)


@config.command(epilog=example("eilpost config explain limits.recipients", "eilpost config explain queue"))
@click.argument("key")
@config_option
def explain(key: str, config_file: str | None) -> None:
    """Say what a setting is for, its type and default, and its value here."""
    _known(key, {**SETTINGS, **SECTIONS})
    if key in SECTIONS:
        section = SECTIONS[key]
        say(f"{key}: {section.sentence}")
        for row in section.settings.values():
            say(f"  {row.key}: {row.sentence}")
        return
    click.echo(reference.explain(SETTINGS[key]))
    for line in _value_here(key, config_file):
        say(line)


def _value_here(key: str, config_file: str | None) -> list[str]:
    """The value in force; nothing when no usable configuration was named or found."""
    try:
        loaded = load_all(config_file)
    except ConfigError:
        if config_file:
            raise
        return []
    rows = [row for row in _rows(loaded) if row["setting"].key == key]
    return [f"  here:     {row['value']} ({row['key']}, from {row['from']})" for row in rows]


def _known(key: str, known: dict[str, Any]) -> None:
    if key in known:
        return
    near = next((name for name in SETTINGS if name.endswith(f".{key}")), "") or nearest(key, known)
    hint = f"the nearest is {near!r}" if near else "see: eilpost config reference"
    raise CommandError(f"there is no setting {key!r}; {hint}", Exit.USAGE)
