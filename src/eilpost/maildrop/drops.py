"""Opens Maildirs for those who fetch, with the waiting done in threads (a deed)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

from eilpost.maildrop.drop import DropError, Item, Vanished
from eilpost.maildrop.snapshot import Letter, Snapshot, open_snapshot
from eilpost.pop3.content import CrlfWriter, with_crlf

P = ParamSpec("P")
T = TypeVar("T")

THREADS: Final = 4

AHEAD: Final = 64
"""Messages that are read in one go by who reads them in their order: a thread's turn costs more than a small file."""

AHEAD_OCTETS: Final = 256 * 1024
"""Octets of them that wait in memory."""


class MaildirDrops:
    """``home`` is where an account's Maildir lies; None: it has none."""

    def __init__(self, home: Callable[[str], str | None]) -> None:
        self._home = home
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="maildrop")

    async def open(self, account: str) -> MaildirDrop:
        """The account's mailbox. InUse, DropError."""
        path = self._home(account)
        if path is None:
            raise DropError(f"{account} has no mailbox here")
        running = asyncio.get_running_loop().run_in_executor(self._pool, open_snapshot, path)
        try:
            return MaildirDrop(await asyncio.shield(running), self._pool)
        except asyncio.CancelledError:
            running.add_done_callback(_forget)  # nobody waits for it: the lock must not stay
            raise
        except OSError as error:
            raise DropError(f"{path}: {error.strerror or error}") from error

    def close(self) -> None:
        """Ends the threads when they have done what they were given."""
        self._pool.shutdown(wait=False)


def _forget(opening: asyncio.Future[Snapshot]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


class MaildirDrop:
    """One open Maildir."""

    def __init__(self, snapshot: Snapshot, pool: ThreadPoolExecutor) -> None:
        self._snapshot = snapshot
        self._pool = pool
        self._ahead: dict[int, bytes] = {}
        self._last = -2

    @property
    def items(self) -> Sequence[Item]:
        """All messages, oldest first."""
        return self._snapshot.items

    def at_hand(self, number: int) -> bytes | None:
        """The whole message, when it was read ahead."""
        octets = self._ahead.pop(number, None)
        if octets is not None:
            self._last = number
        return octets

    async def read(self, number: int) -> AsyncIterator[bytes]:
        """The message in blocks, with CR LF as line ends. Vanished, DropError."""
        if (ready := self.at_hand(number)) is not None:
            yield ready
            return
        in_order, self._last = number == self._last + 1, number
        letter, octets, self._ahead = await self._work(self._begin, number, in_order)
        try:
            writer = None if letter.as_is else CrlfWriter()
            while octets:
                yield octets if writer is None else writer.write(octets)
                octets = await self._work(letter.read) if letter.left else b""
            if writer is not None and (rest := writer.end()):
                yield rest
        finally:
            letter.close()

    def _begin(self, number: int, in_order: bool) -> tuple[Letter, bytes, dict[int, bytes]]:
        """A message's first block, which mostly is all of it, and small messages behind it."""
        letter = self._snapshot.letter(number)
        octets = letter.read()
        ahead: dict[int, bytes] = {}
        room = AHEAD_OCTETS if in_order and not letter.left else 0
        for following in range(number + 1, min(number + AHEAD, len(self.items))):
            room -= self.items[following].octets
            if room < 0:
                break
            try:
                whole, as_is = self._snapshot.whole(following)
                ahead[following] = whole if as_is else with_crlf(whole)
            except (OSError, Vanished):
                break  # told when it is asked for
        return letter, octets, ahead

    async def delete(self, numbers: Collection[int]) -> int:
        """Removes messages for good; how many could not be removed. DropError."""
        return await self._work(self._snapshot.delete, numbers)

    async def close(self) -> None:
        """Gives the mailbox back."""
        self._snapshot.close()

    async def _work(self, step: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """One step in a thread; who is cancelled waits for it, so that no descriptor is closed under it."""
        running = asyncio.get_running_loop().run_in_executor(self._pool, lambda: step(*arguments, **named))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise
        except OSError as error:
            raise DropError(str(error.strerror or error)) from error
