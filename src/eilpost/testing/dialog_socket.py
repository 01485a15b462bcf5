"""Runs a dialogue over a socket against a running server (a deed)."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from eilpost.testing.dialog import Demand, Dialogue, play

PATIENCE: Final = 10.0


class _Wire:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: float) -> None:
        self._reader = reader
        self._writer = writer
        self._patience = patience

    async def serve(self, demand: bytes | Demand) -> bytes | None:
        match demand:
            case bytes():
                await self._send(demand)
            case Demand.LINE:
                return await self._line()
            case Demand.CLOSE_OURS:
                self._writer.write_eof()
            case Demand.REST:
                return await self._rest()
        return None

    async def _send(self, octets: bytes) -> None:
        # The server may have closed already: then the lines it said before are still to be judged.
        with contextlib.suppress(ConnectionError):
            self._writer.write(octets)
            await self._writer.drain()
            await asyncio.sleep(0)  # each octet leaves before the next is written

    async def _line(self) -> bytes | None:
        try:
            return await asyncio.wait_for(self._reader.readline(), self._patience) or None
        except TimeoutError:
            return b"(silence)\r\n"
        except ConnectionError:
            return None

    async def _rest(self) -> bytes:
        with contextlib.suppress(OSError):
            self._writer.write_eof()
        try:
            return await asyncio.wait_for(self._reader.read(), self._patience)
        except TimeoutError:
            return b"(the connection stays open)\r\n"
        except ConnectionError:
            return b""


async def run_over_socket(
    dialogue: Dialogue, host: str, port: int, *, split: bool = False, patience: float = PATIENCE
) -> None:
    """Plays the dialogue with the server that listens there; Mismatch when it says something else.

    ``patience`` is how many seconds each line may take.
    """
    reader, writer = await asyncio.open_connection(host, port)
    wire = _Wire(reader, writer, patience)
    player = play(dialogue, split=split)
    answer: bytes | None = None
    try:
        while True:
            answer = await wire.serve(player.send(answer))
    except StopIteration:
        return
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
