"""Writes messages into Maildirs so that none is lost: blocking, for worker threads (a deed).

The order is the whole point. A file is written in ``tmp`` and synced, then it is renamed into ``new``, then
``new`` is synced; only then is it delivered. A batch goes through each step together: files that
are synced at the same time share the journal's commits, and each ``new`` is synced once a batch.

All files and directories are opened relative to their Maildir, and no symbolic link is followed
from the Maildir on (F167).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from eilpost.mail.value import value
from eilpost.maildrop.file_name import with_size

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PARTS: Final = ("cur", "tmp", "new")


@value(frozen=True, slots=True)
class Stored:
    """The message is in ``new`` under this name, and on disk."""

    name: str


@value(frozen=True, slots=True)
class NotStored:
    """Nothing was delivered and nothing is left; ``number`` is an errno."""

    number: int
    why: str


Result = Stored | NotStored


class MaildirRefused(OSError):
    """The directory is not one that mail may be written to."""


@dataclass(slots=True)
class Maildir:
    """An open Maildir: descriptors of its ``tmp`` and ``new``."""

    path: str
    tmp: int
    new: int

    def close(self) -> None:
        """Closes both."""
        os.close(self.tmp)
        os.close(self.new)


def open_maildir(path: str, *, settle: bool) -> Maildir:
    """Opens a Maildir and makes what is missing of it.

    What is made is synced. With ``settle`` it is synced also if it was there: an earlier process may have
    made it and not lived to do so. Once in a process's life is enough.
    """
    made = _make_parents(path) if not os.path.lexists(path) else []
    root = open_directory(path, None)
    parts: list[int] = []
    try:
        parts += (_open_part(name, root) for name in _PARTS)
        if settle or made:
            os.fsync(root)
            for directory in dict.fromkeys([*_above(path), *made]):
                sync_directory(directory)
    except OSError:
        for descriptor in parts:
            os.close(descriptor)
        raise
    finally:
        os.close(root)
    os.close(parts[0])
    return Maildir(path, parts[1], parts[2])


def _above(path: str) -> tuple[str, str]:
    """The directories that name the Maildir and its domain."""
    parent = os.path.dirname(path)
    return parent, os.path.dirname(parent)


def _make_parents(path: str) -> list[str]:
    """Makes the directory and those above it; the ones above, deepest first, whose entries are new."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path) or "."
    for directory in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory, 0o700)
    return [os.path.dirname(directory) or "." for directory in missing]


def sync_directory(path: str) -> None:
    """Makes a directory's entries durable; one that we may not read was made by somebody else."""
    try:
        descriptor = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_part(name: str, root: int) -> int:
    try:
        return open_directory(name, root)
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=root)
        return open_directory(name, root)


def open_directory(name: str, root: int | None) -> int:
    """Opens a directory that is ours and no symbolic link."""
    try:
        descriptor = os.open(name, _DIRECTORY, dir_fd=root)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise MaildirRefused(error.errno, f"{name} is a symbolic link or no directory") from None
        raise
    facts = os.fstat(descriptor)
    if facts.st_uid != os.geteuid():
        os.close(descriptor)
        raise MaildirRefused(errno.EPERM, f"{name} belongs to user {facts.st_uid}, not to us")
    if stat.S_IMODE(facts.st_mode) & stat.S_IWOTH:
        os.close(descriptor)
        raise MaildirRefused(errno.EPERM, f"{name} may be written to by everybody")
    return descriptor


@dataclass(slots=True)
class Parcel:
    """One message on its way into one Maildir. ``octets`` may come all at once or piece by piece."""

    directory: str
    name: str
    octets: Sequence[bytes] = ()
    maildir: Maildir | None = None
    error: OSError | None = None
    _made: bool = field(default=False, repr=False)
    _file: int = field(default=-1, repr=False)
    _size: int = field(default=0, repr=False)
    _delivered: str = field(default="", repr=False)

    def begin(self, open_one: Callable[[str], Maildir]) -> None:
        """Makes the file in ``tmp`` and writes the octets there are."""
        self.maildir = open_one(self.directory)
        self._file = os.open(self.name, _NEW_FILE, 0o600, dir_fd=self.maildir.tmp)
        self._made = True  # from here on the name is ours to remove
        if self.octets:
            self.write(self.octets)

    def write(self, octets: Sequence[bytes]) -> None:
        """Appends."""
        size = sum(map(len, octets))
        written = os.writev(self._file, octets)
        if written < size:
            rest = memoryview(b"".join(octets))[written:]
            while rest:
                rest = rest[os.write(self._file, rest) :]
        self._size += size

    def sync_soon(self) -> None:
        """Asks the system to start writing. It is a hint: what counts is ``sync``."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._file, 0, 0, os.POSIX_FADV_DONTNEED)

    def sync(self) -> None:
        """Makes the file durable where it is."""
        os.fsync(self._file)
        self._close()

    def publish(self) -> None:
        """Moves the file into ``new``; its entry there is not durable yet."""
        assert self.maildir is not None
        delivered = with_size(self.name, self._size)
        os.rename(self.name, delivered, src_dir_fd=self.maildir.tmp, dst_dir_fd=self.maildir.new)
        self._delivered = delivered

    def undo(self, error: OSError) -> None:
        """Notes why and leaves nothing behind, as far as the disk lets us (F175)."""
        self.error = error
        self._close()
        if self.maildir is None or not self._made:
            return
        name, directory = (self._delivered, self.maildir.new) if self._delivered else (self.name, self.maildir.tmp)
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=directory)

    def result(self) -> Result:
        """What became of it."""
        if self.error is None:
            return Stored(self._delivered)
        return NotStored(self.error.errno or errno.EIO, f"{self.error.strerror or self.error} ({self.directory})")

    def _close(self) -> None:
        descriptor, self._file = self._file, -1
        if descriptor >= 0:
            os.close(descriptor)


def begin(parcels: Sequence[Parcel], open_one: Callable[[str], Maildir]) -> None:
    """The first step of a batch: all files are written."""
    _each(parcels, lambda parcel: parcel.begin(open_one))


def finish(parcels: Sequence[Parcel]) -> None:
    """The other steps: files synced, renamed, directories synced."""
    if len(parcels) > 1:
        # All blocks are then allocated before the first sync, and its commit of the journal holds for all
        # the others: measured, a quarter more messages a second on a fast disk.
        _each(parcels, Parcel.sync_soon)
    _each(parcels, Parcel.sync)
    _each(parcels, Parcel.publish)
    for maildir in {id(parcel.maildir): parcel.maildir for parcel in parcels if parcel.error is None}.values():
        assert maildir is not None
        try:
            os.fsync(maildir.new)
        except OSError as error:
            for parcel in parcels:
                if parcel.maildir is maildir and parcel.error is None:
                    parcel.undo(error)


def append(parcels: Sequence[Parcel], octets: bytes) -> None:
    """The same octets for each file."""
    _each(parcels, lambda parcel: parcel.write((octets,)))


def abandon(parcels: Sequence[Parcel]) -> None:
    """Takes back what was begun and not finished."""
    for parcel in parcels:
        if parcel.error is None:
            parcel.undo(OSError(errno.ECANCELED, os.strerror(errno.ECANCELED)))


def _each(parcels: Sequence[Parcel], step: Callable[[Parcel], None]) -> None:
    """One parcel's trouble is its own."""
    for parcel in parcels:
        if parcel.error is None:
            try:
                step(parcel)
            except OSError as error:
                parcel.undo(error)


class Settled:
    """The Maildirs that this process has settled, as far as it remembers; for any thread."""

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._paths: dict[str, None] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._paths

    def add(self, path: str) -> None:
        """It is; forgetting one only costs a sync."""
        if len(self._paths) >= self._limit:
            self._paths = {}
        self._paths[path] = None


@contextlib.contextmanager
def opened(settled: Settled) -> Iterator[Callable[[str], Maildir]]:
    """Gives what opens each Maildir once; all are closed in the end."""
    maildirs: dict[str, Maildir] = {}

    def open_one(path: str) -> Maildir:
        if path not in maildirs:
            maildirs[path] = open_maildir(path, settle=path not in settled)
            settled.add(path)
        return maildirs[path]

    try:
        yield open_one
    finally:
        for maildir in maildirs.values():
            maildir.close()
