"""What policy knows of a client, a recipient and a content (words)."""

from __future__ import annotations

from enum import Enum
from typing import Final

from eilpost.config.schema import Role
from eilpost.mail.value import value

FROM_USERS: Final = frozenset({Role.SUBMISSION, Role.SUBMISSIONS})
"""The roles of listeners that new mail comes in by."""


@value(frozen=True, slots=True)
class Client:
    """Who is connected. ``key`` names everybody who shares this client's limits.

    ``address`` is canonical, empty on a Unix socket; ``trusted`` clients may relay and are free of
    the limits per client; ``account`` is the user behind a local socket, or who has logged in:
    then ``logged_in`` holds, and they may relay, as themselves.
    """

    role: Role
    address: str
    key: str
    trusted: bool
    account: str = ""
    logged_in: bool = False


class Standing(Enum):
    """Where a recipient's address leads."""

    __hash__ = object.__hash__  # as good for singletons, and what Enum has is Python, for each look-up

    HERE = "here"
    ELSEWHERE = "elsewhere"
    UNKNOWN = "unknown"
    UNDECIDED = "undecided"  # an alias that our operator has to mend, a directory that fails


@value(frozen=True, slots=True)
class ContentFacts:
    """What was seen of a content, without parsing it."""

    size: int
    hops: int
    header_too_big: bool
    header_8bit: bool
    smtputf8: bool
    troubles: tuple[str, ...] = ()
