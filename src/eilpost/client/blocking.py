"""Sending one message from a script that has no event loop (a deed).

The dialogues are those of the async client; what differs is a socket that blocks.
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Iterable

from eilpost.client.client import own_name, receipt_of
from eilpost.client.line import Line
from eilpost.client.login import Channel, Login, is_loopback, logging_in, login_as
from eilpost.client.patience import RFC_TIMEOUTS, Broken, Timeouts
from eilpost.client.prepare import Given, prepare
from eilpost.client.receipt import NotConnected, Receipt
from eilpost.client.transcript import Tell, Transcript
from eilpost.mail.address import Address
from eilpost.mail.envelope import NO_MAIL_PARAMETERS, MailParameters, Recipient
from eilpost.mail.outcome import Fate
from eilpost.sasl.choose import AUTO
from eilpost.smtp.client import ClientConnection
from eilpost.smtp.client_results import Cause, Lost, Stage
from eilpost.smtp.client_transaction import Transaction, closing, opening
from eilpost.smtp.commands import Dialect
from eilpost.smtp.phases import Phase


def send(
    message: Given,
    host: str = "localhost",
    port: int = 25,
    *,
    sender: str | Address | None = None,
    recipients: Iterable[str | Address | Recipient] | None = None,
    parameters: MailParameters = NO_MAIL_PARAMETERS,
    dialect: Dialect = Dialect.SMTP,
    hostname: str = "",
    timeouts: Timeouts = RFC_TIMEOUTS,
    tell: Tell | None = None,
    user: str | None = None,
    password: str | None = None,
    token: str | None = None,
    auth: str = AUTO,
    plain_on_loopback: bool = False,
) -> Receipt:
    """Sends one message over a connection of its own; see ``Client`` for what is given and returned."""
    login = login_as(user, password, token, auth, plain_on_loopback=plain_on_loopback)
    parcel = prepare(message, sender, recipients, parameters)
    try:
        connection = _connect(host, port, timeouts)
    except OSError as error:
        raise NotConnected(Lost(Stage.CONNECT, Cause.UNREACHABLE, f"{host}: {error.strerror or error}")) from None
    with connection:
        line = _line(connection, ClientConnection(dialect), timeouts, tell)
        _open(line, hostname or own_name())
        if login is not None:
            _log_in(line, login, host, port)
        transaction = Transaction(line.machine, parcel)
        try:
            line.drive(transaction.steps())
            if line.machine.phase is not Phase.CLOSED:
                line.drive(closing(line.machine))
        except Broken as broken:
            transaction.break_off(broken.result)
    success = Fate.DELIVERED if dialect is Dialect.LMTP else Fate.RELAYED
    return receipt_of(parcel, transaction, success, host, time.time())


def _connect(host: str, port: int, timeouts: Timeouts) -> socket.socket:
    if port:
        return socket.create_connection((host, port), timeout=timeouts.connect)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeouts.connect)
    connection.connect(host)
    return connection


def _line(connection: socket.socket, machine: ClientConnection, timeouts: Timeouts, tell: Tell | None) -> Line:
    if tell is None:
        return Line(connection, machine, timeouts)
    transcript = Transcript(tell)

    def said(octets: bytes) -> None:
        transcript.said(octets, is_content=machine.phase is Phase.CONTENT)

    return Line(connection, machine, timeouts, said, transcript.heard)


def _log_in(line: Line, login: Login, host: str, port: int) -> None:
    address = line.connection.getpeername()[0] if port else ""
    channel = Channel(host, port, loopback=not port or is_loopback(address))
    try:
        refusal = line.log_in(logging_in(line.machine, login, channel, secrets.token_urlsafe(24)))
    except Broken as broken:
        raise NotConnected(broken.result) from None
    if refusal is not None:
        raise NotConnected(refusal)


def _open(line: Line, hostname: str) -> None:
    try:
        refusal = line.drive(opening(line.machine, hostname))
    except Broken as broken:
        raise NotConnected(broken.result) from None
    if refusal is not None:
        raise NotConnected(refusal)
