"""Addresses that peers connect to (a deed).

Sockets are bound first and served later: root may be given up in between. A socket that systemd
bound is used when its address matches (sd_listen_fds).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from eilpost.net.stream import Stream

BACKLOG: Final = 1024
_FIRST_PASSED_FD: Final = 3  # SD_LISTEN_FDS_START


class ListenError(Exception):
    """The address cannot be listened on; the message says why and what mends it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address in the configuration: host and port, or a path."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_endpoint(text: str) -> Endpoint:
    """``host:port``, ``[v6]:port`` or ``unix:/path``; ValueError."""
    if text.startswith("unix:"):
        if len(text) == len("unix:"):
            raise ValueError("unix: needs a path")
        return Endpoint(path=text.removeprefix("unix:"))
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is not host:port, [v6]:port or unix:/path")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: an IPv6 address stands in brackets")
    return Endpoint(host=host or "0.0.0.0", port=int(port))


def passed_sockets() -> list[socket.socket]:
    """The sockets systemd handed over, if any; the environment is cleared for our children."""
    count = os.environ.pop("LISTEN_FDS", "")
    if os.environ.pop("LISTEN_PID", "") != str(os.getpid()) or not count.isdigit():
        return []
    os.environ.pop("LISTEN_FDNAMES", None)
    return [socket.socket(fileno=fd) for fd in range(_FIRST_PASSED_FD, _FIRST_PASSED_FD + int(count))]


def bind(endpoint: Endpoint, passed: list[socket.socket], *, mode: int = 0o660) -> socket.socket:
    """A listening socket: one that was passed, else a new one. ``mode`` is a Unix socket's."""
    for index, sock in enumerate(passed):
        if _is_at(sock, endpoint):
            return passed.pop(index)
    try:
        return _bind_unix(endpoint.path, mode) if endpoint.path else _bind_tcp(endpoint)
    except PermissionError as error:
        raise ListenError(
            f"{endpoint}: not permitted; ports below 1024 need root, CAP_NET_BIND_SERVICE or socket activation"
        ) from error
    except OSError as error:
        raise ListenError(f"{endpoint}: {os.strerror(error.errno or 0)}") from error


def _is_at(sock: socket.socket, endpoint: Endpoint) -> bool:
    name = sock.getsockname()
    if isinstance(name, tuple):
        return (str(name[0]), int(name[1])) == (endpoint.host, endpoint.port)
    return bool(endpoint.path) and name == endpoint.path


def _bind_tcp(endpoint: Endpoint) -> socket.socket:
    infos = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
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

    __slots__ = ("_server", "_sock", "endpoint")

    def __init__(self, endpoint: Endpoint, sock: socket.socket) -> None:
        self.endpoint = endpoint
        self._sock = sock
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> Endpoint:
        """Where it really listens: the port is known when 0 was asked for."""
        name = self._sock.getsockname()
        return Endpoint(host=str(name[0]), port=int(name[1])) if isinstance(name, tuple) else self.endpoint

    async def start(self, on_connected: Callable[[Stream], None]) -> None:
        """Takes connections from now on; each is handed over at once."""
        loop = asyncio.get_running_loop()
        if self._sock.family == socket.AF_UNIX:
            self._server = await loop.create_unix_server(lambda: Stream(on_connected), sock=self._sock, backlog=BACKLOG)
        else:
            self._server = await loop.create_server(lambda: Stream(on_connected), sock=self._sock, backlog=BACKLOG)

    def close(self) -> None:
        """Takes no more; connections that are open stay open."""
        if self._server is not None:
            self._server.close()
        else:
            self._sock.close()
        if self.endpoint.path:
            with contextlib.suppress(OSError):
                os.unlink(self.endpoint.path)
