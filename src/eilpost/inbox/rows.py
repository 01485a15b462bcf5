"""Messages as rows of the database and back (a grammar)."""

from __future__ import annotations

import zlib
from typing import Any, Final

import msgspec

from eilpost.inbox.contract import Arrival, Kept, Mailbox, Sorting, Summary, Via
from eilpost.inbox.digest import Digest, tag_names
from eilpost.mail.value import value

LIST_COLUMNS: Final = "m.number, m.id, m.received, m.size, m.unread, m.attachments, s.facts"
_TRANSCRIPT: Final = 1_000_000
_MOST_RECIPIENTS: Final = 1_000
_SHORT: Final = 4_000  # octets


class Facts(msgspec.Struct, array_like=True, gc=False):
    """What a list shows and nothing asks by; array-like, so that fields are only ever added at the end."""

    subject: str
    sender: Mailbox
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    reply_to: tuple[Mailbox, ...]
    date: str
    message_id: str
    reverse_path: str
    recipients: tuple[str, ...]
    tags: tuple[str, ...]
    mailboxes: tuple[str, ...]
    preview: str


class Way(msgspec.Struct, array_like=True, gc=False):
    """How it came in."""

    via: Via
    parameters: str


@value(frozen=True, slots=True)
class Fresh:
    """A message ready to be written: its rows but for the number."""

    summary: Summary
    inline: int
    content: int
    facts: bytes
    way: bytes
    transcript: bytes | str
    words: tuple[str, ...]


_FACTS: Final = msgspec.json.Decoder(Facts)
_WAY: Final = msgspec.json.Decoder(Way)


def fresh(arrival: Arrival, known: Digest, size: int, number: int, token: str, content: int, sorting: Sorting) -> Fresh:
    """The rows of a message that was just taken."""
    tags = tag_names((*arrival.tags, *known.tags))
    recipients = arrival.recipients[:_MOST_RECIPIENTS]
    summary = Summary(
        id=token,
        number=number,
        received=arrival.received,
        size=size,
        subject=known.subject,
        sender=known.sender,
        to=known.to,
        cc=known.cc,
        reply_to=known.reply_to,
        date=known.date,
        message_id=known.message_id,
        reverse_path=arrival.reverse_path,
        recipients=recipients,
        attachments=known.attachments,
        is_read=arrival.is_read,
        tags=tags,
        mailboxes=mailboxes_of(sorting, arrival.via.login, recipients, tags),
        preview=known.preview,
    )
    return Fresh(
        summary=summary,
        inline=known.inline,
        content=content,
        facts=facts_of(summary),
        way=msgspec.json.encode(Way(arrival.via, arrival.parameters)),
        transcript=_packed(arrival.transcript[:_TRANSCRIPT]),
        words=_words(summary, known),
    )


def mailboxes_of(sorting: Sorting, login: str, recipients: tuple[str, ...], tags: tuple[str, ...]) -> tuple[str, ...]:
    """The mailboxes that a message belongs to; always one at least."""
    match sorting:
        case Sorting.LOGIN:
            return (login,)
        case Sorting.DOMAIN:
            return tuple(dict.fromkeys(each.rpartition("@")[2].lower() for each in recipients)) or ("",)
        case Sorting.TAG:
            return tags or ("",)
        case Sorting.NONE:
            return ("",)


def _words(summary: Summary, known: Digest) -> tuple[str, ...]:
    """The row of ``words``; in the order of its columns."""
    return (
        summary.subject,
        f"{summary.sender.name} {summary.sender.address} {summary.reverse_path}",
        f"{_spelt(summary.to)} {_spelt(summary.cc)} {' '.join(summary.recipients)}",
        _spelt(summary.cc),
        " ".join(summary.bcc),
        " ".join(known.names),
        summary.message_id,
        known.words,
    )


def _spelt(mailboxes: tuple[Mailbox, ...]) -> str:
    return " ".join(f"{each.name} {each.address}" for each in mailboxes)


def facts_of(summary: Summary) -> bytes:
    """The column ``facts``."""
    return msgspec.json.encode(
        Facts(
            summary.subject,
            summary.sender,
            summary.to,
            summary.cc,
            summary.reply_to,
            summary.date,
            summary.message_id,
            summary.reverse_path,
            summary.recipients,
            summary.tags,
            summary.mailboxes,
            summary.preview,
        )
    )


def summary_of(row: tuple[Any, ...]) -> Summary:
    """A row of ``LIST_COLUMNS``."""
    number, token, received, size, unread, attachments, octets = row
    facts = _FACTS.decode(octets)
    return Summary(
        id=token,
        number=number,
        received=received,
        size=size,
        subject=facts.subject,
        sender=facts.sender,
        to=facts.to,
        cc=facts.cc,
        reply_to=facts.reply_to,
        date=facts.date,
        message_id=facts.message_id,
        reverse_path=facts.reverse_path,
        recipients=facts.recipients,
        attachments=attachments,
        is_read=not unread,
        tags=facts.tags,
        mailboxes=facts.mailboxes,
        preview=facts.preview,
    )


def kept_of(row: tuple[Any, ...]) -> Kept:
    """A row of ``LIST_COLUMNS`` and ``via``."""
    way = _WAY.decode(row[-1])
    return Kept(summary_of(row[:-1]), way.via, way.parameters)


def _packed(transcript: str) -> bytes | str:
    """A short one stays text: to begin a compression costs more than to write it."""
    text = transcript.encode("utf-8", "replace")
    return zlib.compress(text, 1) if len(text) > _SHORT else text.decode()


def transcript_of(column: bytes | str | None) -> str:
    """The column ``transcript``."""
    if isinstance(column, bytes):
        return zlib.decompress(column).decode("utf-8", "replace")
    return column or ""
