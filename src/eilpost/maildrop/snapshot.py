"""A Maildir as it was when it was opened, for one session alone (a deed, for worker threads).

The lock is the kernel's: it ends with the process, however that ends. Messages are looked up by
their unique names, so a program that moves one from ``new`` to ``cur`` or sets a flag does not hide it.
No symbolic link is followed (F167).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Collection, Iterator
from io import FileIO
from typing import Final, TypeVar

from eilpost.mail.value import value
from eilpost.maildrop import sizes
from eilpost.maildrop.drop import InUse, Item, Vanished
from eilpost.maildrop.file_name import delivery_order, read_name, uidl
from eilpost.maildrop.maildir import open_directory, open_maildir

T = TypeVar("T")

LOCK_NAME: Final = "eilpost-pop3.lock"
BLOCK: Final = 256 * 1024
_PARTS: Final = ("new", "cur")
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LOCK: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


@value(frozen=True, slots=True)
class _Place:
    """Where a message's file was seen."""

    part: str
    name: str
    unique: str


class Letter:
    """A message that is being read. ``as_is``: its line ends are those of the wire already."""

    __slots__ = ("_file", "as_is", "left")

    def __init__(self, file: FileIO, octets: int) -> None:
        self._file = file
        self.left = os.fstat(file.fileno()).st_size
        self.as_is = self.left == octets

    def read(self) -> bytes:
        """The next block; empty at the end, and then the file is closed."""
        octets = self._file.read(min(BLOCK, self.left)) or b""  # a buffer no larger than what comes
        self.left -= len(octets)
        if not octets or self.left <= 0:
            self._file.close()
            self.left = 0
        return octets

    def close(self) -> None:
        """Gives the file back; harmless twice."""
        self._file.close()


class Snapshot:
    """The open mailbox. ``items`` and places are in order of delivery."""

    __slots__ = ("_lock", "_parts", "_places", "items")

    def __init__(self, lock: int, parts: dict[str, int], items: tuple[Item, ...], places: list[_Place]) -> None:
        self.items = items
        self._lock = lock
        self._parts = parts
        self._places = places

    def letter(self, number: int) -> Letter:
        """Opens a message. Vanished; OSError when it cannot be read."""
        return self._where(number, lambda directory, name: Letter(_open(directory, name), self.items[number].octets))

    def whole(self, number: int) -> tuple[bytes, bool]:
        """A message, and whether its line ends are those of the wire already. Vanished; OSError."""
        octets = self._where(number, _read_all)
        return octets, len(octets) == self.items[number].octets

    def delete(self, numbers: Collection[int]) -> int:
        """Unlinks messages and makes that durable; how many are still there."""
        failed, touched = 0, set()
        for number in numbers:
            try:
                touched.add(self._where(number, _unlink))
            except Vanished:
                continue  # somebody else removed it: what was wanted
            except OSError:
                failed += 1
        for directory in touched:
            os.fsync(directory)
        return failed

    def close(self) -> None:
        """Gives the lock and all descriptors back; harmless twice."""
        descriptors, self._parts = [*self._parts.values(), self._lock], {}
        self._lock = -1
        for descriptor in descriptors:
            if descriptor >= 0:
                os.close(descriptor)

    def _where(self, number: int, use: Callable[[int, str], T]) -> T:
        """Uses a message's file where it was, or where it is now."""
        place = self._places[number]
        with contextlib.suppress(FileNotFoundError):
            return use(self._parts[place.part], place.name)
        for _ in range(2):  # it may move once more while we look
            for part, name in _listing(self._parts):
                if read_name(name).unique == place.unique:
                    self._places[number] = _Place(part, name, place.unique)
                    with contextlib.suppress(FileNotFoundError):
                        return use(self._parts[part], name)
        raise Vanished(place.unique)


def open_snapshot(path: str) -> Snapshot:
    """Locks and lists the Maildir, made if it is missing. InUse; OSError."""
    open_maildir(path, settle=False).close()
    root = open_directory(path, None)
    held: list[int] = []
    try:
        lock = os.open(LOCK_NAME, _LOCK, 0o600, dir_fd=root)
        held.append(lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(path) from None
        parts = {}
        for part in _PARTS:
            parts[part] = open_directory(part, root)
            held.append(parts[part])
        return Snapshot(lock, parts, *_survey(root, parts))
    except BaseException:
        for descriptor in held:
            os.close(descriptor)
        raise
    finally:
        os.close(root)


def _listing(parts: dict[str, int]) -> Iterator[tuple[str, str]]:
    """Every file. ``new`` comes first: what moves to ``cur`` meanwhile is seen twice, not never."""
    for part in _PARTS:
        for name in os.listdir(parts[part]):
            if not name.startswith("."):
                yield part, name


def _survey(root: int, parts: dict[str, int]) -> tuple[tuple[Item, ...], list[_Place]]:
    found = {name.partition(":")[0]: (part, name) for part, name in _listing(parts)}
    known: dict[str, int] | None = None
    counted: dict[str, int] = {}
    names: set[str] = set()
    items, places = [], []
    for base in sorted(found, key=delivery_order):
        part, name = found[base]
        named = read_name(name)
        unique, octets = named.unique, named.wire
        if octets < 0:
            known = sizes.load(root) if known is None else known
            octets = known[base] if base in known else _count(parts[part], name)
            if octets < 0:
                continue  # gone, or no file that we may read
            counted[base] = octets
        name_for_pop3 = uidl(unique)
        if name_for_pop3 in names:  # names that others made alike: the whole one still tells them apart
            name_for_pop3, unique = uidl(f"{base}\x00"), base
        names.add(name_for_pop3)
        items.append(Item(name_for_pop3, octets))
        places.append(_Place(part, name, unique))
    if counted != (known or {}):
        sizes.save(root, counted)
    return tuple(items), places


def _open(directory: int, name: str) -> FileIO:
    return FileIO(name, "r", opener=lambda path, _: os.open(path, _READ, dir_fd=directory))


def _read_all(directory: int, name: str) -> bytes:
    """All of a small file, with no object around its descriptor: it is read by the dozen."""
    descriptor = os.open(name, _READ, dir_fd=directory)
    try:
        size = os.fstat(descriptor).st_size
        octets = os.read(descriptor, size)
        while len(octets) < size and (more := os.read(descriptor, size - len(octets))):
            octets += more
        return octets
    finally:
        os.close(descriptor)


def _unlink(directory: int, name: str) -> int:
    os.unlink(name, dir_fd=directory)
    return directory


def _count(directory: int, name: str) -> int:
    """The size with each line end as CR LF; -1 when it cannot be read."""
    total, last = 0, b""
    try:
        with _open(directory, name) as file:
            while block := file.read(BLOCK):
                total += len(block) + block.count(b"\n") - block.count(b"\r\n")
                if last == b"\r" and block.startswith(b"\n"):
                    total -= 1
                last = block[-1:]
    except OSError:
        return -1
    return total
