"""aiosmtpd with a handler that does nothing, on uvloop: ``python bench/aiosmtpd_noop.py PORT`` (a deed)."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import SMTP


async def main(port: int) -> None:
    """Serves until it is killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Sink(), loop=loop), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1])))
