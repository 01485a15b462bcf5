"""Logins against Dovecot's auth socket, by its own protocol (a deed).

The client's side of "Dovecot Authentication Protocol" 1.2: one connection, requests with numbers,
answers in any order. Only AUTH PLAIN is asked, with the response at once. Fields stand between tabs,
so what is sent is base64 or without tabs and line ends.
"""

from __future__ import annotations

import asyncio
import base64
import os
from typing import Final

from eilpost.directory.source import Peer, SourceError
from eilpost.mail.address import Address

MAX_LINE: Final = 8192
"""Octets of an answer, as the protocol has it."""


class DovecotSocket:
    """Asks whether a password is right; connects when it is asked first, and again after a breakdown."""

    def __init__(self, path: str, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        self._opening = asyncio.Lock()
        self._line: _Line | None = None

    async def check(self, address: Address, password: str, peer: Peer) -> str | None:
        """The account as Dovecot spells it, None: no. SourceError."""
        try:
            async with asyncio.timeout(self._timeout):
                line = await self._connected()
                return await line.ask(str(address), password, peer)
        except TimeoutError:
            raise SourceError(f"Dovecot at {self._path} did not answer in time") from None
        except (OSError, EOFError, ValueError) as error:
            raise SourceError(f"Dovecot at {self._path} cannot be asked: {_why(error)}") from error

    async def _connected(self) -> _Line:
        async with self._opening:
            if self._line is None or self._line.is_closed:
                reader, writer = await asyncio.open_unix_connection(self._path, limit=MAX_LINE)
                line = self._line = _Line(reader, writer)
                try:
                    await line.shake_hands()
                except BaseException:
                    line.close()  # half a handshake is no connection
                    raise
            return self._line

    def close(self) -> None:
        """Ends the connection; harmless twice."""
        if self._line is not None:
            self._line.close()


class _Line:
    """A connection, and who waits for which answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._waiting: dict[str, asyncio.Future[list[str]]] = {}
        self._number = 0
        self._task: asyncio.Task[None] | None = None
        self.is_closed = False

    async def shake_hands(self) -> None:
        """Both say their version; the server ends with DONE. EOFError, ValueError."""
        self._writer.write(f"VERSION\t1\t2\nCPID\t{os.getpid()}\n".encode())
        mechanisms: set[str] = set()
        while (fields := await self._fields()) != ["DONE"]:
            if fields[0] == "VERSION" and fields[1:2] != ["1"]:
                raise ValueError("it speaks another version of its protocol")
            if fields[0] == "MECH":
                mechanisms.add(fields[1])
        if "PLAIN" not in mechanisms:
            raise ValueError("it does not offer PLAIN")
        self._task = asyncio.create_task(self._listen())

    async def ask(self, name: str, password: str, peer: Peer) -> str | None:
        """One login."""
        self._number += 1
        number = str(self._number)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        response = base64.b64encode(f"\0{name}\0{password}".encode("utf-8", "surrogatepass")).decode()
        facts = [f"service={peer.service}", *([f"rip={peer.address}"] if peer.address else ["no-penalty"])]
        facts += ["secured"] if peer.tls or not peer.address else []
        # resp is the last one: what follows it would be taken for a part of it.
        self._writer.write("\t".join(("AUTH", number, "PLAIN", *facts, f"resp={response}")).encode() + b"\n")
        try:
            fields = await answer
        finally:
            self._waiting.pop(number, None)
        if fields[0] == "OK":
            return _value(fields, "user") or name
        if fields[0] == "FAIL" and "temp" not in fields and "code=temp_fail" not in fields:
            return None
        raise ValueError("it has trouble of its own")

    async def _listen(self) -> None:
        try:
            while True:
                fields = await self._fields()
                waiting = self._waiting.get(fields[1]) if len(fields) > 1 else None
                if fields[0] in ("OK", "FAIL", "CONT") and waiting is not None and not waiting.done():
                    waiting.set_result(fields)
        except (OSError, EOFError, ValueError):
            self.close()

    async def _fields(self) -> list[str]:
        line = await self._reader.readline()
        if not line.endswith(b"\n"):
            raise EOFError("it closed the connection")
        return line[:-1].decode("utf-8", "replace").split("\t")

    def close(self) -> None:
        """Who still waits is told that it broke."""
        self.is_closed = True
        self._writer.close()
        if self._task is not None:
            self._task.cancel()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(EOFError("it closed the connection"))


def _value(fields: list[str], name: str) -> str:
    return next((each.partition("=")[2] for each in fields if each.startswith(f"{name}=")), "")


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
