"""What DNS says: records, the certainty that there are none, or trouble (words).

Source: RFC 1035; RFC 2308 for the two ways of saying no. ``ttl`` is for how many seconds an
answer may be remembered. That a name does not exist and that it has no such records are facts;
trouble is none, and nothing may be concluded from it.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from eilpost.mail.value import value

T = TypeVar("T")


@value(frozen=True, slots=True)
class Mx:
    """One MX record; ``exchange`` is lower case without the final dot, empty for the root."""

    preference: int
    exchange: str


@value(frozen=True, slots=True)
class Found(Generic[T]):
    """Records, in the order they came; never empty."""

    records: tuple[T, ...]
    ttl: float = 0.0


@value(frozen=True, slots=True)
class NoSuchDomain:
    """NXDOMAIN: the name does not exist, with any type of record."""

    ttl: float = 0.0


@value(frozen=True, slots=True)
class NoData:
    """The name exists and has no records of this type."""

    ttl: float = 0.0


@value(frozen=True, slots=True)
class Trouble:
    """No answer that counts: SERVFAIL, REFUSED, a timeout, a broken server; ``why`` for people."""

    why: str
    ttl: float = 0.0


Answer = Found[T] | NoSuchDomain | NoData | Trouble
