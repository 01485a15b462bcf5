"""Answers remembered for their time to live."""

from __future__ import annotations

import asyncio

from eilpost.mail.answer import Answer, Found, NoData, Trouble
from eilpost.net.memory import LONGEST, LONGEST_NO, TROUBLE, Memory, lifetime
from eilpost.testing.clock import VirtualClock


class Source:
    """Gives a fixed answer and counts the questions."""

    def __init__(self, answer: Answer[str]) -> None:
        self.answer = answer
        self.asked = 0
        self.go = asyncio.Event()
        self.go.set()

    async def ask(self) -> Answer[str]:
        """One question."""
        self.asked += 1
        await self.go.wait()
        return self.answer


async def test_an_answer_is_remembered_for_its_time_to_live() -> None:
    """Within its time to live an answer is not asked for again; after it, it is."""
    clock, source = VirtualClock(), Source(Found(("a",), 60.0))
    memory: Memory[str] = Memory(10, clock)
    assert await memory.get("x", source.ask) == source.answer
    await clock.advance(59.0)
    await memory.get("x", source.ask)
    assert source.asked == 1
    await clock.advance(2.0)
    await memory.get("x", source.ask)
    assert source.asked == 2


async def test_equal_questions_at_once_are_one() -> None:
    """Everybody who asks while an answer is under way gets that one."""
    memory: Memory[str] = Memory(10)
    source = Source(Found(("a",)))
    assert await asyncio.gather(*(memory.get("x", source.ask) for _ in range(50))) == [source.answer] * 50
    assert source.asked == 1


async def test_who_gives_up_does_not_take_the_answer_from_others() -> None:
    """A cancelled waiter leaves the question to the others."""
    memory: Memory[str] = Memory(10)
    source = Source(Found(("a",)))
    source.go.clear()
    first, second = (asyncio.create_task(memory.get("x", source.ask)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    source.go.set()
    assert await second == source.answer
    assert source.asked == 1


async def test_the_least_used_answer_is_forgotten_first() -> None:
    """Beyond the limit what was used longest ago goes."""
    memory: Memory[str] = Memory(2)
    source = Source(Found(("a",), 60.0))
    for key in ("x", "y", "x", "z", "x"):
        await memory.get(key, source.ask)
    assert (source.asked, len(memory)) == (3, 2)
    await memory.get("y", source.ask)
    assert source.asked == 4


async def test_closing_ends_what_is_being_asked() -> None:
    """Who waits for an answer at the end is cancelled, and nothing is left running."""
    memory: Memory[str] = Memory(2)
    source = Source(Found(("a",)))
    source.go.clear()
    waiter = asyncio.create_task(memory.get("x", source.ask))
    await asyncio.sleep(0)
    await memory.close()
    await asyncio.gather(waiter, return_exceptions=True)
    assert waiter.cancelled()


def test_how_long_answers_live() -> None:
    """Records live a day at most, their absence an hour (RFC 2308 §5), trouble some seconds whatever it says."""
    assert lifetime(Found(("a",), 1e9)) == LONGEST
    assert lifetime(NoData(1e9)) == LONGEST_NO
    assert lifetime(NoData(7.0)) == 7.0
    assert lifetime(Trouble("SERVFAIL", 1e9)) == TROUBLE
