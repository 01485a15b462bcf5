"""Content on its way in, and content at rest: in memory, in the database, in a file (a deed)."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, ParamSpec, TypeVar
from zlib import crc32

from eilpost.spool import queries, trouble
from eilpost.spool.contract import ContentDamaged, SpoolClosed, SpoolFull
from eilpost.spool.numbers import to_number, to_text
from eilpost.spool.queries import Reader
from eilpost.spool.records import MessageRecord, RecordDamaged, content_check

P = ParamSpec("P")
T = TypeVar("T")

BLOCK: Final = 256 << 10
_THREADS: Final = 4
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe put in a file's place must not make us wait, nor a link lead us elsewhere.
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Folder:
    """The directory of content files, and the threads that touch it; a file's name is its message's id."""

    def __init__(self, directory: Path, admits: Callable[[int], bool] = lambda _: True) -> None:
        self.admits = admits
        self._descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="spool-content")

    async def run(self, deed: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``deed`` returns, from a thread."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, lambda: deed(*args, **kwargs))
        except RuntimeError as error:  # The executor is shut down.
            raise SpoolClosed("the spool is closed") from error

    def create(self, number: int) -> int:
        """A descriptor to write a new file by."""
        return os.open(to_text(number), _WRITE, 0o600, dir_fd=self._descriptor)

    def open(self, number: int) -> int:
        """A descriptor to read a file by, whatever it is."""
        return os.open(to_text(number), _READ, dir_fd=self._descriptor)

    def sync(self) -> None:
        """Makes the names durable."""
        os.fsync(self._descriptor)

    def remove(self, numbers: Sequence[int]) -> None:
        """Removes files; one that is gone, or will not go, is left to the next start."""
        for number in numbers:
            try:
                os.unlink(to_text(number), dir_fd=self._descriptor)
            except OSError:
                continue

    def remove_soon(self, numbers: Sequence[int]) -> None:
        """Removes files in a thread; nobody waits."""
        try:
            self._executor.submit(self.remove, numbers)
        except RuntimeError:  # The executor is shut down: the next start removes them.
            return

    def listed(self) -> tuple[list[int], int]:
        """The numbers that name files here, and how many names are none of ours."""
        numbers, foreign = [], 0
        for name in os.listdir(self._descriptor):
            try:
                numbers.append(to_number(name))
            except ValueError:
                foreign += 1
        return numbers, foreign

    def close(self) -> None:
        """Waits for the threads and closes. Blocks."""
        self._executor.shutdown(wait=True, cancel_futures=False)
        os.close(self._descriptor)


class FileWriter:
    """One content file while it is written, always in a thread."""

    def __init__(self, folder: Folder, number: int) -> None:
        self._folder = folder
        self._number = number
        self._descriptor: int | None = None
        # Whoever waited for a write may be cancelled, and discard while the thread still writes.
        self._lock = threading.Lock()
        self._over = False
        self.check = 0
        self.has_8bit = False

    def write(self, chunks: Sequence[bytes]) -> None:
        """Appends; makes the file at the first call."""
        with self._lock:
            if self._over:
                return
            if self._descriptor is None:
                self._descriptor = self._folder.create(self._number)
            for chunk in chunks:
                self.check = crc32(chunk, self.check)
                self.has_8bit = self.has_8bit or not chunk.isascii()
                view = memoryview(chunk)
                while view:
                    view = view[os.write(self._descriptor, view) :]

    def finish(self, chunks: Sequence[bytes]) -> None:
        """Appends the last octets and makes file and name durable."""
        self.write(chunks)
        with self._lock:
            if self._descriptor is None:
                return
            os.fsync(self._descriptor)
            self._close()
            self._folder.sync()

    def discard(self) -> None:
        """Removes the file."""
        with self._lock:
            self._over = True
            if self._descriptor is not None:
                self._close()
            self._folder.remove([self._number])

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class ContentDraft:
    """A draft: chunks in memory up to the threshold, then a file. Writes of a file are gathered to blocks."""

    __slots__ = (
        "_broken",
        "_chunks",
        "_folder",
        "_gathered",
        "_inline",
        "_number",
        "_numbering",
        "_regain",
        "file",
        "size",
    )

    def __init__(
        self,
        folder: Folder,
        inline: int,
        numbering: Callable[[], int],
        broken: Callable[[OSError], SpoolClosed],
        regain: Callable[[], Awaitable[None]],
    ) -> None:
        self._folder = folder
        self._inline = inline
        self._numbering = numbering
        self._broken = broken
        self._regain = regain
        self._chunks: list[bytes] = []
        self._gathered = 0
        self._number = 0
        self.size = 0
        self.file: FileWriter | None = None

    @property
    def number(self) -> int:
        """The number the message will have."""
        if not self._number:
            self._number = self._numbering()
        return self._number

    @property
    def id(self) -> str:
        """The id the message will have."""
        return to_text(self.number)

    async def write(self, octets: bytes) -> None:
        """Appends; SpoolFull when there is no room."""
        self._chunks.append(octets)
        self.size += len(octets)
        self._gathered += len(octets)
        if self.size > self._inline and (self.file is None or self._gathered >= BLOCK):
            await self._take_room()
            if self.file is None:
                self.file = FileWriter(self._folder, self.number)
            await self._in_thread(self.file.write, self._take())

    async def discard(self) -> None:
        """Forgets the draft; harmless after commit."""
        self._chunks = []
        file, self.file = self.file, None
        if file is not None:
            await self._folder.run(file.discard)

    async def finish(self) -> FileWriter | None:
        """The file, durable, which now belongs to the caller; None when all is in memory."""
        if self.file is None:
            return None
        await self._take_room()
        await self._in_thread(self.file.finish, self._take())
        file, self.file = self.file, None
        return file

    def octets(self, prefix: bytes) -> bytes:
        """``prefix`` and all that is in memory, which is forgotten here."""
        chunks = self._take()
        if not prefix and len(chunks) == 1:
            return bytes(chunks[0])
        return b"".join((prefix, *chunks))

    async def _take_room(self) -> None:
        if not self._folder.admits(self._gathered):
            await self._regain()
            if not self._folder.admits(self._gathered):
                raise SpoolFull("the disk has less room than spool.reserve")

    def _take(self) -> list[bytes]:
        chunks, self._chunks, self._gathered = self._chunks, [], 0
        return chunks

    async def _in_thread(self, deed: Callable[[Sequence[bytes]], None], chunks: Sequence[bytes]) -> None:
        try:
            await self._folder.run(deed, chunks)
        except OSError as error:
            if trouble.is_shortage(error):
                raise SpoolFull(f"cannot write a content file: {error.strerror}") from error
            raise self._broken(error) from error


@dataclass(frozen=True, slots=True)
class MemoryContent:
    """Content that is all in memory."""

    octets: bytes

    @property
    def size(self) -> int:
        """Octets."""
        return len(self.octets)

    async def chunks(self) -> AsyncIterator[bytes]:
        """It, in one piece."""
        yield self.octets


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where stored content is read from, and who is told when it is damaged."""

    folder: Folder
    reader: Reader
    set_aside: Callable[[int, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class StoredContent:
    """Content in the store: read when asked for, and checked before the first octet is given out."""

    record: MessageRecord
    shelf: Shelf

    @property
    def size(self) -> int:
        """Octets."""
        return self.record.size

    @property
    def octets(self) -> None:
        """Not in memory."""
        return None

    async def chunks(self) -> AsyncIterator[bytes]:
        """It in order; ContentDamaged, before anything is given out, if it is not what was committed."""
        number, shelf = self.record.number, self.shelf
        try:
            first = await shelf.reader.run(queries.content, number)
            if not self.record.in_file:
                self._compare(len(first), crc32(first))
                yield first
                return
            # Read twice: a peer that was given half of a damaged message could not be told to forget it.
            await shelf.folder.run(self._verify_file, first)
            if first:
                yield first
            async for chunk in self._file_chunks(first):
                yield chunk
        except RecordDamaged as error:
            await shelf.set_aside(number, str(error))
            raise ContentDamaged(f"the content of {to_text(number)} is damaged: {error}") from error

    def _compare(self, size: int, check: int) -> None:
        if size != self.record.size:
            raise RecordDamaged(f"it has {size} octets instead of {self.record.size}")
        if check != self.record.content_check:
            raise RecordDamaged("its checksum differs")

    def _verify_file(self, prefix: bytes) -> None:
        offset, check = 0, 0
        while block := self._read_at(offset, len(prefix)):
            offset, check = offset + len(block), crc32(block, check)
        self._compare(offset + len(prefix), content_check(check, prefix))

    async def _file_chunks(self, prefix: bytes) -> AsyncIterator[bytes]:
        end = self.record.size - len(prefix)
        offset, check = 0, 0
        while offset < end:
            block = await self.shelf.folder.run(self._read_at, offset, len(prefix))
            offset, check = offset + len(block), crc32(block, check)
            if not block or offset >= end:
                self._compare(offset + len(prefix), content_check(check, prefix))
            yield block

    def _read_at(self, offset: int, prefix: int) -> bytes:
        # Opened for each block: a descriptor that is kept over an await could be closed, and its
        # number given to a socket, while a thread still reads by it.
        try:
            descriptor = self.shelf.folder.open(self.record.number)
        except OSError as error:
            raise _unreadable(error) from error
        try:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode) or facts.st_size + prefix != self.record.size:
                raise RecordDamaged("its file is not the one that was written")
            return os.pread(descriptor, BLOCK, offset)
        except OSError as error:
            raise _unreadable(error) from error
        finally:
            os.close(descriptor)


def _unreadable(error: OSError) -> Exception:
    if trouble.is_shortage(error):
        return SpoolFull(f"cannot read a content file now: {error.strerror}")
    return RecordDamaged(f"its file cannot be read: {error.strerror}")
