"""A server with a handler: takes mail for one domain and prints it. ``server_policy.py [PORT]``."""

from __future__ import annotations

import asyncio
import sys

from eilpost import Server
from eilpost.mail.envelope import Envelope
from eilpost.mail.reply import Reply, reply
from eilpost.server import Handler, Session
from eilpost.smtp.events import Rcpt

NO_RELAY = reply(550, "5.7.1", "Not for us")


class OnlyOurs(Handler):
    """Recipients at example.test are ours."""

    def rcpt(self, session: Session, event: Rcpt) -> Reply | None:
        """None is the server's own yes."""
        return None if event.forward_path.mailbox.domain == "example.test" else NO_RELAY

    async def message(self, session: Session, envelope: Envelope, content: bytes) -> Reply:
        """Hooks may be plain or ``async``."""
        print(f"{envelope.reverse_path} -> {len(envelope.recipients)} recipients, {len(content)} octets", flush=True)
        return reply(250, "2.0.0", "Read")


async def main(port: int) -> None:
    """Serves until it is interrupted."""
    async with Server(OnlyOurs(), port=port) as server:
        print(f"listening on {server.address}", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 8025))
