"""Addresses that are bound, passed by systemd, taken, stale."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from eilpost.net import listen
from eilpost.net.listen import Listener, ListenError, bind_tcp, bind_unix
from eilpost.net.stream import Stream, connect, connect_unix


async def greeted(listener: Listener, path: str = "") -> bytes:
    """What a client of this listener hears from a server that says where it is reached."""

    def connected(stream: Stream) -> None:
        stream.write(b"hello\r\n")
        stream.close()

    await listener.start(connected)
    host, _, port = listener.address.rpartition(":")
    stream = await (connect_unix(path, timeout=5) if path else connect(host.strip("[]"), int(port), timeout=5))
    heard = await stream.receive()
    stream.close()
    listener.close()
    await asyncio.sleep(0)
    return heard


async def test_tcp() -> None:
    """A listener on port 0 gets a port and tells it."""
    listener = Listener(bind_tcp("127.0.0.1", 0, []))
    assert listener.address.startswith("127.0.0.1:")
    assert not listener.address.endswith(":0")
    assert await greeted(listener) == b"hello\r\n"


async def test_tcp_v6() -> None:
    """An IPv6 listener is written with brackets, and IPv4 may have the same port beside it."""
    first = bind_tcp("::", 0, [])
    port = first.getsockname()[1]
    second = bind_tcp("0.0.0.0", port, [])
    second.close()
    assert Listener(first).address == f"[::]:{port}"
    first.close()
    listener = Listener(bind_tcp("::1", 0, []))
    assert await greeted(listener) == b"hello\r\n"


def test_a_port_that_is_taken() -> None:
    """The error names the address and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=rf"127\.0\.0\.1:{port}: Address already in use; change"):
            bind_tcp("127.0.0.1", port, [])


def test_an_address_that_is_not_ours() -> None:
    """An address of another machine, and a name that leads nowhere, are errors of one sentence."""
    with pytest.raises(ListenError, match=r"203\.0\.113\.1:2525: Cannot assign"):
        bind_tcp("203.0.113.1", 2525, [])
    with pytest.raises(ListenError, match=r"no-such-host\.invalid:2525: (Name|Temporary)"):
        bind_tcp("no-such-host.invalid", 2525, [])


async def test_unix(tmp_path: Path) -> None:
    """The socket's file has its mode from the first moment, whatever the mask."""
    path = str(tmp_path / "s")
    before = os.umask(0o077)
    try:
        sock = bind_unix(path, 0o666, [])
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o666
    listener = Listener(sock)
    assert listener.address == f"unix:{path}"
    assert await greeted(listener, path) == b"hello\r\n"


def test_unix_after_a_crash(tmp_path: Path) -> None:
    """A socket that nobody answers is replaced; one that somebody answers, and a plain file, are not."""
    path = str(tmp_path / "s")
    bind_unix(path, 0o600, []).close()
    alive = bind_unix(path, 0o600, [])
    with pytest.raises(ListenError, match="another process listens there"):
        bind_unix(path, 0o600, [])
    alive.close()
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ListenError, match="no socket; move it away"):
        bind_unix(str(tmp_path / "file"), 0o600, [])
    assert (tmp_path / "file").read_text() == "precious"


def test_unix_in_a_directory_that_is_missing(tmp_path: Path) -> None:
    """The error names the path."""
    with pytest.raises(ListenError, match=r"unix:.*/none/s: No such file or directory"):
        bind_unix(str(tmp_path / "none" / "s"), 0o600, [])


async def test_a_passed_socket_is_used(tmp_path: Path) -> None:
    """A socket that was passed for the address is taken instead of a new one, and only once."""
    tcp = socket.create_server(("127.0.0.1", 0))
    host, port = tcp.getsockname()
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "s"))
    unix.listen()
    passed = [tcp, unix]
    assert bind_unix(str(tmp_path / "s"), 0o600, passed) is unix
    assert bind_tcp(host, port, passed) is tcp
    assert passed == []
    assert await greeted(Listener(tcp)) == b"hello\r\n"
    unix.close()


def test_a_listener_that_was_never_started() -> None:
    """Closing it frees the port."""
    listener = Listener(bind_tcp("127.0.0.1", 0, []))
    port = int(listener.address.rpartition(":")[2])
    listener.close()
    bind_tcp("127.0.0.1", port, []).close()


PASSED = """
import os
from eilpost.net import listen
os.environ["LISTEN_PID"] = {pid}
os.environ["LISTEN_FDS"] = {count}
os.environ["LISTEN_FDNAMES"] = "smtp:lmtp"
print([sock.getsockname()[1] for sock in listen.passed_sockets()], sorted(k for k in os.environ if k[:7] == "LISTEN_"))
"""


@pytest.mark.parametrize(
    ("pid", "count", "taken"),
    [("str(os.getpid())", '"2"', True), ("str(os.getpid())", '"x"', False), ('"1"', '"2"', False)],
)
def test_sd_listen_fds(pid: str, count: str, taken: bool) -> None:
    """sd_listen_fds: descriptors from 3 on, only for the process they were meant for; our children see none of it."""
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        ports = [first.getsockname()[1], second.getsockname()[1]]
        code = PASSED.format(pid=pid, count=count)
        words = [sys.executable, "-c", code]
        # The descriptors are put in their places by a shell, as systemd puts them.
        shell = f'exec 20<&{first.fileno()} 21<&{second.fileno()} 3<&20 4<&21; exec "$@"'
        fds = (first.fileno(), second.fileno())
        output = subprocess.run(["bash", "-c", shell, "-", *words], pass_fds=fds, capture_output=True, text=True)
    assert output.stderr == ""
    assert output.stdout.strip() == f"{ports if taken else []} []"


def test_a_passed_socket_that_nobody_wants() -> None:
    """It is an error that names it, since clients would connect to it and never be answered."""
    with (
        socket.create_server(("127.0.0.1", 0)) as sock,
        pytest.raises(ListenError, match="passed by the service manager"),
    ):
        listen.refuse_unused([sock])
    listen.refuse_unused([])


def test_nothing_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without systemd there is nothing."""
    for name in ("LISTEN_FDS", "LISTEN_PID"):
        monkeypatch.delenv(name, raising=False)
    assert listen.passed_sockets() == []
