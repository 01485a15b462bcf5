"""A server's answer to a command: code, enhanced status and text (words).

Source: RFC 5321 §4.2, RFC 2034. A reply is what the peer is told. What we note for ourselves
goes to the journal and may say more.
"""

from __future__ import annotations

from enum import Enum

from eilpost.mail.status import Status, status
from eilpost.mail.value import value


class Severity(Enum):
    """The first digit of a reply code, RFC 5321 §4.2.1."""

    POSITIVE = 2
    INTERMEDIATE = 3
    TRANSIENT = 4
    PERMANENT = 5

    __hash__ = object.__hash__  # as good for singletons, and what Enum has is Python, for each look-up


_SEVERITY = {item.value: item for item in Severity}


@value(frozen=True, slots=True)
class Reply:
    """A reply of one or more lines; ``status`` is None where RFC 2034 §4 wants none."""

    code: int
    status: Status | None
    lines: tuple[str, ...]

    @property
    def severity(self) -> Severity:
        """The class that decides what happens next; KeyError for a code that no reply has."""
        return _SEVERITY[self.code // 100]

    @property
    def is_positive(self) -> bool:
        """True for 2yz."""
        return 200 <= self.code < 300

    @property
    def is_transient(self) -> bool:
        """True for 4yz: the same command may work later."""
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        """True for 5yz: the same command will never work."""
        return 500 <= self.code < 600

    @property
    def text(self) -> str:
        """All lines as one, for people and logs."""
        return " ".join(self.lines)

    def __str__(self) -> str:
        head = f"{self.code} {self.status}" if self.status else str(self.code)
        return f"{head} {self.text}"


def reply(code: int, enhanced: str | None, *lines: str) -> Reply:
    """A reply written as people write it: ``reply(550, "5.1.1", "no such mailbox")``."""
    return Reply(code, status(enhanced) if enhanced else None, lines)
