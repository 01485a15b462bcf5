"""Sending one message from a script that has no event loop (a deed).

The dialogues are those of the async client; what differs is a socket that blocks.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Generator, Iterable
from typing import TypeVar

from eilpost.client.client import own_name, receipt_of
from eilpost.client.conversation import RFC_TIMEOUTS, Broken, Timeouts
from eilpost.client.prepare import Given, prepare
from eilpost.client.receipt import NotConnected, Receipt
from eilpost.client.transcript import Tell, Transcript
from eilpost.mail.address import Address
from eilpost.mail.envelope import NO_MAIL_PARAMETERS, MailParameters, Recipient
from eilpost.mail.outcome import Fate
from eilpost.smtp.client import ClientConnection
from eilpost.smtp.client_events import Answer, Dismissal, Greeting
from eilpost.smtp.client_results import Answered, Cause, Lost, Stage
from eilpost.smtp.client_transaction import Heard, Step, Transaction, closing, opening
from eilpost.smtp.commands import Dialect
from eilpost.smtp.errors import RemoteProtocolError
from eilpost.smtp.events import NEED_DATA
from eilpost.smtp.phases import Phase

T = TypeVar("T")


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
) -> Receipt:
    """Sends one message over a connection of its own; see ``Client.send`` for what is given and returned."""
    parcel = prepare(message, sender, recipients, parameters)
    try:
        connection = _connect(host, port, timeouts)
    except OSError as error:
        raise NotConnected(Lost(Stage.CONNECT, Cause.UNREACHABLE, f"{host}: {error.strerror or error}")) from None
    with connection:
        line = _Line(connection, ClientConnection(dialect), timeouts, Transcript(tell) if tell else None)
        _open(line, hostname or own_name())
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


def _open(line: _Line, hostname: str) -> None:
    try:
        refusal = line.drive(opening(line.machine, hostname))
    except Broken as broken:
        raise NotConnected(broken.result) from None
    if refusal is not None:
        raise NotConnected(refusal)


class _Line:
    """A socket and a machine."""

    def __init__(
        self, connection: socket.socket, machine: ClientConnection, timeouts: Timeouts, transcript: Transcript | None
    ) -> None:
        self.machine = machine
        self._connection = connection
        self._timeouts = timeouts
        self._transcript = transcript

    def drive(self, dialogue: Generator[Step, Heard, T]) -> T:
        """Runs a dialogue to its end; Broken when the connection or the protocol breaks."""
        heard: Heard = None
        while True:
            try:
                step = dialogue.send(heard)
            except StopIteration as done:
                result: T = done.value
                return result
            heard = None
            if isinstance(step, bytes):
                self._say(step)
            elif isinstance(step, Stage):
                heard = self._hear(step)

    def _say(self, octets: bytes) -> None:
        if self._transcript is not None:
            self._transcript.said(octets, is_content=self.machine.phase is Phase.CONTENT)
        self._connection.settimeout(self._timeouts.block)
        try:
            self._connection.sendall(octets)
        except TimeoutError:
            raise Broken(Lost(Stage.CONTENT, Cause.TIMEOUT, "the server took nothing for too long")) from None
        except OSError:
            return  # what the server said before it hung up is heard next

    def _hear(self, stage: Stage) -> Answer | Greeting:
        """The deadline is for the whole reply, not for each piece of it (F152)."""
        due = time.monotonic() + self._timeouts.of(stage)
        try:
            while (event := self.machine.next_event()) is NEED_DATA:
                self._connection.settimeout(max(due - time.monotonic(), 0.001))
                octets = self._connection.recv(65536)
                if self._transcript is not None:
                    self._transcript.heard(octets)
                self.machine.receive_data(octets)
        except TimeoutError:
            raise Broken(Lost(stage, Cause.TIMEOUT, "the server did not answer in time")) from None
        except OSError as error:
            raise Broken(Lost(stage, Cause.DROPPED, error.strerror or str(error))) from None
        except RemoteProtocolError as error:
            raise Broken(Lost(stage, Cause.PROTOCOL, f"the server broke the protocol ({error})")) from None
        if isinstance(event, Answer | Greeting):
            return event
        if isinstance(event, Dismissal):
            raise Broken(Answered(stage, event.reply))
        raise Broken(Lost(stage, Cause.DROPPED, "the server closed the connection"))
