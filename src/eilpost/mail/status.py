"""Enhanced mail system status codes, RFC 3463 and RFC 5248 (words; a table).

A status has a class (2 success, 4 try again, 5 never), a subject and a detail. The class tells
a machine what to do; subject and detail tell a person why. ``MEANINGS`` holds the registered
pairs of subject and detail that we send or explain.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from eilpost.mail.value import value

_STATUS = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})", re.ASCII)


@value(frozen=True, slots=True)
class Status:
    """One enhanced status code, such as 4.2.2."""

    klass: int
    subject: int
    detail: int

    def __str__(self) -> str:
        return f"{self.klass}.{self.subject}.{self.detail}"

    @property
    def meaning(self) -> str:
        """What the subject and detail say, in a few words; empty if unregistered."""
        return MEANINGS.get((self.subject, self.detail), "")

    def with_class(self, klass: int) -> Status:
        """The same reason with another class: 4.2.2 becomes 5.2.2 when mail expires."""
        return Status(klass, self.subject, self.detail)


@lru_cache(maxsize=1024)
def status(text: str) -> Status:
    """The status that ``text`` spells out in full; ValueError if it is none."""
    found = _STATUS.fullmatch(text)
    if found is None:
        raise ValueError(f"not an enhanced status code: {text!r}")
    return Status(int(found[1]), int(found[2]), int(found[3]))


def leading_status(text: str) -> Status | None:
    """The status a reply text begins with (RFC 2034 §4), if there is one."""
    found = _STATUS.match(text)
    if found is None or (found.end() < len(text) and text[found.end()] != " "):
        return None
    return Status(int(found[1]), int(found[2]), int(found[3]))


MEANINGS: Final[dict[tuple[int, int], str]] = {
    (0, 0): "other or undefined",
    (1, 0): "other address trouble",
    (1, 1): "no such mailbox",
    (1, 2): "no such domain",
    (1, 3): "bad syntax of the recipient's address",
    (1, 4): "the recipient's address is ambiguous",
    (1, 5): "the recipient's address is valid",
    (1, 6): "the mailbox has moved",
    (1, 7): "bad syntax of the sender's address",
    (1, 8): "bad system of the sender's address",
    (1, 9): "relayed to a system that sends no reports",
    (1, 10): "the domain takes no mail (null MX)",
    (2, 0): "other mailbox trouble",
    (2, 1): "the mailbox is disabled",
    (2, 2): "the mailbox is full",
    (2, 3): "the message is longer than the mailbox takes",
    (2, 4): "the mailing list could not be expanded",
    (3, 0): "other trouble of the mail system",
    (3, 1): "the mail system's storage is full",
    (3, 2): "the system takes no messages now",
    (3, 3): "the system lacks a wanted feature",
    (3, 4): "the message is too big for the system",
    (3, 5): "the system is wrongly configured",
    (3, 6): "the wanted priority was changed",
    (4, 0): "other network or routing trouble",
    (4, 1): "no answer from the host",
    (4, 2): "the connection broke",
    (4, 3): "the directory or DNS does not answer",
    (4, 4): "no route to the host",
    (4, 5): "the mail system is congested",
    (4, 6): "a routing loop",
    (4, 7): "the delivery time expired",
    (5, 0): "other protocol trouble",
    (5, 1): "the command is invalid or out of order",
    (5, 2): "a syntax error",
    (5, 3): "too many recipients",
    (5, 4): "invalid arguments of the command",
    (5, 5): "wrong protocol version",
    (5, 6): "the authentication exchange line is too long",
    (6, 0): "other trouble with the content",
    (6, 1): "the kind of content is not supported",
    (6, 2): "conversion of the content is needed and prohibited",
    (6, 3): "conversion of the content is needed but not supported",
    (6, 4): "the content was converted with loss",
    (6, 5): "conversion of the content failed",
    (6, 6): "the content is not available",
    (6, 7): "addresses beyond ASCII are not permitted here",
    (6, 8): "a reply beyond ASCII is needed",
    (6, 9): "headers beyond ASCII cannot be passed on",
    (7, 0): "other security trouble",
    (7, 1): "delivery is not authorised: refused",
    (7, 2): "the mailing list must not be expanded by you",
    (7, 3): "conversion of security is needed but impossible",
    (7, 4): "the security feature is not supported",
    (7, 5): "a cryptographic failure",
    (7, 6): "the cryptographic algorithm is not supported",
    (7, 7): "the message's integrity failed",
    (7, 8): "authentication credentials are invalid",
    (7, 9): "the authentication mechanism is too weak",
    (7, 10): "encryption is needed",
    (7, 11): "encryption is needed for the mechanism",
    (7, 12): "a password transition is needed",
    (7, 13): "the account is disabled",
    (7, 14): "a trust relationship is needed",
    (7, 15): "the priority is too low",
    (7, 16): "the message is too big for its priority",
    (7, 17): "the mailbox's owner has changed",
    (7, 18): "the domain's owner has changed",
    (7, 19): "the check of the mailbox's owner could not be made",
    (7, 20): "no passing DKIM signature",
    (7, 21): "no acceptable DKIM signature",
    (7, 22): "no DKIM signature that matches the author",
    (7, 23): "SPF validation failed",
    (7, 24): "SPF validation error",
    (7, 25): "reverse DNS validation failed",
    (7, 26): "several authentication checks failed",
    (7, 27): "the sender's domain takes no mail (null MX)",
    (7, 28): "mail flood detected",
    (7, 29): "ARC validation failed",
    (7, 30): "REQUIRETLS support is needed",
}
