"""Running peers, one of each for the whole room (deeds)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.interop.contents import MARK
from tests.peers import dovecot as dovecot_peer
from tests.peers import postfix as postfix_peer
from tests.peers.dovecot import Dovecot
from tests.peers.eilpost import Eilpost, Setup, eilpost
from tests.peers.postfix import Postfix, delivering, postfix
from tests.peers.tools import scratch

BERTA = "berta@example.test"


async def arrived(maildir: Path, identity: str, *, patience: float = 20.0) -> bytes:
    """The message with that mark, when it has come."""
    end = time.monotonic() + patience
    mark = MARK + identity.encode() + b"\n"
    new = maildir / "new"
    while time.monotonic() < end:
        for path in new.iterdir() if new.exists() else ():
            octets = path.read_bytes()
            if mark in octets.replace(b"\r\n", b"\n"):
                return octets
        await asyncio.sleep(0.05)
    raise AssertionError(f"{identity} did not come to {maildir}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ours() -> AsyncIterator[Eilpost]:
    """Eilpost with a Maildir for Berta."""
    with scratch("interop") as directory:
        setup = Setup(accounts=(BERTA,), settings={"limits.connections_per_client": 1000})
        async with eilpost(directory, setup) as system:
            yield system


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def their_postfix() -> AsyncIterator[Postfix]:
    """Postfix with a Maildir for Carl at elsewhere.example."""
    if reason := postfix_peer.unavailable():
        pytest.skip(f"no Postfix: {reason}")
    with scratch("postfix") as directory:
        settings = delivering("elsewhere.example", directory / "mail", "carl")
        async with postfix(directory / "postfix", settings) as peer:
            yield peer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def their_dovecot() -> AsyncIterator[Dovecot]:
    """Dovecot that takes mail by LMTP."""
    if reason := dovecot_peer.unavailable():
        pytest.skip(f"no Dovecot: {reason}")
    with scratch("dovecot") as directory:
        async with dovecot_peer.dovecot(directory) as peer:
            yield peer
