"""What is noted of a message when it is taken: header fields, preview, words to search for (a grammar)."""

from __future__ import annotations

import re
from typing import Final

from eilpost.inbox import mime
from eilpost.inbox.contract import Mailbox
from eilpost.inbox.mailboxes import mailboxes
from eilpost.mail.value import value
from eilpost.message.encoded_words import display, printable
from eilpost.message.header import scan

SEARCHED: Final = 64_000
"""Characters of a message's text that full-text search knows."""
PREVIEW: Final = 200
_HEADER: Final = 256_000
_MOST_TAGS: Final = 50
_SPACE: Final = re.compile(r"\s+")
_TAG: Final = re.compile(r"[\w .\-]{1,60}")
NOBODY: Final = Mailbox("", "")


@value(frozen=True, slots=True)
class Digest:
    """The header's fields as a person reads them, and what search needs; ``names`` are the attachments' names."""

    subject: str
    sender: Mailbox
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    reply_to: tuple[Mailbox, ...]
    date: str
    message_id: str
    attachments: int
    inline: int
    names: tuple[str, ...]
    preview: str
    words: str
    tags: tuple[str, ...]


def digest(content: bytes) -> Digest:
    """What is noted of this message. Never fails; the cost is bounded but for finding boundaries."""
    header = scan(content, _HEADER)
    root = mime.parse(content)
    leaves = list(root.leaves())
    plain, rich = mime.bodies(content, root, SEARCHED)
    words = (plain if plain.strip() else mime.words_of(rich[:SEARCHED]))[:SEARCHED]
    senders = mailboxes(header.first(b"from")) or mailboxes(header.first(b"sender"))
    return Digest(
        subject=display(header.first(b"subject") or b""),
        sender=senders[0] if senders else NOBODY,
        to=mailboxes(header.first(b"to")),
        cc=mailboxes(header.first(b"cc")),
        reply_to=mailboxes(header.first(b"reply-to")),
        date=display(header.first(b"date") or b"", 100),
        message_id=display(header.first(b"message-id") or b"", 300).strip("<> "),
        attachments=sum(part.is_attachment for part in leaves),
        inline=sum(part.is_inline for part in leaves),
        names=tuple(part.name for part in leaves if part.name),
        preview=printable(_SPACE.sub(" ", words[: 4 * PREVIEW]).strip()[:PREVIEW]),
        words=words,
        tags=tag_names(display(header.first(b"x-tags") or b"").split(",")),
    )


def tag_names(given: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Those of the given that can be tags: letters, digits, blanks, ``.``, ``-``, ``_``; each once, in order."""
    tidy = (_SPACE.sub(" ", each).strip() for each in given[: 4 * _MOST_TAGS])
    return tuple(dict.fromkeys(each for each in tidy if _TAG.fullmatch(each)))[:_MOST_TAGS]
