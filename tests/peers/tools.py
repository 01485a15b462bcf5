"""What every peer needs: programs, ports, directories, processes (deeds)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/local/sbin"))


class PeerError(Exception):
    """A peer did not do what its manual says; the message holds its own words."""


def program(name: str) -> str:
    """The path of a program; PeerError if it is not installed."""
    path = shutil.which(name, path=SEARCH_PATH)
    if path is None:
        raise PeerError(f"{name} is not installed")
    return path


def missing(*programs: str, root: bool = False) -> str:
    """Why these programs cannot be used here, in one line; empty when they can."""
    absent = [name for name in programs if shutil.which(name, path=SEARCH_PATH) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    if root and os.geteuid() != 0:
        return f"{programs[0]} needs root here"
    return ""


def free_port() -> int:
    """A loopback port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A new directory on the disk (not on a tmpfs) that other users may enter, removed at the end."""
    directory = Path(tempfile.mkdtemp(prefix=f"eilpost-{name}-", dir="/var/tmp"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


async def wait_for_port(port: int, *, deadline: float = 15.0, host: str = "127.0.0.1") -> None:
    """Returns when somebody accepts connections there; PeerError after the deadline."""
    clock = asyncio.get_running_loop()
    end = clock.time() + deadline
    while True:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError as error:
            if clock.time() > end:
                raise PeerError(f"nobody listens on {host}:{port} after {deadline:.0f} s") from error
            await asyncio.sleep(0.02)
            continue
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return


async def run(*command: str | Path, stdin: bytes = b"", deadline: float = 120.0, check: bool = True) -> bytes:
    """Runs a program to its end; its standard output. PeerError with its words when it fails."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(stdin), deadline)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise PeerError(f"{command[0]} did not end within {deadline:.0f} s") from None
    if check and process.returncode != 0:
        words = errors.decode(errors="replace").strip() or output.decode(errors="replace").strip()
        raise PeerError(f"{command[0]} ended with {process.returncode}: {words}")
    return output


class Service:
    """A program that runs until it is stopped, in a process group of its own; its words go to a file."""

    def __init__(self, process: asyncio.subprocess.Process, words: Path) -> None:
        self._process = process
        self.words = words

    @classmethod
    async def start(
        cls, command: Sequence[str | Path], words: Path, *, environment: dict[str, str] | None = None
    ) -> Service:
        """Starts it; standard output and error are appended to ``words``."""
        with words.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *map(str, command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )
        return cls(process, words)

    @property
    def pid(self) -> int:
        """The process that was started (of strace, when it runs under strace)."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.returncode

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the whole group; nothing happens when it has ended."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    async def wait(self, deadline: float) -> int:
        """Its exit code; TimeoutError after the deadline."""
        return await asyncio.wait_for(self._process.wait(), deadline)

    async def stop(self, deadline: float = 15.0) -> int:
        """SIGTERM, and SIGKILL when that does not help in time; the exit code."""
        self.signal(signal.SIGTERM)
        try:
            return await self.wait(deadline)
        except TimeoutError:
            return await self.kill()

    async def kill(self) -> int:
        """SIGKILL to the whole group; the exit code, when the last of the group is gone."""
        self.signal(signal.SIGKILL)
        code = await self._process.wait()
        for _ in range(500):  # what ran under strace outlives it for a moment, with files open
            try:
                os.killpg(self._process.pid, 0)
            except ProcessLookupError:
                break
            await asyncio.sleep(0.01)
        return code

    def text(self) -> str:
        """All it has said."""
        return self.words.read_text(errors="replace") if self.words.exists() else ""
