"""Final delivery into Maildirs (a deed).

The content goes in as it came, CR LF and all (docs/decisions/0004). In front of it stand ``Return-Path`` and
``Delivered-To``, and ``X-Original-To`` where an alias or a sub-address led here; a ``Return-Path`` that others
wrote is taken out (RFC 5321 §4.4, F100).
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from types import MappingProxyType
from typing import Final

from eilpost.deliver.agent import Attempt, Job
from eilpost.mail.address import Address
from eilpost.mail.envelope import Recipient, ReversePath
from eilpost.mail.outcome import Fate, Outcome
from eilpost.mail.status import Status, status
from eilpost.maildrop.delivery import Letter, Maildirs
from eilpost.maildrop.maildir import NotStored, Result, Stored
from eilpost.message.header import LIMIT, scan, without
from eilpost.message.trace import delivered_to, foreign_return_paths, return_path
from eilpost.spool.contract import Content, ContentDamaged, SpoolError

Find = Callable[[Address], str | os.PathLike[str] | None]
"""Where an account's Maildir is; None when there is no such account."""

_DELIVERED: Final = status("2.0.0")
_UNKNOWN: Final = status("5.1.1")
_OTHER: Final = status("4.2.0")

_STATUS: Final = MappingProxyType({
    errno.ENOSPC: status("4.3.1"),
    errno.EDQUOT: status("4.2.2"),
    errno.EFBIG: status("4.2.3"),
    errno.EIO: status("4.3.0"),
    errno.EROFS: status("4.3.0"),
    errno.EMFILE: status("4.3.2"),
    errno.ENFILE: status("4.3.2"),
    errno.ENOMEM: status("4.3.2"),
    errno.EPERM: status("4.3.5"),
    errno.EACCES: status("4.3.5"),
    errno.ELOOP: status("4.3.5"),
    errno.ENOTDIR: status("4.3.5"),
})  # fmt: skip
"""What the disk says, as status codes. All may pass, and all are our own trouble: nothing fails (P9)."""

_RETURN_PATH: Final = re.compile(rb"(?:\A|\n)return-path[ \t]*:", re.IGNORECASE)


class Local:
    """The agent for Maildirs. ``find`` knows the accounts."""

    def __init__(self, maildirs: Maildirs, find: Find, *, now: Callable[[], float] = time.time) -> None:
        self._maildirs = maildirs
        self._find = find
        self._now = now

    async def attempt(self, job: Job) -> Attempt:
        """Tries once; ContentDamaged when the message can no longer be read."""
        found = [(recipient, self._find(recipient.address)) for recipient in job.recipients]
        homes = [(recipient, os.fspath(path)) for recipient, path in found if path is not None]
        results = iter(await self._deliver(job, homes))
        when = self._now()
        return Attempt(tuple([
            _outcome(recipient, next(results) if path is not None else None, when) for recipient, path in found
        ]))  # fmt: skip

    async def close(self) -> None:
        """Waits for what is being written."""
        await self._maildirs.close()

    async def _deliver(self, job: Job, homes: Sequence[tuple[Recipient, str]]) -> list[Result]:
        message = job.message
        if not homes:
            return []
        octets = message.content.octets
        if octets is not None:
            body = without_return_path(octets)
            return await self._maildirs.deliver(
                (path, (trace(message.reverse_path, recipient), body)) for recipient, path in homes
            )
        letters: list[Letter] = [(path, (trace(message.reverse_path, recipient),)) for recipient, path in homes]
        try:
            return await self._maildirs.deliver_stream(letters, _chunks(message.content))
        except ContentDamaged:
            raise
        except SpoolError as error:
            return [NotStored(errno.EIO, f"the content cannot be read: {error}")] * len(homes)


def trace(reverse_path: ReversePath, recipient: Recipient) -> bytes:
    """What final delivery puts in front of the content."""
    original = b""
    if recipient.given is not None and recipient.given != recipient.address:
        original = f"X-Original-To: {recipient.given}\r\n".encode()
    return return_path(reverse_path) + original + delivered_to(recipient.address)


def without_return_path(beginning: bytes) -> bytes:
    """The content without a ``Return-Path`` of others; ``beginning`` holds the whole header."""
    end = beginning.find(b"\r\n\r\n")
    if _RETURN_PATH.search(beginning, 0, end if end >= 0 else LIMIT) is None:
        return beginning
    return without(beginning, foreign_return_paths(scan(beginning)))


async def _chunks(content: Content) -> AsyncIterator[bytes]:
    """The content piece by piece; the first one holds the whole header, as far as we look."""
    beginning: bytes | None = b""
    async for chunk in content.chunks():
        if beginning is None:
            yield chunk
            continue
        beginning += chunk
        if b"\r\n\r\n" in beginning or len(beginning) > LIMIT:
            yield without_return_path(beginning)
            beginning = None
    if beginning:
        yield without_return_path(beginning)


def _outcome(recipient: Recipient, result: Result | None, when: float) -> Outcome:
    match result:
        case None:
            return _told(recipient, Fate.FAILED, _UNKNOWN, "There is no such account any more", when)
        case Stored():
            return _told(recipient, Fate.DELIVERED, _DELIVERED, "Delivered to the Maildir", when)
        case NotStored(number, why):
            return _told(recipient, Fate.DEFERRED, _STATUS.get(number, _OTHER), f"Not delivered: {why}", when)


def _told(recipient: Recipient, fate: Fate, code: Status, text: str, when: float) -> Outcome:
    return Outcome(recipient.address, fate, code, text, None, when)
