"""A server in a thread, for programs without an event loop."""

from __future__ import annotations

import smtplib

import pytest

from eilpost.mail.envelope import Envelope
from eilpost.net.listen import ListenError
from eilpost.server import Handler, Server, Session, ThreadedServer


class Keeper(Handler):
    """Keeps contents."""

    def __init__(self) -> None:
        self.contents: list[bytes] = []

    def message(self, session: Session, envelope: Envelope, content: bytes) -> None:
        """Kept."""
        self.contents.append(content)


def test_a_blocking_client_is_served() -> None:
    """smtplib sends to a server in a thread; when the block is left, the thread is gone."""
    handler = Keeper()
    with ThreadedServer(Server(handler)) as server:
        with smtplib.SMTP("127.0.0.1", server.port) as client:
            assert client.sendmail("a@a.example", ["b@b.example"], b"Subject: x\r\n\r\nhello\r\n") == {}
        assert server.address.endswith(f":{server.port}")
    assert handler.contents == [b"Subject: x\r\n\r\nhello\r\n"]
    with pytest.raises(OSError, match="refused"):
        smtplib.SMTP("127.0.0.1", server.port)
    server.stop()


def test_what_fails_at_the_start_is_raised_there() -> None:
    """A port that is taken is an error of ``start``, and no thread is left."""
    with ThreadedServer(Server()) as one:
        other = ThreadedServer(Server(port=one.port))
        with pytest.raises(ListenError):
            other.start()
        with pytest.raises(RuntimeError):
            one.start()


def test_coroutines_run_in_its_loop() -> None:
    """``call`` runs a coroutine where the server runs."""

    async def sessions(server: Server) -> int:
        return len(server.sessions)

    with ThreadedServer(Server()) as server:
        assert server.call(sessions(server.server), 10.0) == 0
    with pytest.raises(RuntimeError):
        server.call(sessions(server.server))
