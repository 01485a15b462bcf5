"""The client's machine: commands in, octets out; octets in, answers out (a grammar).

It refuses to send what the phase table does not allow. A greeting, each answer, each challenge of a
login and each piece of a message is an event. Commands may be sent without waiting where the server
offers PIPELINING; the answers come in their order.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import field
from typing import Final, NamedTuple

from eilpost.mail.value import value
from eilpost.pop3 import grammar
from eilpost.pop3.commands import COMMANDS, Verb
from eilpost.pop3.content import DotReader
from eilpost.pop3.errors import LocalProtocolError, RemoteProtocolError
from eilpost.pop3.events import NEED_DATA, NeedData
from eilpost.pop3.phases import PHASES, Phase, follow
from eilpost.pop3.replies import Answer

MAX_LINE: Final = 2048
"""Longer than RFC 2449 §4 allows: verbose servers are common and harmless."""

MAX_CHALLENGE: Final = 16_384

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_STATUS: Final = re.compile(rb"(\+OK|-ERR)(?:[ \t]+(.*))?", re.DOTALL | re.IGNORECASE)
_CODE: Final = re.compile(r"\[([A-Z0-9/-]+)\] ?", re.IGNORECASE)
_TOKEN: Final = re.compile(r"[!-~]{1,40}", re.ASCII)


@value(frozen=True, slots=True)
class Greeting:
    """The server's first words; APOP's timestamp stands in them."""

    answer: Answer


@value(frozen=True, slots=True)
class Answered:
    """The first line of the answer to ``verb``; when ``more``, content follows."""

    verb: Verb
    answer: Answer
    more: bool


@value(frozen=True, slots=True)
class Content:
    """A piece of an answer with many lines, its dots taken off."""

    octets: bytes


@value(frozen=True, slots=True)
class ContentEnd:
    """That was the whole of it."""


@value(frozen=True, slots=True)
class Challenge:
    """The server's next octets in a login; ``auth_respond`` is due."""

    octets: bytes = field(repr=False)


@value(frozen=True, slots=True)
class Closed:
    """The server closed the connection."""


ClientEvent = Greeting | Answered | Content | ContentEnd | Challenge | Closed


class _Asked(NamedTuple):
    verb: Verb
    many: bool


class ClientConnection:
    """One session seen from the client."""

    __slots__ = ("_asked", "_buffer", "_ended", "_eof", "_reader", "phase")

    def __init__(self) -> None:
        self.phase = Phase.GREETING
        self._buffer = b""
        self._eof = self._ended = False
        self._asked: deque[_Asked] = deque()
        self._reader: DotReader | None = None

    # --- commands in, octets out

    def command(self, verb: Verb, *arguments: str) -> bytes:
        """A command's octets. LocalProtocolError when it may not come now, or holds what no line may hold."""
        row = COMMANDS[verb.value]
        if self._asked and self._asked[-1].verb in _ALONE:
            raise LocalProtocolError(f"nothing may follow {self._asked[-1].verb.value} before its answer")
        if verb not in PHASES[self._phase_ahead()]:
            raise LocalProtocolError(f"{verb.value} may not come in the phase {self.phase.value}")
        if not row.least <= len(arguments) <= row.most:
            raise LocalProtocolError(f"the syntax is {row.syntax}")
        if any(_CONTROL.search(each) or not each for each in arguments):
            raise LocalProtocolError("an argument is empty or holds control characters")
        self._asked.append(_Asked(verb, row.is_multiline(argument=bool(arguments))))
        return " ".join((verb.value, *arguments)).encode() + b"\r\n"

    def _phase_ahead(self) -> Phase:
        """The phase when all that was asked has been answered with +OK."""
        phase = self.phase
        for asked in self._asked:
            phase = follow(phase, asked.verb, ok=True)
        return phase

    def auth(self, mechanism: str, initial: bytes | None) -> bytes:
        """AUTH; ``initial`` of None lets the server speak first."""
        if not _TOKEN.fullmatch(mechanism):
            raise LocalProtocolError("that is no mechanism's name")
        words = [mechanism]
        if initial is not None:
            words.append(grammar.to_base64(initial).decode() or "=")
        return self.command(Verb.AUTH, *words)

    def auth_respond(self, octets: bytes | None) -> bytes:
        """The answer to a challenge; None cancels (RFC 5034 §4)."""
        if not self._asked or self._asked[0].verb is not Verb.AUTH:
            raise LocalProtocolError("no login is going on")
        return b"*\r\n" if octets is None else grammar.to_base64(octets) + b"\r\n"

    def secured(self) -> None:
        """TLS stands; what was said before it is forgotten (RFC 2595 §4)."""
        if self.phase is not Phase.SECURING:
            raise LocalProtocolError("no STLS was accepted")
        self.phase = Phase.AUTHORIZATION

    # --- octets in, events out

    def receive_data(self, octets: bytes) -> None:
        """Takes what came; empty when the server closed."""
        if not octets:
            self._eof = True
        else:
            self._buffer += octets

    def next_event(self) -> ClientEvent | NeedData:
        """What the server said next. RemoteProtocolError when it breaks the rules."""
        if self._reader is not None:
            return self._read_content(self._reader)
        if self._ended:
            return self._end()
        line = self._line()
        if line is None:
            if not self._eof:
                return NEED_DATA
            self.phase = Phase.CLOSED
            return Closed()
        if self.phase is Phase.GREETING:
            return self._greeting(line)
        if not self._asked:
            raise RemoteProtocolError(f"the server speaks without being asked: {line[:80]!r}")
        asked = self._asked[0]
        if asked.verb is Verb.AUTH and line.startswith(b"+") and line[:3].upper() != b"+OK":
            return self._challenge(line)
        return self._answered(asked, parse_answer(line))

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\n")
        limit = MAX_CHALLENGE if self._asked and self._asked[0].verb is Verb.AUTH else MAX_LINE
        if (end if end >= 0 else len(self._buffer)) > limit:
            raise RemoteProtocolError(f"a line of an answer is longer than {limit} octets")
        if end < 0:
            return None
        line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
        return line.removesuffix(b"\r")

    def _greeting(self, line: bytes) -> Greeting:
        answer = parse_answer(line)
        self.phase = Phase.AUTHORIZATION if answer.ok else Phase.CLOSED
        return Greeting(answer)

    def _challenge(self, line: bytes) -> Challenge:
        try:
            return Challenge(grammar.from_base64(line[1:].strip()))
        except grammar.SyntaxRefusal:
            raise RemoteProtocolError("a challenge is no base64") from None

    def _answered(self, asked: _Asked, answer: Answer) -> Answered:
        self._asked.popleft()
        self.phase = follow(self.phase, asked.verb, ok=answer.ok)
        if self.phase is Phase.SECURING and self._buffer:
            # What came in clear must not be believed as if it came through TLS (F031).
            raise RemoteProtocolError("the server sent more behind its answer to STLS")
        more = asked.many and answer.ok
        if more:
            self._reader = DotReader()
        return Answered(asked.verb, answer, more)

    def _read_content(self, reader: DotReader) -> ClientEvent | NeedData:
        piece = reader.read(self._buffer)
        self._buffer = self._buffer[piece.consumed :]
        if piece.ended:
            self._reader = None
            self._ended = True
            return Content(piece.octets) if piece.octets else self._end()
        if piece.octets:
            return Content(piece.octets)
        if self._eof:
            raise RemoteProtocolError("the connection ended in the middle of an answer")
        return NEED_DATA

    def _end(self) -> ContentEnd:
        self._ended = False
        return ContentEnd()


def parse_answer(line: bytes) -> Answer:
    """+OK or -ERR with its code and text; RemoteProtocolError if it is neither."""
    found = _STATUS.fullmatch(line)
    if found is None:
        raise RemoteProtocolError(f"not an answer: {line[:80]!r}")
    text = (found[2] or b"").decode("utf-8", "replace")
    code = _CODE.match(text)
    if code is not None:
        return Answer(found[1].upper() == b"+OK", text[code.end() :], code[1].upper())
    return Answer(found[1].upper() == b"+OK", text)


_ALONE: Final = frozenset({Verb.STLS, Verb.AUTH, Verb.QUIT})
"""Nothing may be sent behind these before their answer: the next octets mean something else."""
