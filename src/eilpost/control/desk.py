"""What an operator's commands work on: the spool, and the manager that holds a part of it (a deed).

What waits in the manager's memory is claimed, so the spool alone would not touch it. Each change
has the manager give back first what is meant and not under way; what is under way ends as it ends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from eilpost.journal import Journal, Operated
from eilpost.mail.status import status
from eilpost.queue.destination import DestinationView
from eilpost.spool.contract import Entry, Filter, Spool, State, Stats

if TYPE_CHECKING:  # commands import the table, and need no manager
    from eilpost.queue.manager import Manager

PAGE: Final = 200

_FAILED: Final = status("5.3.0")


class Reading(Protocol):
    """What is enough to look: a spool, or one that is opened for reading alone."""

    async def find(self, wanted: Filter, *, limit: int = 100, after: str = "") -> tuple[Entry, ...]:
        """Entries, oldest first."""
        ...

    async def stats(self) -> Stats:
        """Counts."""
        ...


async def entries(spool: Reading, wanted: Filter) -> AsyncIterator[Entry]:
    """All that is meant, oldest first, read in pages so that a long list needs no memory."""
    after = ""
    while page := await spool.find(wanted, limit=PAGE, after=after):
        for entry in page:
            yield entry
        after = page[-1].message.id


class Desk:
    """The queue as operators see and change it; ``reload`` reads the configuration again."""

    def __init__(
        self,
        spool: Spool,
        manager: Manager,
        journal: Journal,
        now: Callable[[], float],
        reload: Callable[[], Awaitable[None]],
    ) -> None:
        self.spool = spool
        self.reload = reload
        self._manager = manager
        self._journal = journal
        self._now = now

    def destinations(self) -> tuple[DestinationView, ...]:
        """Next hops that have work or are down."""
        return self._manager.destinations()

    async def hold(self, wanted: Filter) -> int:
        """Waiting recipients are not tried until released; how many."""
        async with self._free(wanted) as meant:
            return self._did("hold", wanted, await self.spool.hold(meant) if meant else 0)

    async def release(self, wanted: Filter) -> int:
        """Held recipients are tried now; how many."""
        number = await self.spool.unhold(wanted, self._now())
        self._manager.wake()
        return self._did("release", wanted, number)

    async def retry(self, wanted: Filter) -> int:
        """Waiting recipients are tried now, even if their destination was found down; how many."""
        number = await self.spool.retry(wanted, self._now())
        self._manager.revive()
        self._manager.wake()
        return self._did("retry", wanted, number)

    async def drop(self, wanted: Filter) -> int:
        """Forgets recipients without a word to anybody; how many."""
        async with self._free(wanted) as meant:
            return self._did("drop", wanted, await self.spool.drop(meant) if meant else 0)

    async def reroute(self, wanted: Filter, next_hop: str) -> int:
        """Recipients go to ``next_hop`` from now on, or by the rules again when it is empty; how many."""
        async with self._free(wanted) as meant:
            number = await self.spool.reroute(meant, next_hop, self._now()) if meant else 0
            return self._did("reroute", wanted, number)

    async def fail(self, wanted: Filter, why: str) -> int:
        """Ends recipients as failed and tells their senders; how many."""
        async with self._free(wanted) as meant:
            seized = await self.spool.seize(meant) if meant else ()
            self._manager.fail(seized, _FAILED, why)
        await self._manager.settled()
        return self._did("fail", wanted, sum(len(entry.recipients) for entry in seized))

    @asynccontextmanager
    async def _free(self, wanted: Filter) -> AsyncIterator[Filter | None]:
        """The filter as it holds once the manager gave back what it had; None when it can mean nothing."""
        async with self._manager.set_free(wanted) as freed:
            if wanted.state is not State.ACTIVE:
                yield wanted
            elif freed:  # they are not active any more
                yield replace(wanted, messages=freed, state=State.DEFERRED)
            else:
                yield None

    def _did(self, operation: str, wanted: Filter, number: int) -> int:
        self._journal(Operated(operation, " ".join(wanted.messages), number))
        return number
