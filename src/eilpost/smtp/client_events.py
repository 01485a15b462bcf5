"""What the client's machine has understood (words).

Every event but ``Disconnected`` and a challenge carries a reply. A server speaks unasked twice: when it greets,
and when it ends the session with 421 (RFC 5321 §3.8).
"""

from __future__ import annotations

from eilpost.mail.reply import Reply
from eilpost.mail.value import value
from eilpost.smtp.commands import Verb
from eilpost.smtp.events import NEED_DATA, Disconnected, NeedData


@value(frozen=True, slots=True)
class Greeting:
    """The server's first words; a reply that is not positive means that it takes no mail now."""

    reply: Reply


@value(frozen=True, slots=True)
class Answer:
    """The reply to the oldest command without one.

    ``recipient`` counts the RCPTs of the transaction from 0: which one is answered, or, at the end
    of the content in LMTP, whose mail is meant; else it is -1.
    """

    verb: Verb
    reply: Reply
    recipient: int = -1


@value(frozen=True, slots=True)
class Dismissal:
    """421 that answers no command: the server ends the session."""

    reply: Reply


@value(frozen=True, slots=True)
class AuthChallenge:
    """334 with its octets, decoded: a response is due, or None to cancel (RFC 4954 §4)."""

    octets: bytes


@value(frozen=True, slots=True)
class AuthDone:
    """The login is decided: 235, or why not."""

    reply: Reply


ClientEvent = Greeting | Answer | Dismissal | AuthChallenge | AuthDone | Disconnected

__all__ = [
    "NEED_DATA",
    "Answer",
    "AuthChallenge",
    "AuthDone",
    "ClientEvent",
    "Disconnected",
    "Dismissal",
    "Greeting",
    "NeedData",
]
