"""Writes the reports that a verdict asks for: reads what they return of the message (a deed)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from eilpost.report.compose import compose
from eilpost.report.notices import RETURN_LIMIT, Notice
from eilpost.spool.contract import Content, ContentDamaged, NewMessage

Token = Callable[[str], str]
"""Makes a token that comes never twice from a message's id."""


async def write_reports(
    notices: Sequence[Notice], content: Content, *, hostname: str, now: float, token: Token
) -> tuple[NewMessage, ...]:
    """The reports, ready to commit with the settlements that cause them."""
    beginning = await _beginning(content)
    written = []
    for notice in notices:
        envelope, octets = compose(
            notice, hostname=hostname, now=now, token=token(notice.message.id), content=beginning
        )
        written.append(NewMessage(envelope, octets, now))
    return tuple(written)


async def _beginning(content: Content) -> bytes:
    """As much of the message as a report returns; nothing when the store has lost it."""
    if content.octets is not None:
        return content.octets[:RETURN_LIMIT]
    parts = []
    missing = RETURN_LIMIT
    try:
        async for chunk in content.chunks():
            parts.append(chunk[:missing])
            missing -= len(parts[-1])
            if missing <= 0:
                break
    except ContentDamaged:
        return b""
    return b"".join(parts)
