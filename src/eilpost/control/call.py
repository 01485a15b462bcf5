"""The other end of the control socket, for commands: blocking, and without an event loop (a deed)."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final

SOCKET_NAME: Final = "control.sock"
"""The file's name in the data directory."""

CONNECT_TIMEOUT: Final = 3.0
ANSWER_TIMEOUT: Final = 60.0
_LINE: Final = 8_000_000  # octets of one item: a message with thousands of recipients

_HUNG_UP: Final = "the server ended the connection; it hears root and its own user alone"


class CallError(Exception):
    """The server answered with an error; ``kind`` is usage, spool, fault or protocol."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class NotRunning(Exception):
    """No server listens on the socket; the message says how that showed."""


class NotAllowed(Exception):
    """The socket is another user's."""


def call(path: Path, operation: str, arguments: Mapping[str, Any], *, timeout: float = ANSWER_TIMEOUT) -> Iterator[Any]:
    """The items of the answer, as they come. NotRunning, NotAllowed, CallError, TimeoutError."""
    with _connect(path) as connection:
        connection.settimeout(timeout)
        request = json.dumps({"operation": operation, "arguments": dict(arguments)})
        try:
            connection.sendall(request.encode() + b"\n")
            with connection.makefile("rb") as answers:
                yield from _items(answers)
        except ConnectionError as error:
            raise NotRunning(_HUNG_UP) from error


def _connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(CONNECT_TIMEOUT)
    try:
        connection.connect(str(path))
    except PermissionError as error:
        connection.close()
        raise NotAllowed(f"{path} belongs to another user; run this as the server's user or root") from error
    except OSError as error:
        connection.close()
        if isinstance(error, TimeoutError | BlockingIOError):
            raise TimeoutError(f"the server at {path} does not answer") from error
        raise NotRunning(f"no server listens at {path}") from error
    return connection


def _items(answers: IO[bytes]) -> Iterator[Any]:
    while line := answers.readline(_LINE):
        match _parsed(line):
            case {"item": item}:
                yield item
            case {"end": True}:
                return
            case {"error": str(message), "kind": str(kind)}:
                raise CallError(message, kind)
            case _:
                raise CallError("the server's answer makes no sense; is it of another version?", "protocol")
    raise NotRunning(_HUNG_UP)


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
