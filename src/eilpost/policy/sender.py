"""May this client begin a transaction? (decisions)"""

from __future__ import annotations

from eilpost.config.schema import Limits
from eilpost.mail.reply import Reply
from eilpost.policy import verdicts
from eilpost.policy.facts import FROM_USERS, Client


def judge(client: Client, limits: Limits, *, messages: int, rate_allowed: bool, owned: bool | None = True) -> Reply:
    """The answer to MAIL. ``messages`` counts those already taken on this connection.

    ``owned``: whether a user who has logged in may send as this sender; None: it cannot be said now.

    The sender's address earns nothing here: it is the client's own word (F070).
    """
    if client.role in FROM_USERS and not (client.trusted or client.logged_in):
        return verdicts.NOT_FOR_STRANGERS  # RFC 6409 §4.3, RFC 4954 §6
    if not client.trusted:
        if messages >= limits.messages_per_session:
            return verdicts.TOO_MANY_MESSAGES
        if not rate_allowed:
            return verdicts.TOO_FAST  # F129
    return verdicts.SENDER_OK if owned else _not_owned(owned)


def author(owned: bool | None) -> Reply:
    """The answer to a content by its From, to a user who has logged in (F117)."""
    return verdicts.CONTENT_OK if owned else _not_owned(owned)


def _not_owned(owned: bool | None) -> Reply:
    return verdicts.NOT_YOURS if owned is not None else verdicts.UNDECIDED_SENDER
