"""The smallest server: takes every message and forgets it. ``python examples/server_noop.py PORT``."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from eilpost import Server


async def main(port: int) -> None:
    """Serves until it is interrupted."""
    async with Server(port=port) as server:
        print(f"listening on {server.address}", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
