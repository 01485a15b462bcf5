"""What must hold whatever happens: the invariants of the fault catalogue, over ledger and evidence (decisions).

I1 no silent loss · I2 no phantom · I3 bounded duplicates · I4 content unaltered · I5 no 250 without a sync ·
I6 shortage is told by 4yz or 421, in time · I7 recovery in time · I8 retries do not come early · I9 nothing
leaks · I10 one report for a failed recipient, none to the null reverse-path · I11 others are not delayed ·
I13 no relaying, ever · I14 the store is whole. (I12, durable outcome before removal, is what I1 shows after
a kill between the two.)
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.crash.ledger import Sent

Pair = tuple[str, str]
"""A message's id and one of its recipients."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A delivered copy, wherever it was found."""

    id: str
    recipient: str
    digest: str


@dataclass(slots=True)
class Evidence:
    """All that was found: delivered copies, recipients reported as failed, and what still waits in the queue.

    ``repeated_reports`` counts further copies of one and the same report: duplicates like any other.
    """

    copies: list[Copy] = field(default_factory=list)
    reported: list[Pair] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)
    repeated_reports: int = 0
    foreign: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the ledger and the evidence say together."""

    acknowledged: int
    refused: int
    unanswered: int
    owed: int
    lost: tuple[Pair, ...]
    phantoms: tuple[Pair, ...]
    altered: tuple[Pair, ...]
    duplicates: int
    worst: int
    reported_twice: tuple[Pair, ...]
    waiting: int

    @property
    def sound(self) -> bool:
        """I1, I2, I4 and I10 hold."""
        return not (self.lost or self.phantoms or self.altered or self.reported_twice)


def judge(ledger: Mapping[str, Sent], evidence: Evidence) -> Verdict:
    """Holds the evidence against the ledger."""
    owed = {(sent.id, r) for sent in ledger.values() if sent.acknowledged for r in sent.recipients}
    copies = Counter((copy.id, copy.recipient) for copy in evidence.copies)
    reports = Counter(evidence.reported)
    kept = {pair for pair in owed if pair[0] in evidence.waiting}
    return Verdict(
        acknowledged=sum(sent.acknowledged for sent in ledger.values()),
        refused=sum(sent.refused for sent in ledger.values()),
        unanswered=sum(not sent.reply for sent in ledger.values()),
        owed=len(owed),
        lost=tuple(sorted(owed - copies.keys() - reports.keys() - kept)),
        phantoms=tuple(sorted(pair for pair in copies if not _may_exist(ledger, pair))),
        altered=tuple(sorted((c.id, c.recipient) for c in evidence.copies if _is_altered(ledger, c))),
        duplicates=sum(copies.values()) - len(copies) + evidence.repeated_reports,
        worst=max(copies.values(), default=0),
        reported_twice=tuple(sorted(pair for pair, times in reports.items() if times > 1)),
        waiting=len(evidence.waiting),
    )


def _may_exist(ledger: Mapping[str, Sent], pair: Pair) -> bool:
    """I2: it was sent to that recipient, and not refused at the dot (a lost 250 is no refusal)."""
    sent = ledger.get(pair[0])
    return sent is not None and sent.dot is not None and pair[1] in sent.recipients and not sent.refused


def _is_altered(ledger: Mapping[str, Sent], copy: Copy) -> bool:
    sent = ledger.get(copy.id)
    return sent is not None and sent.digest != copy.digest


def excess_duplicates(verdict: Verdict, *, crashes: int, in_flight: int) -> int:
    """I3: how many copies there are beyond what was in flight at the crashes."""
    return max(0, verdict.duplicates - crashes * in_flight)


def wrong_refusals(ledger: Mapping[str, Sent], *, deadline: float) -> tuple[str, ...]:
    """I6: replies to the dot that blame the sender for our trouble, or that came too late."""
    wrong = []
    for sent in ledger.values():
        if sent.reply.startswith("5"):
            wrong.append(f"{sent.id}: {sent.reply}")
        elif sent.replied is not None and sent.dot is not None and sent.replied - sent.dot > deadline:
            wrong.append(f"{sent.id}: answered after {sent.replied - sent.dot:.1f} s")
    return tuple(wrong)


def early_attempts(attempts: Sequence[float], *, waits: Sequence[float], slack: float = 1.0) -> tuple[float, ...]:
    """I8: by how much attempts at one recipient came before their time; the last wait repeats."""
    gaps = [later - earlier for earlier, later in itertools.pairwise(attempts)]
    due = [waits[min(index, len(waits) - 1)] for index in range(len(gaps))]
    return tuple(wait - gap for gap, wait in zip(gaps, due, strict=True) if gap < wait - slack)


def relayed(copies: Iterable[Copy], domains: frozenset[str]) -> tuple[Copy, ...]:
    """I13: copies that reached a recipient outside these domains."""
    return tuple(copy for copy in copies if copy.recipient.rpartition("@")[2] not in domains)


# --- I5: the trace of one run

SYNC: Final = re.compile(r"\b(?:fdatasync|fsync)\(.*= 0\b|(?:fdatasync|fsync) resumed>.*= 0\b")
FAILED_SYNC: Final = re.compile(r"\b(?:fdatasync|fsync)\(.*= -1|(?:fdatasync|fsync) resumed>.*= -1")
PROMISE: Final = re.compile(r"\b(?:write|sendto|sendmsg|writev)\(.*\"250 2\.0\.0 Ok: queued")


def promises_without_sync(trace: Iterable[str]) -> tuple[str, ...]:
    """I5: lines of a trace (strace -f -y) that say 250 without a sync that succeeded since the 250 before.

    It holds for messages that are sent one at a time; after a failed sync no promise is good at all.
    """
    bad: list[str] = []
    synced = failed = False
    for line in trace:
        if FAILED_SYNC.search(line):
            failed = True
        elif SYNC.search(line):
            synced = True
        elif PROMISE.search(line):
            if failed or not synced:
                bad.append(line.rstrip())
            synced = False
    return tuple(bad)
