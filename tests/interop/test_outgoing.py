"""We relay to Postfix, and deliver to Dovecot by LMTP; what they store is what we were given."""

from __future__ import annotations

import asyncio
import re
import smtplib
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.interop.conftest import arrived
from tests.interop.contents import BODIES, as_stored, content, split_trace
from tests.peers.dovecot import Dovecot
from tests.peers.eilpost import Eilpost, Setup, eilpost
from tests.peers.postfix import Postfix
from tests.peers.tools import scratch

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]
SENDER = "anna@sender.example"


def send_all(system: Eilpost, recipients: Sequence[str], prefix: str) -> None:
    """Every kind of content, over one connection."""
    with smtplib.SMTP("127.0.0.1", system.port) as client:
        for name in BODIES:
            options = ["BODY=8BITMIME"] if name == "eight-bit" else []
            assert client.sendmail(SENDER, recipients, content(name, f"{prefix}-{name}"), mail_options=options) == {}


async def check_all(maildir: Path, prefix: str) -> None:
    """All of it lies there, unaltered, with our Received field."""
    for name in BODIES:
        trace, rest = split_trace(await arrived(maildir, f"{prefix}-{name}"))
        assert rest == as_stored(content(name, f"{prefix}-{name}")), name
        assert b"by mx.example.test" in trace


async def test_relay_to_postfix(their_postfix: Postfix) -> None:
    """Postfix as the smarthost delivers to a Maildir of its own."""
    with scratch("relay") as directory:
        async with eilpost(directory, Setup(smarthost=their_postfix.port)) as system:
            await asyncio.to_thread(send_all, system, ["carl@elsewhere.example"], "relay")
            mailboxes = their_postfix.directory.parent / "mail"
            await check_all(mailboxes / "carl", "relay")
            assert await system.drained(10) == 0


async def test_refusal_by_postfix_is_reported(their_postfix: Postfix) -> None:
    """What Postfix refuses for good comes back to the sender as a report (RFC 3464)."""
    sender = "berta@example.test"
    with scratch("refusal") as directory:
        setup = Setup(smarthost=their_postfix.port, accounts=(sender,))
        async with eilpost(directory, setup) as system:

            def send() -> None:
                with smtplib.SMTP("127.0.0.1", system.port) as client:
                    client.sendmail(sender, ["nobody@elsewhere.example"], content("plain", "refusal-plain"))

            await asyncio.to_thread(send)
            report = await arrived(system.maildir(sender), "refusal-plain")
            assert b"multipart/report" in report
            assert b"Action: failed" in report
            assert re.search(rb"^Final-Recipient: rfc822; ?nobody@elsewhere\.example\r?$", report, re.MULTILINE)


@pytest.mark.parametrize("way", ["tcp", "unix"])
async def test_lmtp_to_dovecot(their_dovecot: Dovecot, way: str) -> None:
    """Dovecot takes mail for a hosted domain by LMTP, over TCP and over a Unix socket."""
    url = f"lmtp://127.0.0.1:{their_dovecot.port}" if way == "tcp" else f"lmtp+unix:{their_dovecot.socket}"
    setup = Setup(domains={"dovecot.test": url}, domain_settings={"verify": False})
    with scratch("lmtp") as directory:
        async with eilpost(directory, setup) as system:
            recipients = ["anna@dovecot.test", "berta@dovecot.test"]
            await asyncio.to_thread(send_all, system, recipients, f"lmtp-{way}")
            for local_part in ("anna", "berta"):
                await check_all(their_dovecot.mailboxes / local_part, f"lmtp-{way}")
            assert await system.drained(10) == 0
