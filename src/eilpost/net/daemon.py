"""What a service asks of its operating system: another user, a word to systemd (a deed)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import resource
import socket
import stat
from typing import Final

_PR_SET_DUMPABLE: Final = 4


class UserError(Exception):
    """The process cannot become that user; the message says why."""


def is_root() -> bool:
    """Whether ports below 1024 can be bound and users changed."""
    return os.geteuid() == 0


def user_exists(name: str) -> bool:
    """Whether the machine knows this user."""
    with contextlib.suppress(KeyError):
        pwd.getpwnam(name)
        return True
    return False


def user_name(uid: int) -> str:
    """The user's name, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def may_write(path: str, name: str) -> bool:
    """Whether the user, with no other group than its own, may write in the directory ``path``."""
    user, facts = pwd.getpwnam(name), os.stat(path)
    allowed = stat.S_IWOTH
    if facts.st_uid == user.pw_uid:
        allowed = stat.S_IWUSR
    elif facts.st_gid == user.pw_gid:
        allowed = stat.S_IWGRP
    return bool(facts.st_mode & allowed)


def give(path: str, name: str) -> None:
    """Makes the user own the directory ``path``, but not what is in it."""
    user = pwd.getpwnam(name)
    os.chown(path, user.pw_uid, user.pw_gid)


def become(name: str) -> None:
    """Gives root up for good. UserError when any of it could be taken back."""
    user = pwd.getpwnam(name)
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    with contextlib.suppress(PermissionError):
        os.setresuid(0, 0, 0)
        raise UserError(f"became {name}, but could become root again; refusing to run")
    # Dumpable again would be readable by the same user's other processes (faults, part 4).
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def raise_file_limit(wanted: int) -> int:
    """As many open files as ``wanted`` or as the hard limit allows; what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    aim = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < aim:
        resource.setrlimit(resource.RLIMIT_NOFILE, (aim, hard))
        return aim
    return soft


def notify(state: str) -> None:
    """Tells the service manager, where there is one: ``READY=1``, ``STOPPING=1`` … (sd_notify)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(address)
        sock.send(state.encode())
