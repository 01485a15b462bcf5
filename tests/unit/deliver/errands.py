"""Jobs and agents for the tests of this room (words)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

from eilpost.config.schema import Delivery
from eilpost.deliver.agent import Attempt, Job
from eilpost.deliver.relay import Relay
from eilpost.mail.address import Address
from eilpost.mail.envelope import NO_MAIL_PARAMETERS, MailParameters, Recipient, ReversePath
from eilpost.mail.next_hop import Host, Means, NextHop, Unroutable
from eilpost.spool.contract import QueuedMessage

SENDER = ReversePath(Address("anna", "sender.example"))
NEXT_HOP = NextHop(Means.MX, "there.example")
OCTETS = b"Subject: hello\r\n\r\n.a dot\r\nbye\r\n"


@dataclass(frozen=True, slots=True)
class Held:
    """Content that is in memory, or, with ``pieces``, is not."""

    given: bytes
    pieces: tuple[bytes, ...] = ()
    error: Exception | None = None

    @property
    def size(self) -> int:
        """Octets."""
        return len(self.given)

    @property
    def octets(self) -> bytes | None:
        """All of it, or None."""
        return None if self.pieces or self.error else self.given

    async def chunks(self) -> AsyncIterator[bytes]:
        """The pieces, then the error if there is one."""
        for piece in self.pieces:
            await asyncio.sleep(0)  # a disk takes its time, and the network goes on meanwhile
            yield piece
        if self.error is not None:
            raise self.error


def recipient(name: str) -> Recipient:
    """``bob`` is bob@there.example."""
    local_part, _, domain = name.partition("@")
    return Recipient(Address(local_part, domain or "there.example"))


def job(
    *names: str | Recipient,
    content: bytes | Held = OCTETS,
    parameters: MailParameters = NO_MAIL_PARAMETERS,
    next_hop: NextHop = NEXT_HOP,
    reverse_path: ReversePath = SENDER,
) -> Job:
    """A job for these recipients."""
    held = content if isinstance(content, Held) else Held(content)
    message = QueuedMessage(
        id="m1",
        reverse_path=reverse_path,
        parameters=parameters,
        received=0.0,
        size=held.size,
        has_8bit=not held.given.isascii(),
        content=held,
    )
    rows = tuple(recipient(name) if isinstance(name, str) else name for name in names or ("bob",))
    return Job(message, rows, next_hop)


def short(attempt: Attempt) -> list[str]:
    """``relayed 2.0.0`` for each outcome."""
    return [f"{outcome.fate.value} {outcome.status}" for outcome in attempt.outcomes]


@contextlib.asynccontextmanager
async def relaying(
    *ports: int, trouble: Unroutable | None = None, settings: Callable[[Delivery], Delivery] = lambda same: same
) -> AsyncIterator[Relay]:
    """A relay that finds these loopback ports for every next hop, in order."""
    hosts = tuple(Host(f"mx{number}.there.example", "127.0.0.1", port) for number, port in enumerate(ports, 1))

    async def find(next_hop: NextHop, /) -> tuple[Host, ...] | Unroutable:
        return trouble or hosts

    relay = Relay(settings(Delivery()), find, hostname="me.example", now=lambda: 7.0)
    try:
        yield relay
    finally:
        await relay.close()


def with_settings(**changes: float) -> Callable[[Delivery], Delivery]:
    """Other settings than the defaults."""
    return lambda defaults: replace(defaults, **changes)  # type: ignore[arg-type]
