"""Messages as files of other programs: one ``.eml``, an mbox, and what their names and headers say (a grammar)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from eilpost.inbox.contract import Arrival, Summary, Via
from eilpost.inbox.mailboxes import mailboxes
from eilpost.message import dates
from eilpost.message.encoded_words import display
from eilpost.message.header import scan

_QUOTED: Final = re.compile(rb"^>(>*From )", re.MULTILINE)
_TO_QUOTE: Final = re.compile(rb"^(>*From )", re.MULTILINE)
_NEWLINE: Final = re.compile(rb"\r\n|\r|\n")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._@+=-]+")


def canonical(octets: bytes) -> bytes:
    """The content with CR LF at the end of each line, the last one too."""
    if octets.count(b"\n") != octets.count(b"\r\n") or octets.count(b"\r") != octets.count(b"\r\n"):
        octets = _NEWLINE.sub(b"\r\n", octets)
    return octets if octets.endswith(b"\r\n") or not octets else octets + b"\r\n"


def mbox_messages(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The messages of an mbox, of the kind that quotes ``From `` (mboxrd); also reads the older kinds."""
    message: list[bytes] | None = None
    is_blank = True
    for line in lines:
        if is_blank and line.startswith(b"From "):
            if message is not None:
                yield _unquoted(message)
            message = []
        elif message is not None:
            message.append(line)
        is_blank = not line.rstrip(b"\r\n")
    if message is not None:
        yield _unquoted(message)


def _unquoted(lines: list[bytes]) -> bytes:
    if lines and not lines[-1].rstrip(b"\r\n"):
        lines.pop()  # the line that parts it from the next one
    return canonical(_QUOTED.sub(rb"\1", b"".join(lines)))


def mbox_entry(summary: Summary, content: bytes) -> bytes:
    """A message in an mbox (mboxrd), with LF at the end of lines."""
    sender = _UNSAFE.sub("_", summary.reverse_path) or "MAILER-DAEMON"
    week_day, day, month, year, time, _ = dates.format(summary.received).replace(",", "").split()
    head = f"From {sender} {week_day} {month} {day:>2} {time} {year}\n".encode("ascii", "replace")
    return head + _TO_QUOTE.sub(rb">\1", content.replace(b"\r\n", b"\n")) + b"\n"


def arrival_of(content: bytes, now: float, name: str = "") -> Arrival:
    """How an imported message arrived: by its trace fields, else by its header. ``name`` is where it was found."""
    header = scan(content)
    sender = mailboxes(header.first(b"return-path")) or mailboxes(header.first(b"from"))
    traced = [each for value in header.all(b"delivered-to") for each in mailboxes(value)]
    written = [each for field in (b"to", b"cc", b"bcc") for value in header.all(field) for each in mailboxes(value)]
    recipients = tuple(dict.fromkeys(each.address for each in traced or written if each.address))
    when = dates.parse(display(header.first(b"date") or b"", 100))
    via = Via(helo=display(name.encode(), 200), protocol="import")
    received = float(when) if when is not None and 0 < when < now else now
    return Arrival(sender[0].address if sender else "", recipients, received, via)


def file_name(summary: Summary) -> str:
    """A name for a file: by number and id, nothing a sender wrote (F073)."""
    return f"{summary.number:08d}-{summary.id}.eml"
