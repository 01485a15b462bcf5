"""Octets to and from a peer, over TCP or a Unix socket, in clear or encrypted (a deed).

A ``Stream`` is asyncio's transport and protocol in one small object: await octets, write octets.
It owns its input buffer, stops reading when nobody takes what came, and ends itself when its
deadline has passed. One timer a stream is enough: pushing the deadline back only sets a number.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Final, cast

from eilpost.mail.encryption import Security
from eilpost.net.tls_layer import Layer

READ_HIGH: Final = 256 * 1024
"""Octets that may wait unread before the peer is made to wait."""

WRITE_HIGH: Final = 256 * 1024
"""Octets that may wait unsent before ``drain`` waits (F124)."""

LINGER_MOST: Final = 1_000_000
"""Octets that are heard and thrown away after our last words."""

NO_DEADLINE: Final = float("inf")


class DeadlineExpired(TimeoutError):
    """The peer did not do in time what it had to."""


class TlsError(ConnectionError):
    """There is no encrypted connection; the message says why, and the connection has ended."""


class Stream(asyncio.Protocol):
    """One connection. ``peer`` and ``local`` are (address, port); of a Unix socket ("", 0).

    ``tls`` is None until a handshake is done, then what it came to.
    """

    __slots__ = (
        "_buffer",
        "_deadline",
        "_drained",
        "_eof",
        "_expired",
        "_lingering",
        "_loop",
        "_lost",
        "_on_connected",
        "_paused",
        "_reading_paused",
        "_timer",
        "_transport",
        "_trouble",
        "_unheard",
        "_waiter",
        "local",
        "peer",
        "tls",
    )

    def __init__(self, on_connected: Callable[[Stream], None] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_connected = on_connected
        self._transport: asyncio.Transport | None = None
        self._buffer: bytes | bytearray = b""
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = NO_DEADLINE
        self._eof = False
        self._lost = False
        self._expired = False
        self._paused = False
        self._reading_paused = False
        self._lingering = False
        self._unheard = 0
        self._trouble = ""
        self.tls: Security | None = None
        self.peer: tuple[str, int] = ("", 0)
        self.local: tuple[str, int] = ("", 0)

    # --- for those who talk

    @property
    def deadline(self) -> float:
        """The loop time after which waiting raises DeadlineExpired."""
        return self._deadline

    @deadline.setter
    def deadline(self, when: float) -> None:
        self._deadline = when
        self._expired = False
        timer = self._timer
        if timer is not None and timer.when() <= when:
            return
        if timer is not None:
            timer.cancel()
        self._timer = None if when == NO_DEADLINE or self._lost else self._loop.call_at(when, self._check_deadline)

    @property
    def at_eof(self) -> bool:
        """True when the peer has closed and everything it sent was taken."""
        return self._eof and not self._buffer

    @property
    def has_input(self) -> bool:
        """True when octets wait to be received."""
        return bool(self._buffer)

    @property
    def is_quiet(self) -> bool:
        """True while the peer is there and nothing it sent waits."""
        return not self._buffer and not self._eof

    async def receive(self) -> bytes:
        """What has come, at least one octet; empty when nothing more will. DeadlineExpired."""
        while not self._buffer:
            if self._eof:
                return b""
            if self._expired:
                raise DeadlineExpired
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        octets = bytes(self._buffer)
        self._buffer = b""
        if self._reading_paused and self._transport is not None and not self._lost:
            self._reading_paused = False
            self._transport.resume_reading()
        return octets

    def write(self, octets: bytes) -> None:
        """Sends when it can; nothing happens on a connection that is gone."""
        if self._transport is not None and not self._lost:
            self._transport.write(octets)

    async def drain(self) -> None:
        """Waits while too much is unsent. DeadlineExpired; ConnectionError when the peer is gone."""
        while self._paused and not self._lost:
            if self._expired:
                raise DeadlineExpired
            self._drained = self._loop.create_future()
            try:
                await self._drained
            finally:
                self._drained = None
        if self._lost:
            raise ConnectionResetError("the peer closed the connection")

    @property
    def is_congested(self) -> bool:
        """True when ``drain`` would wait."""
        return self._paused

    def close(self) -> None:
        """Sends what is left, then ends; a peer that does not take it is cut by the deadline."""
        self._eof = True
        if self._transport is not None:
            self._transport.close()
        self._wake(self._waiter)

    def linger(self) -> None:
        """Ends as ``close`` does, but first hears the peer out, until it ends or the deadline.

        A close with unread input resets the connection, and the peer may never read our last
        words: it would try again what was refused for good.
        """
        if self._eof or self._lost or self._transport is None or not self._transport.can_write_eof():
            self.close()
            return
        self._lingering = True
        self._buffer = b""
        self._transport.write_eof()
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()

    async def closed(self) -> None:
        """Returns when a connection that was told to end is gone; its deadline sees to that."""
        while self._transport is not None and not self._lost:
            self._drained = self._loop.create_future()
            try:
                await self._drained
            finally:
                self._drained = None

    def abort(self) -> None:
        """Ends at once; what is unsent is lost."""
        self._eof = True
        if self._transport is not None:
            self._transport.abort()
        self._wake(self._waiter)

    def peer_uid(self) -> int | None:
        """The user at the other end of a Unix socket; None over TCP."""
        if self._transport is None:
            return None
        sock: socket.socket | None = self._transport.get_extra_info("socket")
        if sock is None or sock.family != socket.AF_UNIX:
            return None
        with contextlib.suppress(OSError):
            credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            return int(struct.unpack("3i", credentials)[1])
        return None

    # --- TLS

    async def start_tls_server(self, context: ssl.SSLContext, timeout: float) -> Security:
        """Encrypts from here on, as the server; the client's first octet must be the handshake's. TlsError."""
        return await self._start_tls(Layer(self, context, server_side=True), timeout)

    async def start_tls_client(self, context: ssl.SSLContext, name: str, timeout: float) -> Security:
        """Encrypts from here on, as the client of the server called ``name``. TlsError."""
        try:
            layer = Layer(self, context, server_side=False, name=name or None)
        except ValueError as error:  # a name that cannot stand in a handshake
            self.abort()
            raise TlsError(str(error)) from None
        return await self._start_tls(layer, timeout)

    async def _start_tls(self, layer: Layer, timeout: float) -> Security:
        transport = self._transport
        if transport is None or self._eof or self._buffer:
            # What came in clear must not be taken for what came encrypted (RFC 3207 §4.2, §6; F029, F031).
            why = "octets came in clear before the handshake" if self._buffer else "the peer closed the connection"
            self._buffer = b""
            self.abort()
            raise TlsError(why)
        self._transport = layer
        layer.begin(transport)
        return await self.secured(timeout)

    async def secured(self, timeout: float) -> Security:
        """Waits for the handshake that was begun, here or by a listener. TlsError; the deadline stays as it was."""
        before = self._deadline
        self.deadline = self._loop.time() + timeout
        try:
            while self.tls is None:
                if self._expired:
                    raise TlsError("the handshake took too long")
                if self._trouble or self._eof:
                    raise TlsError(self._trouble or "the peer closed the connection")
                self._waiter = self._loop.create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
        except BaseException:
            self._farewell_unsecured()
            raise
        self.deadline = before
        return self.tls

    def _farewell_unsecured(self) -> None:
        """A handshake that failed has sent its alert; one that did not end has nothing to say."""
        if not self._trouble:
            self.abort()

    def tls_made(self, security: Security) -> None:
        """The layer below calls this once."""
        self.tls = security
        self._wake(self._waiter)

    def tls_failed(self, why: str) -> None:
        """The layer below calls this once, and ends the connection."""
        self._trouble, self._eof = why, True
        self._wake(self._waiter)

    # --- for the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The event loop calls this once, first."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH)
        self.peer = _endpoint(transport.get_extra_info("peername"))
        self.local = _endpoint(transport.get_extra_info("sockname"))
        if self._on_connected is not None:
            on_connected, self._on_connected = self._on_connected, None
            on_connected(self)

    def data_received(self, data: bytes) -> None:
        """The event loop calls this with what came."""
        if self._lingering:
            self._unheard += len(data)
            if self._unheard > LINGER_MOST:
                self.abort()
            return
        if self._buffer:
            if type(self._buffer) is bytes:
                self._buffer = bytearray(self._buffer)
            self._buffer += data
            if len(self._buffer) > READ_HIGH and not self._reading_paused and self._transport is not None:
                self._reading_paused = True
                self._transport.pause_reading()
        else:
            self._buffer = data
        self._wake(self._waiter)

    def eof_received(self) -> bool:
        """The peer sends no more; our side stays open until we close it."""
        self._eof = True
        self._wake(self._waiter)
        return not self._lingering

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone in both directions."""
        self._eof = self._lost = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake(self._waiter)
        self._wake(self._drained)

    def pause_writing(self) -> None:
        """More than WRITE_HIGH octets wait."""
        self._paused = True

    def resume_writing(self) -> None:
        """There is room again."""
        self._paused = False
        self._wake(self._drained)

    def _check_deadline(self) -> None:
        self._timer = None
        if self._loop.time() < self._deadline:
            if self._deadline != NO_DEADLINE:
                self._timer = self._loop.call_at(self._deadline, self._check_deadline)
            return
        self._expired = True
        if self._transport is not None and (self._lingering or self._transport.is_closing()):
            self._transport.abort()  # closed by us, and the peer does not take what is left
        self._wake(self._waiter)
        self._wake(self._drained)

    @staticmethod
    def _wake(waiter: asyncio.Future[None] | None) -> None:
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def _endpoint(name: object) -> tuple[str, int]:
    if isinstance(name, tuple) and len(name) >= 2:
        return str(name[0]), int(name[1])
    return "", 0


async def connect(host: str, port: int, *, timeout: float, source: str | None = None) -> Stream:
    """A connection to an address. OSError says why not; TimeoutError after ``timeout`` seconds."""
    loop = asyncio.get_running_loop()
    local = (source, 0) if source else None
    async with asyncio.timeout(timeout):
        _, stream = await loop.create_connection(Stream, host, port, local_addr=local)
    return stream


async def connect_unix(path: str, *, timeout: float) -> Stream:
    """A connection to a Unix socket. OSError says why not; TimeoutError after ``timeout`` seconds."""
    async with asyncio.timeout(timeout):
        _, stream = await asyncio.get_running_loop().create_unix_connection(Stream, path)
    return stream
