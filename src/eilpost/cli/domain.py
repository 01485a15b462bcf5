"""``eilpost domain``: the domains that are at home here (a deed)."""

from __future__ import annotations

import click

from eilpost.cli.options import config_option, example, json_option
from eilpost.cli.output import Column, show
from eilpost.config.load import load
from eilpost.mail.address import to_unicode


@click.group(epilog=example("eilpost domain list"))
def domain() -> None:
    """List the domains that are at home here; the configuration names them."""


@domain.command(name="list", epilog=example("eilpost domain list --json"))
@config_option
@json_option
def list_domains(config_file: str | None, as_json: bool) -> None:
    """List the domains whose mail is delivered here."""
    rows = [
        {
            "domain": row.name,
            "unicode": to_unicode(row.name),
            "deliver": row.deliver,
            "catch_all": row.catch_all or None,
            "verify": row.verify,
        }
        for row in load(config_file).domain
    ]
    columns = [
        Column("Domain", "unicode"),
        Column("Delivered to", "deliver"),
        Column("Catch-all", "catch_all"),
        Column("Verified", "verify"),
    ]
    show(rows, columns, as_json=as_json, nothing="no domain is at home here; add a [[domain]] to the configuration")
