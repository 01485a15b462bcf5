"""Logins a second at our submission port: ``python -m bench.logins`` (a deed).

Several sessions at once log in over loopback without TLS, as fast as they can. The client's own share of SCRAM is in
the figure; PLAIN is measured with its success remembered and, by setting, with Argon2id for each.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Final

from eilpost.client import Client
from tests.peers.eilpost import Setup, Value, eilpost
from tests.peers.tools import scratch

ANNA: Final = "anna@example.test"
PASSWORD: Final = "correct horse battery staple"
AT_ONCE: Final = 8
ROWS: Final = (("SCRAM-SHA-256", "SCRAM-SHA-256", "5m"), ("PLAIN, remembered", "PLAIN", "5m"), ("PLAIN", "PLAIN", "0s"))


async def log_in(port: int, mechanism: str, until: float) -> int:
    """How many sessions came about until then."""
    count = 0
    while time.perf_counter() < until:
        async with Client(
            "127.0.0.1",
            port,
            user=ANNA,
            password=PASSWORD,
            auth=mechanism,
            plain_on_loopback=True,
            hostname="bench.test",
        ):
            count += 1
    return count


async def measure(mechanism: str, remember: str, seconds: float) -> float:
    """Logins a second."""
    settings: dict[str, Value] = {
        "auth.plain_on_loopback": True,
        "auth.remember": remember,
        "limits.connections_per_client": 1000,
    }
    with scratch("bench-logins") as directory:
        setup = Setup(roles=("submission",), accounts=(ANNA,), settings=settings)
        async with eilpost(directory, setup) as ours:
            await log_in(ours.port, mechanism, time.perf_counter() + 0.2)
            begin = time.perf_counter()
            made = await asyncio.gather(*(log_in(ours.port, mechanism, begin + seconds) for _ in range(AT_ONCE)))
            return sum(made) / (time.perf_counter() - begin)


def main() -> None:
    """Measures each row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    for title, mechanism, remember in ROWS:
        print(f"{title:<20} {asyncio.run(measure(mechanism, remember, given.seconds)):8,.0f} logins/s")


if __name__ == "__main__":
    main()
