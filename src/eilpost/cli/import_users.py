"""``eilpost user import``: accounts with their hashes, from a passwd-style file (a deed)."""

from __future__ import annotations

import sys
import time
from itertools import islice
from pathlib import Path

import click

from eilpost.cli.errors import CommandError
from eilpost.cli.exits import Exit
from eilpost.cli.local import hosted_domain, open_store
from eilpost.cli.options import config_option, example, json_option
from eilpost.cli.output import Column, note, say, show
from eilpost.cli.progress import Bar
from eilpost.config.load import load
from eilpost.config.schema import Config
from eilpost.directory.names import refusal
from eilpost.directory.open_sources import default_domain
from eilpost.directory.passwd_file import Entry, Skipped, parse
from eilpost.directory.passwords import PasswordError, keep
from eilpost.directory.source import kept_by_hash
from eilpost.directory.store import AccountExists, Store

BATCH = 500
"""Accounts that are made durable together."""


@click.command(
    name="import",
    epilog=example(
        "eilpost user import /etc/dovecot/users", "eilpost user import shadow.txt --domain example.org --dry-run"
    ),
)
@click.argument("file")
@click.option("--domain", default="", metavar="DOMAIN", help="The domain of names without one.")
@click.option("--replace", is_flag=True, help="Give accounts that exist the hash of the file; else they stay.")
@click.option("--dry-run", is_flag=True, help="Only say what would be skipped, and why.")
@config_option
@json_option
def import_users(file: str, domain: str, replace: bool, dry_run: bool, config_file: str | None, as_json: bool) -> None:
    """Make accounts from a file with lines of name:hash, as Dovecot, /etc/shadow and htpasswd have them.

    Everybody keeps their password. At the next login with it, the hash is replaced by Argon2id and the keys of
    SCRAM. What is skipped is listed with its reason.
    """
    config = load(config_file)
    chosen = hosted_domain(domain, config) if domain else default_domain(config)
    lines = parse(_read(file), chosen)
    skipped: list[Skipped] = []
    done = 0
    with open_store(config) as store, Bar("importing", len(lines)) if sys.stderr.isatty() else _Quiet() as bar:
        rest = iter(lines)
        while batch := tuple(islice(rest, BATCH)):
            with store.together():
                for line in batch:
                    found = _take(line, store, config, replace=replace, dry_run=dry_run)
                    skipped += [found] if found is not None else []
                    done += found is None
                    bar.advance()
    rows = [{"line": each.line, "name": each.name, "why": each.why} for each in skipped]
    columns = [Column("Line", "line"), Column("Name", "name"), Column("Skipped because", "why")]
    if rows or as_json:
        show(rows, columns, as_json=as_json, nothing="")
    summary = f"{done} accounts {'would be ' if dry_run else ''}imported, {len(skipped)} lines skipped"
    (note if as_json else say)(summary)


class _Quiet:
    """No terminal, no bar."""

    def __enter__(self) -> _Quiet:
        return self

    def __exit__(self, *_: object) -> None:
        """There is nothing to take away."""

    def advance(self) -> None:
        """Nobody looks."""


def _take(line: Entry | Skipped, store: Store, config: Config, *, replace: bool, dry_run: bool) -> Skipped | None:
    """Makes the account; else why not."""
    if isinstance(line, Skipped):
        return line
    why = _obstacle(line, config)
    if not why and store.user(line.address) is not None and not replace:
        why = "there is such an account already; --replace gives it this hash"
    if why or dry_run:
        return Skipped(line.line, str(line.address), why) if why else None
    kept = kept_by_hash(line.hash)
    try:
        if kept.secret:
            kept = keep(kept.secret)  # a password in plain text ends here
    except PasswordError as error:
        return Skipped(line.line, str(line.address), f"the password cannot be used: {error}")
    try:
        store.add_user(line.address, kept, time.time())
    except AccountExists:
        store.set_kept(line.address, kept)
    return None


def _obstacle(entry: Entry, config: Config) -> str:
    if entry.address.domain not in {row.name for row in config.domain}:
        return f"{entry.address.domain} is no domain of this server"
    why = refusal(entry.address.local_part)
    return f"no account can be called so: {why}" if why else ""


def _read(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8") if file != "-" else sys.stdin.read()
    except UnicodeDecodeError:
        raise CommandError(f"{file} is no UTF-8", Exit.DATAERR) from None
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}", Exit.NOINPUT) from None
