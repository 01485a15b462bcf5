"""What is measured: one row a figure, with its load, its destination and its targets (a table; words).

The targets are ratios within one run: absolute figures say more about the machine than about us.
Each contender gets as many messages as it takes in some seconds; the rate is what is compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Contender(Enum):
    """Who is measured."""

    EILPOST = "eilpost"
    POSTFIX = "postfix"
    CEILING = "smtp-sink"  # takes and forgets: what the load generator can do at all
    AIOSMTPD = "aiosmtpd"  # the server library that most of Python uses
    AIOSMTPLIB = "aiosmtplib"  # the client library that most of Python uses


class Destination(Enum):
    """Where the messages of a row must be for the count to be complete."""

    QUEUE = "durable in the queue, delivery held back"
    SINK = "taken by the next hop (smtp-sink)"
    MAILDIR = "in the Maildir"
    NOWHERE = "answered by a handler that does nothing"
    SENT = "sent by the library over one connection, taken by smtp-sink"


@dataclass(frozen=True, slots=True)
class Target:
    """At least ``ratio`` times as fast as ``against``."""

    ratio: float
    against: Contender


@dataclass(frozen=True, slots=True)
class Row:
    """One figure."""

    name: str
    title: str
    destination: Destination
    octets: int
    kept: bool
    messages: Mapping[Contender, int]
    targets: tuple[Target, ...]

    @property
    def sessions(self) -> int:
        """Connections at once."""
        return 1 if self.destination is Destination.SENT else SESSIONS


_EILPOST, _POSTFIX, _CEILING = Contender.EILPOST, Contender.POSTFIX, Contender.CEILING
_AIOSMTPD, _AIOSMTPLIB = Contender.AIOSMTPD, Contender.AIOSMTPLIB

ROWS: Final[Mapping[str, Row]] = {
    row.name: row
    for row in (
        Row(
            "accept-kept",
            "accept, connections kept",
            Destination.QUEUE,
            4096,
            True,
            {_EILPOST: 30_000, _POSTFIX: 3_000, _CEILING: 60_000},
            (Target(10, _POSTFIX), Target(0.5, _CEILING)),
        ),
        Row(
            "accept-new",
            "accept, new connection each",
            Destination.QUEUE,
            4096,
            False,
            {_EILPOST: 15_000, _POSTFIX: 3_000, _CEILING: 30_000},
            (Target(6, _POSTFIX),),
        ),
        Row(
            "relay-kept",
            "relay end to end, connections kept",
            Destination.SINK,
            4096,
            True,
            {_EILPOST: 20_000, _POSTFIX: 3_000, _CEILING: 60_000},
            (Target(10, _POSTFIX),),
        ),
        Row(
            "relay-new",
            "relay end to end, new connection each",
            Destination.SINK,
            4096,
            False,
            {_EILPOST: 12_000, _POSTFIX: 3_000, _CEILING: 30_000},
            (Target(6, _POSTFIX),),
        ),
        Row(
            "relay-100k",
            "relay end to end, connections kept",
            Destination.SINK,
            102_400,
            True,
            {_EILPOST: 4_000, _POSTFIX: 1_500, _CEILING: 10_000},
            (Target(3, _POSTFIX),),
        ),
        Row(
            "maildir",
            "local delivery to one Maildir, connections kept",
            Destination.MAILDIR,
            4096,
            True,
            {_EILPOST: 8_000, _POSTFIX: 2_000},
            (Target(4, _POSTFIX),),
        ),
        Row(
            "library-server",
            "server library, connections kept",
            Destination.NOWHERE,
            4096,
            True,
            {_EILPOST: 40_000, _AIOSMTPD: 6_000, _CEILING: 60_000},
            (Target(4, _AIOSMTPD),),
        ),
        Row(
            "library-client",
            "client library, one connection",
            Destination.SENT,
            4096,
            True,
            {_EILPOST: 10_000, _AIOSMTPLIB: 2_000},
            (Target(3, _AIOSMTPLIB),),
        ),
    )
}

IDLE: Final = "idle"
IDLE_CONNECTIONS: Final = 15_000
IDLE_TARGET: Final = 6_000  # octets a connection
SESSIONS: Final = 20
