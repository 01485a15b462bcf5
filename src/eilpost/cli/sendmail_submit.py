"""Hands one message to the running server through its Unix socket, in little time (a deed).

Everything that is imported here and by ``sendmail`` counts: a program waits for it. So the
configuration is not judged, only the few values that are needed are read from it.
"""

from __future__ import annotations

import os
import pwd
import socket
import tomllib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from eilpost.mail.address import Address, AddressError, parse_address, parse_domain, parse_local_part
from eilpost.smtp.client import ClientConnection
from eilpost.smtp.client_events import Answer, Dismissal, Greeting
from eilpost.smtp.client_results import Answered, Cause, Lost, Result, Stage
from eilpost.smtp.client_transaction import Heard, Parcel, Step, Transaction, opening
from eilpost.smtp.commands import Dialect
from eilpost.smtp.errors import RemoteProtocolError
from eilpost.smtp.events import NEED_DATA
from eilpost.smtp.phases import Phase

SOCKET: Final = "submit.sock"
PATIENCE: Final = 600.0  # seconds for an answer; the end of the content may take so long (RFC 5321 §4.5.3.2.6)
_PLACES: Final = ("eilpost.toml", "/etc/eilpost/eilpost.toml")

Tell = Callable[[bytes, bytes], None]
T = TypeVar("T")


class SettingsError(Exception):
    """The configuration cannot be found or read; the message is a sentence."""


class _Ended(Exception):
    """The session ended before its dialogue did."""

    def __init__(self, result: Answered | Lost) -> None:
        super().__init__()
        self.result = result


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
    try:
        refusal = _drive(connection, machine, opening(machine, settings.domain), tell)
        if refusal is not None:
            transaction.break_off(refusal)
        else:
            _drive(connection, machine, transaction.steps(), tell)
            if machine.phase is not Phase.CLOSED:
                _say(connection, machine.quit(), tell)  # what is answered changes nothing any more
    except _Ended as ended:
        transaction.break_off(ended.result)
    return transaction.final


def _drive(
    connection: socket.socket, machine: ClientConnection, dialogue: Generator[Step, Heard, T], tell: Tell | None
) -> T:
    heard: Heard = None
    while True:
        try:
            step = dialogue.send(heard)
        except StopIteration as done:
            result: T = done.value
            return result
        heard = None
        if isinstance(step, bytes):
            _say(connection, step, tell)
        elif isinstance(step, Stage):
            heard = _hear(connection, machine, step, tell)


def _say(connection: socket.socket, octets: bytes, tell: Tell | None) -> None:
    if tell is not None:
        tell(b"C", octets)
    try:
        connection.sendall(octets)
    except OSError:
        return  # what the server said before it hung up is heard next


def _hear(connection: socket.socket, machine: ClientConnection, stage: Stage, tell: Tell | None) -> Answer | Greeting:
    try:
        while (event := machine.next_event()) is NEED_DATA:
            octets = connection.recv(65536)
            if tell is not None:
                tell(b"S", octets)
            machine.receive_data(octets)
    except TimeoutError:
        raise _Ended(Lost(stage, Cause.TIMEOUT, "the server does not answer")) from None
    except OSError as error:
        raise _Ended(Lost(stage, Cause.DROPPED, error.strerror or str(error))) from None
    except RemoteProtocolError as error:
        raise _Ended(Lost(stage, Cause.PROTOCOL, f"the server broke the protocol: {error}")) from None
    if isinstance(event, Answer | Greeting):
        return event
    if isinstance(event, Dismissal):
        raise _Ended(Answered(stage, event.reply))
    raise _Ended(Lost(stage, Cause.DROPPED, "the server closed the connection"))
