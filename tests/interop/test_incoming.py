"""smtplib, swaks, msmtp, curl and Postfix send to us; what lies in the Maildir is what they were given."""

from __future__ import annotations

import asyncio
import smtplib
from pathlib import Path

import pytest

from tests.interop.conftest import BERTA, arrived
from tests.interop.contents import BODIES, as_stored, content, split_trace
from tests.peers import postfix as postfix_peer
from tests.peers.eilpost import Eilpost
from tests.peers.postfix import postfix, relaying
from tests.peers.tools import missing, program, run, scratch

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]
SENDER = "anna@sender.example"


async def check(ours: Eilpost, sent: bytes, identity: str, helo: bytes) -> None:
    """The stored message is the sent one behind our trace fields."""
    trace, rest = split_trace(await arrived(ours.maildir(BERTA), identity))
    assert rest == as_stored(sent)
    assert trace.startswith(b"Return-Path: <anna@sender.example>\n")
    assert b"Delivered-To: berta@example.test\n" in trace
    assert b"Received: from " + helo in trace


@pytest.mark.parametrize("name", BODIES)
async def test_smtplib(ours: Eilpost, name: str) -> None:
    """Python's own client sends every kind of content, and it comes out unaltered."""
    sent = content(name, f"smtplib-{name}")

    def send() -> None:
        options = ["BODY=8BITMIME"] if name == "eight-bit" else []
        with smtplib.SMTP("127.0.0.1", ours.port, local_hostname="smtplib.example") as client:
            assert client.sendmail(SENDER, [BERTA], sent, mail_options=options) == {}

    await asyncio.to_thread(send)
    await check(ours, sent, f"smtplib-{name}", b"smtplib.example")


@pytest.mark.parametrize("name", BODIES)
async def test_swaks(ours: Eilpost, name: str, tmp_path: Path) -> None:
    """swaks sends a file as it is."""
    if reason := missing("swaks"):
        pytest.skip(reason)
    sent = content(name, f"swaks-{name}")
    (tmp_path / "message").write_bytes(sent.replace(b"\r\n.", b"\r\n.."))
    # With --no-data-fixup it sends the octets it is given, so the dots and the end are ours to write.
    (tmp_path / "message").write_bytes((tmp_path / "message").read_bytes() + b".")
    command = [program("swaks"), "--server", f"127.0.0.1:{ours.port}", "--helo", "swaks.example", "--from", SENDER]
    await run(*command, "--to", BERTA, "--no-data-fixup", "--data", f"@{tmp_path / 'message'}")
    await check(ours, sent, f"swaks-{name}", b"swaks.example")


@pytest.mark.parametrize("name", BODIES)
async def test_msmtp(ours: Eilpost, name: str) -> None:
    """msmtp, a sendmail for laptops, sends its standard input."""
    if reason := missing("msmtp"):
        pytest.skip(reason)
    sent = content(name, f"msmtp-{name}")
    command = [program("msmtp"), "--host=127.0.0.1", f"--port={ours.port}", "--tls=off", "--auth=off"]
    await run(*command, "--domain=msmtp.example", f"--from={SENDER}", "--", BERTA, stdin=as_stored(sent))
    await check(ours, sent, f"msmtp-{name}", b"msmtp.example")


@pytest.mark.parametrize("name", BODIES)
async def test_curl(ours: Eilpost, name: str, tmp_path: Path) -> None:
    """curl uploads a file."""
    if reason := missing("curl"):
        pytest.skip(reason)
    sent = content(name, f"curl-{name}")
    (tmp_path / "message").write_bytes(sent)
    command = [program("curl"), "--silent", "--show-error", f"smtp://127.0.0.1:{ours.port}/curl.example"]
    await run(*command, "--mail-from", SENDER, "--mail-rcpt", BERTA, "--upload-file", tmp_path / "message")
    await check(ours, sent, f"curl-{name}", b"curl.example")


async def test_postfix(ours: Eilpost) -> None:
    """Postfix relays to us, from its own sendmail command through its own queue."""
    if reason := postfix_peer.unavailable():
        pytest.skip(reason)
    with scratch("sender") as directory:
        async with postfix(directory, relaying(ours.port)) as sender:
            for name in BODIES:
                await sender.send(SENDER, [BERTA], content(name, f"postfix-{name}"))
            for name in BODIES:
                await check(ours, content(name, f"postfix-{name}"), f"postfix-{name}", b"postfix.example.test")
            assert await sender.queued() == 0
