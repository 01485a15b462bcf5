"""Final delivery into Maildirs."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from eilpost.deliver.agent import Job
from eilpost.deliver.local import Local, trace, without_return_path
from eilpost.mail.address import Address, parse_address
from eilpost.mail.envelope import NULL_REVERSE_PATH, MailParameters, Recipient, ReversePath
from eilpost.mail.next_hop import Means, NextHop
from eilpost.mail.outcome import Fate, Outcome
from eilpost.maildrop.delivery import Maildirs
from eilpost.spool.contract import ContentDamaged, QueuedMessage, SpoolClosed

CONTENT = b"Received: from a\r\n\tby b; date\r\nFrom: a@far.test\r\nSubject: x\r\n\r\nbody\r\n.dot\r\nlast"
SENDER = ReversePath(parse_address("a@far.test"))


@dataclass
class Held:
    """Content as a spool gives it, in memory or piece by piece, whole or failing."""

    whole: bytes
    piece: int = 0
    failure: Exception | None = None
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = len(self.whole)

    @property
    def octets(self) -> bytes | None:
        """None when it comes in pieces."""
        return None if self.piece else self.whole

    async def chunks(self) -> AsyncIterator[bytes]:
        """The pieces, and then the failure if there is one."""
        for start in range(0, len(self.whole), self.piece):
            yield self.whole[start : start + self.piece]
        if self.failure is not None:
            raise self.failure


def job(content: Held, *recipients: Recipient, sender: ReversePath = SENDER) -> Job:
    """One message for these recipients."""
    message = QueuedMessage("1", sender, MailParameters(), 0.0, content.size, False, content)
    return Job(message, recipients, NextHop(Means.MAILDIR))


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[Local]:
    """The agent, with accounts for everybody but ``gone``."""

    def find(address: Address) -> Path | None:
        return None if address.local_part == "gone" else tmp_path / address.local_part

    agent = Local(Maildirs("mx.test"), find, now=lambda: 5.0)
    yield agent
    await agent.close()


def files(directory: Path) -> list[str]:
    """The names of all files below a directory."""
    return [path.name for path in directory.rglob("*") if path.is_file()]


def only(directory: Path) -> bytes:
    """The one message in a Maildir."""
    (path,) = (directory / "new").iterdir()
    return path.read_bytes()


ANNA, BOB, GONE = (Recipient(parse_address(f"{name}@ours.test")) for name in ("anna", "bob", "gone"))


@pytest.mark.parametrize("piece", [0, 1, 7, 100_000])
async def test_the_content_arrives_as_it_came(local: Local, tmp_path: Path, piece: int) -> None:
    """Behind the fields of final delivery stand the octets that were accepted, in memory or not."""
    attempt = await local.attempt(job(Held(CONTENT, piece), ANNA))
    (outcome,) = attempt.outcomes
    assert (outcome.fate, str(outcome.status), outcome.remote, outcome.when) == (Fate.DELIVERED, "2.0.0", None, 5.0)
    head = b"Return-Path: <a@far.test>\r\nDelivered-To: anna@ours.test\r\n"
    assert only(tmp_path / "anna") == head + CONTENT


async def test_each_recipient_has_an_outcome(local: Local, tmp_path: Path) -> None:
    """One account that is gone or cannot be written to does not stop the others."""
    (tmp_path / "bob").write_bytes(b"no directory")
    outcomes = (await local.attempt(job(Held(CONTENT), GONE, ANNA, BOB))).outcomes
    assert [(outcome.recipient, outcome.fate, str(outcome.status)) for outcome in outcomes] == [
        (GONE.address, Fate.FAILED, "5.1.1"),
        (ANNA.address, Fate.DELIVERED, "2.0.0"),
        (BOB.address, Fate.DEFERRED, "4.3.5"),
    ]


async def test_nobody_left_needs_no_delivery(local: Local, tmp_path: Path) -> None:
    """A message for accounts that are gone touches no disk."""
    (outcome,) = (await local.attempt(job(Held(CONTENT), GONE))).outcomes
    assert outcome == Outcome(GONE.address, Fate.FAILED, outcome.status, "There is no such account any more", None, 5.0)
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.ENOSPC, "4.3.1"), (errno.EDQUOT, "4.2.2"), (errno.EIO, "4.3.0"), (errno.EMFILE, "4.3.2"), (1234, "4.2.0")],
)
async def test_f168_f175_what_the_disk_says_defers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, expected: str
) -> None:
    """A full disk, a quota and other trouble have their status, and none of it fails a message (P9)."""

    def broken(*_: object, **__: object) -> int:
        raise OSError(number, "injected")

    agent = Local(Maildirs("mx.test"), lambda _: tmp_path / "anna")
    monkeypatch.setattr("os.writev", broken)
    (outcome,) = (await agent.attempt(job(Held(CONTENT), ANNA))).outcomes
    await agent.close()
    assert (outcome.fate, str(outcome.status)) == (Fate.DEFERRED, expected)
    assert "injected" in outcome.diagnostic
    assert files(tmp_path) == []


@pytest.mark.parametrize("call", ["os.fsync", "os.rename"])
async def test_p1_without_a_sync_nothing_is_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """When a sync or the move into ``new`` fails, the outcome is deferred and no file is left."""
    agent = Local(Maildirs("mx.test"), lambda _: tmp_path / "anna")
    await agent.attempt(job(Held(CONTENT), ANNA))

    def broken(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "injected")

    monkeypatch.setattr(call, broken)
    (outcome,) = (await agent.attempt(job(Held(CONTENT), ANNA))).outcomes
    monkeypatch.undo()
    await agent.close()
    assert (outcome.fate, str(outcome.status)) == (Fate.DEFERRED, "4.3.0")
    assert len(files(tmp_path)) == 1


async def test_p1_a_directory_that_cannot_be_synced_takes_the_message_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is in ``new`` but whose entry is not durable is not delivered, and goes."""
    import os

    agent = Local(Maildirs("mx.test"), lambda _: tmp_path / "anna")
    await agent.attempt(job(Held(CONTENT), ANNA))
    real = os.fsync

    def only_files(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.EIO, "injected")
        real(descriptor)

    monkeypatch.setattr("os.fsync", only_files)
    (outcome,) = (await agent.attempt(job(Held(CONTENT), ANNA))).outcomes
    monkeypatch.undo()
    await agent.close()
    assert (outcome.fate, str(outcome.status)) == (Fate.DEFERRED, "4.3.0")
    assert len(list((tmp_path / "anna" / "new").iterdir())) == 1


async def test_damaged_content_is_for_the_spool_to_tell(local: Local, tmp_path: Path) -> None:
    """ContentDamaged goes up; nothing is left in the Maildir."""
    with pytest.raises(ContentDamaged):
        await local.attempt(job(Held(CONTENT, 10, ContentDamaged("broken")), ANNA))
    assert files(tmp_path) == []


async def test_content_that_cannot_be_read_now_waits(local: Local) -> None:
    """Other trouble of the spool defers all recipients."""
    outcomes = (await local.attempt(job(Held(CONTENT, 10, SpoolClosed("shut")), ANNA, BOB))).outcomes
    assert [(outcome.fate, str(outcome.status)) for outcome in outcomes] == [(Fate.DEFERRED, "4.3.0")] * 2


def test_the_trace_of_a_report_and_of_an_alias() -> None:
    """A null reverse-path is written ``<>``; another RCPT address stands in ``X-Original-To``."""
    alias = Recipient(parse_address("anna@ours.test"), given=parse_address("anna+news@ours.test"))
    assert trace(NULL_REVERSE_PATH, alias) == (
        b"Return-Path: <>\r\nX-Original-To: anna+news@ours.test\r\nDelivered-To: anna@ours.test\r\n"
    )


@pytest.mark.parametrize("piece", [0, 5])
async def test_f100_a_return_path_of_others_is_taken_out(local: Local, tmp_path: Path, piece: int) -> None:
    """RFC 5321 §4.4: the delivered message has one Return-Path, ours; the body is not looked at."""
    content = b"A: b\r\nRETURN-path : <x@evil.test>\r\n folded\r\nB: c\r\n\r\nReturn-Path: <body@far.test>\r\n"
    await local.attempt(job(Held(content, piece), ANNA))
    delivered = only(tmp_path / "anna")
    assert delivered.endswith(b"anna@ours.test\r\nA: b\r\nB: c\r\n\r\nReturn-Path: <body@far.test>\r\n")


@pytest.mark.parametrize("content", [b"", b"\r\n", b"x", b"X-Return-Path: a\r\n\r\nReturn-Path: b\r\n", CONTENT])
def test_content_without_a_return_path_is_not_touched(content: bytes) -> None:
    """Without a Return-Path in the header the very same octets go on."""
    assert without_return_path(content) is content
