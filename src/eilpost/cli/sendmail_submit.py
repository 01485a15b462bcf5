"""Hands one message to the running server through its Unix socket, in little time (a deed).

Everything that is imported here and by ``sendmail`` counts: a program waits for it. So the
configuration is not judged, only the few values that are needed are read from it.
"""

from __future__ import annotations

import os
import pwd
import socket
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from eilpost.client.line import Line
from eilpost.client.patience import Broken, Timeouts
from eilpost.mail.address import Address, AddressError, parse_address, parse_domain, parse_local_part
from eilpost.smtp.client import ClientConnection
from eilpost.smtp.client_results import Result
from eilpost.smtp.client_transaction import Parcel, Transaction, opening
from eilpost.smtp.commands import Dialect
from eilpost.smtp.phases import Phase

SOCKET: Final = "submit.sock"
PATIENCE: Final = 600.0  # seconds for an answer; the end of the content may take so long (RFC 5321 §4.5.3.2.6)
_TIMEOUTS: Final = Timeouts(*[PATIENCE] * 5)
_PLACES: Final = ("eilpost.toml", "/etc/eilpost/eilpost.toml")

Tell = Callable[[bytes, bytes], None]


class SettingsError(Exception):
    """The configuration cannot be found or read; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the server listens, and the domain of names that are written without one."""

    socket: str
    domain: str


def read_settings(file: str | None) -> Settings:
    """The few settings that a submission needs, from the file that every command takes; SettingsError."""
    path = _find(file)
    try:
        with open(path, "rb") as stream:
            table = tomllib.load(stream)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError(f"{path}: {error}; `eilpost config check` tells more") from None
    data = os.environ.get("EILPOST_SERVER__DATA") or _text(table, "server", "data") or "var"
    domains = table.get("domain") or [{}]
    domain = _text({"domain": domains[0]}, "domain", "name") if isinstance(domains, list) else ""
    hostname = os.environ.get("EILPOST_SERVER__HOSTNAME") or _text(table, "server", "hostname")
    try:
        return Settings(os.path.join(os.path.dirname(path), data, SOCKET), parse_domain(domain or hostname))
    except AddressError as error:
        raise SettingsError(f"{path}: neither a domain nor a host name is set: {error}") from None


def _find(file: str | None) -> str:
    chosen = file or os.environ.get("EILPOST_CONFIG")
    found = chosen or next((place for place in _PLACES if os.path.exists(place)), None)
    if found is None:
        raise SettingsError("there is no configuration; name one by -C FILE or $EILPOST_CONFIG, or write " + _PLACES[1])
    return found


def _text(table: dict[str, Any], section: str, key: str) -> str:
    row = table.get(section)
    value = row.get(key, "") if isinstance(row, dict) else ""
    return value if isinstance(value, str) else ""


def address_of(text: str, settings: Settings) -> Address:
    """The address, with our domain if it names none; AddressError."""
    text = text.strip()
    text = text[1:-1] if text.startswith("<") and text.endswith(">") else text
    try:
        return parse_address(text)
    except AddressError:
        if "@" in text and not text.startswith('"'):
            raise
        return Address(parse_local_part(text), settings.domain)


def user() -> tuple[str, str]:
    """The name and the full name of whoever runs this."""
    try:
        entry = pwd.getpwuid(os.getuid())
    except KeyError:
        return f"uid{os.getuid()}", ""
    return entry.pw_name, entry.pw_gecos.partition(",")[0].replace("&", entry.pw_name.capitalize())


def connect(settings: Settings) -> socket.socket:
    """A connection to the server; OSError."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE)
    try:
        connection.connect(settings.socket)
    except OSError:
        connection.close()
        raise
    return connection


def submit(connection: socket.socket, parcel: Parcel, settings: Settings, tell: Tell | None = None) -> list[Result]:
    """Sends the message; a result for each recipient. What is positive is durable."""
    machine = ClientConnection(Dialect.SMTP)
    transaction = Transaction(machine, parcel)
    line = Line(connection, machine, _TIMEOUTS, tell and partial(tell, b"C"), tell and partial(tell, b"S"))
    try:
        refusal = line.drive(opening(machine, settings.domain))
        if refusal is not None:
            transaction.break_off(refusal)
        else:
            line.drive(transaction.steps())
            if machine.phase is not Phase.CLOSED:
                line.say(machine.quit())  # what is answered changes nothing any more
    except Broken as broken:
        transaction.break_off(broken.result)
    return transaction.final
