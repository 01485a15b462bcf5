"""``eilpost alias``: addresses that stand for others (a deed)."""

from __future__ import annotations

from typing import Any

import click

from eilpost.cli.errors import CommandError
from eilpost.cli.exits import Exit
from eilpost.cli.local import address_of, hosted, hosted_domain, open_store
from eilpost.cli.options import config_option, example, json_option
from eilpost.cli.output import Column, note, say, show, show_json
from eilpost.config.load import load
from eilpost.config.schema import Config
from eilpost.directory.names import fold, refusal
from eilpost.directory.store import NotFound, Store
from eilpost.mail.account import Alias
from eilpost.mail.address import Address


@click.group(epilog=example("eilpost alias add sales@example.org anna bert@example.net"))
def alias() -> None:
    """Add, list and remove addresses that stand for others.

    A file of aliases in sendmail's form (aliases.file) counts besides; it is not changed here.
    """


@alias.command(
    epilog=example(
        "eilpost alias add sales@example.org anna bert@example.net",
        "eilpost alias add anna@example.org anna archive   # keep a copy",
    )
)
@click.argument("address")
@click.argument("members", nargs=-1, required=True, metavar="MEMBER...")
@config_option
def add(address: str, members: tuple[str, ...], config_file: str | None) -> None:
    """Let ADDRESS stand for each MEMBER, besides those it has already.

    A MEMBER without a domain is at the domain of ADDRESS.
    """
    config = load(config_file)
    name = hosted(address, config)
    why = refusal(name.local_part)
    if why:
        raise CommandError(f"no alias can be called {address!r}: {why}", Exit.DATAERR)
    targets = [_member(member, name) for member in members]
    with open_store(config) as store:
        made = store.add_alias(name, targets)
        for target in _strangers(made, config, store):
            note(f"warning: {target} has neither account nor alias here yet")
    say(_line(made))


def _member(text: str, alias_name: Address) -> Address:
    return address_of(text if "@" in text else f"{text}@{alias_name.domain}")


def _strangers(made: Alias, config: Config, store: Store) -> list[Address]:
    """Members at a Maildir domain of ours that lead to nobody."""
    ours = {row.name for row in config.domain if row.deliver == "maildir" and not row.catch_all}
    known = {_key(account.address) for account in store.accounts()} | {_key(other.address) for other in store.aliases()}
    itself = _key(made.address)
    accounts = {_key(account.address) for account in store.accounts(made.address.domain)}
    return [
        member
        for member in made.members
        if member.domain in ours
        and not member.is_postmaster
        and (_key(member) not in known or (_key(member) == itself and itself not in accounts))
        and not _is_sub_address(member, config, known)
    ]


def _is_sub_address(member: Address, config: Config, known: set[tuple[str, str]]) -> bool:
    delimiter = config.aliases.delimiter
    base = member.local_part.partition(delimiter)[0] if delimiter else ""
    return bool(base) and base != member.local_part and (member.domain, fold(base)) in known


def _key(address: Address) -> tuple[str, str]:
    return address.domain, fold(address.local_part)


@alias.command(name="list", epilog=example("eilpost alias list", "eilpost alias list --json"))
@click.option("--domain", default="", metavar="DOMAIN", help="Only aliases of this domain.")
@config_option
@json_option
def list_aliases(domain: str, config_file: str | None, as_json: bool) -> None:
    """List the aliases that were made by command."""
    config = load(config_file)
    wanted = hosted_domain(domain, config) if domain else ""
    with open_store(config) as store:
        rows = [_row(found) for found in store.aliases(wanted)]
    columns = [Column("Alias", "alias"), Column("Members", "members")]
    show(rows, columns, as_json=as_json, nothing="no alias yet; make one with: eilpost alias add ADDRESS MEMBER...")


@alias.command(name="show", epilog=example("eilpost alias show sales@example.org"))
@click.argument("address")
@config_option
@json_option
def show_alias(address: str, config_file: str | None, as_json: bool) -> None:
    """Show the members of an alias, one a line."""
    with open_store(load(config_file)) as store:
        found = store.alias(address_of(address))
    if as_json:
        show_json([str(member) for member in found.members])
        return
    for member in found.members:
        say(str(member))


@alias.command(
    epilog=example("eilpost alias remove sales@example.org", "eilpost alias remove sales@example.org bert@example.net")
)
@click.argument("address")
@click.argument("members", nargs=-1, metavar="[MEMBER]...")
@config_option
def remove(address: str, members: tuple[str, ...], config_file: str | None) -> None:
    """Remove an alias, or only some of its members."""
    name = address_of(address)
    with open_store(load(config_file)) as store:
        store.remove_alias(name, [_member(member, name) for member in members])
        try:
            left = store.alias(name)
        except NotFound:
            say(f"{name} removed")
            return
    say(_line(left))


def _line(found: Alias) -> str:
    return f"{found.address}: {', '.join(map(str, found.members))}"


def _row(found: Alias) -> dict[str, Any]:
    return {"alias": str(found.address), "members": [str(member) for member in found.members]}
