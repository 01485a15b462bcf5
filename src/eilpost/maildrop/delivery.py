"""Many deliveries at once: whatever waits goes to disk together (a deed).

A few threads work. Each takes all that waits, up to a batch; under light load that is one message
without delay, under heavy load many share their syncs.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from eilpost.maildrop.file_name import host_part, unique_name
from eilpost.maildrop.maildir import Parcel, Result, Settled, abandon, append, begin, finish, opened

THREADS: Final = 4  # measured: two are as fast on a fast disk, eight are slower
BATCH: Final = 32  # bounds descriptors, and what one slow sync holds up

Letter = tuple[str, Sequence[bytes]]
"""A Maildir's path, and the octets for it."""

_Waiting = tuple[Parcel, asyncio.Future[Result]]


class Maildirs:
    """Delivers into Maildirs; for one event loop. ``hostname`` becomes part of the files' names."""

    def __init__(self, hostname: str, *, now: Callable[[], float] = time.time) -> None:
        self._host = host_part(hostname)
        self._now = now
        self._numbers = itertools.count(1)
        self._process = os.getpid()
        self._token = secrets.token_hex(6)
        self._settled = Settled()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="maildir")
        self._waiting: deque[_Waiting] = deque()
        self._batches: set[asyncio.Future[list[Result]]] = set()
        self._is_starting = False

    async def deliver(self, letters: Iterable[Letter]) -> list[Result]:
        """Writes each letter into its Maildir; what is stored survives a power cut."""
        loop = asyncio.get_running_loop()
        results = []
        for directory, octets in letters:
            result: asyncio.Future[Result] = loop.create_future()
            self._waiting.append((Parcel(directory, self._name(), octets), result))
            results.append(result)
        if not self._is_starting and len(self._batches) < THREADS:
            self._is_starting = True
            loop.call_soon(self._start)  # after all that this turn of the loop still brings
        return [await result for result in results]

    async def deliver_stream(self, letters: Iterable[Letter], chunks: AsyncIterator[bytes]) -> list[Result]:
        """The same for content that is not in memory: behind each letter's octets come all ``chunks``."""
        parcels = [Parcel(directory, self._name(), octets) for directory, octets in letters]
        with opened(self._settled) as open_one:
            try:
                await self._work(begin, parcels, open_one)
                async for chunk in chunks:
                    await self._work(append, parcels, chunk)
            except BaseException:
                abandon(parcels)
                raise
            await self._work(finish, parcels)
        return [parcel.result() for parcel in parcels]

    async def close(self) -> None:
        """Waits for what is being written, then ends the threads."""
        while self._waiting or self._batches:
            self._start()
            await asyncio.wait(self._batches)
        self._pool.shutdown()

    def _name(self) -> str:
        return unique_name(self._now(), self._process, next(self._numbers), self._token, self._host)

    def _start(self) -> None:
        """Gives what waits to the threads that are free."""
        self._is_starting = False
        while self._waiting and len(self._batches) < THREADS:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            parcels = [parcel for parcel, _ in batch]
            running = asyncio.get_running_loop().run_in_executor(self._pool, _deliver, parcels, self._settled)
            self._batches.add(running)
            running.add_done_callback(partial(self._done, [result for _, result in batch]))

    def _done(self, waiters: Sequence[asyncio.Future[Result]], batch: asyncio.Future[list[Result]]) -> None:
        self._batches.discard(batch)
        self._start()
        error = batch.exception()
        results: Sequence[Result | BaseException] = batch.result() if error is None else [error] * len(waiters)
        for waiter, result in zip(waiters, results, strict=True):
            if waiter.done():
                continue  # whoever waited has given up
            if isinstance(result, BaseException):
                waiter.set_exception(result)
            else:
                waiter.set_result(result)

    async def _work(self, step: Callable[..., None], *arguments: object) -> None:
        """One step in a thread; who gives up waits for it, so that nobody undoes what is being done."""
        running = asyncio.get_running_loop().run_in_executor(self._pool, step, *arguments)
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise


def _deliver(parcels: Sequence[Parcel], settled: Settled) -> list[Result]:
    with opened(settled) as open_one:
        begin(parcels, open_one)
        finish(parcels)
    return [parcel.result() for parcel in parcels]
