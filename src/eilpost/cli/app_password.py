"""``eilpost user app-password``: a password for one program (a deed)."""

from __future__ import annotations

import time

import click

from eilpost.cli.errors import CommandError
from eilpost.cli.exits import Exit
from eilpost.cli.local import address_of, open_store
from eilpost.cli.options import config_option, example, json_option
from eilpost.cli.output import Column, moment, note, say, show
from eilpost.config.load import load
from eilpost.directory.kept import AppPassword
from eilpost.directory.last_use import LastUse
from eilpost.directory.passwords import hash_app_password, make_app_password

MAX_NAME = 64  # characters


@click.group(name="app-password", epilog=example("eilpost user app-password add anna@example.org phone"))
def app_password() -> None:
    """Passwords of single programs: each can be taken away without touching the others.

    A program logs in with it as with the account's own password, by PLAIN or LOGIN.
    """


@app_password.command(epilog=example("eilpost user app-password add anna@example.org 'work laptop'"))
@click.argument("address")
@click.argument("name")
@config_option
def add(address: str, name: str, config_file: str | None) -> None:
    """Make one, and show it this one time. NAME tells its owner which program has it."""
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise CommandError(f"{name!r} is no name: expected up to {MAX_NAME} characters that can be seen", Exit.DATAERR)
    password = make_app_password()
    with open_store(load(config_file)) as store:
        account = store.account(address_of(address))
        store.add_app_password(account.address, AppPassword(name, hash_app_password(password), time.time()))
    note(f"the app password {name!r} of {account.address}; it is shown this once:")
    say(password)


@app_password.command(name="list", epilog=example("eilpost user app-password list anna@example.org --json"))
@click.argument("address")
@config_option
@json_option
def list_app_passwords(address: str, config_file: str | None, as_json: bool) -> None:
    """List them, with when and from where each was used last."""
    config = load(config_file)
    with open_store(config) as store:
        account = store.account(address_of(address))
        apps = store.app_passwords(account.address)
    uses = LastUse(config.server.data).of(str(account.address))
    rows = []
    for app in apps:
        used, client = uses.get(app.name, (0.0, ""))
        last = moment(used) if used else None
        rows.append({"name": app.name, "created": moment(app.created), "last_used": last, "last_client": client})
    columns = [
        Column("Name", "name"), Column("Created", "created"), Column("Last used", "last_used"),
        Column("From", "last_client"),
    ]  # fmt: skip
    show(rows, columns, as_json=as_json, nothing=f"{account.address} has no app password")


@app_password.command(epilog=example("eilpost user app-password remove anna@example.org phone"))
@click.argument("address")
@click.argument("name")
@config_option
def remove(address: str, name: str, config_file: str | None) -> None:
    """Take one away: its program cannot log in any more."""
    config = load(config_file)
    with open_store(config) as store:
        account = store.account(address_of(address))
        store.remove_app_password(account.address, name)
    LastUse(config.server.data).forget(str(account.address), name)
    say(f"the app password {name!r} of {account.address} is removed")
