"""Mail to put into a spool, and a journal that remembers."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from eilpost import journal
from eilpost.config.schema import Size, Spool
from eilpost.mail.address import Address, parse_address
from eilpost.mail.envelope import NO_MAIL_PARAMETERS, Envelope, MailParameters, Recipient, ReversePath
from eilpost.mail.outcome import Fate, Outcome
from eilpost.mail.status import status
from eilpost.spool.contract import Content, Entry, Settlement
from eilpost.spool.numbers import to_number
from eilpost.spool.sqlite import SqliteSpool

ANNA = parse_address("anna@example.test")
BOB = parse_address("bob@example.org")
CARL = parse_address("carl@example.net")
SETTINGS = Spool(inline=Size(10_000), reserve=Size(0))
NOON = 1_700_000_000.0


class Notebook:
    """A journal that keeps its events."""

    def __init__(self) -> None:
        self.events: list[journal.Event] = []

    def __call__(self, event: journal.Event) -> None:
        self.events.append(event)

    def named(self, event: str) -> list[journal.Event]:
        return [item for item in self.events if item.event == event]


async def opened(directory: Path, notebook: Notebook | None = None, settings: Spool = SETTINGS) -> SqliteSpool:
    return await SqliteSpool.open(directory, settings=settings, journal=notebook or Notebook())


def envelope(*recipients: Address, sender: Address | None = ANNA, parameters: MailParameters | None = None) -> Envelope:
    rows = tuple(Recipient(address) for address in recipients or (BOB,))
    return Envelope(ReversePath(sender), rows, parameters or NO_MAIL_PARAMETERS)


async def put(
    spool: SqliteSpool,
    octets: bytes | Sequence[bytes] = b"Subject: hello\r\n\r\nhello\r\n",
    *recipients: Address,
    sender: Address | None = ANNA,
    received: float = NOON,
    prefix: bytes = b"",
    claim: bool = False,
) -> Entry:
    draft = spool.draft()
    for chunk in [octets] if isinstance(octets, bytes) else octets:
        await draft.write(chunk)
    return await spool.commit(
        draft, envelope(*recipients, sender=sender), received=received, prefix=prefix, claim=claim
    )


async def read(content: Content) -> bytes:
    return b"".join([chunk async for chunk in content.chunks()])


def outcome(fate: Fate = Fate.RELAYED, recipient: Address = BOB, diagnostic: str = "smtp; 250 ok") -> Outcome:
    code = "4.4.1" if fate is Fate.DEFERRED else "5.1.1" if fate is Fate.FAILED else "2.0.0"
    return Outcome(recipient, fate, status(code), diagnostic, "mx.example.org", NOON)


def settled(entry: Entry, fate: Fate = Fate.RELAYED, due: float | None = None) -> list[Settlement]:
    return [
        Settlement(entry.message.id, item.position, outcome(fate, item.recipient.address), due)
        for item in entry.recipients
    ]


def alter(directory: Path, statement: str, *parameters: object) -> None:
    """Changes a closed store behind its back."""
    connection = sqlite3.connect(directory / "spool.db", isolation_level=None)
    connection.execute(statement, parameters)
    connection.close()


def number(entry: Entry) -> int:
    return to_number(entry.message.id)
