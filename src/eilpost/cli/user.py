"""``eilpost user``: accounts and their passwords (a deed)."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from eilpost.cli.app_password import app_password
from eilpost.cli.errors import CommandError
from eilpost.cli.exits import Exit
from eilpost.cli.import_users import import_users
from eilpost.cli.local import address_of, hosted, hosted_domain, open_store
from eilpost.cli.options import config_option, example, json_option, yes_option
from eilpost.cli.output import Column, moment, note, say, show
from eilpost.config.load import load
from eilpost.directory.kept import Kept
from eilpost.directory.last_use import LastUse
from eilpost.directory.names import doubts, refusal
from eilpost.directory.passwords import PasswordError, keep
from eilpost.directory.store import AccountExists
from eilpost.mail.account import Account


@click.group(epilog=example("eilpost user add anna@example.org", "eilpost user list"))
def user() -> None:
    """Add, list and remove accounts. An account is an address with a mailbox."""


_stdin_option = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@user.command(
    epilog=example(
        "eilpost user add anna@example.org", "pass show anna | eilpost user add anna@example.org --password-stdin"
    )
)
@click.argument("address")
@_stdin_option
@config_option
def add(address: str, password_stdin: bool, config_file: str | None) -> None:
    """Make an account; a running server takes mail for it at once.

    On a terminal the password is asked for; without one the account gets mail but nobody can log in.
    """
    config = load(config_file)
    wanted = hosted(address, config)
    why = refusal(wanted.local_part)
    if why:
        raise CommandError(f"no account can be called {address!r}: {why}", Exit.DATAERR)
    with open_store(config) as store:
        others = store.accounts(wanted.domain)
        for doubt in doubts(
            wanted.local_part, [other.address.local_part for other in others if other.address != wanted]
        ):
            note(f"warning: {address}: {doubt}")
        if any(other.address == wanted for other in others):
            raise AccountExists(f"the account {wanted} exists already")
        made = store.add_user(wanted, _password(password_stdin, optional=True), time.time())
    say(f"{made.address} added" + ("" if made.can_log_in else ", without a password"))


@user.command(name="list", epilog=example("eilpost user list", "eilpost user list --domain example.org --json"))
@click.option("--domain", default="", metavar="DOMAIN", help="Only accounts of this domain.")
@config_option
@json_option
def list_users(domain: str, config_file: str | None, as_json: bool) -> None:
    """List the accounts."""
    config = load(config_file)
    wanted = hosted_domain(domain, config) if domain else ""
    with open_store(config) as store:
        rows = [_row(account) for account in store.accounts(wanted)]
    columns = [Column("Address", "address"), Column("Login", "login"), Column("Created", "created")]
    show(rows, columns, as_json=as_json, nothing="no account yet; make one with: eilpost user add ADDRESS")


def _row(account: Account) -> dict[str, Any]:
    return {"address": str(account.address), "login": account.can_log_in, "created": moment(account.created)}


@user.command(epilog=example("eilpost user passwd anna@example.org", "eilpost user passwd anna@example.org --none"))
@click.argument("address")
@_stdin_option
@click.option("--none", "no_password", is_flag=True, help="Take the password away: nobody can log in.")
@click.option(
    "--cram",
    is_flag=True,
    help="Keep the password itself as well: CRAM-MD5 and APOP need it, and whoever reads the directory then reads it.",
)
@config_option
def passwd(address: str, password_stdin: bool, no_password: bool, cram: bool, config_file: str | None) -> None:
    """Give an account another password. App passwords stay as they are.

    Kept are an Argon2id hash and the keys of SCRAM, from which nobody reads the password. CRAM-MD5 and
    APOP cannot do with that: for an account whose program knows nothing better, --cram keeps the
    password itself, unencrypted. A later passwd without --cram forgets it.
    """
    if no_password and (password_stdin or cram):
        other = "--password-stdin" if password_stdin else "--cram"
        raise click.UsageError(f"--none and {other} exclude each other", click.get_current_context())
    with open_store(load(config_file)) as store:
        account = store.account(address_of(address))
        store.set_kept(account.address, Kept() if no_password else _password(password_stdin, optional=False, cram=cram))
    if cram:
        note(f"warning: the password of {account.address} is kept as it is, for CRAM-MD5 and APOP")
    say(f"{account.address} has {'no password now' if no_password else 'a new password'}")


@user.command(epilog=example("eilpost user remove anna@example.org", "eilpost user remove anna@example.org --yes"))
@click.argument("address")
@yes_option
@config_option
def remove(address: str, yes: bool, config_file: str | None) -> None:
    """Remove an account. Its mail is left where it is."""
    config = load(config_file)
    with open_store(config) as store:
        account = store.account(address_of(address))
        for alias in store.aliases_with(account.address):
            note(f"warning: the alias {alias.address} leads to {account.address} still")
        question = f"Remove {account.address}? New mail for it will be refused; its mail stays in the Maildir."
        if not yes and not _agreed(question):
            raise CommandError("nothing was removed", Exit.USAGE)
        store.remove_account(account.address)
        LastUse(config.server.data).forget(str(account.address))
    say(f"{account.address} removed; its mail stays below {config.server.data}/mail/{account.address.domain}")


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise CommandError("removing needs a yes; give --yes where nobody can be asked", Exit.USAGE)
    return click.confirm(question, err=True)


def _password(from_stdin: bool, *, optional: bool, cram: bool = False) -> Kept:
    """What is kept of the password that is read or asked for; nothing when there is none."""
    password = _read_password(from_stdin, optional=optional)
    if not password and optional and not from_stdin:
        return Kept()
    try:
        return keep(password, cram=cram)
    except PasswordError as error:
        raise CommandError(f"the password cannot be used: {error}", Exit.DATAERR) from None


def _read_password(from_stdin: bool, *, optional: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if sys.stdin.isatty():
        prompt = "Password (empty: none)" if optional else "Password"
        asked: str = click.prompt(
            prompt, hide_input=True, confirmation_prompt="Once more", default="" if optional else None,
            show_default=False, err=True,
        )  # fmt: skip
        return asked
    if optional:
        return ""
    raise CommandError("there is no terminal to ask for a password; give it with --password-stdin", Exit.USAGE)


user.add_command(app_password)
user.add_command(import_users)
