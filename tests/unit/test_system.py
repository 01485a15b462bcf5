"""The whole system as a program: start, signals, users, sockets, descriptors."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from eilpost.config.schema import Limits, Listen, Role
from eilpost.net.listen import ListenError
from eilpost.policy.peer import fitting
from eilpost.system import bind, prepare_data
from tests.peers.eilpost import COMMAND, Eilpost, Setup, configuration, eilpost
from tests.peers.tools import PeerError, run, scratch
from tests.unit.receive.running import MESSAGE, Caller, dial
from tests.unit.receive.running import configuration as made

ANNA = "anna@example.test"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def room() -> Iterator[Path]:
    """A directory that other users may enter."""
    with scratch("system") as directory:
        yield directory


@contextlib.asynccontextmanager
async def served(room: Path, **changes: object) -> AsyncIterator[Eilpost]:
    """A running program with all roles and one account; it must end with 0."""
    setup = replace(Setup(roles=("mx", "submission", "lmtp"), accounts=(ANNA,), trusted=False), **changes)  # type: ignore[arg-type]
    async with eilpost(room, setup) as system:
        yield system


async def call(system: Eilpost, role: str = "mx", source: str = "127.0.0.1") -> Caller:
    """A session that has said hello."""
    caller = Caller(dial(("127.0.0.1", system.ports[role]), source))
    assert (await caller.hear()).startswith("220 ")
    assert (await caller.say("EHLO client.example")).startswith("250")
    return caller


async def call_locally(system: Eilpost) -> Caller:
    """A session by the submission socket."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(system.data / "submit.sock"))
    caller = Caller(sock)
    assert (await caller.hear()).startswith("220 ")
    assert (await caller.say("EHLO localhost")).startswith("250")
    return caller


async def said(system: Eilpost, pattern: str, deadline: float = 10.0) -> str:
    """The line of the log, once it is there."""
    end = time.monotonic() + deadline
    while (found := re.search(f".*{pattern}.*", system.service.text())) is None:
        assert time.monotonic() < end, f"never said {pattern}: {system.service.text()}"
        await asyncio.sleep(0.005)
    return found[0]


async def delivered(system: Eilpost, deadline: float = 10.0) -> bytes:
    """Anna's first message."""
    end = time.monotonic() + deadline
    while not (found := list((system.maildir(ANNA) / "new").glob("*"))):
        assert time.monotonic() < end, system.service.text()
        await asyncio.sleep(0.005)
    return found[0].read_bytes()


# --- the event loop it runs with


async def test_early_talkers_and_local_users(room: Path) -> None:
    """With the fastest loop as with asyncio's own: early talkers hear 554 (F017), local users are known by name."""
    async with served(room) as system:
        early = Caller(dial(("127.0.0.1", system.port)))
        early.sock.send(b"EHLO early.example\r\n")
        heard = await early.hear()
        if heard.startswith("220 "):  # it greeted before the kernel had the octets
            assert (await early.hear()).startswith("250")
        else:
            assert heard.startswith("554 5.5.0 ")
            assert await early.gone()
        local = await call_locally(system)
        assert (await local.mail("v@elsewhere.example")).startswith("250 ")
        assert f"account={pwd.getpwuid(os.geteuid()).pw_name}" in await said(system, "event=accepted|accepted ")
        for caller in (early, local):
            caller.close()


async def test_a_reset_before_accept_earns_no_trust(room: Path) -> None:
    """A stranger that sends a whole transaction and resets at once is no local user; nothing is relayed."""
    async with served(room) as system:
        chunk = b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<v@elsewhere.example>\r\nBDAT 5 LAST\r\nspam\n"
        for _ in range(50):
            caller = Caller(dial(("127.0.0.1", system.port)))
            caller.sock.send(chunk)
            caller.reset()
        last = await call(system)
        assert (await last.say("QUIT")).startswith("221 ")
        last.close()
        assert await system.queued() == 0


# --- signals


async def test_e5_sigterm(room: Path) -> None:
    """SIGTERM: idle sessions hear 421 4.3.2, the transaction under way ends with 250, then exit 0; twice is once."""
    async with served(room) as system:
        idle, busy = await call(system), await call(system)
        await busy.say("MAIL FROM:<a@b.example>")
        await busy.say(f"RCPT TO:<{ANNA}>")
        await busy.say("DATA")
        system.terminate()
        assert (await idle.hear()).startswith("421 4.3.2 ")
        assert await idle.gone()
        system.terminate()
        await busy.send(MESSAGE + b".\r\n")
        assert (await busy.hear()).startswith("250 2.0.0 ")
        assert (await busy.hear()).startswith("421 4.3.2 ")
        assert await system.service.wait(10) == 0
        assert await delivered(system)
        for caller in (idle, busy):
            caller.close()


async def test_e5_sigterm_during_the_start(room: Path) -> None:
    """SIGTERM at any moment of the start ends it within seconds, and the next start finds nothing in its way."""
    system = Eilpost(room, Setup(roles=("mx",), accounts=(ANNA,), trusted=False))
    await system.add_accounts()
    for pause in (0.1, 0.3, 0.45, 0.6):
        process = await asyncio.create_subprocess_exec(*COMMAND, "serve", "-c", str(system.file), stderr=-1)
        await asyncio.sleep(pause)
        process.terminate()
        _, words = await asyncio.wait_for(process.communicate(), 10)
        assert process.returncode in (0, -signal.SIGTERM), words
        assert b"Traceback" not in words
    await system.start()
    assert (await attempt(system)).startswith("250 ")
    assert await system.stop() == 0


async def test_e59_sighup(room: Path) -> None:
    """SIGHUP takes new domains and networks while sessions stay; a broken file is told, and the old one stays."""
    async with served(room) as system:
        caller = await call(system)
        await caller.say("MAIL FROM:<a@b.example>")
        assert (await caller.say("RCPT TO:<postmaster@second.test>")).startswith("550 5.7.1 ")
        grown = replace(system.setup, domains={"example.test": "maildir", "second.test": "maildir"}, trusted=True)
        system.file.write_text(configuration(grown, system.data, system.ports))
        system.service.signal(signal.SIGHUP)
        await said(system, "reloaded")
        assert (await caller.say("RCPT TO:<postmaster@second.test>")).startswith("250 ")
        trusted = await call(system)
        await trusted.say("MAIL FROM:<a@b.example>")
        assert (await trusted.say("RCPT TO:<v@elsewhere.example>")).startswith("250 ")
        system.file.write_text("[server]\nhostnam = 'x'\n")
        system.service.signal(signal.SIGHUP)
        await said(system, "the new configuration is not used")
        assert (await caller.say(f"RCPT TO:<{ANNA}>")).startswith("250 ")
        for one in (caller, trusted):
            one.close()


# --- a second one


async def test_e9_second_instance(room: Path) -> None:
    """A second instance is refused with one sentence: by its ports, its submission socket, or the spool's lock."""
    async with served(room) as system:
        for roles in (system.ports, {"mx": 0}):
            system.file.write_text(configuration(system.setup, system.data, roles))
            words = await refused(system)
            assert len(words.splitlines()) == 1, words
            assert re.search(r"Address already in use|another process listens there", words)
        (system.data / "submit.sock").unlink()
        words = await refused(system)
        assert re.search(rf"^eilpost: the spool \S+ is in use by process {system.pid}$", words, re.MULTILINE), words
        assert "Traceback" not in words
        caller = await call(system)
        assert (await caller.mail(ANNA)).startswith("250 ")
        caller.close()


async def refused(system: Eilpost) -> str:
    """What another server with this file says before it ends by itself."""
    with pytest.raises(PeerError) as raised:
        await run(*COMMAND, "serve", "-c", system.file, deadline=20.0)
    words = str(raised.value).partition(": ")[2]
    return "\n".join(line for line in words.splitlines() if "warning: there is no certificate" not in line)


# --- the service manager


async def test_readiness_is_told(room: Path) -> None:
    """sd_notify: READY=1 when it serves, STOPPING=1 when it ends."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(room / "notify"))
        manager.settimeout(10)
        async with served(room, environment={"NOTIFY_SOCKET": str(room / "notify")}) as system:
            assert await asyncio.to_thread(manager.recv, 100) == b"READY=1"
            caller = await call(system)
            caller.close()
            system.terminate()
            assert await asyncio.to_thread(manager.recv, 100) == b"STOPPING=1"
            await system.service.wait(10)


async def test_socket_activation(room: Path) -> None:
    """Sockets that the service manager bound are served, also those that connected before the start."""
    data, ports = room / "data", {}
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        for role, sock in zip(("mx", "submission"), sockets, strict=True):
            ports[role] = sock.getsockname()[1]
        system = Eilpost(room, Setup(roles=("mx", "submission"), accounts=(ANNA,), trusted=False), data=data)
        system.ports = ports
        system.file.write_text(configuration(system.setup, data, ports))
        await system.add_accounts()
        waiting = Caller(dial(("127.0.0.1", ports["mx"])))
        a, b = (sock.fileno() for sock in sockets)
        for sock in sockets:
            sock.set_inheritable(True)
        shell = f'exec 20<&{a} 21<&{b} 3<&20 4<&21; export LISTEN_PID=$$ LISTEN_FDS=2; exec "$@"'
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", shell, "-", *COMMAND, "serve", "-c", str(system.file), pass_fds=(a, b), stderr=-1
        )
    assert (await waiting.hear()).startswith("220 ")
    await waiting.say("EHLO x")
    assert (await waiting.mail(ANNA)).startswith("250 ")
    other = await call(system, "submission")
    for caller in (waiting, other):
        caller.close()
    process.terminate()
    _, words = await process.communicate()
    assert process.returncode == 0, words


# --- users and files


def test_prepare_data_under_any_mask(tmp_path: Path) -> None:
    """E33: local users can pass through the data directory and never write in it, whatever the mask."""
    for mask in (0o000, 0o022, 0o077):
        data = tmp_path / f"{mask:o}"
        before = os.umask(mask)
        try:
            prepare_data(made(data), user="")
        finally:
            os.umask(before)
        assert stat.S_IMODE(data.stat().st_mode) == 0o711
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    prepare_data(made(closed), user="")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o711


@pytest.mark.parametrize("mask", ["000", "077"])
@pytest.mark.parametrize("locale", ["tr_TR.UTF-8", "C"])
async def test_e33_environment(room: Path, mask: str, locale: str) -> None:
    """Locale, time zone and mask change nothing but the zone in dates: what is private stays so, dates are RFC 5322."""
    environment = {"LC_ALL": locale, "LANG": locale, "TZ": "Pacific/Marquesas", "PYTHONUTF8": "0"}
    async with served(room, wrap=("bash", "-c", f'umask {mask}; exec "$@"', "-"), environment=environment) as system:
        caller = await call(system)
        # Where a capital I may be no capital i: MAIL, EHLO and SIZE are commands and parameters all the same.
        assert (await caller.mail("ANNA@EXAMPLE.TEST", parameters=" size=100")).startswith("250 ")
        mail = await delivered(system)
        assert re.search(rb"; \w{3}, \d\d? \w{3} \d{4} \d\d:\d\d:\d\d -0930\r\n", mail)
        caller.close()
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in system.data.iterdir()}
        assert modes["submit.sock"] == 0o666
        assert modes["control.sock"] == 0o600
        assert {modes[name] & 0o077 for name in ("spool", "mail", "directory.db")} == {0}
        assert stat.S_IMODE(system.data.stat().st_mode) & 0o033 == 0o011


@contextlib.contextmanager
def acting_as(name: str) -> Iterator[None]:
    """This process with another effective user."""
    user = pwd.getpwnam(name)
    os.setegid(user.pw_gid)
    os.seteuid(user.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def status_of(pid: int) -> str:
    """What the kernel says of a process."""
    return Path(f"/proc/{pid}/status").read_text()


@pytest.mark.root
@needs_root
async def test_becomes_its_user(room: Path) -> None:
    """Started as root it becomes server.user for good, and owns what it writes; others reach submit.sock alone."""
    setup = Setup(roles=("mx",), accounts=(ANNA,), trusted=False, settings={"server.user": "nobody"})
    nobody = pwd.getpwnam("nobody")
    async with eilpost(room, setup) as system:
        status = status_of(system.pid)
        assert re.search(rf"Uid:\s{nobody.pw_uid}\s{nobody.pw_uid}\s{nobody.pw_uid}\s{nobody.pw_uid}", status)
        assert re.search(r"CapPrm:\s0+\n", status)
        caller = await call(system)
        assert (await caller.mail(ANNA)).startswith("250 ")
        await delivered(system)
        owners = {path.stat().st_uid for path in system.data.rglob("*") if path.name != "submit.sock"}
        assert owners == {nobody.pw_uid}
        with acting_as("daemon"):
            local = await call_locally(system)
            for private in ("spool", "mail"):
                with pytest.raises(PermissionError):
                    os.listdir(system.data / private)
            with pytest.raises(PermissionError):
                (system.data / "directory.db").read_bytes()
            with pytest.raises(PermissionError), socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(system.data / "control.sock"))
        assert (await local.mail(ANNA)).startswith("250 ")
        assert "account=daemon" in await said(system, "account=daemon")
        for one in (caller, local):
            one.close()


@pytest.mark.root
@needs_root
def test_prepare_data_for_a_user(room: Path) -> None:
    """A new or empty directory is given to the user; another one that it cannot write is told, not taken."""
    uid = pwd.getpwnam("nobody").pw_uid
    for name in ("new", "empty", "full"):
        if name != "new":
            (room / name).mkdir()
        if name == "full":
            (room / name / "file").touch()
            with pytest.raises(PermissionError, match="chown -R nobody"):
                prepare_data(made(room / name), user="nobody")
        else:
            prepare_data(made(room / name), user="nobody")
        assert (room / name).stat().st_uid == (0 if name == "full" else uid)
    os.chown(room / "full", 0, pwd.getpwnam("nobody").pw_gid)
    (room / "full").chmod(0o770)
    prepare_data(made(room / "full"), user="nobody")
    assert (room / "full").stat().st_uid == 0


@pytest.mark.root
@needs_root
async def test_without_its_user_it_goes_on_with_a_warning(room: Path) -> None:
    """As root without the user that server.user names: one clear warning, and it serves."""
    async with served(room, settings={"server.user": "no-such-user"}) as system:
        assert "no-such-user" in await said(system, "running as root")


# --- descriptors


@pytest.mark.parametrize(
    ("files", "connections"), [(64, 16), (200, 50), (1024, 256), (4096, 1024), (100_000, 15_000), (1, 1)]
)
def test_f122_connections_fit_the_files(files: int, connections: int) -> None:
    """Connections leave descriptors for delivery; enough of them change nothing."""
    assert fitting(Limits(), files).connections == connections
    assert fitting(Limits(connections=5), files).connections <= 5


async def test_e27_few_descriptors(room: Path) -> None:
    """E27: with 64 open files allowed, 200 connections are answered, delayed or closed; then mail flows as before."""
    if shutil.which("prlimit") is None:
        pytest.skip("prlimit is not installed")
    wide = {"limits.connections_per_client": 1000}
    async with served(room, wrap=("prlimit", "--nofile=64:64"), settings=wide) as system:
        await said(system, "few open files allowed")
        inside = await call(system)
        crowd = [dial(("127.0.0.1", system.port)) for _ in range(200)]
        assert (await inside.mail(ANNA))[:3] in ("250", "452", "451")
        for sock in crowd:
            sock.close()
        end = time.monotonic() + 10
        while not (await attempt(system)).startswith("250 "):
            assert time.monotonic() < end, system.service.text()
            await asyncio.sleep(0.05)
        assert await delivered(system)
        assert await system.drained(10) == 0
        inside.close()


async def attempt(system: Eilpost) -> str:
    """A message over a new connection; what the server says to it in the end."""
    caller = Caller(dial(("127.0.0.1", system.port)))
    try:
        if not (await caller.hear()).startswith("220 "):
            return ""
        await caller.say("EHLO x")
        return await caller.mail(ANNA)
    finally:
        caller.close()


# --- binding


def test_bind_makes_a_door_for_each_listener(tmp_path: Path) -> None:
    """Every row of the configuration and the local submission socket get a door, in this order."""
    path = str(tmp_path / "lmtp")
    prepare_data(made(tmp_path / "data"), user="")
    config = made(tmp_path / "data", listen=(Listen(Role.MX, "127.0.0.1:0"), Listen(Role.LMTP, f"unix:{path}")))
    doors = bind(config)
    try:
        assert [door.role for door in doors] == [Role.MX, Role.LMTP, Role.SUBMISSION]
        assert [door.listener.address for door in doors][1:] == [
            f"unix:{path}",
            f"unix:{tmp_path / 'data' / 'submit.sock'}",
        ]
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
    finally:
        for door in doors:
            door.listener.close()


def test_bind_tells_what_is_in_the_way(tmp_path: Path) -> None:
    """A file in the submission socket's place is named, and left alone."""
    config = made(tmp_path / "data", listen=())
    prepare_data(config, user="")
    (tmp_path / "data" / "submit.sock").write_text("precious")
    with pytest.raises(ListenError, match="no socket; move it away"):
        bind(config)
    assert (tmp_path / "data" / "submit.sock").read_text() == "precious"
