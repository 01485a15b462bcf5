"""What the fields of a header say, for people (a table; words)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "return-path": "where reports of failure go; put on top by the server that delivers (RFC 5321 §4.4)",
        "delivered-to": "the mailbox it was put into; also ends loops",
        "received": "one server on its way: from whom, by whom, how, when; the newest is on top (RFC 5321 §4.4)",
        "x-authenticated": "the account that was logged in when it was sent",
        "authentication-results": "what a server found about SPF, DKIM and DMARC (RFC 8601)",
        "dkim-signature": "a domain vouches for content and fields (RFC 6376)",
        "received-spf": "whether the sender's domain allows the client's address (RFC 7208)",
        "arc-seal": "a chain of what servers found before it was forwarded (RFC 8617)",
        "date": "when the writer sent it (RFC 5322 §3.6.1)",
        "from": "who wrote it (RFC 5322 §3.6.2)",
        "sender": "who sent it, when that is not the writer (RFC 5322 §3.6.2)",
        "reply-to": "where answers go instead of From (RFC 5322 §3.6.2)",
        "to": "the main readers (RFC 5322 §3.6.3)",
        "cc": "others who are to read it (RFC 5322 §3.6.3)",
        "bcc": "blind copies; should not be here (RFC 5322 §3.6.3)",
        "subject": "what it is about (RFC 5322 §3.6.5)",
        "message-id": "its name, one for ever (RFC 5322 §3.6.4)",
        "in-reply-to": "the message it answers (RFC 5322 §3.6.4)",
        "references": "the messages of its thread (RFC 5322 §3.6.4)",
        "mime-version": "it is a MIME message (RFC 2045 §4)",
        "content-type": "what the content is (RFC 2045 §5)",
        "content-transfer-encoding": "how the content is made fit for transport (RFC 2045 §6)",
        "content-disposition": "to be shown, or to be saved, and under which name (RFC 2183)",
        "content-id": "the name by which HTML refers to this part (RFC 2392)",
        "content-language": "the language it is written in (RFC 3282)",
        "auto-submitted": "a program wrote it: do not answer by program (RFC 3834)",
        "precedence": "bulk, list or junk: an old hint to programs that answer",
        "list-id": "the mailing list (RFC 2919)",
        "list-unsubscribe": "how to leave the list (RFC 2369)",
        "list-unsubscribe-post": "leaving takes one click (RFC 8058)",
        "x-mailer": "the program it was written with",
        "user-agent": "the program it was written with",
        "x-priority": "1 is urgent, 5 is not; no standard",
        "importance": "high, normal or low (RFC 2156)",
        "x-tags": "tags for this inbox",
        "disposition-notification-to": "who wants to know that it was read (RFC 8098)",
        "tls-required": "No: deliver even where transport cannot be encrypted (RFC 8689)",
    }
)
"""Field names in lower case, and one sentence each."""


def explain(name: str) -> str:
    """The sentence for a field; empty for one that nobody defined."""
    return FIELDS.get(name.lower(), "")
