"""Disks that can be filled, and disks whose power can be cut (deeds; root and Linux only).

The power cut is ext4's own: the ioctl EXT4_IOC_SHUTDOWN with the flag that says "without flushing the
journal" stops the file system dead. What was not synced is gone when it is mounted again, which is what
a real cut leaves, short of a disk that lies about its cache.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from tests.peers.tools import missing, program, run

SHUTDOWN: Final = 0x8004587D  # _IOR('X', 125, __u32), include/uapi/linux/fs.h
NO_LOG_FLUSH: Final = 2


class PowerCutDisk:
    """An ext4 file system in a file, mounted; it may be cut and mounted again."""

    def __init__(self, image: Path, mount_point: Path) -> None:
        self._image = image
        self.mount_point = mount_point

    async def mount(self) -> None:
        """Mounts it; the journal is replayed."""
        await run(program("mount"), "-o", "loop", self._image, self.mount_point)

    def is_mounted(self) -> bool:
        """Whether it can be unmounted."""
        return os.path.ismount(self.mount_point)

    def cut(self) -> None:
        """From now on nothing reaches the disk, and every write and sync fails."""
        descriptor = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    async def unmount(self) -> None:
        """Unmounts it; nobody may use it any more."""
        await run(program("umount"), self.mount_point)

    async def check(self) -> None:
        """Has e2fsck look at it, unmounted, without mending anything but the journal."""
        await run(program("e2fsck"), "-p", self._image, check=False)


@contextlib.asynccontextmanager
async def power_cut_disk(directory: Path, *, megabytes: int = 512) -> AsyncIterator[PowerCutDisk]:
    """A new disk below ``directory``, mounted there as ``disk``."""
    image, mount_point = directory / "disk.img", directory / "disk"
    mount_point.mkdir()
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    await run(program("mkfs.ext4"), "-q", "-F", image)
    disk = PowerCutDisk(image, mount_point)
    await disk.mount()
    try:
        yield disk
    finally:
        if disk.is_mounted():
            await disk.unmount()


@contextlib.asynccontextmanager
async def small_disk(directory: Path, *, size: str, inodes: int = 0) -> AsyncIterator[Path]:
    """A tmpfs of that size (``8m``) and, when given, so many inodes, mounted below ``directory``."""
    mount_point = directory / "small"
    mount_point.mkdir()
    options = f"size={size}" + (f",nr_inodes={inodes}" if inodes else "")
    await run(program("mount"), "-t", "tmpfs", "-o", options, "tmpfs", mount_point)
    try:
        yield mount_point
    finally:
        await run(program("umount"), mount_point)


def mounts_unavailable() -> str:
    """Why no disk can be mounted here; empty when one can."""
    reason = missing("mount", "umount", "mkfs.ext4", root=True)
    if reason:
        return reason
    with tempfile.TemporaryDirectory() as place:
        command = [program("mount"), "-t", "tmpfs", "-o", "size=64k", "tmpfs", place]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return "mounting is not allowed here"
        subprocess.run([program("umount"), place], check=True)
    return "" if Path("/dev/loop-control").exists() else "there are no loop devices here"


def tracing_unavailable() -> str:
    """Why strace cannot be used here; empty when it can."""
    reason = missing("strace")
    if reason:
        return reason
    command = [program("strace"), "-o", os.devnull, "true"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        return "tracing is not allowed here"
    return ""
