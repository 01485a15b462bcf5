"""The server for programs: listens, counts its sessions, and ends them in order (a deed)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from eilpost.net.listen import Listener, bind_tcp, bind_unix
from eilpost.net.stream import Stream
from eilpost.server import answers
from eilpost.server.handler import Handler
from eilpost.server.limits import Deadlines, Limits
from eilpost.server.session import Session
from eilpost.server.terms import make_terms
from eilpost.server.transcript import MOST
from eilpost.smtp import replies
from eilpost.smtp.commands import Dialect
from eilpost.smtp.extensions import STANDARD

DEFAULT_LIMITS: Final = Limits()
DEFAULT_DEADLINES: Final = Deadlines()
_REFUSAL_DEADLINE: Final = 5.0


class Server:
    """An SMTP or LMTP server on one address, in the event loop that enters it.

    ``port`` 0 takes a free one, which ``port`` then tells. ``unix`` is the path of a Unix socket
    instead. ``typed`` allows the forms that people type (``mail from: a@b``). ``transcript`` keeps
    what is said in each session, in ``Session.transcript``: True for 64 KiB of it, or a number of
    octets. ``grace`` is how many seconds the end of ``async with`` lets transactions finish.

    ``tls`` offers STARTTLS, or with ``implicit_tls`` begins with the handshake; ``tls_required``
    refuses mail without it. ``accounts`` are names and passwords; who checks logins in
    ``Handler.check`` names the ``mechanisms`` instead. Those that show the password are offered
    without TLS only with ``plain_text``. ``login_required`` refuses mail of those who did not log in.
    """

    def __init__(
        self,
        handler: Handler | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        unix: str | None = None,
        unix_mode: int = 0o600,
        hostname: str = "",
        banner: str = "",
        dialect: Dialect = Dialect.SMTP,
        extensions: frozenset[str] = STANDARD,
        typed: bool = False,
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        tls_required: bool = False,
        accounts: Mapping[str, str] | None = None,
        mechanisms: tuple[str, ...] | None = None,
        plain_text: bool = False,
        login_required: bool = False,
        limits: Limits = DEFAULT_LIMITS,
        deadlines: Deadlines = DEFAULT_DEADLINES,
        transcript: bool | int = False,
        grace: float = 5.0,
    ) -> None:
        self._terms = make_terms(
            hostname or socket.gethostname(),
            banner,
            dialect,
            extensions=extensions,
            typed=typed,
            tls=tls,
            implicit_tls=implicit_tls,
            tls_required=tls_required,
            accounts=accounts,
            mechanisms=mechanisms,
            plain_text=plain_text,
            login_required=login_required,
            limits=limits,
            deadlines=deadlines,
            transcript=MOST if transcript is True else int(transcript),
        )
        self._handler = handler if handler is not None else Handler()
        self._host, self._asked_port, self._unix, self._unix_mode = host, port, unix, unix_mode
        self._grace, self._implicit = grace, tls if implicit_tls else None
        self._listener: Listener | None = None
        self._port = self._count = 0
        self._sessions: dict[Session, asyncio.Task[None]] = {}
        self._by_peer: dict[str, int] = {}
        self._closed: asyncio.Event | None = None

    # --- beginning and end

    async def __aenter__(self) -> Self:
        """Listens; ListenError when the address cannot be had."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Ends all sessions; transactions under way have ``grace`` seconds."""
        await self.drain(self._grace)

    async def start(self) -> None:
        """Takes connections from now on. ListenError: the address cannot be had."""
        if self._listener is not None:
            raise RuntimeError("the server is running already")
        if self._unix is not None:
            sock = bind_unix(self._unix, self._unix_mode, [])
        else:
            sock = bind_tcp(self._host, self._asked_port, [])
            self._port = sock.getsockname()[1]
        self._listener = listener = Listener(sock)
        self._closed = asyncio.Event()
        try:
            await listener.start(self._connected, self._implicit)
        except BaseException:
            self._listener = None
            listener.close()
            raise

    async def serve_forever(self) -> None:
        """Serves until ``drain`` is called, or this is cancelled, which drains."""
        if self._listener is None:
            await self.start()
        assert self._closed is not None
        try:
            await self._closed.wait()
        except asyncio.CancelledError:
            await self.drain(self._grace)
            raise

    async def drain(self, grace: float | None = None) -> None:
        """Takes no more connections, and ends the open ones.

        Idle sessions are told 421 at once, the others after their transaction, or after ``grace``
        seconds, which are ``Server``'s own unless given.
        """
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.close()
        if self._unix is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._unix)
        for session in tuple(self._sessions):
            session.stop()
        tasks = tuple(self._sessions.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._grace if grace is None else grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        if self._closed is not None:
            self._closed.set()

    # --- what it is

    @property
    def host(self) -> str:
        """The address it was told to listen on."""
        return self._host

    @property
    def port(self) -> int:
        """The TCP port; 0 before ``start`` and on a Unix socket."""
        return self._port

    @property
    def address(self) -> str:
        """``host:port``, ``[host]:port`` or ``unix:path``."""
        if self._unix is not None:
            return f"unix:{self._unix}"
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    @property
    def hostname(self) -> str:
        """What it calls itself."""
        return self._terms.hostname

    @property
    def handler(self) -> Handler:
        """Who is asked."""
        return self._handler

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The open sessions."""
        return tuple(self._sessions)

    # --- connections

    def _connected(self, stream: Stream) -> None:
        limits, peer = self._terms.limits, stream.peer[0]
        of_peer = self._by_peer.get(peer, 0) + 1
        if (limits.connections and len(self._sessions) >= limits.connections) or (
            limits.connections_per_peer and of_peer > limits.connections_per_peer
        ):
            stream.write(replies.encode(answers.BUSY))
            stream.deadline = asyncio.get_running_loop().time() + _REFUSAL_DEADLINE
            stream.close()
            return
        self._by_peer[peer] = of_peer
        self._count += 1
        session = Session(self._terms, self._handler, stream, self._count)
        task = asyncio.get_running_loop().create_task(session.run())
        self._sessions[session] = task
        task.add_done_callback(lambda _: self._left(session))

    def _left(self, session: Session) -> None:
        del self._sessions[session]
        peer = session.peer[0]
        left = self._by_peer[peer] - 1
        if left:
            self._by_peer[peer] = left
        else:
            del self._by_peer[peer]
