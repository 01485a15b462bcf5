"""May this content be accepted? (decisions)"""

from __future__ import annotations

from eilpost.config.schema import Limits
from eilpost.mail.reply import Reply
from eilpost.policy import verdicts
from eilpost.policy.facts import FROM_USERS, Client, ContentFacts


def judge(client: Client, limits: Limits, facts: ContentFacts) -> Reply:
    """The answer to the end of the content, but for the spool's word."""
    if facts.header_too_big:
        return verdicts.HEADER_TOO_BIG  # F085
    if facts.hops > limits.hops:
        return verdicts.LOOPING  # RFC 5321 §6.3, F160
    if client.role in FROM_USERS:
        if facts.troubles:
            return verdicts.bad_author(facts.troubles[0])  # F094
        if facts.header_8bit and not facts.smtputf8:
            return verdicts.NEEDS_SMTPUTF8  # F105, RFC 6531 §3.5
    return verdicts.CONTENT_OK
