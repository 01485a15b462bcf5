"""Runs a dialogue over a socket against a running server (a deed)."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import ssl
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from eilpost.testing.dialog import Demand, Dialogue, play

PATIENCE: Final = 10.0
_BLOCK: Final = 1 << 16


class _Wire:
    """A plain socket: what the server said before it reset the connection can still be read from it."""

    def __init__(self, connection: socket.socket, patience: float) -> None:
        self._connection = connection
        self._patience = patience
        self._received = bytearray()
        self._closed = False
        self._tls: ssl.SSLObject | None = None
        self._coming = ssl.MemoryBIO()
        self._going = ssl.MemoryBIO()

    async def serve(self, demand: bytes | Demand) -> bytes | None:
        match demand:
            case bytes():
                await self._send(demand)
            case Demand.LINE:
                return await self._line()
            case Demand.CLOSE_OURS:
                self._close_ours()
            case Demand.ENCRYPT:
                await self._encrypt()
            case Demand.REST:
                self._close_ours()
                return await self._rest()
        return None

    async def _send(self, octets: bytes) -> None:
        if self._tls is not None:
            self._tls.write(octets)
            octets = self._going.read()
        # The server may have closed already: then the lines it said before are still to be judged.
        with contextlib.suppress(ConnectionError):
            await asyncio.get_running_loop().sock_sendall(self._connection, octets)
            await asyncio.sleep(0)  # a server in the same loop sees each octet alone

    async def _encrypt(self) -> None:
        """The handshake; who the server is does not matter to a dialogue."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._tls = context.wrap_bio(self._coming, self._going)
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._send_handshake()
                octets = await self._receive()
                if not octets:
                    raise ConnectionError("the server ends the handshake") from None
                self._coming.write(octets)
            else:
                await self._send_handshake()
                return

    async def _send_handshake(self) -> None:
        await asyncio.get_running_loop().sock_sendall(self._connection, self._going.read())

    def _close_ours(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)

    async def _line(self) -> bytes | None:
        while (end := self._received.find(b"\n")) < 0:
            if not await self._more():
                return None if self._closed else b"(silence)\r\n"
        line = bytes(self._received[: end + 1])
        del self._received[: end + 1]
        return line

    async def _rest(self) -> bytes:
        while await self._more():
            pass
        return bytes(self._received) if self._closed else b"(the connection stays open)\r\n"

    async def _more(self) -> bool:
        """Reads on; False when the server has closed, or says nothing for too long."""
        octets = await self._receive()
        if octets is None:
            return False
        if octets and self._tls is not None:
            self._coming.write(octets)
            octets = self._decrypted()
            if octets is None:
                return await self._more()
        self._received += octets
        self._closed = not octets
        return bool(octets)

    def _decrypted(self) -> bytes | None:
        """What came in whole records; None when there is none yet."""
        assert self._tls is not None
        octets = b""
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            while piece := self._tls.read(_BLOCK):
                octets += piece
            return octets  # the server has said goodbye in TLS
        return octets or None

    async def _receive(self) -> bytes | None:
        """Octets of the socket; none at its end, None when nothing comes in time."""
        receiving = asyncio.get_running_loop().sock_recv(self._connection, _BLOCK)
        try:
            return await asyncio.wait_for(receiving, self._patience)
        except TimeoutError:
            return None
        except ConnectionError:
            return b""


async def run_over_socket(
    dialogue: Dialogue,
    host: str,
    port: int,
    *,
    split: bool = False,
    patience: float = PATIENCE,
    passwords: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Plays the dialogue with the server that listens there; Mismatch when it says something else.

    ``patience`` is how many seconds each line may take, ``passwords`` what the accounts log in with.
    """
    with socket.create_connection((host, port), timeout=patience) as connection:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        wire = _Wire(connection, patience)
        player = play(dialogue, split=split, passwords=passwords, nonce=secrets.token_hex(18))
        answer: bytes | None = None
        with contextlib.suppress(StopIteration):
            while True:
                answer = await wire.serve(player.send(answer))
