"""What a service asks of its operating system."""

from __future__ import annotations

import os
import pwd
import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from eilpost.net import daemon

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_users() -> None:
    """Users of this machine have names; others have numbers."""
    me = pwd.getpwuid(os.geteuid()).pw_name
    assert daemon.user_exists(me)
    assert not daemon.user_exists("no-such-user-here")
    assert daemon.user_name(os.geteuid()) == me
    assert daemon.user_name(3_999_999_999) == "3999999999"
    assert daemon.is_root() is (os.geteuid() == 0)


BECOME = """
import os, resource
from eilpost.net import daemon
daemon.become("nobody")
print(os.getresuid(), os.getresgid(), os.getgroups())
for attempt, arguments in (os.setuid, [0]), (os.setgid, [0]), (os.setgroups, [[0]]), (os.chown, ["/etc/passwd", 0, 0]):
    try:
        attempt(*arguments)
    except PermissionError:
        print("refused")
print([line.split()[1] for line in open("/proc/self/status") if line.startswith(("CapEff", "CapPrm"))])
"""


@pytest.mark.root
@needs_root
def test_become() -> None:
    """Root is given up for good: ids, groups and capabilities, and nothing of it comes back."""
    nobody = pwd.getpwnam("nobody")
    output = subprocess.run([sys.executable, "-c", BECOME], capture_output=True, text=True)
    assert output.stderr == ""
    lines = output.stdout.splitlines()
    assert lines[0] == f"{(nobody.pw_uid,) * 3} {(nobody.pw_gid,) * 3} []"
    assert lines[1:5] == ["refused"] * 4
    assert set(lines[5].strip("[]").replace("'", "").split(", ")) == {"0" * 16}


@pytest.mark.root
@needs_root
def test_give(tmp_path: Path) -> None:
    """The directory changes hands, what is in it does not."""
    (tmp_path / "file").touch()
    daemon.give(str(tmp_path), "nobody")
    assert tmp_path.stat().st_uid == pwd.getpwnam("nobody").pw_uid
    assert (tmp_path / "file").stat().st_uid == 0


@pytest.fixture
def _file_limit() -> object:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("_file_limit")
def test_raise_file_limit() -> None:
    """The soft limit is raised to what is wanted or allowed, and never lowered."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    assert daemon.raise_file_limit(100) == 200
    assert daemon.raise_file_limit(300) == 300
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 300
    if hard != resource.RLIM_INFINITY:
        assert daemon.raise_file_limit(hard + 1000) == hard


def test_notify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """sd_notify: one datagram a word, to a path or an abstract name."""
    for address in (str(tmp_path / "notify"), f"\0eilpost-test-{os.getpid()}"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(address)
            manager.settimeout(5)
            monkeypatch.setenv("NOTIFY_SOCKET", address.replace("\0", "@"))
            daemon.notify("READY=1")
            assert manager.recv(100) == b"READY=1"


def test_notify_without_a_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a manager, or with one that is gone, nothing happens."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    daemon.notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    daemon.notify("READY=1")
