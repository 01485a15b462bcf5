"""Sending one message from a script that has no event loop (a deed).

The dialogues are those of the async client; what differs is a socket that blocks.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import ssl
import time
from collections.abc import Iterable, Mapping

from eilpost.client.client import own_name, receipt_of
from eilpost.client.line import Line
from eilpost.client.login import Channel, Login, bindings_of, is_loopback, logging_in, login_as
from eilpost.client.patience import RFC_TIMEOUTS, Broken, Timeouts
from eilpost.client.prepare import Given, prepare
from eilpost.client.protection import Protection, protection
from eilpost.client.receipt import NotConnected, Receipt
from eilpost.client.transcript import Tell, Transcript
from eilpost.mail.address import Address
from eilpost.mail.envelope import NO_MAIL_PARAMETERS, MailParameters, Recipient
from eilpost.mail.outcome import Fate
from eilpost.net.tls_layer import explain
from eilpost.sasl.choose import AUTO
from eilpost.smtp.client import ClientConnection
from eilpost.smtp.client_results import Answered, Cause, Lost, Stage
from eilpost.smtp.client_transaction import Transaction, closing, opening, saying_hello, starting_tls
from eilpost.smtp.commands import Dialect
from eilpost.smtp.errors import RemoteProtocolError
from eilpost.smtp.phases import Phase
from eilpost.trust.certificate import end_point


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
    tls: str = "off",
    verify: bool = True,
    ca_file: str = "",
    context: ssl.SSLContext | None = None,
    user: str | None = None,
    password: str | None = None,
    token: str | None = None,
    auth: str = AUTO,
    plain_on_loopback: bool = False,
) -> Receipt:
    """Sends one message over a connection of its own; see ``Client`` for what is given and returned."""
    login = login_as(user, password, token, auth, plain_on_loopback=plain_on_loopback)
    wanted = protection(tls, verify=verify, ca_file=ca_file, context=context)
    parcel = prepare(message, sender, recipients, parameters)
    try:
        connection = _connect(host, port, timeouts)
    except OSError as error:
        raise NotConnected(Lost(Stage.CONNECT, Cause.UNREACHABLE, f"{host}: {error.strerror or error}")) from None
    line = _line(connection, ClientConnection(dialect), timeouts, tell)
    with contextlib.closing(line):
        _open(line, hostname or own_name(), wanted, host)
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


def _open(line: Line, hostname: str, wanted: Protection, host: str) -> None:
    try:
        if wanted.implicit:
            _shake_hands(line, wanted, host)
        refusal: Answered | Lost | None = line.drive(opening(line.machine, hostname))
        if refusal is None and wanted.encryption.is_binding and not wanted.implicit:
            refusal = _start_tls(line, hostname, wanted, host)
    except Broken as broken:
        raise NotConnected(broken.result) from None
    if refusal is not None:
        raise NotConnected(refusal)


def _start_tls(line: Line, hostname: str, wanted: Protection, host: str) -> Answered | Lost | None:
    if "STARTTLS" not in line.machine.offer:
        return Lost(Stage.STARTTLS, Cause.TLS, "the server does not offer STARTTLS")  # F037
    refusal = line.drive(starting_tls(line.machine))
    if refusal is not None:
        return refusal
    try:
        line.machine.secured()  # before a single octet of TLS: what came behind the 220 came in clear (F031)
    except RemoteProtocolError as error:
        raise Broken(Lost(Stage.STARTTLS, Cause.PROTOCOL, f"the server broke the protocol ({error})")) from None
    _shake_hands(line, wanted, host)
    return line.drive(saying_hello(line.machine, hostname))


def _shake_hands(line: Line, wanted: Protection, host: str) -> None:
    assert wanted.context is not None
    line.connection.settimeout(wanted.timeout)
    try:
        line.connection = wanted.context.wrap_socket(line.connection, server_hostname=host)
    except (OSError, ValueError) as error:
        raise Broken(Lost(Stage.STARTTLS, Cause.TLS, explain(error))) from None


def _bindings(connection: socket.socket) -> Mapping[str, bytes]:
    """What binds a login to the channel (RFC 5929)."""
    if not isinstance(connection, ssl.SSLSocket):
        return {}
    end = end_point(connection.getpeercert(binary_form=True) or b"")
    return {"tls-server-end-point": end} if end else {}


def _log_in(line: Line, login: Login, host: str, port: int) -> None:
    address = line.connection.getpeername()[0] if port else ""
    private = isinstance(line.connection, ssl.SSLSocket) and bool(line.connection.getpeercert())
    bindings = bindings_of(_bindings(line.connection))
    channel = Channel(host, port, private=private, loopback=not port or is_loopback(address), bindings=bindings)
    try:
        refusal = line.log_in(logging_in(line.machine, login, channel, secrets.token_urlsafe(24)))
    except Broken as broken:
        raise NotConnected(broken.result) from None
    if refusal is not None:
        raise NotConnected(refusal)
