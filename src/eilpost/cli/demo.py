"""What ``eilpost serve --demo`` sets up and tells: a newcomer's first five minutes (a deed)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from eilpost.config.schema import Config

PLACE: Final = Path("var/demo")
DOMAIN: Final = "example.test"
PEOPLE: Final = ("anna", "berta")

WHAT: Final[Mapping[str, str]] = {
    "mx": "mail from other servers",
    "submission": "mail from users",
    "submissions": "the same, encrypted from the first octet",
    "lmtp": "mail from a server beside it",
}

CONFIGURATION: Final = f"""\
# Made by `eilpost serve --demo`: a mail system on loopback, on ports that need no root. Yours to change.
[server]
hostname = "mx.{DOMAIN}"
data = "data"
user = ""

[[listen]]
role = "mx"
address = "127.0.0.1:2525"

[[listen]]
role = "submission"
address = "127.0.0.1:2587"

[[listen]]
role = "submissions"
address = "127.0.0.1:2465"

[[listen]]
role = "lmtp"
address = "127.0.0.1:2424"

[tls]
certificate = "tls/certificate.pem"
key = "tls/key.pem"

[[domain]]
name = "{DOMAIN}"

[relay]
networks = ["127.0.0.0/8"]

[limits]
connections = 1000
"""


def prepare() -> str:
    """Writes the demo's configuration and accounts unless they are there; the configuration's file."""
    from eilpost.config.load import load
    from eilpost.directory.store import AccountExists, Store
    from eilpost.mail.address import Address
    from eilpost.net.dev_certificate import prepare as make_certificate

    PLACE.mkdir(parents=True, exist_ok=True)
    make_certificate(PLACE / "tls", [f"mx.{DOMAIN}"], time.time())
    file = PLACE / "eilpost.toml"
    if not file.exists():
        file.write_text(CONFIGURATION)
    store = Store(load(file).server.data)
    for person in PEOPLE:
        try:
            store.add_account(Address(person, DOMAIN), "", time.time())
        except AccountExists:
            continue
    return str(file)


def announce(config: Config) -> None:
    """What runs where, and what to type next."""
    from eilpost.config.schema import Role

    listeners = "\n".join(
        f"  {row.role.value:<12}{row.address}   {WHAT.get(row.role.value, '')}" for row in config.listen
    )
    submission = next((row.address for row in config.listen if row.role is Role.SUBMISSION), "127.0.0.1:2587")
    authority = f" --tls starttls --ca {PLACE / 'tls' / 'ca.pem'}" if config.tls.certificate else ""
    file = PLACE / "eilpost.toml"
    command = _command()
    mail = Path(config.server.data) / "mail" / DOMAIN / "anna" / "new"
    click.echo(
        f"""
Eilpost runs for the domain {DOMAIN} with the accounts {" and ".join(PEOPLE)}; Ctrl-C ends it.

{listeners}

Type in another terminal, in this directory:

  {command} send --server {submission} --from berta@{DOMAIN} --to anna@{DOMAIN} \\
      --subject Hello --body "My first express mail." --transcript{authority}
  cat {_relative(mail)}/*
  {command} queue list -c {file}
  {command} user add carla@{DOMAIN} -c {file}
"""
    )


def _command() -> str:
    """How the newcomer calls us: by the environment that `make run` made, if it is there."""
    local = Path(".venv/bin/eilpost")
    return str(local) if local.exists() else "eilpost"


def _relative(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
