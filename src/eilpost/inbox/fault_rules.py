"""Faults as people write them: in a flag, a file, the API, or an address (a table; a grammar).

``rcpt to=*@full.test reply=452 probability=0.3`` on the command line, ``[[fault]]`` in TOML and an object in the
API have the same keys. ``anna+550@example.test`` needs no rule at all: what stands behind the last plus is one.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from eilpost.inbox.faults import KNOWS_RECIPIENT, KNOWS_SENDER, KNOWS_SIZE, STAGES, Drop, Rate, Rule, Stage
from eilpost.mail.reply import Reply, reply
from eilpost.mail.value import value


class FaultError(ValueError):
    """The text is no fault; the message names what would be one."""


_REPLY: Final = re.compile(r"([45]\d\d)(?:[ -]([45]\.\d{1,3}\.\d{1,3}))?(?:[ -](.{0,400}))?", re.ASCII)
_DURATION: Final = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)(ms|s|m|h)?", re.ASCII)
_SIZE: Final = re.compile(r"(\d{1,12})([kKmM]?)[bB]?", re.ASCII)
_RATE: Final = re.compile(r"(\d{1,6})/(.{1,12})", re.ASCII)
_SECONDS: Final = MappingProxyType({"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0})
_OCTETS: Final = MappingProxyType({"": 1, "k": 1_000, "m": 1_000_000})
_LONGEST_DELAY: Final = 3_600.0
_TRUE: Final = frozenset({"", "1", "true", "yes", "on"})

TEXTS: Final = MappingProxyType(
    {
        421: ("4.3.2", "Service not available, closing"),
        450: ("4.2.0", "Mailbox unavailable, try again later"),
        451: ("4.3.0", "Local error, try again later"),
        452: ("4.2.2", "Mailbox full, try again later"),
        454: ("4.7.0", "Temporary authentication failure"),
        500: ("5.5.2", "Command not recognised"),
        501: ("5.5.4", "Syntax error in parameters"),
        502: ("5.5.1", "Command not implemented"),
        503: ("5.5.1", "Bad sequence of commands"),
        530: ("5.7.0", "Authentication required"),
        535: ("5.7.8", "Authentication credentials invalid"),
        550: ("5.1.1", "No such mailbox"),
        551: ("5.1.6", "User not local"),
        552: ("5.2.2", "Mailbox full"),
        553: ("5.1.3", "Mailbox name not allowed"),
        554: ("5.7.1", "Transaction failed"),
    }
)
"""What a code says when the rule gives no text of its own; others say "Fault on demand"."""


def _reply(text: str) -> Reply:
    found = _REPLY.fullmatch(text.strip())
    if found is None or not (found[3] or "x").isprintable():
        raise FaultError(f"{text[:60]!r} is no reply; write 550, or: 452 4.2.2 Mailbox full")
    code = int(found[1])
    status, words = TEXTS.get(code, (f"{code // 100}.0.0", "Fault on demand"))
    if found[2] and found[2][0] != found[1][0]:
        raise FaultError(f"{text[:60]!r}: the status of a {code} begins with {found[1][0]}")
    return reply(code, found[2] or status, found[3] or words)


def _duration(text: str) -> float:
    found = _DURATION.fullmatch(text.strip())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else -1.0
    if not 0.0 <= seconds <= _LONGEST_DELAY:
        raise FaultError(f"{text[:40]!r} is no time; write 2s, 500ms or 5m, at most an hour")
    return seconds


def _size(text: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise FaultError(f"{text[:40]!r} is no size; write 100000, 100k or 5MB")
    return int(found[1]) * _OCTETS[found[2].lower()]


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,8}", text.strip(), re.ASCII):
        raise FaultError(f"{text[:40]!r} is no count; write a number from 1 on")
    return int(text)


def _probability(text: str) -> float:
    found = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)(%?)", text.strip(), re.ASCII)
    number = float(found[1]) / (100 if found[2] else 1) if found else -1.0
    if not 0.0 <= number <= 1.0:
        raise FaultError(f"{text[:40]!r} is no probability; write 0.3 or 30%")
    return number


def _rate(text: str) -> Rate:
    found = _RATE.fullmatch(text.strip())
    if found is None:
        raise FaultError(f"{text[:40]!r} is no rate; write 10/60s: more than ten in a minute")
    seconds = _duration(found[2] if found[2][:1].isdigit() else f"1{found[2]}")
    return Rate(_count(found[1]), seconds)


def _drop(text: str) -> Drop:
    if text.lower() in _TRUE | {"close"}:
        return Drop.CLOSE
    if text.lower() == "reset":
        return Drop.RESET
    raise FaultError(f"{text[:40]!r} is no way to drop a connection; write close or reset")


def _yes(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    raise FaultError(f"{text[:40]!r}: write yes, or leave the key out")


def _pattern(text: str) -> str:
    if not text or len(text) > 330:
        raise FaultError("a pattern is an address in which * stands for anything: *@full.test")
    return text


@value(frozen=True, slots=True)
class Key:
    """One row: the key, the rule's field it sets, how its text is read, and the line that help shows."""

    name: str
    field: str
    read: Callable[[str], Any]
    is_condition: bool
    help: str


KEYS: Final[Mapping[str, Key]] = MappingProxyType(
    {
        row.name: row
        for row in (
            Key("from", "sender", _pattern, True, "the sender's address is like this: `from=*@shop.test`"),
            Key("to", "recipient", _pattern, True, "a recipient's address is like this: `to=anna@*`"),
            Key("larger", "larger", _size, True, "the message is larger: `larger=5MB`"),
            Key("every", "every", _count, True, "every n-th time: `every=3`"),
            Key("times", "times", _count, True, "only so many times, then never again: `times=1`"),
            Key("probability", "probability", _probability, True, "by chance: `probability=0.3`"),
            Key("rate", "rate", _rate, True, "more often than this: `rate=10/60s`; alone it answers 421"),
            Key("reply", "reply", _reply, False, "say this: `reply=550`, `reply='452 4.2.2 Mailbox full'`"),
            Key("delay", "delay", _duration, False, "wait before going on: `delay=2s`"),
            Key("drop", "drop", _drop, False, "end the connection: `drop=close`, `drop=reset`"),
            Key("half", "half", _yes, False, "send half of the reply, then end the connection: `half=yes`"),
            Key("slow", "slow", _size, False, "read only so many octets a second from now on: `slow=1000`"),
            Key(
                "greylist",
                "greylist",
                _duration,
                False,
                "451 until the same is tried again so much later: `greylist=1m`",
            ),
            Key("bounce", "bounce", _duration, False, "take it, and send a bounce later: `stage end`, `bounce=5s`"),
        )
    }
)
ACTIONS: Final = frozenset(name for name, row in KEYS.items() if not row.is_condition) | {"rate"}


def rule_of(given: Mapping[str, object]) -> Rule:
    """The rule that an object of the API or a ``[[fault]]`` table describes. FaultError."""
    wanted = dict(given)
    stage = _stage(str(wanted.pop("stage", "")))
    fields: dict[str, Any] = {}
    for name, raw in wanted.items():
        row = KEYS.get(name)
        if row is None:
            raise FaultError(f"there is no key {name[:40]!r} in a fault; there are {', '.join(KEYS)}")
        fields[row.field] = row.read(_text(raw))
    if not ACTIONS & wanted.keys():
        raise FaultError(f"the fault does nothing; add one of {', '.join(sorted(ACTIONS))}")
    rule = Rule(stage, text=_spelt(stage, wanted), **fields)
    _check(rule)
    return rule


def rules_of(given: Iterable[Mapping[str, object]]) -> tuple[Rule, ...]:
    """Many rules; the error names which."""
    rules = []
    for number, each in enumerate(given, 1):
        try:
            rules.append(rule_of(each))
        except FaultError as error:
            raise FaultError(f"fault {number}: {error}") from None
    return tuple(rules)


def rule_of_text(text: str) -> Rule:
    """The rule that is written on one line: ``rcpt to=*@full.test reply=452``. FaultError."""
    try:
        words = shlex.split(text[:2_000])
    except ValueError:
        raise FaultError(f"{text[:60]!r}: a quote is not closed") from None
    given: dict[str, object] = {"stage": words[0] if words else ""}
    for word in words[1:]:
        name, _, what = word.partition("=")
        given[name] = what
    return rule_of(given)


def _text(raw: object) -> str:
    match raw:
        case bool():
            return "yes" if raw else "no"
        case str() | int() | float():
            return str(raw)
        case _:
            raise FaultError("the value of a key is a text, a number or true")


def _stage(text: str) -> Stage:
    for stage in Stage:
        if stage.value == text.lower():
            return stage
    raise FaultError(f"{text[:40]!r} is no stage; there are {', '.join(stage.value for stage in STAGES)}")


def _spelt(stage: Stage, given: Mapping[str, object]) -> str:
    return " ".join([stage.value, *(f"{name}={shlex.quote(_text(raw))}" for name, raw in given.items())])


def _check(rule: Rule) -> None:
    """What can never hold, or never happen, is a mistake."""
    for is_asked, stages, what in (
        (rule.sender, KNOWS_SENDER, "from"),
        (rule.recipient, KNOWS_RECIPIENT, "to"),
        (rule.larger, KNOWS_SIZE, "larger"),
        (rule.greylist is not None, KNOWS_RECIPIENT, "greylist"),
        (rule.bounce is not None, frozenset({Stage.END}), "bounce"),
        (rule.reply is not None, frozenset(Stage) - {Stage.CONNECT}, "reply"),
    ):
        if is_asked and rule.stage not in stages:
            known = ", ".join(stage.value for stage in STAGES if stage in stages)
            raise FaultError(f"{what!r} cannot hold at {rule.stage.value}; it can at {known}")


# ── by the address itself ──


@value(frozen=True, slots=True)
class Word:
    """One row: what stands behind the plus, the keys it means, where it holds if no stage is named, and its help."""

    pattern: str
    keys: tuple[tuple[str, str], ...]
    stage: Stage
    help: str


WORDS: Final = (
    Word(
        r"(?P<n>[45]\d\d)", (("reply", "{n}"),), Stage.RCPT, "`anna+550@`: this reply; `anna+552-end@`: after the dot"
    ),
    Word(r"delay(?P<n>\d{1,3})", (("delay", "{n}s"),), Stage.RCPT, "`anna+delay5@`: five seconds' wait"),
    Word(
        r"slow(?P<n>\d{0,7})", (("slow", "{n}"),), Stage.RCPT, "`anna+slow@`: reads 1,000 octets a second, or `+slow50`"
    ),
    Word(
        r"drop", (("drop", "close"),), Stage.RCPT, "`anna+drop@`: the connection ends; `anna+drop-end@`: after the dot"
    ),
    Word(r"reset", (("drop", "reset"),), Stage.RCPT, "`anna+reset@`: the connection is reset"),
    Word(r"half", (("half", "yes"),), Stage.RCPT, "`anna+half@`: half a reply, then the end"),
    Word(
        r"grey(?P<n>\d{0,3})",
        (("greylist", "{n}s"),),
        Stage.RCPT,
        "`anna+grey10@`: greylisted for ten seconds, else 60",
    ),
    Word(
        r"bounce(?P<n>\d{0,3})",
        (("bounce", "{n}s"),),
        Stage.END,
        "`anna+bounce5@`: taken, and bounced five seconds later",
    ),
)
_USUAL: Final = MappingProxyType({"slow": "1000", "greylist": "60", "bounce": "1"})
_WITH_STAGE: Final = re.compile(r"(?P<word>[a-z0-9]{1,20})(?:-(?P<stage>rcpt|data|end))?", re.ASCII)
_READY: Final = tuple((re.compile(row.pattern, re.ASCII), row) for row in WORDS)


def rule_of_address(address: str, stage: Stage | None = None) -> Rule | None:
    """The fault that an address asks for by what stands behind its last plus; None for one that asks for none.

    ``stage`` MAIL is for the sender's own address. The rule holds for this address alone.
    """
    local_part, _, _ = address.rpartition("@")
    before, plus, detail = local_part.rpartition("+")
    found = _WITH_STAGE.fullmatch(detail.lower()) if plus and before else None
    if found is None:
        return None
    for pattern, row in _READY:
        if (hit := pattern.fullmatch(found["word"])) is not None:
            number = hit.groupdict().get("n")
            given: dict[str, object] = {key: text.format(n=number or _USUAL.get(key, "0")) for key, text in row.keys}
            given["stage"] = (stage or Stage(found["stage"] or row.stage.value)).value
            return _quietly(given)
    return None


def _quietly(given: Mapping[str, object]) -> Rule | None:
    try:
        return rule_of(given)
    except FaultError:
        return None  # 4yz with a stage that cannot be: the address means nothing then
