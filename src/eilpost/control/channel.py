"""The control socket: one line of JSON asks, lines of JSON answer (a deed).

A request is ``{"operation": …, "arguments": {…}}``. The answer is ``{"item": …}`` for each item,
then ``{"end": true}``, or ``{"error": "one sentence", "kind": …}``. The socket is a file of mode
0600, and the kernel tells who has connected: only root and our own user are heard.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import struct
from pathlib import Path
from typing import Final

from eilpost.control.desk import Desk
from eilpost.control.operations import prepare
from eilpost.journal import Faulted, Journal
from eilpost.spool.contract import SpoolError

_LINE: Final = 256_000  # octets of a request
_MOST_CONNECTIONS: Final = 32
_REQUEST_DEADLINE: Final = 30.0
_WRITE_DEADLINE: Final = 60.0
_CREDENTIALS: Final = struct.Struct("3i")  # struct ucred of Linux: pid, uid, gid


class ControlSocketError(Exception):
    """The socket cannot be made; the message says why and what to do."""


class Channel:
    """Serves the operations on a Unix socket; ``heard`` are the users who may ask, by their numbers."""

    def __init__(self, path: Path, desk: Desk, journal: Journal, *, heard: frozenset[int] | None = None) -> None:
        self._path = path
        self._desk = desk
        self._journal = journal
        self._heard = frozenset({0, os.geteuid()}) if heard is None else heard
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begins to listen. ControlSocketError."""
        self._server = await asyncio.start_unix_server(self._connected, sock=_bind(self._path), limit=_LINE)

    async def stop(self) -> None:
        """Ends what is being answered and takes the socket away."""
        if self._server is None:
            return
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._path.unlink(missing_ok=True)
        self._server = None

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("socket")
        if len(self._tasks) >= _MOST_CONNECTIONS or _uid(peer) not in self._heard:
            writer.close()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await asyncio.wait_for(reader.readline(), _REQUEST_DEADLINE):
                await self._answer(line, writer)
        except ValueError:  # readline's word for a line that is too long
            await _send(writer, {"error": f"the request is longer than {_LINE} octets", "kind": "usage"})
        except (OSError, TimeoutError):
            return
        finally:
            writer.close()

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        """One request; a client that went away ends it, whatever else happens is told to the client."""
        try:
            name, arguments = _parse(line)
            operation, parsed = prepare(name, arguments)
            async for item in operation.run(self._desk, parsed):
                await _send(writer, {"item": item})
            await _send(writer, {"end": True})
        except ValueError as error:
            await _send(writer, {"error": str(error), "kind": "usage"})
        except SpoolError as error:
            await _send(writer, {"error": str(error), "kind": "spool"})
        except (OSError, TimeoutError):
            raise
        except Exception as error:
            self._journal(Faulted("control", type(error).__name__, str(error)))
            await _send(
                writer, {"error": f"internal fault, {type(error).__name__}; the log says more", "kind": "fault"}
            )


def _parse(line: bytes) -> tuple[str, object]:
    """The operation's name and its arguments; ValueError for anything else."""
    try:
        request = json.loads(line)
    except RecursionError as error:
        raise ValueError("the request is nested too deep") from error
    match request:
        case {"operation": str(name), **rest} if rest.keys() <= {"arguments"}:
            return name, rest.get("arguments", {})
        case _:
            raise ValueError('a request is {"operation": "…", "arguments": {…}}')


async def _send(writer: asyncio.StreamWriter, answer: object) -> None:
    writer.write(json.dumps(answer).encode() + b"\n")
    await asyncio.wait_for(writer.drain(), _WRITE_DEADLINE)


def _uid(peer: socket.socket) -> int:
    """Who is at the other end, by the kernel's word."""
    octets = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(octets)[1])


def _bind(path: Path) -> socket.socket:
    """A socket that only our user can open, from its first moment: it listens after its mode is set."""
    _remove_stale(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(str(path))
        path.chmod(0o600)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise ControlSocketError(f"{path}: the control socket cannot be made: {error.strerror or error}") from error
    return bound


def _remove_stale(path: Path) -> None:
    """Takes away what a crash left behind; never a socket that answers, or another kind of file."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ControlSocketError(f"{path} is in the way and is no socket; move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise ControlSocketError(f"{path}: {error.strerror or error}") from error
    raise ControlSocketError(f"{path}: another server answers there; stop it first")
