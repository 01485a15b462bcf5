"""One login exchange: a mechanism is led through its steps, and the handler answers what it asks (a deed)."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from eilpost.mail.reply import Reply
from eilpost.sasl.mechanisms import MECHANISMS
from eilpost.sasl.words import ASKS, Challenge, Failure, Reason, Server, ServerTerms, Success
from eilpost.smtp import replies
from eilpost.smtp.events import Auth

FAILURES: Final[Mapping[Reason, Reply]] = dict.fromkeys(Reason, replies.AUTH_FAILED) | {
    Reason.MALFORMED: replies.BAD_BASE64,
    Reason.CANCELLED: replies.AUTH_CANCELLED,
    Reason.UNAVAILABLE: replies.AUTH_BUSY,
    Reason.THROTTLED: replies.AUTH_BUSY,
}
"""What a client is told of each failure (RFC 4954 §6)."""

Check = Callable[[Any], Any]
"""Answers what a mechanism asks, now or later."""


def refusal(mechanism: str, offered: tuple[str, ...], enabled: tuple[str, ...]) -> Reply | None:
    """Why this mechanism cannot be used now; None when it can."""
    if mechanism in offered:
        return None
    return replies.AUTH_NEEDS_TLS if mechanism in enabled else replies.AUTH_UNKNOWN


class Exchange:
    """From AUTH to its last reply."""

    __slots__ = ("_check", "_mechanism")

    def __init__(self, event: Auth, terms: ServerTerms, check: Check) -> None:
        self._mechanism: Server = MECHANISMS[event.mechanism].server(event.initial, terms)
        self._check = check

    async def go_on(self, said: bytes | None) -> Challenge | Success | Failure:
        """The next thing to say to the client, or the end; ``said`` is the client's response."""
        answer: Any = said
        while True:
            try:
                step = self._mechanism.send(answer)
            except StopIteration as end:
                result: Success | Failure = end.value
                return result
            if not isinstance(step, ASKS):
                return step
            answer = self._check(step)
            if isinstance(answer, Awaitable):
                answer = await answer


def nonce() -> str:
    """Fresh for each exchange."""
    return secrets.token_urlsafe(24)
