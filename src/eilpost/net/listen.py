"""Addresses that peers connect to (a deed).

Sockets are bound first and served later: root may be given up in between. A socket that systemd
bound is used when its address matches (sd_listen_fds).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import stat
from collections.abc import Callable, Iterator
from typing import Final

from eilpost.net.stream import Stream
from eilpost.net.tls_layer import Layer

BACKLOG: Final = 1024
_FIRST_PASSED_FD: Final = 3  # SD_LISTEN_FDS_START


class ListenError(Exception):
    """The address cannot be listened on; the message says why and what mends it."""


def passed_sockets() -> list[socket.socket]:
    """The sockets systemd handed over, if any; the environment is cleared for our children."""
    pid, count, _ = (os.environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"))
    if pid != str(os.getpid()) or not count.isdigit():
        return []
    passed = [socket.socket(fileno=fd) for fd in range(_FIRST_PASSED_FD, _FIRST_PASSED_FD + int(count))]
    for sock in passed:
        sock.set_inheritable(False)
    return passed


def refuse_unused(passed: list[socket.socket]) -> None:
    """ListenError for a passed socket that nobody took: its peers would wait for ever."""
    if passed:
        where = Listener(passed[0]).address
        raise ListenError(
            f"{where}: passed by the service manager, but no [[listen]] has this address; make them agree"
        )


def bind_tcp(host: str, port: int, passed: list[socket.socket]) -> socket.socket:
    """A listening socket: one that was passed, else a new one. ListenError."""
    found = _taken(passed, lambda name: isinstance(name, tuple) and (name[0], name[1]) == (host, port))
    if found is not None:
        return found
    with _told(f"[{host}]:{port}" if ":" in host else f"{host}:{port}"):
        return _bind_tcp(host, port)


def bind_unix(path: str, mode: int, passed: list[socket.socket]) -> socket.socket:
    """A listening Unix socket with these permissions. ListenError."""
    found = _taken(passed, lambda name: name == path)
    if found is not None:
        return found
    with _told(f"unix:{path}"):
        return _bind_unix(path, mode)


def _taken(passed: list[socket.socket], is_it: Callable[[object], bool]) -> socket.socket | None:
    for index, sock in enumerate(passed):
        if is_it(sock.getsockname()):
            return passed.pop(index)
    return None


@contextlib.contextmanager
def _told(where: str) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise ListenError(
            f"{where}: not permitted; ports below 1024 need root, CAP_NET_BIND_SERVICE or socket activation"
        ) from error
    except OSError as error:
        raise ListenError(f"{where}: {error.strerror or error}; change the address, or what uses it") from error


def _bind_tcp(host: str, port: int) -> socket.socket:
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = infos[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # IPv4 peers come by their own listener, with addresses that need no unmapping.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _bind_unix(path: str, mode: int) -> socket.socket:
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # The mode is right from the first moment: bind creates the file under the mask.
        before = os.umask(0o777 & ~mode)
        try:
            sock.bind(path)
        finally:
            os.umask(before)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _remove_stale(path: str) -> None:
    """A socket that nobody answers is left over from a crash; anything else is not ours to remove."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise ListenError(f"unix:{path}: there is a file that is no socket; move it away")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)
            else:
                raise ListenError(f"unix:{path}: another process listens there")


class Listener:
    """A bound socket that is served until closed."""

    __slots__ = ("_server", "_sock")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """Where it listens: the port is known when 0 was asked for."""
        name = self._sock.getsockname()
        if not isinstance(name, tuple):
            return f"unix:{name}"
        return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"

    async def start(
        self,
        on_connected: Callable[[Stream], None],
        tls: Callable[[], ssl.SSLContext] | ssl.SSLContext | None = None,
    ) -> None:
        """Takes connections from now on; each is handed over at once.

        With ``tls`` they are encrypted from their first octet. They are handed over before the handshake,
        so that who is still in it is counted; ``Stream.secured`` waits for it and gives it its deadline.
        """
        loop = asyncio.get_running_loop()
        serve = loop.create_unix_server if self._sock.family == socket.AF_UNIX else loop.create_server

        def connection() -> asyncio.Protocol:
            if tls is None:
                return Stream(on_connected)
            context = tls if isinstance(tls, ssl.SSLContext) else tls()
            return Layer(Stream(on_connected), context, server_side=True)

        self._server = await serve(connection, sock=self._sock, backlog=BACKLOG)

    def close(self) -> None:
        """Takes no more; connections that are open stay open. A Unix socket's file stays, and is stale."""
        if self._server is not None:
            self._server.close()
        else:
            self._sock.close()
