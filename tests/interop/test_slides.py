"""The founding document's dialogue (slide 7), typed into a real telnet and into ``eilpost talk``."""

from __future__ import annotations

import asyncio
import os
import pty
import shutil
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from eilpost.testing.dialog import parse
from eilpost.testing.dialog_socket import run_over_socket
from tests.interop.conftest import arrived
from tests.interop.contents import MARK
from tests.peers.eilpost import COMMAND, Eilpost, Setup, eilpost
from tests.peers.tools import run, scratch

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

ANNA, BERTA = "anna@example.test", "berta@example.test"
PASSWORD = "correct horse battery staple"

SLIDE_7 = (
    ("220 ", "ehlo anna"),
    ("250 ", "auth login"),
    ("334 VXNlcm5hbWU6", b64encode(ANNA.encode()).decode()),
    ("334 UGFzc3dvcmQ6", b64encode(PASSWORD.encode()).decode()),
    ("235 ", f"mail from: {ANNA}"),
    ("250 ", f"rcpt to: {BERTA}"),
    ("250 ", "data"),
)
"""What the server says, and what is typed then."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Eilpost]:
    """A submission port that takes AUTH LOGIN on loopback without TLS and spells AUTH= too, as on slide 7."""
    setup = Setup(
        roles=("submission",),
        trusted=False,
        accounts=(ANNA, BERTA),
        settings={
            "auth.mechanisms": ["CRAM-MD5", "LOGIN", "PLAIN"],
            "auth.plain_on_loopback": True,
            "auth.old_spelling": True,
            "auth.x_authenticated": True,
        },
    )
    with scratch("slides") as directory:
        async with eilpost(directory, setup) as running:
            yield running


class Telnet:
    """A telnet at a terminal of its own, and somebody who types."""

    def __init__(self, port: int) -> None:
        self._master, slave = pty.openpty()
        self._port = port
        self._slave = slave
        self.seen = ""

    async def start(self) -> None:
        program = shutil.which("telnet")
        assert program is not None
        self._process = await asyncio.create_subprocess_exec(
            program, "127.0.0.1", str(self._port), stdin=self._slave, stdout=self._slave, stderr=self._slave,
            start_new_session=True, env={**os.environ, "TERM": "dumb"},
        )  # fmt: skip
        os.close(self._slave)

    async def until(self, text: str, after: int) -> None:
        """Waits for a line that begins with ``text``, behind the place ``after``."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(20):
            while f"\n{text}" not in self.seen[after:]:
                came = await loop.run_in_executor(None, self._read)
                assert came, self.seen
                self.seen += came

    def _read(self) -> str:
        try:
            return os.read(self._master, 4096).decode("utf-8", "replace")
        except OSError:
            return ""

    def type(self, line: str) -> int:
        """Types a line; where the screen stands by now."""
        at = len(self.seen)
        os.write(self._master, f"{line}\r".encode())
        return at

    async def end(self) -> None:
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.wait()
        os.close(self._master)


async def _mail(server: Eilpost, identity: str) -> str:
    """The message as it was delivered: slide 6."""
    return (await arrived(server.maildir(BERTA), identity)).decode()


def _is_of_slide_6(mail: str) -> None:
    for field in (
        "Return-Path: <anna@example.test>",
        "Delivered-To: berta@example.test",
        "X-Authenticated: ",
        "From: ",
    ):
        assert field in mail, mail
    assert "with ESMTPA " in mail
    assert "a first mail" in mail
    assert "\nDate: " in mail.replace("\r", "")
    assert "\nMessage-ID: " in mail.replace("\r", "")


@pytest.mark.skipif(shutil.which("telnet") is None, reason="telnet is not installed (inetutils-telnet)")
async def test_slide_7_by_telnet(server: Eilpost) -> None:
    """Slide 7: a person with telnet logs in by AUTH LOGIN and sends a mail, in the forms that people type."""
    telnet = Telnet(server.port)
    await telnet.start()
    try:
        at = 0
        for reply, line in SLIDE_7:
            await telnet.until(reply, at)
            at = telnet.type(line)
        await telnet.until("354 ", at)
        for line in ("subject: a first mail", "", MARK.decode() + "slides-telnet", "A dot alone on a line ends it."):
            telnet.type(line)
        at = telnet.type(".")
        await telnet.until("250 ", at)
        at = telnet.type("quit")
        await telnet.until("221 ", at)
    finally:
        await telnet.end()
    assert "AUTH=CRAM-MD5 LOGIN PLAIN" in telnet.seen or "AUTH=LOGIN PLAIN" in telnet.seen
    _is_of_slide_6(await _mail(server, "slides-telnet"))


async def test_slide_7_by_talk(server: Eilpost, tmp_path: Path) -> None:
    """Slide 7 by ``eilpost talk``, which does the encoding; what it records is played by the runner of dialogues."""
    content = f"subject: a first mail\n\n{MARK.decode()}slides-talk\nA dot alone on a line ends it.\n.\nquit\n"
    typed = f"ehlo anna\nauth login\n{ANNA}\n{PASSWORD}\nmail from: {ANNA}\nrcpt to: {BERTA}\ndata\n{content}"
    file = tmp_path / "slides.dialog"
    words = ("talk", f"127.0.0.1:{server.port}", "--record", file)
    said = (await run(*COMMAND, *words, stdin=typed.encode())).decode()
    assert "S: 235 " in said
    assert PASSWORD not in said
    _is_of_slide_6(await _mail(server, "slides-talk"))
    recorded = file.read_text()
    assert b64encode(PASSWORD.encode()).decode() not in recorded
    again = recorded.replace("slides-talk", "slides-played")
    await run_over_socket(parse(again), "127.0.0.1", server.port, passwords={ANNA: PASSWORD})
    _is_of_slide_6(await _mail(server, "slides-played"))
