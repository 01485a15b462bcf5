"""May this client begin a transaction? (decisions)"""

from __future__ import annotations

from eilpost.config.schema import Limits, Role
from eilpost.mail.reply import Reply
from eilpost.policy import verdicts
from eilpost.policy.facts import Client


def judge(client: Client, limits: Limits, *, messages: int, rate_allowed: bool) -> Reply:
    """The answer to MAIL. ``messages`` counts those already taken on this connection.

    The sender's address earns nothing here: it is the client's own word (F070).
    """
    if client.role is Role.SUBMISSION and not client.trusted:
        return verdicts.NOT_FOR_STRANGERS
    if not client.trusted:
        if messages >= limits.messages_per_session:
            return verdicts.TOO_MANY_MESSAGES
        if not rate_allowed:
            return verdicts.TOO_FAST  # F129
    return verdicts.SENDER_OK
