"""TLS between a socket and its stream (a deed).

To the event loop's transport it is the protocol, to the stream it is the transport; so a stream
that is not encrypted pays nothing. Octets go through OpenSSL in memory, by the same code on every
event loop: what is in the way when a handshake fails is let go at once (python/cpython#109534), and
nothing that came in clear can ever be read as if it had come encrypted (F029, F030).
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from typing import Any, Final, Protocol, cast

from eilpost.mail.encryption import Security
from eilpost.trust.certificate import end_point

PIECE: Final = 16 * 1024
"""Octets that OpenSSL is given at once; its memory for them never shrinks again."""

BARREN_MOST: Final = 128 * 1024
"""Octets that may come without any content: empty records, KeyUpdates, renegotiation (F036)."""

EXPORTER: Final = "tls-exporter"


class Above(Protocol):
    """Whom the layer serves: a ``Stream``."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...

    def data_received(self, data: bytes) -> None: ...

    def eof_received(self) -> bool: ...

    def connection_lost(self, exc: Exception | None) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...

    def tls_made(self, security: Security) -> None:
        """The handshake is done."""
        ...

    def tls_failed(self, why: str) -> None:
        """There is no handshake and will be none; the connection ends."""
        ...


class ServerContext(ssl.SSLContext):
    """A server's context that knows the channel binding of its certificate."""

    end_point: bytes = b""


class Layer(asyncio.Protocol, asyncio.Transport):
    """One encrypted connection; made by ``Stream.start_tls_…`` or by a listener."""

    __slots__ = ("_above", "_barren", "_below", "_ended", "_incoming", "_is_server", "_name", "_object", "_outgoing",
                 "_said", "_waiting")  # fmt: skip

    def __init__(self, above: Above, context: ssl.SSLContext, *, server_side: bool, name: str | None = None) -> None:
        self._above = above
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object: ssl.SSLObject | None = context.wrap_bio(self._incoming, self._outgoing, server_side, name)
        self._is_server = server_side
        self._name = name or ""
        self._below: asyncio.Transport | None = None
        self._waiting: list[bytes] | None = []  # what is written during the handshake; None after it
        self._barren = 0
        self._said = False
        self._ended = False

    def begin(self, transport: asyncio.Transport) -> None:
        """Takes the place of the stream above a connection that is open."""
        self._below = transport
        transport.set_protocol(self)
        if not self._is_server:
            self._shake()

    # --- for the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection that is encrypted from its first octet."""
        self._below = cast(asyncio.Transport, transport)
        self._above.connection_made(self)

    def data_received(self, data: bytes) -> None:
        """What came is decrypted, and answered where TLS itself has something to say."""
        self._barren += len(data)
        plain: list[bytes] = []
        more = True
        for piece in _pieces(data):
            if self._object is None:
                return
            self._incoming.write(piece)
            if self._waiting is not None and not self._shake():
                continue
            more = self._decrypt(plain)
        self._send()
        if plain:
            self._barren = 0
            self._above.data_received(plain[0] if len(plain) == 1 else b"".join(plain))
        elif self._barren > BARREN_MOST:
            self._fail("the peer sends nothing but TLS itself")
        if not more and not self._ended:
            self._ended = True
            self._above.eof_received()

    def eof_received(self) -> bool:
        """The peer sends no more, whether it said so encrypted or not: mail has ends of its own."""
        if self._waiting is not None:
            self._fail("the peer went in the middle of the handshake")
            return False
        if self._ended:
            return True
        self._ended = True
        return self._above.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """All is let go: OpenSSL's part of it too."""
        if self._waiting is not None and self._object is not None:
            self._above.tls_failed("the peer went in the middle of the handshake")
        self._object = None
        self._above.connection_lost(exc)

    def pause_writing(self) -> None:
        """Too much is unsent."""
        self._above.pause_writing()

    def resume_writing(self) -> None:
        """There is room again."""
        self._above.resume_writing()

    # --- for the stream

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypts and sends; what comes during the handshake is sent after it."""
        if self._waiting is not None:
            self._waiting.append(bytes(data))
            return
        if self._object is None or self._said:
            return
        try:
            for piece in _pieces(data):
                self._object.write(piece)
                self._send()
        except ssl.SSLError as error:
            self._fail(explain(error))

    def write_eof(self) -> None:
        """Says that nothing more will come, and leaves the other direction open."""
        self._farewell()
        if self._below is not None:
            self._below.write_eof()

    def can_write_eof(self) -> bool:
        """True once the handshake is done."""
        return self._waiting is None and self._below is not None and self._below.can_write_eof()

    def close(self) -> None:
        """Sends what is left, says farewell, ends."""
        self._farewell()
        if self._below is not None:
            self._below.close()

    def abort(self) -> None:
        """Ends at once."""
        self._object = None
        if self._below is not None:
            self._below.abort()

    def is_closing(self) -> bool:
        """True when the end was asked for."""
        return self._below is None or self._below.is_closing()

    def pause_reading(self) -> None:
        """Nothing more is taken from the peer."""
        if self._below is not None:
            self._below.pause_reading()

    def resume_reading(self) -> None:
        """More is taken."""
        if self._below is not None:
            self._below.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """When ``pause_writing`` is called."""
        if self._below is not None:
            self._below.set_write_buffer_limits(high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the socket says."""
        return default if self._below is None else self._below.get_extra_info(name, default)

    # --- OpenSSL

    def _shake(self) -> bool:
        """One more step of the handshake; True when it is done."""
        assert self._object is not None
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            self._send()
            if self._barren > BARREN_MOST:
                self._fail("the handshake is too long")
            return False
        except (ssl.SSLError, ValueError) as error:
            self._fail(explain(error))
            return False
        waiting, self._waiting = self._waiting or [], None
        self._barren = 0
        self._send()
        self._above.tls_made(self._security(self._object))
        for octets in waiting:
            self.write(octets)
        return True

    def _decrypt(self, plain: list[bytes]) -> bool:
        """Takes what can be read; False when the peer has ended its side."""
        try:
            while self._object is not None:
                octets = self._object.read(PIECE)
                if not octets:
                    return False
                plain.append(octets)
        except ssl.SSLWantReadError:
            return True
        except ssl.SSLZeroReturnError:
            return False
        except ssl.SSLError as error:
            self._fail(explain(error))
        return True

    def _send(self) -> None:
        if self._outgoing.pending and self._below is not None:
            self._below.write(self._outgoing.read())

    def _farewell(self) -> None:
        if self._object is None or self._waiting is not None or self._said:
            return
        self._said = True
        with contextlib.suppress(ssl.SSLError):  # the peer's farewell is not waited for
            self._object.unwrap()
        self._send()

    def _fail(self, why: str) -> None:
        """Tells the peer by TLS's alert, and ends."""
        self._send()
        unfinished, self._object = self._waiting is not None, None
        if unfinished:
            self._above.tls_failed(why)
        if self._below is not None:
            self._below.close() if unfinished else self._below.abort()

    def _security(self, made: ssl.SSLObject) -> Security:
        cipher, _, bits = made.cipher() or ("", "", 0)
        shown = made.getpeercert() or {}
        return Security(
            version=made.version() or "",
            cipher=cipher,
            bits=bits,
            server_name=self._name,
            verified=bool(shown),
            names=tuple(dict.fromkeys(_names(shown))),
            bindings=dict(self._bindings(made)),
        )

    def _bindings(self, made: ssl.SSLObject) -> Iterator[tuple[str, bytes]]:
        if self._is_server:
            context = made.context
            end = context.end_point if isinstance(context, ServerContext) else b""
        else:
            end = end_point(made.getpeercert(binary_form=True) or b"")
        if end:
            yield "tls-server-end-point", end
        if EXPORTER in ssl.CHANNEL_BINDING_TYPES and (exported := made.get_channel_binding(EXPORTER)):
            yield EXPORTER, exported


def explain(error: Exception) -> str:
    """Why a handshake failed, in a clause without OpenSSL's line numbers."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not accepted: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return str(error) or type(error).__name__


_NAME_KINDS: Final = {"email": 0, "DNS": 1}


def _names(shown: Any) -> Iterator[str]:
    """Mail addresses, then host names, then common names."""
    alternatives = [pair for pair in shown.get("subjectAltName", ()) if pair[0] in _NAME_KINDS]
    yield from (name for _, name in sorted(alternatives, key=lambda pair: _NAME_KINDS[pair[0]]))
    yield from (text for part in shown.get("subject", ()) for kind, text in part if kind == "commonName")


def _pieces(data: bytes | bytearray | memoryview) -> Iterator[bytes | bytearray | memoryview]:
    if len(data) <= PIECE:
        yield data
        return
    view = memoryview(data)
    yield from (view[at : at + PIECE] for at in range(0, len(view), PIECE))
