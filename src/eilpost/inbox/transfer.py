"""Import and export: ``.eml`` files, Maildirs and mboxes, to and from the disk (a deed)."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import BinaryIO, Final

from eilpost.inbox.archive import arrival_of, canonical, file_name, mbox_entry, mbox_messages
from eilpost.inbox.contract import InboxError, Summary
from eilpost.inbox.store import Inbox

_MOST: Final = 100_000_000
_AT_ONCE: Final = 16


class Form(Enum):
    """How messages lie on a disk."""

    __hash__ = object.__hash__

    EML = "eml"
    MAILDIR = "maildir"
    MBOX = "mbox"


async def import_path(inbox: Inbox, path: Path) -> int:
    """Takes what lies there: a file, a Maildir, an mbox or a directory of ``.eml``; how many. InboxError."""
    found = _messages(path)
    count = 0
    while batch := await asyncio.to_thread(_some, found):
        await asyncio.gather(*(_take(inbox, octets, path.name) for octets in batch))
        count += len(batch)
    return count


async def _take(inbox: Inbox, octets: bytes, name: str) -> Summary:
    content = canonical(octets)
    return await inbox.take(arrival_of(content, time.time(), name), content)


def _some(found: Iterator[bytes]) -> list[bytes]:
    batch = []
    for octets in found:
        batch.append(octets)
        if len(batch) == _AT_ONCE:
            break
    return batch


def _messages(path: Path) -> Iterator[bytes]:
    try:
        if path.is_dir():
            is_maildir = (path / "cur").is_dir() and (path / "new").is_dir()
            folders = (path / "cur", path / "new") if is_maildir else (path,)
            for folder in folders:
                yield from (_read(file) for file in sorted(folder.iterdir()) if _is_message(file, is_maildir))
        elif _begins(path, b"From "):
            with path.open("rb") as lines:
                yield from mbox_messages(lines)
        else:
            yield _read(path)
    except OSError as error:
        raise InboxError(f"{error.filename or path}: {error.strerror}; name a file or directory to read") from None


def _is_message(file: Path, is_maildir: bool) -> bool:
    return file.is_file() and not file.name.startswith(".") and (is_maildir or file.suffix == ".eml")


def _begins(path: Path, octets: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(octets)) == octets


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        octets = file.read(_MOST + 1)
    if len(octets) > _MOST:
        raise InboxError(f"{path}: is bigger than {_MOST} octets; leave it out")
    return octets


async def export(inbox: Inbox, path: Path, form: Form) -> int:
    """Writes all messages, the oldest first; how many. Nothing that is there is overwritten. InboxError."""
    count = 0
    try:
        write = await asyncio.to_thread(_WRITERS[form], path)
        async for summary, content in messages(inbox):
            await asyncio.to_thread(write, summary, content)
            count += 1
    except OSError as error:
        raise InboxError(f"{error.filename or path}: {error.strerror}; name a place that is not there yet") from None
    return count


async def messages(inbox: Inbox, mailbox: str | None = None) -> AsyncIterator[tuple[Summary, bytes]]:
    """All messages with their contents, the oldest first."""
    number = 0
    while batch := await inbox.after(number, limit=200, mailbox=mailbox):
        for summary in batch:
            number = summary.number
            content = await inbox.content_if_there(summary.id)
            if content is not None:
                yield summary, content


Write = Callable[[Summary, bytes], None]


def _to_directory(path: Path) -> Write:
    path.mkdir(parents=True, exist_ok=True)

    def write(summary: Summary, content: bytes) -> None:
        with _new(path / file_name(summary)) as file:
            file.write(content)

    return write


def _to_maildir(path: Path) -> Write:
    for name in ("cur", "new", "tmp"):
        (path / name).mkdir(parents=True, exist_ok=True)

    def write(summary: Summary, content: bytes) -> None:
        name = f"{int(summary.received)}.{summary.number}_{summary.id}.eilpost"
        with _new(path / "tmp" / name) as file:
            file.write(content)
        folder, flags = ("cur", ":2,S") if summary.is_read else ("new", "")
        os.rename(path / "tmp" / name, path / folder / f"{name}{flags}")

    return write


def _to_mbox(path: Path) -> Write:
    _new(path).close()

    def write(summary: Summary, content: bytes) -> None:
        with path.open("ab") as file:
            file.write(mbox_entry(summary, content))

    return write


def _new(path: Path) -> BinaryIO:
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


_WRITERS: Final = {Form.EML: _to_directory, Form.MAILDIR: _to_maildir, Form.MBOX: _to_mbox}
