"""Answers remembered for their time to live; equal questions asked at once are one (a deed)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final, Generic, TypeVar

from eilpost.mail.answer import Answer, Found, Trouble
from eilpost.net.clock import Clock, SystemClock

LONGEST: Final = 86_400.0
"""Seconds a record is remembered at most, whatever its time to live."""

LONGEST_NO: Final = 3_600.0
"""Seconds that the absence of a record is remembered at most (RFC 2308 §5 suggests one to three hours)."""

TROUBLE: Final = 5.0
"""Seconds that trouble is remembered, so that a broken server is not asked by every message (RFC 2308 §7)."""

T = TypeVar("T")


class Memory(Generic[T]):
    """At most ``limit`` answers, the least used forgotten first. For one event loop."""

    def __init__(self, limit: int, clock: Clock | None = None) -> None:
        self._limit = limit
        self._clock = clock or SystemClock()
        self._answers: OrderedDict[Hashable, tuple[float, Answer[T]]] = OrderedDict()
        self._asked: dict[Hashable, asyncio.Task[Answer[T]]] = {}

    def __len__(self) -> int:
        return len(self._answers)

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[Answer[T]]]) -> Answer[T]:
        """The remembered answer, else the one that ``ask`` gives.

        Who asks what is being asked already waits for that answer; one who gives up does not
        take it from the others.
        """
        known = self._answers.get(key)
        if known is not None and known[0] > self._clock.steady():
            self._answers.move_to_end(key)
            return known[1]
        task = self._asked.get(key)
        if task is None:
            task = asyncio.ensure_future(self._ask(key, ask))
            self._asked[key] = task
            task.add_done_callback(lambda _: self._asked.pop(key, None))
        return await asyncio.shield(task)

    async def _ask(self, key: Hashable, ask: Callable[[], Awaitable[Answer[T]]]) -> Answer[T]:
        answer = await ask()
        self._answers[key] = (self._clock.steady() + lifetime(answer), answer)
        self._answers.move_to_end(key)
        while len(self._answers) > self._limit:
            self._answers.popitem(last=False)
        return answer

    async def close(self) -> None:
        """Ends what is being asked."""
        tasks: list[asyncio.Task[Any]] = list(self._asked.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def lifetime(answer: Answer[Any]) -> float:
    """For how many seconds an answer is remembered."""
    match answer:
        case Found(ttl=ttl):
            return min(ttl, LONGEST)
        case Trouble():
            return TROUBLE
        case _:
            return min(answer.ttl, LONGEST_NO)
