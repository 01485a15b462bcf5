"""What a conversation came to for one recipient (words).

A result is the reply that decided, or the reason why there is none. Its ``stage`` tells how far the
conversation was: the same reply means one thing to RCPT and another to the content.
"""

from __future__ import annotations

from enum import Enum

from eilpost.mail.reply import Reply
from eilpost.mail.value import value
from eilpost.smtp.client_terms import Unsuitable


class Stage(Enum):
    """A step of the conversation; the value completes "while …"."""

    CONNECT = "connecting"
    GREETING = "waiting for the greeting"
    HELLO = "saying hello"
    STARTTLS = "encrypting the connection"
    LOGIN = "logging in"
    RESET = "resetting the session"
    MAIL = "naming the sender"
    RCPT = "naming the recipients"
    DATA = "asking to send the content"
    CONTENT = "sending the content"
    END = "waiting for the answer to the content"
    QUIT = "ending the session"

    __hash__ = object.__hash__  # as good for singletons, and what Enum has is Python, for each look-up


class Cause(Enum):
    """Why there is no reply."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    DROPPED = "dropped"
    PROTOCOL = "protocol"
    TLS = "tls"
    UNFIT = "unfit"  # both keep to the protocol, and do not come together


@value(frozen=True, slots=True)
class Answered:
    """The server's reply decided."""

    stage: Stage
    reply: Reply


@value(frozen=True, slots=True)
class Lost:
    """The conversation broke; ``text`` says how, in a clause."""

    stage: Stage
    cause: Cause
    text: str

    @property
    def may_be_delivered(self) -> bool:
        """True when the server may have taken the content without saying so (F143)."""
        return self.stage is Stage.END


Result = Answered | Lost | Unsuitable
