"""Faults on demand: which rule holds at this step of a session, and what is done about it (decisions).

A program that sends mail must live with servers that are slow, full, strict or gone. A rule names a stage, perhaps
conditions, and what goes wrong there. Rules are asked in order: delays and slowness add up, the first rule that
answers or ends the connection decides. Time and dice are arguments; what must be remembered is in ``Memory``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final

from eilpost.mail.reply import Reply, reply
from eilpost.mail.value import value

_MOST_REMEMBERED: Final = 10_000


class Stage(Enum):
    """Where in a session a rule holds."""

    __hash__ = object.__hash__

    CONNECT = "connect"
    BANNER = "banner"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    END = "end"


STAGES: Final = MappingProxyType(
    {
        Stage.CONNECT: "the connection is there, nothing was said",
        Stage.BANNER: "in place of the banner",
        Stage.EHLO: "EHLO or HELO",
        Stage.STARTTLS: "STARTTLS",
        Stage.AUTH: "AUTH: the credentials are complete",
        Stage.MAIL: "MAIL FROM",
        Stage.RCPT: "RCPT TO",
        Stage.DATA: "DATA, before the content",
        Stage.END: "after the dot, or the last chunk",
    }
)
"""What each stage is, for help and docs."""

KNOWS_SENDER: Final = frozenset({Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.END})
KNOWS_RECIPIENT: Final = frozenset({Stage.RCPT, Stage.DATA, Stage.END})
KNOWS_SIZE: Final = frozenset({Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.END})

GREYLISTED: Final = reply(451, "4.7.1", "Greylisted, try again later")
TOO_FAST: Final = reply(421, "4.7.0", "Too fast, slow down and try again later")


class Drop(Enum):
    """How a connection is ended."""

    __hash__ = object.__hash__

    NO = ""
    CLOSE = "close"
    RESET = "reset"


@value(frozen=True, slots=True)
class Rate:
    """More than ``count`` in ``seconds``."""

    count: int
    seconds: float


@value(frozen=True, slots=True)
class Rule:
    """One fault. Empty conditions hold always; ``text`` is the rule as people write it.

    ``every`` 3 holds for the third, the sixth …; ``times`` ends the rule after so many. ``bounce`` and ``greylist``
    are seconds, None for no such thing; ``slow`` is octets a second from then on.
    """

    stage: Stage
    text: str = ""
    sender: str = ""
    recipient: str = ""
    larger: int = 0
    every: int = 0
    times: int = 0
    probability: float = 1.0
    rate: Rate | None = None
    reply: Reply | None = None
    delay: float = 0.0
    drop: Drop = Drop.NO
    half: bool = False
    slow: int = 0
    greylist: float | None = None
    bounce: float | None = None


@value(frozen=True, slots=True)
class Facts:
    """What is known at a step. ``size`` is what MAIL declared, and at the end what came."""

    stage: Stage
    peer: str = ""
    sender: str = ""
    recipients: tuple[str, ...] = ()
    size: int = 0


@value(frozen=True, slots=True)
class Effect:
    """What is done: first wait, then say or end. ``rules`` are the texts of those that held."""

    delay: float = 0.0
    reply: Reply | None = None
    drop: Drop = Drop.NO
    half: bool = False
    slow: int = 0
    bounce: float | None = None
    rules: tuple[str, ...] = ()

    @property
    def is_final(self) -> bool:
        """True when the step does not go on as usual."""
        return self.reply is not None or self.drop is not Drop.NO or self.half


NOTHING: Final = Effect()


@dataclass(slots=True)
class Memory:
    """What rules remember: how often each held, when, and whom they have seen before."""

    seen: dict[Rule, int] = field(default_factory=dict)
    used: dict[Rule, int] = field(default_factory=dict)
    recent: dict[Rule, deque[float]] = field(default_factory=dict)
    greylist: dict[tuple[str, str, str], float] = field(default_factory=dict)

    def forget(self) -> None:
        """As new."""
        for each in (self.seen, self.used, self.recent, self.greylist):
            each.clear()


def judge(rules: Iterable[Rule], facts: Facts, memory: Memory, now: float, roll: Callable[[], float]) -> Effect:
    """What the rules want done at this step. ``roll`` gives a number from 0 up to 1."""
    delay, slow = 0.0, 0
    bounce: float | None = None
    held: list[str] = []
    for rule in rules:
        if not _holds(rule, facts, memory, now, roll):
            continue
        if rule.greylist is not None and not _is_new(rule.greylist, facts, memory, now):
            continue
        _remember(memory.used, rule)
        held.append(rule.text)
        delay, slow = delay + rule.delay, rule.slow or slow
        bounce = rule.bounce if rule.bounce is not None else bounce
        said = _said(rule)
        if said is not None or rule.drop is not Drop.NO or rule.half:
            return Effect(delay, said, rule.drop, rule.half, slow, bounce, tuple(held))
    return Effect(delay, slow=slow, bounce=bounce, rules=tuple(held)) if held else NOTHING


def _said(rule: Rule) -> Reply | None:
    if rule.reply is not None:
        return rule.reply
    if rule.greylist is not None:
        return GREYLISTED
    return TOO_FAST if rule.rate is not None and not _does_else(rule) else None


def _does_else(rule: Rule) -> bool:
    return bool(rule.delay or rule.drop is not Drop.NO or rule.half or rule.slow or rule.bounce is not None)


def _holds(rule: Rule, facts: Facts, memory: Memory, now: float, roll: Callable[[], float]) -> bool:
    """Conditions in order of their cost; those that count, count only what the ones before let through."""
    return (
        rule.stage is facts.stage
        and (not rule.sender or _matches(rule.sender, facts.sender))
        and (not rule.recipient or any(_matches(rule.recipient, each) for each in facts.recipients))
        and (not rule.larger or facts.size > rule.larger)
        and (not rule.times or memory.used.get(rule, 0) < rule.times)
        and (not rule.every or _remember(memory.seen, rule) % rule.every == 0)
        and (rule.rate is None or _is_too_fast(rule, rule.rate, memory, now))
        and (rule.probability >= 1.0 or roll() < rule.probability)
    )


def _matches(pattern: str, address: str) -> bool:
    return fnmatchcase(address.lower(), pattern.lower())


def _remember(counts: dict[Rule, int], rule: Rule) -> int:
    counts[rule] = counts.get(rule, 0) + 1
    return counts[rule]


def _is_too_fast(rule: Rule, rate: Rate, memory: Memory, now: float) -> bool:
    """By throughput: what is refused does not count, so a client that slows down gets through again."""
    times = memory.recent.setdefault(rule, deque())
    while times and times[0] <= now - rate.seconds:
        times.popleft()
    if len(times) >= rate.count:
        return True
    times.append(now)
    return False


def _is_new(seconds: float, facts: Facts, memory: Memory, now: float) -> bool:
    """Greylisting: true until ``seconds`` after the first try of this peer, sender and recipient."""
    key = (facts.peer, facts.sender.lower(), ",".join(facts.recipients).lower())
    if len(memory.greylist) >= _MOST_REMEMBERED and key not in memory.greylist:
        del memory.greylist[next(iter(memory.greylist))]
    return now < memory.greylist.setdefault(key, now) + seconds
