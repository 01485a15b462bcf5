"""A process with a spool, for tests that kill it, starve it or watch its system calls.

``python worker.py DIRECTORY MODE COUNT``: says ``kept ID`` on standard output for each message whose
commit returned, ``settled ID`` for each outcome, ``failed KIND`` for each commit that raised.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from eilpost.spool.contract import SpoolError
from eilpost.spool.sqlite import SqliteSpool
from tests.unit.spool.sample import Notebook, opened, put, settled

BIG = bytes(range(256)) * 1000


def say(*words: str) -> None:
    os.write(1, (" ".join(words) + "\n").encode())


async def one(spool: SqliteSpool, body: bytes, settle: bool) -> None:
    try:
        entry = await put(spool, body, claim=True)
    except SpoolError as error:
        say("failed", type(error).__name__)
        return
    say("kept", entry.message.id, "settling" if settle else "staying")
    if settle:
        await spool.settle(settled(entry))
        say("settled", entry.message.id)


async def commit_some(spool: SqliteSpool, count: int) -> None:
    for _ in range(count):
        await one(spool, b"small\r\n" * 100, settle=False)


async def commit_big(spool: SqliteSpool, count: int) -> None:
    for _ in range(count):
        await one(spool, BIG, settle=False)


async def load(spool: SqliteSpool, count: int) -> None:
    async def session(number: int) -> None:
        for turn in range(count):
            big = (number + turn) % 10 == 0
            await one(spool, BIG if big else b"%d\r\n" % turn * 200, settle=(number + turn) % 2 == 0)

    await asyncio.gather(*[session(number) for number in range(10)])


MODES = {"commit": commit_some, "big": commit_big, "load": load}


async def main(directory: str, mode: str, count: str) -> None:
    notebook = Notebook()
    spool = await opened(Path(directory), notebook)
    say("open")
    await MODES[mode](spool, int(count))
    for event in notebook.named("intake"):
        say("intake", event.state)
    await spool.close()
    say("closed")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
