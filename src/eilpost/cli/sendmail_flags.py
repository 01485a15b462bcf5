"""The command line that programs know from sendmail (a table; a grammar).

One row a flag: what it takes and what it means. Flags that other sendmails understand and that mean
nothing here are read and passed over, as they do it. Letters may stand together (``-ti``), and an
argument may stick to its flag (``-fanna``); that is why this is not argparse, which also takes longer to
import than the rest of the command takes to run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType
from typing import Final

from eilpost.mail.envelope import Notify, Ret


class Mode(Enum):
    """What is to be done; the value is what follows ``-b``."""

    DELIVER = "m"
    STDIO = "s"
    LIST = "p"
    ALIASES = "i"
    FLUSH = "-q"
    HELP = "--help"


@dataclass(frozen=True, slots=True)
class Order:
    """What a command line asks for.

    ``sender`` None: the user who runs it. ``flush`` is what ``queue retry`` is told.
    """

    mode: Mode = Mode.DELIVER
    recipients: tuple[str, ...] = ()
    from_header: bool = False
    ignore_dots: bool = False
    sender: str | None = None
    name: str | None = None
    notify: frozenset[Notify] | None = None
    ret: Ret | None = None
    envid: str | None = None
    verbose: bool = False
    config: str | None = None
    flush: tuple[str, ...] = ()


class FlagError(ValueError):
    """The command line is wrong; the message is a sentence."""


class Takes(Enum):
    """Whether a flag has an argument, and where it may stand."""

    NOTHING = "nothing"
    ATTACHED = "attached"  # what sticks to it, or nothing
    ARGUMENT = "argument"  # what sticks to it, else the next word


Apply = Callable[[Order, str], Order]


@dataclass(frozen=True, slots=True)
class Flag:
    """One row; ``apply`` is None for flags that mean nothing here."""

    letter: str
    takes: Takes
    help: str
    apply: Apply | None = None


_REFUSED: Final = MappingProxyType({
    "d": "-bd runs no daemon here; use `eilpost serve`",
    "D": "-bD runs no daemon here; use `eilpost serve`",
    "v": "-bv is not offered; an address is checked when it is sent to",
    "t": "-bt is not offered",
    "h": "-bh is not offered",
    "H": "-bH is not offered",
})  # fmt: skip


def _mode(order: Order, value: str) -> Order:
    if value in _REFUSED:
        raise FlagError(_REFUSED[value])
    if value == "a":
        return order  # ARPANET mode: long gone
    try:
        return replace(order, mode=Mode(value))
    except ValueError:
        raise FlagError(f"-b{value} is unknown; there are -bm, -bs, -bp and -bi") from None


def _option(order: Order, value: str) -> Order:
    return replace(order, ignore_dots=True) if value == "i" else order


def _notify(order: Order, value: str) -> Order:
    try:
        wishes = frozenset(Notify(word.strip().upper()) for word in value.split(","))
    except ValueError:
        raise FlagError(f"-N {value}: it takes never, or a list of success, failure and delay") from None
    if Notify.NEVER in wishes and len(wishes) > 1:
        raise FlagError("-N never stands alone")  # RFC 3461 §4.1
    return replace(order, notify=wishes)


def _ret(order: Order, value: str) -> Order:
    try:
        return replace(order, ret=Ret(value.upper()))
    except ValueError:
        raise FlagError(f"-R {value}: it takes full or hdrs") from None


def _envid(order: Order, value: str) -> Order:
    if not value or len(value) > 100 or not (value.isascii() and value.isprintable()):
        raise FlagError("-V takes up to 100 printable characters of ASCII")  # RFC 3461 §4.4
    return replace(order, envid=value)


_SUBSETS: Final = MappingProxyType({"I": "", "R": "--to", "S": "--from"})


def _flush(order: Order, value: str) -> Order:
    """``-q`` tries everything again, ``-qI``, ``-qR`` and ``-qS`` a part; an interval is for daemons."""
    if value[:1] in _SUBSETS and len(value) > 1:
        option = _SUBSETS[value[0]]
        return replace(order, mode=Mode.FLUSH, flush=(option, value[1:]) if option else (value[1:],))
    return order if value else replace(order, mode=Mode.FLUSH, flush=("--all",))


FLAGS: Final[Mapping[str, Flag]] = MappingProxyType({
    row.letter: row
    for row in (
        Flag("A", Takes.ARGUMENT, "which configuration of sendmail; ignored"),
        Flag("B", Takes.ARGUMENT, "7BIT or 8BITMIME; the content itself tells"),
        Flag("C", Takes.ARGUMENT, "the configuration of Eilpost", lambda order, value: replace(order, config=value)),
        Flag("F", Takes.ARGUMENT, "the sender's full name", lambda order, value: replace(order, name=value)),
        Flag("G", Takes.NOTHING, "gateway submission; ignored"),
        Flag("I", Takes.NOTHING, "as -bi", lambda order, _: replace(order, mode=Mode.ALIASES)),
        Flag("L", Takes.ARGUMENT, "the log's tag; ignored"),
        Flag("N", Takes.ARGUMENT, "when to report: never, or success, failure, delay", _notify),
        Flag("O", Takes.ARGUMENT, "an option of sendmail; ignored"),
        Flag("R", Takes.ARGUMENT, "what a report returns: full or hdrs", _ret),
        Flag("U", Takes.NOTHING, "initial submission; ignored"),
        Flag("V", Takes.ARGUMENT, "the envelope id that reports name", _envid),
        Flag("X", Takes.ARGUMENT, "a log of the traffic; ignored"),
        Flag("b", Takes.ARGUMENT, "the mode: m deliver, s SMTP on standard input, p list the queue, i aliases", _mode),
        Flag("c", Takes.NOTHING, "ignored"),
        Flag("d", Takes.ATTACHED, "debugging; ignored"),
        Flag("e", Takes.ARGUMENT, "how errors are told; ignored"),
        Flag("f", Takes.ARGUMENT, "the reverse-path", lambda order, value: replace(order, sender=value)),
        Flag("h", Takes.ARGUMENT, "the hop count; ignored"),
        Flag("i", Takes.NOTHING, "a line with a dot alone does not end the message", lambda o, _: _option(o, "i")),
        Flag("m", Takes.NOTHING, "ignored"),
        Flag("n", Takes.NOTHING, "ignored"),
        Flag("o", Takes.ARGUMENT, "an option: i as -i; others are ignored", _option),
        Flag("p", Takes.ARGUMENT, "the protocol; ignored"),
        Flag("q", Takes.ATTACHED, "try the queue again: -q all, -qI<id>, -qR<@domain>, -qS<sender>", _flush),
        Flag("r", Takes.ARGUMENT, "as -f", lambda order, value: replace(order, sender=value)),
        Flag("s", Takes.NOTHING, "ignored"),
        Flag("t", Takes.NOTHING, "recipients stand in To, Cc and Bcc", lambda o, _: replace(o, from_header=True)),
        Flag("v", Takes.NOTHING, "show the dialogue", lambda order, _: replace(order, verbose=True)),
        Flag("x", Takes.ARGUMENT, "ignored"),
    )
})  # fmt: skip

_NAMES: Final = MappingProxyType({"mailq": Mode.LIST, "newaliases": Mode.ALIASES})
"""What the command is told by the name it is called by."""


def parse(program: str, arguments: Sequence[str]) -> Order:
    """The order that a command line gives; FlagError."""
    order = Order(mode=_NAMES.get(program, Mode.DELIVER))
    words = list(reversed(arguments))
    while words:
        word = words.pop()
        if word == "--" or not word.startswith("-") or word == "-":
            words += [word] if word != "--" else []
            break
        if word == Mode.HELP.value:
            return Order(mode=Mode.HELP)
        order = _letters(order, word[1:], words)
    return replace(order, recipients=tuple(reversed(words)))


def _letters(order: Order, letters: str, words: list[str]) -> Order:
    """One word's flags; an argument that does not stick to its flag is the next word."""
    while letters:
        flag = FLAGS.get(letters[0])
        if flag is None:
            raise FlagError(f"-{letters[0]} is no flag of sendmail that is known here")
        letters = letters[1:]
        value = ""
        if flag.takes is not Takes.NOTHING:
            value, letters = letters, ""
            if not value and flag.takes is Takes.ARGUMENT:
                if not words:
                    raise FlagError(f"-{flag.letter} needs an argument: {flag.help}")
                value = words.pop()
        if flag.apply is not None:
            order = flag.apply(order, value)
    return order


def usage() -> str:
    """What ``--help`` shows: every flag that means something, from the table."""
    rows = [f"  -{row.letter}{_PLACES[row.takes]:8}{row.help}" for row in FLAGS.values() if row.apply is not None]
    return "\n".join((_SYNOPSIS, *rows, "", _EXAMPLE))


_PLACES: Final = MappingProxyType({Takes.NOTHING: "", Takes.ATTACHED: "[VALUE]", Takes.ARGUMENT: " VALUE"})

_SYNOPSIS: Final = """\
Usage: eilpost-sendmail [FLAG]... [RECIPIENT]...

  Hand the message on standard input to the running Eilpost, as sendmail did;
  called as mailq or newaliases it does what those do.

Flags:"""

_EXAMPLE: Final = """\
Other flags of sendmail are read and passed over.

Example:
  eilpost-sendmail -i -f cron@example.org ops@example.org < message.eml"""
