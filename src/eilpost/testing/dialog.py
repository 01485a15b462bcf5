"""Dialogues in plain text: what a client sends, what the server must answer, and why (a grammar).

A file opens with comments that say why the case matters, and with directives; then the dialogue::

    # F050: a second MAIL is refused, and the first transaction stays.
    role: mx
    S*: 220
    C: EHLO client.example
    S*: 250 PIPELINING SIZE
    C: MAIL FROM:<anna@example.test>
    S: 250 2.1.0 ...
    C: MAIL FROM:<berta@example.test>
    S: 503 5.5.1 Command out of order
    C: QUIT
    S: 221 2.0.0 ...
    S: (closed)

``C:`` sends a line with CR LF; lines that follow each other are one write. ``C|:`` sends octets as
they stand, with the escapes ``\\r \\n \\t \\\\ \\xNN`` and without a line end. ``C: (closed)`` closes our side.
``S:`` is a line, exact, or open at the end with ``...``; ``S~:`` a regular expression for a whole line;
``S*:`` a whole reply with that code on each line, in which each word that follows begins a line.
``x20`` before the colon repeats a line: ``C x20: NOOP``. ``C: (tls)`` goes on in TLS, without looking at the
certificate. ``C$: MECHANISM ACCOUNT`` logs in; the account's password is given by whoever plays, and stands in no file.

Directives: ``role: mx|submission|lmtp`` · ``trusted: yes`` (the client may relay) · ``setting: section.key =
value`` (JSON's spelling) · ``split: whole`` (not to be split octet by octet, because how it is cut is the
case) · ``on: machine`` or ``on: socket`` (where policy answers, the bare machine cannot).
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

from eilpost.config.schema import Role
from eilpost.sasl.mechanisms import MECHANISMS
from eilpost.sasl.words import ClientTerms, Credentials

_STEP: Final = re.compile(r"([CS])([~*|$]?)(?: x(\d+))?:(?: (.*))?")
_DIRECTIVE: Final = re.compile(r"(role|trusted|setting|split|on): *(.*)")
_SETTING: Final = re.compile(r"([a-z_]+\.[a-z_]+) *= *(.+)")
_ESCAPE: Final = re.compile(rb"\\(?:([rnt\\])|x([0-9a-fA-F]{2}))")
_PLAIN_ESCAPES: Final = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\"}
_CLOSED: Final = "(closed)"
_TLS: Final = "(tls)"


class DialogueError(ValueError):
    """The file breaks the form above; the message names the line."""


class Mismatch(AssertionError):
    """The server said something else; the message shows the line, both texts and what went before."""


class Ground(Enum):
    """Where a dialogue can be run."""

    BOTH = "both"
    MACHINE = "machine"
    SOCKET = "socket"


@dataclass(frozen=True, slots=True)
class Send:
    """Octets for the server, in one write."""

    line: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class CloseOurs:
    """Our side says that it will send no more."""

    line: int


@dataclass(frozen=True, slots=True)
class Encrypt:
    """The server has said that it is ready for TLS."""

    line: int


@dataclass(frozen=True, slots=True)
class LogIn:
    """A whole exchange, but for the reply that ends it."""

    line: int
    mechanism: str
    account: str


@dataclass(frozen=True, slots=True)
class ExpectLine:
    """One line of a reply, as a pattern; ``shown`` is how the file writes it."""

    line: int
    shown: str
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class ExpectReply:
    """A whole reply: its code, and words each of which begins a line."""

    line: int
    code: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExpectClose:
    """The server closes the connection."""

    line: int


Step = Send | CloseOurs | Encrypt | LogIn | ExpectLine | ExpectReply | ExpectClose


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One file."""

    name: str
    why: str = ""
    role: Role = Role.MX
    trusted: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    may_split: bool = True
    ground: Ground = Ground.BOTH
    steps: tuple[Step, ...] = ()


# --- reading a file


def parse(text: str, name: str = "dialogue") -> Dialogue:
    """The dialogue that ``text`` is; DialogueError with the number of the line that is none."""
    why: list[str] = []
    directives: list[tuple[int, str, str]] = []
    steps: list[Step] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("#") or not line.strip():
            if line.startswith("#") and not steps:
                why.append(line.lstrip("# "))
        elif (found := _STEP.fullmatch(line)) is not None:
            steps += _steps(number, found, name)
        elif (found := _DIRECTIVE.fullmatch(line)) is not None and not steps:
            directives.append((number, found[1], found[2].strip()))
        else:
            raise DialogueError(f"{name}:{number}: neither a step nor a directive: {line}")
    return Dialogue(name, " ".join(why), steps=tuple(_join(steps)), **_directives(directives, name))


def _steps(number: int, found: re.Match[str], name: str) -> list[Step]:
    side, kind, times, text = found[1], found[2], int(found[3] or 1), found[4] or ""
    try:
        return [_READERS[side + kind](number, text)] * times
    except KeyError:
        raise DialogueError(f"{name}:{number}: there is no {side}{kind}:") from None
    except re.error as error:
        raise DialogueError(f"{name}:{number}: no regular expression: {error}") from error


def _sent_line(number: int, text: str) -> Step:
    if text in _ACTS:
        return _ACTS[text](number)
    return Send(number, text.encode() + b"\r\n")


_ACTS: Final[Mapping[str, Callable[[int], Step]]] = {_CLOSED: CloseOurs, _TLS: Encrypt}


def _login(number: int, text: str) -> Step:
    mechanism, _, account = text.partition(" ")
    return LogIn(number, mechanism, account)


def _sent_octets(number: int, text: str) -> Step:
    return Send(number, _ESCAPE.sub(_unescape, text.encode()))


def _unescape(found: re.Match[bytes]) -> bytes:
    return _PLAIN_ESCAPES[found[1]] if found[1] else bytes([int(found[2], 16)])


def _expected_line(number: int, text: str) -> Step:
    if text == _CLOSED:
        return ExpectClose(number)
    if text.endswith("..."):
        return ExpectLine(number, text, re.compile(re.escape(text[:-3].rstrip(" ")) + r"(?: .*)?"))
    return ExpectLine(number, text, re.compile(re.escape(text)))


def _expected_pattern(number: int, text: str) -> Step:
    return ExpectLine(number, text, re.compile(text))


def _expected_reply(number: int, text: str) -> Step:
    code, *words = text.split()
    return ExpectReply(number, code, tuple(words))


_READERS: Final = {
    "C": _sent_line,
    "C|": _sent_octets,
    "C$": _login,
    "S": _expected_line,
    "S~": _expected_pattern,
    "S*": _expected_reply,
}


def _join(steps: list[Step]) -> Iterator[Step]:
    """What is sent without waiting for an answer is one write."""
    waiting: Send | None = None
    for step in steps:
        if isinstance(step, Send):
            waiting = Send(waiting.line, waiting.octets + step.octets) if waiting else step
            continue
        if waiting:
            yield waiting
            waiting = None
        yield step
    if waiting:
        yield waiting


def _directives(found: list[tuple[int, str, str]], name: str) -> dict[str, Any]:
    values: dict[str, Any] = {"settings": {}}
    for number, keyword, value in found:
        try:
            match keyword:
                case "role":
                    values["role"] = Role(value)
                case "trusted":
                    values["trusted"] = {"yes": True, "no": False}[value]
                case "split":
                    values["may_split"] = {"whole": False, "all": True}[value]
                case "on":
                    values["ground"] = Ground(value)
                case _:
                    setting = _SETTING.fullmatch(value)
                    if setting is None:
                        raise ValueError("a setting is section.key = value")
                    values["settings"][setting[1]] = json.loads(setting[2])
        except (ValueError, KeyError) as error:
            raise DialogueError(f"{name}:{number}: {keyword}: {error}") from error
    return values


# --- playing it


class Demand(Enum):
    """What ``play`` asks of whoever drives it, besides octets to send."""

    LINE = "line"  # give me the server's next line, or None when it has closed
    CLOSE_OURS = "close ours"  # end our side
    ENCRYPT = "encrypt"  # go on in TLS
    REST = "rest"  # end our side, and give me whatever the server still says


Player = Generator[bytes | Demand, bytes | None, None]


def play(
    dialogue: Dialogue, *, split: bool = False, passwords: Mapping[str, str] = MappingProxyType({}), nonce: str = ""
) -> Player:
    """Plays the client: yields octets to send and demands for lines; raises Mismatch.

    With ``split`` every octet is a write of its own, unless the dialogue forbids it. ``passwords`` are those of the
    accounts that log in, and ``nonce`` is the randomness of their exchanges.
    """
    transcript: list[str] = []
    for step in dialogue.steps:
        match step:
            case Send(octets=octets):
                transcript.append(f"C: {_show(octets)}")
                yield from _cut(octets, split and dialogue.may_split)
            case CloseOurs():
                yield Demand.CLOSE_OURS
            case Encrypt():
                yield Demand.ENCRYPT
            case LogIn():
                yield from _log_in(dialogue, step, passwords, nonce, transcript)
            case ExpectClose(line=number):
                answer = yield Demand.LINE
                if answer is not None:
                    raise _mismatch(dialogue, number, "the connection is closed", answer, transcript)
                return
            case ExpectLine():
                answer = yield Demand.LINE
                _check_line(dialogue, step, answer, transcript)
            case ExpectReply():
                yield from _read_reply(dialogue, step, transcript)
    rest = yield Demand.REST
    if rest:
        raise _mismatch(dialogue, dialogue.steps[-1].line, "nothing more is said", rest, transcript)


def _log_in(dialogue: Dialogue, step: LogIn, passwords: Mapping[str, str], nonce: str, transcript: list[str]) -> Player:
    """The exchange up to the last challenge; SMTP and POP3 differ in the challenge's first word (RFC 5034 §4)."""
    password = passwords.get(step.account)
    if password is None:
        raise DialogueError(f"{dialogue.name}:{step.line}: no password is given for {step.account}")
    transcript.append(f"C: AUTH {step.mechanism} ({step.account})")
    if step.mechanism not in MECHANISMS:
        yield f"{step.mechanism} {password}\r\n".encode()  # POP3's PASS
        return
    exchange = MECHANISMS[step.mechanism].client(Credentials(step.account, password=password), ClientTerms(nonce))
    response = next(exchange)
    initial = "" if response.octets is None else f" {b64encode(response.octets).decode() or '='}"
    yield f"AUTH {step.mechanism}{initial}\r\n".encode()
    while not response.complete:
        answer = yield Demand.LINE
        challenge = None if answer is None else _CHALLENGE.fullmatch(answer)
        if challenge is None:
            raise _mismatch(dialogue, step.line, "a challenge", answer, transcript)
        response = exchange.send(b64decode(challenge[1]))
        yield b64encode(response.octets or b"") + b"\r\n"


_CHALLENGE: Final = re.compile(rb"(?:334|\+) ([A-Za-z0-9+/=]*)\r\n")


def _cut(octets: bytes, split: bool) -> Iterator[bytes]:
    if not split:
        yield octets
        return
    for index in range(len(octets)):
        yield octets[index : index + 1]


def _check_line(dialogue: Dialogue, step: ExpectLine, answer: bytes | None, transcript: list[str]) -> None:
    text = None if answer is None else _text(answer)
    if text is None or not step.pattern.fullmatch(text):
        raise _mismatch(dialogue, step.line, step.shown, answer, transcript)
    transcript.append(f"S: {text}")


def _read_reply(dialogue: Dialogue, step: ExpectReply, transcript: list[str]) -> Player:
    texts: list[str] = []
    shown = f"a reply {' '.join((step.code, *step.words))}"
    while not texts or texts[-1].startswith("-"):
        answer = yield Demand.LINE
        if answer is None or not _text(answer).startswith((step.code + " ", step.code + "-")):
            raise _mismatch(dialogue, step.line, shown, answer, transcript)
        transcript.append(f"S: {_text(answer)}")
        texts.append(_text(answer)[len(step.code) :])
    begins = {text[1:].split(" ", 1)[0] for text in texts}
    absent = [word for word in step.words if word not in begins]
    if absent:
        raise _mismatch(dialogue, step.line, f"{shown}; without {', '.join(absent)}", answer, transcript)


def _text(answer: bytes) -> str:
    """A line of the server without its line end, which must be CR LF (RFC 5321 §2.3.8)."""
    text = answer.decode("utf-8", "backslashreplace")
    return text[:-2] if text.endswith("\r\n") else text.replace("\n", "\\n")


def _show(octets: bytes) -> str:
    text = octets.decode("utf-8", "backslashreplace")
    return text.encode("unicode_escape").decode() if len(text) < 400 else f"{len(octets)} octets"


def _mismatch(dialogue: Dialogue, number: int, expected: str, answer: bytes | None, transcript: list[str]) -> Mismatch:
    found = "the connection is closed" if answer is None else _show(answer)
    before = "\n".join(f"    {line}" for line in transcript[-12:])
    return Mismatch(f"{dialogue.name}:{number}: expected: {expected}\n  found: {found}\n  after:\n{before}")
