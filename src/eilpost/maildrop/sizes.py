"""Sizes that cost a look into the file are remembered beside the mailbox (a deed, for worker threads).

A file in a Maildir never changes, so its size is counted once. The index is a cache: a line for each
message, replaced as a whole, and not used when anything in it is odd.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Final

FILE_NAME: Final = "eilpost-sizes"
_HEAD: Final = "eilpost-sizes 1"
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


def load(root: int) -> dict[str, int]:
    """Sizes on the wire by unique names; empty when there is no index that can be trusted."""
    try:
        with open(os.open(FILE_NAME, _READ, dir_fd=root), encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
    except OSError:
        return {}
    head, _, rest = text.partition("\n")
    if head != _HEAD or not rest.endswith("\n"):
        return {}
    lines = rest[:-1].split("\n")
    with contextlib.suppress(ValueError):
        return {name: int(size) for size, name in (line.split(" ", 1) for line in lines)}
    return {}


def save(root: int, sizes: Mapping[str, int]) -> None:
    """Replaces the index; a disk that is full costs only the time to count again."""
    temporary = f"{FILE_NAME}.new"
    lines = "".join([f"{size} {name}\n" for name, size in sizes.items() if "\n" not in name])
    try:
        descriptor = os.open(temporary, _WRITE, 0o600, dir_fd=root)
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(f"{_HEAD}\n{lines}")
        os.rename(temporary, FILE_NAME, src_dir_fd=root, dst_dir_fd=root)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=root)
