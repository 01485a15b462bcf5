"""POP3 RETR throughput beside Dovecot: ``python -m bench.pop3`` (a deed).

Both serve a Maildir of the same messages; one client per server logs in and reads all of them with one command at a
time, in turns, several rounds. The medians are compared: what counts is the ratio in one run.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from typing import Final

from tests.peers.dovecot_pop3 import dovecot_pop3, unavailable
from tests.peers.eilpost import Setup, eilpost
from tests.peers.tools import scratch

ANNA: Final = "anna@example.test"
PASSWORD: Final = "correct horse battery staple"
SIZES: Final = {4096: 2000, 1_000_000: 100}


def message(octets: int) -> bytes:
    """A message of about so many octets, with CR LF as line ends."""
    line = b"0123456789 the quick brown fox jumps over the lazy dog, again\r\n"
    return b"From: <a@b.test>\r\nSubject: bench\r\n\r\n" + line * (octets // len(line))


async def read_all(port: int, user: str, password: str) -> tuple[int, int, float]:
    """Messages, octets and seconds of one session's RETRs."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)

    async def say(line: str) -> bytes:
        writer.write(f"{line}\r\n".encode())
        answer = await reader.readline()
        assert answer.startswith(b"+OK"), (line.partition(" ")[0], answer)
        return answer

    await reader.readline()
    await say(f"USER {user}")
    await say(f"PASS {password}")
    count = int((await say("STAT")).split()[1])
    begin, octets = time.perf_counter(), 0
    for number in range(1, count + 1):
        await say(f"RETR {number}")
        octets += len(await reader.readuntil(b"\r\n.\r\n"))
    seconds = time.perf_counter() - begin
    await say("QUIT")
    writer.close()
    return count, octets, seconds


async def measure(size: int, messages: int, rounds: int) -> None:
    """One line of result."""
    settings = {"auth.plain_on_loopback": True}
    with scratch("bench-pop3") as directory:
        setup = Setup(roles=("pop3",), accounts=(ANNA,), settings=settings)
        async with dovecot_pop3(directory / "dovecot") as theirs, eilpost(directory / "eilpost", setup) as ours:
            home = ours.maildir(ANNA)
            for part in ("new", "cur", "tmp"):
                (home / part).mkdir(parents=True, mode=0o700, exist_ok=True)
            octets = message(size)
            for number in range(messages):
                name = f"{1_700_000_000 + number}.M{number}P1Q1Rabcdef012345.host,S={len(octets)}"
                (home / "new" / name).write_bytes(octets)
                theirs.put("anna", f"{name},W={len(octets)}", octets)
            rates: dict[str, list[float]] = {"eilpost": [], "dovecot": []}
            for _ in range(rounds):
                for name, port, user, password in (
                    ("eilpost", ours.ports["pop3"], ANNA, PASSWORD),
                    ("dovecot", theirs.port, "anna", "geheim"),
                ):
                    count, _, seconds = await read_all(port, user, password)
                    assert count == messages, (name, count)
                    rates[name].append(count / seconds)
    mine, other = (statistics.median(rates[name]) for name in ("eilpost", "dovecot"))
    rate = f"{mine:,.0f}/s ({size * mine / 1e6:,.0f} MB/s)"
    print(f"POP3 RETR {size:>9,} octets: eilpost {rate}, dovecot {other:,.0f}/s, {mine / other:.2f} x")


def main() -> None:
    """Measures small and large messages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if reason := unavailable():
        raise SystemExit(f"no Dovecot: {reason}")
    for size, messages in SIZES.items():
        asyncio.run(measure(size, messages, given.rounds))


if __name__ == "__main__":
    main()
