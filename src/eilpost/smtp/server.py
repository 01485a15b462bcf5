"""The server's machine: octets in, events out; replies in, octets out (a grammar).

Three questions are asked of every line, each a look-up: is it a verb (``commands``), do we offer
it now (``extensions``), is it its turn (``phases``)? What passes becomes an event; what does not
becomes ``Refused`` with the reply that is due. After an event that awaits a reply, nothing more is
read until ``send`` was called: a pipelined command is judged in the phase its predecessors'
replies made (RFC 2920 §3.2).

However the input is split, the events are the same but for where ``Content`` is cut. Nothing
that a peer sends raises an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

from eilpost.mail.envelope import Body
from eilpost.mail.reply import Reply, Severity
from eilpost.smtp import grammar, replies
from eilpost.smtp.commands import COMMANDS, FOREIGN_VERBS, NOT_OFFERED, Argument, Dialect, Verb
from eilpost.smtp.content import DotReader, TextChunks
from eilpost.smtp.errors import LocalProtocolError
from eilpost.smtp.events import (
    ChunkEnd,
    Content,
    ContentEnd,
    Data,
    Disconnected,
    Event,
    Expand,
    Hello,
    Help,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Refused,
    Reset,
    Verify,
)
from eilpost.smtp.extensions import ALL, parameters_of
from eilpost.smtp.phases import PHASES, Phase, follow

LINE_DISCARD_FACTOR: Final = 16
"""A line without an end is read and thrown away up to so many times its limit, then cut (F046)."""

DISCARD_FACTOR: Final = 4
"""Content above the limit is read and thrown away up to so many times the limit, then cut (F054)."""


class NeedData(Enum):
    """The machine has nothing to say until more octets come."""

    NEED_DATA = "need data"


NEED_DATA: Final = NeedData.NEED_DATA


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What one listener's machines have in common; limits are octets.

    ``typed`` allows the forms that people type. ``limits`` are the words of the LIMITS extension
    (RFC 9422), such as ``RCPTMAX=100``.
    """

    dialect: Dialect = Dialect.SMTP
    extensions: frozenset[str] = ALL
    message_size: int = 25_000_000
    line: int = 4096
    typed: bool = False
    limits: tuple[str, ...] = ()

    def keywords(self) -> tuple[str, ...]:
        """What EHLO announces, a line each."""
        arguments = {"SIZE": f"SIZE {self.message_size}", "LIMITS": " ".join(("LIMITS", *self.limits))}
        offered = sorted(self.extensions - (set() if self.limits else {"LIMITS"}))
        return tuple(arguments.get(keyword, keyword) for keyword in offered)


class _Mode(Enum):
    """What the next octets are."""

    LINE = "line"
    CONTENT = "content"
    CHUNK = "chunk"


class ServerConnection:
    """One session seen from the server; feed it, ask it, answer it."""

    __slots__ = (
        "_awaiting",
        "_buffer",
        "_chunk",
        "_chunk_left",
        "_discarded",
        "_eof",
        "_fault",
        "_mail_allowed",
        "_mode",
        "_next",
        "_offered",
        "_rcpt_allowed",
        "_reader",
        "_recipients",
        "_settings",
        "_size",
        "_smtputf8",
        "_text",
        "phase",
    )

    def __init__(self, settings: ServerSettings) -> None:
        self.phase = Phase.GREETING
        self._settings = settings
        self._buffer = bytearray()
        self._eof = False
        self._mode = _Mode.LINE
        self._awaiting: Event | None = None
        self._next: Event | None = None
        self._discarded = 0
        self._reader = _NO_READER
        self._chunk = _NO_CHUNK
        self._chunk_left = 0
        self._offer(frozenset())
        self._forget_transaction()

    def _offer(self, extensions: frozenset[str]) -> None:
        self._offered = extensions
        self._mail_allowed, self._rcpt_allowed = _allowed(extensions)

    def _forget_transaction(self) -> None:
        self._recipients = 0
        self._smtputf8 = False
        self._size = 0
        self._fault: Reply | None = None
        self._text: TextChunks | None = None

    # --- octets in, events out

    @property
    def buffered(self) -> int:
        """Octets received and not yet understood."""
        return len(self._buffer)

    @property
    def accepted_recipients(self) -> int:
        """How many recipients the transaction has, and replies the content is due in LMTP."""
        return self._recipients

    def receive_data(self, octets: bytes) -> None:
        """What the peer sent; an empty string says that it will send no more."""
        if octets:
            self._buffer += octets
        else:
            self._eof = True

    def next_event(self) -> Event | NeedData:
        """The next thing the peer said. LocalProtocolError while a reply is due."""
        if self._awaiting is not None:
            raise LocalProtocolError(f"a reply to {type(self._awaiting).__name__} is due first")
        event = self._read()
        if event is None:
            return _DISCONNECTED if self._eof else NEED_DATA
        if type(event) is not Content:
            self._awaiting = event
        return event

    def _read(self) -> Event | None:
        if self._next is not None:
            event, self._next = self._next, None
            return event
        if self.phase is Phase.CLOSED or self.phase is Phase.GREETING:
            return None
        if self._mode is _Mode.LINE:
            return self._read_line() if self._buffer else None
        if self._mode is _Mode.CONTENT:
            return self._read_content() if self._buffer else None
        return self._read_chunk()

    # --- lines

    def _read_line(self) -> Event | None:
        buffer = self._buffer
        end = buffer.find(b"\n")
        if self._discarded or end > self._settings.line or (end < 0 and len(buffer) > self._settings.line):
            return self._discard_line(end)
        if end < 0:
            return None
        line = bytes(buffer[:end])
        del buffer[: end + 1]
        if line[-1:] != b"\r":
            # RFC 5321 §2.3.8: a bare LF ends nothing, so what follows cannot be trusted.
            return Refused(line, replies.BARE_LINE_END, fatal=True)
        return self._understand(line[:-1])

    def _discard_line(self, end: int) -> Event | None:
        """Reads on to the line's end without keeping it; one that never ends is cut off (F046)."""
        if end >= 0:
            del self._buffer[: end + 1]
            self._discarded = 0
            return Refused(b"", replies.LINE_TOO_LONG)
        self._discarded += len(self._buffer)
        self._buffer.clear()
        if self._discarded > LINE_DISCARD_FACTOR * self._settings.line:
            return Refused(b"", replies.ENDLESS_LINE, fatal=True)
        return None

    def _understand(self, line: bytes) -> Event | None:
        try:
            verb, argument = grammar.parse_line(line)
            command = COMMANDS.get(verb)
            if command is None or self._settings.dialect not in command.dialects:
                return _refuse_unknown(verb, line)
            if command.verb is Verb.BDAT:
                return self._begin_chunk(line, argument)
            if command.verb not in PHASES[self.phase]:
                return Refused(line, self._out_of_order(command.verb))
            if not argument:
                if command.argument is Argument.REQUIRED:
                    return Refused(line, _MISSING.get(command.verb, replies.NEEDS_ARGUMENT))
            elif command.argument is Argument.NONE:
                return Refused(line, replies.NO_ARGUMENT)
            return _UNDERSTAND[command.verb](self, line, argument)
        except grammar.SyntaxRefusal as refusal:
            return Refused(line, refusal.reply)

    def _out_of_order(self, verb: Verb) -> Reply:
        if verb is Verb.DATA and self.phase is Phase.TRANSACTION:
            return replies.NO_RECIPIENTS  # RFC 5321 §3.3
        return replies.OUT_OF_ORDER

    def _mail(self, line: bytes, argument: str) -> Event:
        path, parameters = grammar.parse_mail(argument, self._mail_allowed, typed=self._settings.typed)
        if parameters.body is Body.BINARY and "BINARYMIME" not in self._offered:
            return Refused(line, replies.bad_parameter("BODY is 7BIT or 8BITMIME"))
        if parameters.size is not None and parameters.size > self._settings.message_size:
            return Refused(line, replies.TOO_BIG)  # RFC 1870 §6.1
        self._smtputf8 = parameters.smtputf8
        self._text = None if parameters.body is Body.BINARY else TextChunks()
        return Mail(path, parameters)

    def _rcpt(self, line: bytes, argument: str) -> Event:
        return Rcpt(
            *grammar.parse_rcpt(argument, self._rcpt_allowed, typed=self._settings.typed, smtputf8=self._smtputf8)
        )

    def _data(self, line: bytes, argument: str) -> Event:
        if self._text is None:
            return Refused(line, replies.BINARY_NEEDS_CHUNKS)  # F023
        if self._buffer:
            # RFC 2920 §3.1: DATA is the last of its group. What follows was sent without
            # waiting for our word, so its author cannot know whether it is content (F016).
            return Refused(line, replies.EARLY_TALKER, fatal=True)
        return Data()

    # --- content by DATA

    def _read_content(self) -> Event | None:
        piece = self._reader.read(self._buffer)
        del self._buffer[: piece.consumed]
        if piece.fault is not None:
            return Refused(b"", piece.fault, fatal=True)
        self._size += len(piece.octets)
        if self._size > DISCARD_FACTOR * self._settings.message_size:
            return Refused(b"", replies.TOO_BIG, fatal=True)
        return self._hand_on(piece.octets, self._end_content() if piece.ended else None)

    def _hand_on(self, octets: bytes, end: Event | None) -> Event | None:
        """Content that may be kept, then the end; what is over the limit is thrown away."""
        if not octets or self._fault is not None or self._size > self._settings.message_size:
            return end
        self._next = end
        return Content(octets)

    def _end_content(self) -> Event:
        self._mode = _Mode.LINE
        refusal = replies.TOO_BIG if self._size > self._settings.message_size else self._fault
        return ContentEnd(self._size, refusal)

    # --- content by BDAT

    def _begin_chunk(self, line: bytes, argument: str) -> Event | None:
        """RFC 3030 §2: the octets follow whatever the answer will be, and are taken first (F020)."""
        if "CHUNKING" not in self._offered:
            return Refused(line, replies.NOT_OFFERED, fatal=True)
        try:
            self._chunk = grammar.parse_chunk(argument)
        except grammar.SyntaxRefusal as refusal:
            return Refused(line, refusal.reply, fatal=True)  # F021: where it ends, nobody knows
        if self._chunk.size > DISCARD_FACTOR * self._settings.message_size:
            return Refused(line, replies.TOO_BIG, fatal=True)
        self._chunk_left = self._chunk.size
        self._mode = _Mode.CHUNK
        return self._read_chunk()

    def _read_chunk(self) -> Event | None:
        octets = bytes(self._buffer[: self._chunk_left])
        del self._buffer[: len(octets)]
        self._chunk_left -= len(octets)
        ended = self._chunk_left == 0
        if Verb.BDAT not in PHASES[self.phase]:
            return self._refuse_chunk() if ended else None
        self._size += len(octets)
        if self._text is not None and self._fault is None:
            self._fault = self._text.check(octets, last=ended and self._chunk.last)
        if self._size > DISCARD_FACTOR * self._settings.message_size:
            return Refused(b"", replies.TOO_BIG, fatal=True)
        return self._hand_on(octets, self._end_chunk() if ended else None)

    def _refuse_chunk(self) -> Event:
        self._mode = _Mode.LINE
        return Refused(b"BDAT", self._bad_phase_for_chunk())

    def _bad_phase_for_chunk(self) -> Reply:
        return replies.NO_RECIPIENTS if self.phase is Phase.TRANSACTION else replies.OUT_OF_ORDER

    def _end_chunk(self) -> Event:
        if self._chunk.last:
            return self._end_content()
        self._mode = _Mode.LINE
        if self._size > self._settings.message_size:
            return Refused(b"BDAT", replies.TOO_BIG)
        if self._fault is not None:
            return Refused(b"BDAT", self._fault)
        return ChunkEnd(self._chunk.size)

    # --- replies in, octets out

    def greet(self, reply: Reply) -> bytes:
        """The first words of the session: 220, or a refusal that closes it."""
        self.phase = Phase.HELLO if reply.is_positive else Phase.CLOSED
        return replies.encode(reply)

    def hello_reply(self, greeting: str) -> Reply:
        """The positive answer to the Hello that awaits one: with the extensions unless it was HELO."""
        if isinstance(self._awaiting, Hello) and self._awaiting.verb is Verb.HELO:
            return Reply(250, None, (greeting,))
        return Reply(250, None, (greeting, *self._settings.keywords()))

    def send(self, reply: Reply) -> bytes:
        """Answers the event that awaits it; the octets are to be sent. 421 closes the session."""
        event = self._awaiting
        if event is None:
            raise LocalProtocolError("no reply is due")
        copies = 1
        if type(event) is ContentEnd and self._settings.dialect is Dialect.LMTP:
            copies = self._recipients  # RFC 2033 §4.2: one for each accepted recipient
        self._move(event, reply)
        return replies.encode(reply) * copies

    def send_each(self, answers: Sequence[Reply]) -> bytes:
        """LMTP's answer to the content: one reply for each accepted recipient, in their order."""
        event = self._awaiting
        if type(event) is not ContentEnd or len(answers) != self._recipients:
            raise LocalProtocolError("one reply for each accepted recipient is due at the end of the content")
        self._move(event, answers[-1])
        return b"".join(map(replies.encode, answers))

    def close(self, reply: Reply) -> bytes:
        """Ends the session out of turn, with 421 (RFC 5321 §3.8)."""
        self.phase = Phase.CLOSED
        self._awaiting = self._next = None
        self._buffer.clear()
        return replies.encode(reply)

    def _move(self, event: Event, reply: Reply) -> None:
        self._awaiting = None
        if reply.code == 421 or (type(event) is Refused and event.fatal):
            self.phase = Phase.CLOSED
            self._buffer.clear()
            return
        verb = _VERB_OF.get(type(event))
        if verb is None:
            self._move_by_special(event, reply)
            return
        before = self.phase
        self.phase = after = follow(before, verb, reply.severity)
        if verb is Verb.RCPT and reply.is_positive:
            self._recipients += 1
        elif after is Phase.CONTENT:
            self._reader = DotReader()
            self._mode = _Mode.CONTENT
        elif after is Phase.READY and (before is not Phase.READY or verb is Verb.RSET):
            self._forget_transaction()

    def _move_by_special(self, event: Event, reply: Reply) -> None:
        """Hello has three verbs; a refused chunk in the midst of chunks spoils the transaction."""
        if type(event) is Hello:
            self.phase = follow(self.phase, event.verb, reply.severity)
            if reply.is_positive:
                self._forget_transaction()
                self._offer(frozenset() if event.verb is Verb.HELO else self._settings.extensions)
        elif type(event) is Refused and event.line == b"BDAT" and Verb.BDAT in PHASES[self.phase]:
            self.phase = follow(self.phase, Verb.BDAT, Severity.PERMANENT)


@lru_cache(maxsize=64)
def _allowed(extensions: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    return parameters_of("MAIL", extensions), parameters_of("RCPT", extensions)


def _refuse_unknown(verb: str, line: bytes) -> Refused:
    if verb in NOT_OFFERED:
        return Refused(line, replies.NOT_OFFERED)
    if verb in FOREIGN_VERBS or verb.startswith("\x16\x03"):
        return Refused(line, replies.OTHER_PROTOCOL, fatal=True)  # F027
    return Refused(line, replies.UNKNOWN)


_NO_READER: Final = DotReader()
_NO_CHUNK: Final = grammar.Chunk(0, False)
_DISCONNECTED: Final = Disconnected()

_MISSING: Final[Mapping[Verb, Reply]] = {
    Verb.HELO: replies.BAD_HELLO,
    Verb.EHLO: replies.BAD_HELLO,
    Verb.LHLO: replies.BAD_HELLO,
    Verb.MAIL: replies.NO_FROM,
    Verb.RCPT: replies.NO_TO,
}

_UNDERSTAND: Final[Mapping[Verb, Callable[[ServerConnection, bytes, str], Event]]] = {
    Verb.HELO: lambda _, line, argument: Hello(Verb.HELO, grammar.parse_hello(argument)),
    Verb.EHLO: lambda _, line, argument: Hello(Verb.EHLO, grammar.parse_hello(argument)),
    Verb.LHLO: lambda _, line, argument: Hello(Verb.LHLO, grammar.parse_hello(argument)),
    Verb.MAIL: ServerConnection._mail,
    Verb.RCPT: ServerConnection._rcpt,
    Verb.DATA: ServerConnection._data,
    Verb.RSET: lambda _, line, argument: Reset(),
    Verb.NOOP: lambda _, line, argument: Noop(),
    Verb.QUIT: lambda _, line, argument: Quit(),
    Verb.VRFY: lambda _, line, argument: Verify(argument),
    Verb.EXPN: lambda _, line, argument: Expand(argument),
    Verb.HELP: lambda _, line, argument: Help(argument),
}

_VERB_OF: Final[Mapping[type[Event], Verb]] = {
    Mail: Verb.MAIL,
    Rcpt: Verb.RCPT,
    Data: Verb.DATA,
    ChunkEnd: Verb.BDAT,
    ContentEnd: Verb.CONTENT_END,
    Reset: Verb.RSET,
    Noop: Verb.NOOP,
    Quit: Verb.QUIT,
    Verify: Verb.VRFY,
    Expand: Verb.EXPN,
    Help: Verb.HELP,
}
