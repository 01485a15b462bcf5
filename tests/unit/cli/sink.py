"""A server that a blocking command can talk to: our own machine in a thread, all mail kept (a deed)."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eilpost.mail.envelope import MailParameters, RcptParameters
from eilpost.mail.reply import Reply, reply
from eilpost.smtp import events, replies
from eilpost.smtp.commands import Dialect
from eilpost.smtp.phases import Phase
from eilpost.smtp.server import NEED_DATA, ServerConnection, ServerSettings

REFUSALS = {
    "nobody": reply(550, "5.1.1", "No such mailbox here"),
    "later": reply(451, "4.2.0", "Not now"),
    "full": reply(552, "5.2.2", "The mailbox is full"),
}
"""What is answered to RCPT for these local parts; everybody else is taken."""


@dataclass
class Taken:
    """One message as it arrived."""

    reverse_path: str
    parameters: MailParameters
    recipients: list[tuple[str, RcptParameters]] = field(default_factory=list)
    content: bytes = b""

    @property
    def names(self) -> list[str]:
        """The recipients' addresses."""
        return [name for name, _ in self.recipients]


@dataclass
class Sink:
    """A running server; ``taken`` is what it acknowledged, ``greeting`` what it says first."""

    address: str
    greeting: Reply
    settings: ServerSettings
    taken: list[Taken] = field(default_factory=list)
    hellos: list[str] = field(default_factory=list)

    def serve(self, connection: socket.socket) -> None:
        """One session."""
        machine = ServerConnection(self.settings)
        connection.sendall(machine.greet(self.greeting))
        draft: Taken | None = None
        while machine.phase is not Phase.CLOSED:
            event = machine.next_event()
            if event is NEED_DATA:
                machine.receive_data(connection.recv(65536))
            elif isinstance(event, events.Disconnected):
                return
            elif isinstance(event, events.Content):
                assert draft is not None
                draft.content += event.octets
            else:
                if isinstance(event, events.Mail):
                    draft = Taken(str(event.reverse_path), event.parameters)
                answer = self._decide(machine, event, draft)
                connection.sendall(machine.send(answer))

    def _decide(self, machine: ServerConnection, event: Any, draft: Taken | None) -> Reply:
        match event:
            case events.Refused(reply=refusal):
                return refusal
            case events.Hello(name=name):
                self.hellos.append(name)
                return machine.hello_reply("sink.example.test")
            case events.Rcpt(forward_path=path, parameters=wishes):
                assert draft is not None
                refusal = REFUSALS.get(path.mailbox.local_part)
                if refusal is None:
                    draft.recipients.append((str(path.mailbox), wishes))
                return refusal or reply(250, "2.1.5", "Recipient ok")
            case events.ContentEnd(refusal=refusal):
                assert draft is not None
                if refusal is None:
                    self.taken.append(draft)
                return refusal or reply(250, "2.0.0", "Kept as 1")
            case events.Data():
                return replies.SEND_CONTENT
            case events.Quit():
                return replies.BYE
            case _:
                return replies.OK


@contextlib.contextmanager
def running(
    path: Path | None = None, *, greeting: Reply | None = None, dialect: Dialect = Dialect.SMTP, size: int = 1_000_000
) -> Iterator[Sink]:
    """A sink on a free port of loopback, or on a Unix socket."""
    settings = ServerSettings(dialect=dialect, message_size=size)
    sink = Sink("", greeting or reply(220, None, "sink.example.test ESMTP"), settings)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):
                sink.serve(self.request)

    server: socketserver.BaseServer
    if path is not None:
        server, sink.address = socketserver.ThreadingUnixStreamServer(str(path), Handler), f"unix:{path}"
    else:
        tcp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server, sink.address = tcp, f"127.0.0.1:{tcp.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield sink
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
