"""The judge itself: it sees what is lost, invented, altered or reported twice, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.crash.invariants import (
    Copy,
    Evidence,
    early_attempts,
    excess_duplicates,
    judge,
    promises_without_sync,
    relayed,
    wrong_refusals,
)
from tests.crash.ledger import Ledger, Sent, content_of, identify, read, unheard

GOOD = Sent("m1", "s@a", ("x@b", "y@b"), "d1", 1.0, 2.0, 3.0, "250 2.0.0 Ok: queued")
BOTH = [Copy("m1", "x@b", "d1"), Copy("m1", "y@b", "d1")]


def test_what_was_delivered_is_not_lost() -> None:
    """An acknowledged message with a copy for each recipient is sound."""
    verdict = judge({"m1": GOOD}, Evidence(BOTH))
    assert verdict.sound
    assert (verdict.owed, verdict.duplicates, verdict.worst) == (2, 0, 1)


def test_i1_a_missing_copy_is_a_loss() -> None:
    """A recipient of an acknowledged message without a copy, a report or a place in the queue is lost."""
    verdict = judge({"m1": GOOD}, Evidence(BOTH[:1]))
    assert verdict.lost == (("m1", "y@b"),)
    assert not verdict.sound


def test_i1_a_report_or_the_queue_is_no_loss() -> None:
    """A failed recipient that was reported, and a message that still waits, are accounted for."""
    assert judge({"m1": GOOD}, Evidence(BOTH[:1], reported=[("m1", "y@b")])).sound
    assert judge({"m1": GOOD}, Evidence(waiting={"m1"})).sound


@pytest.mark.parametrize("reply", ["", "451 4.3.0 later"])
def test_i1_what_was_not_acknowledged_is_not_owed(reply: str) -> None:
    """Without a 250 nothing is owed."""
    assert judge({"m1": replace(GOOD, reply=reply)}, Evidence()).sound


def test_i2_what_was_refused_must_not_arrive() -> None:
    """A copy of a refused message is a phantom; of an unanswered one it is not."""
    refused = {"m1": replace(GOOD, reply="452 4.3.1 full")}
    assert judge(refused, Evidence(BOTH)).phantoms == (("m1", "x@b"), ("m1", "y@b"))
    assert judge({"m1": replace(GOOD, reply="")}, Evidence(BOTH)).sound


def test_i2_what_was_never_sent_must_not_arrive() -> None:
    """An unknown id, an unknown recipient and a message whose dot was never sent are phantoms."""
    assert judge({}, Evidence(BOTH[:1])).phantoms
    assert judge({"m1": GOOD}, Evidence([*BOTH, Copy("m1", "z@b", "d1")])).phantoms == (("m1", "z@b"),)
    assert judge({"m1": replace(GOOD, dot=None, reply="")}, Evidence(BOTH[:1])).phantoms


def test_i3_copies_are_counted() -> None:
    """Each copy beyond the first is a duplicate, and the bound is crashes times what was in flight."""
    verdict = judge({"m1": GOOD}, Evidence(BOTH * 3))
    assert (verdict.duplicates, verdict.worst) == (4, 3)
    assert excess_duplicates(verdict, crashes=2, in_flight=2) == 0
    assert excess_duplicates(verdict, crashes=1, in_flight=1) == 3


def test_i4_an_altered_copy_is_seen() -> None:
    """A copy whose digest differs is altered."""
    assert judge({"m1": GOOD}, Evidence([BOTH[0], Copy("m1", "y@b", "other")])).altered == (("m1", "y@b"),)


def test_i5_a_promise_needs_a_sync() -> None:
    """A 250 before any sync, or after a failed one, is bad."""
    sync, promise = "7 fdatasync(9</d>) = 0", '7 write(5<TCP>, "250 2.0.0 Ok: queued as x", 20) = 20'
    failed = "7 fdatasync(9</d>) = -1 EIO (INJECTED)"
    assert promises_without_sync([sync, promise]) == ()
    assert promises_without_sync([promise]) == (promise,)
    assert promises_without_sync([sync, promise, promise]) == (promise,)
    assert promises_without_sync([sync, failed, promise]) == (promise,)


def test_i6_shortage_is_never_the_senders_fault() -> None:
    """5yz for our own trouble, and a late answer, are wrong."""
    assert wrong_refusals({"m1": replace(GOOD, reply="452 4.3.1 full")}, deadline=5) == ()
    assert len(wrong_refusals({"m1": replace(GOOD, reply="554 5.3.0 broken")}, deadline=5)) == 1
    assert len(wrong_refusals({"m1": replace(GOOD, replied=30.0)}, deadline=5)) == 1


def test_i8_early_attempts_are_seen() -> None:
    """An attempt more than the slack before its time is early."""
    assert early_attempts([0, 10, 30], waits=[10, 20]) == ()
    assert early_attempts([0, 5, 30, 35], waits=[10, 20]) == (5, 15)


def test_i10_two_reports_are_one_too_many() -> None:
    """A recipient that was reported twice is seen."""
    evidence = Evidence(BOTH[:1], reported=[("m1", "y@b"), ("m1", "y@b")])
    assert judge({"m1": GOOD}, evidence).reported_twice == (("m1", "y@b"),)


def test_i13_relayed_copies_are_seen() -> None:
    """A copy outside the hosted domains is relayed."""
    assert relayed([*BOTH, Copy("m1", "z@evil", "d1")], frozenset({"b"})) == (Copy("m1", "z@evil", "d1"),)


def test_a_ledger_is_read_as_it_was_written(tmp_path: Path) -> None:
    """The steps of a message come back as one value."""
    ledger = Ledger(tmp_path / "ledger")
    ledger.begin(replace(GOOD, dot=None, replied=None, reply=""))
    ledger.dot("m1", 2.0)
    ledger.reply("m1", 3.0, GOOD.reply)
    ledger.close()
    assert read((tmp_path / "ledger").read_text().splitlines()) == {"m1": GOOD}


def test_what_is_said_without_power_is_not_heard() -> None:
    """A reply in the dark leaves the message unanswered: it may exist, and nobody was promised that it does."""
    assert unheard(GOOD, [(2.5, 3.5)]) == replace(GOOD, replied=None, reply="")
    assert unheard(GOOD, [(3.5, 4.0), (0.0, 2.5)]) == GOOD
    assert not unheard(GOOD, [(2.5, 3.5)]).acknowledged


@pytest.mark.parametrize("size", [1, 300, 10_000])
def test_a_content_is_recognised_behind_trace_fields(size: int) -> None:
    """Id and digest are the same with and without trace fields, and differ when an octet does."""
    content = content_of("abc-1", size)
    assert identify(b"Received: x\r\n y\r\n" + content) == identify(content)
    assert identify(content)[0] == "abc-1"
    assert identify(content[:-3] + b"!\r\n") != identify(content)
    assert b"\r\n" in content
    assert content.endswith(b"\r\n")
