"""One client library sends over one connection: ``senders.py LIBRARY PORT MESSAGES OCTETS`` prints seconds (a deed)."""

from __future__ import annotations

import asyncio
import sys
import time

import uvloop

SENDER = "anna@example.test"
RECIPIENT = "berta@elsewhere.example"


def message(octets: int) -> bytes:
    """A message of so many octets."""
    head = f"From: <{SENDER}>\r\nTo: <{RECIPIENT}>\r\nSubject: load\r\n\r\n".encode()
    line = b"x" * 76 + b"\r\n"
    body = line * ((octets - len(head)) // len(line) + 1)
    return head + body[: octets - len(head) - 2] + b"\r\n"


async def eilpost(port: int, messages: int, content: bytes) -> float:
    """Eilpost's client."""
    from eilpost import Client

    async with Client("127.0.0.1", port, hostname="me.example", size=1) as client:
        begin = time.perf_counter()
        for _ in range(messages):
            receipt = await client.send(content, sender=SENDER, recipients=[RECIPIENT])
            assert receipt.is_complete
        return time.perf_counter() - begin


async def aiosmtplib(port: int, messages: int, content: bytes) -> float:
    """aiosmtplib's client."""
    from aiosmtplib import SMTP

    async with SMTP(hostname="127.0.0.1", port=port, local_hostname="me.example", start_tls=False) as client:
        begin = time.perf_counter()
        for _ in range(messages):
            await client.sendmail(SENDER, [RECIPIENT], content)
        return time.perf_counter() - begin


LIBRARIES = {"eilpost": eilpost, "aiosmtplib": aiosmtplib}


def main() -> None:
    """Sends and prints."""
    library, port, messages, octets = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(LIBRARIES[library](int(port), int(messages), message(int(octets)))))


if __name__ == "__main__":
    main()
