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
from functools import lru_cache
from typing import Final

from eilpost.mail.envelope import Body, MailParameters
from eilpost.mail.reply import Reply, Severity
from eilpost.mail.value import value
from eilpost.smtp import grammar, replies
from eilpost.smtp.commands import COMMANDS, FOREIGN_VERBS, NOT_OFFERED, Argument, Command, Dialect, Verb
from eilpost.smtp.content import DotReader, TextChunks
from eilpost.smtp.errors import LocalProtocolError
from eilpost.smtp.events import (
    NEED_DATA,
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
    NeedData,
    Noop,
    Quit,
    Rcpt,
    Refused,
    Reset,
    Verify,
)
from eilpost.smtp.extensions import ALL, parameters_of
from eilpost.smtp.phases import PHASES, STAY, Moves, Phase

__all__ = ["DISCARD_FACTOR", "LINE_DISCARD_FACTOR", "NEED_DATA", "NeedData", "ServerConnection", "ServerSettings"]

LINE_DISCARD_FACTOR: Final = 16
"""A line without an end is read and thrown away up to so many times its limit, then cut (F046)."""

LINE_KEPT: Final = 80
"""So many octets of a line that is thrown away are told."""

DISCARD_FACTOR: Final = 4
"""Content above the limit is read and thrown away up to so many times the limit, then cut (F054)."""


@value(frozen=True, slots=True)
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
        return _keywords(self)


class ServerConnection:
    """One session seen from the server; feed it, ask it, answer it."""

    __slots__ = (
        "_awaiting", "_buffer", "_chunk", "_chunk_left", "_commands", "_discarded", "_eof", "_fault", "_line",
        "_mail_allowed", "_moves", "_offered", "_rcpt_allowed", "_read", "_reader", "_recipients", "_settings", "_size",
        "_smtputf8", "_start", "_text", "phase",
    )  # fmt: skip

    def __init__(self, settings: ServerSettings) -> None:
        self.phase = Phase.GREETING
        self._settings = settings
        self._commands = _COMMANDS_OF[settings.dialect]
        # Octets that are not understood yet begin at ``_start``. When there are none the buffer
        # is empty: what was read is not kept alive, and what comes is not copied.
        self._buffer = b""
        self._start = 0
        self._eof = False
        # What the next octets are: the function that reads them.
        self._read: Callable[[ServerConnection], Event | None] = ServerConnection._read_nothing
        # The event that awaits a reply, and where the reply may lead.
        self._awaiting: Event | None = None
        self._moves = STAY
        self._line = b""
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
        return len(self._buffer) - self._start

    @property
    def accepted_recipients(self) -> int:
        """How many recipients the transaction has, and replies the content is due in LMTP."""
        return self._recipients

    def receive_data(self, octets: bytes) -> None:
        """What the peer sent; an empty string says that it will send no more."""
        if not octets:
            self._eof = True
        elif self._buffer:
            self._buffer = self._buffer[self._start :] + octets
            self._start = 0
        else:
            self._buffer = bytes(octets)

    def next_event(self) -> Event | NeedData:
        """The next thing the peer said. LocalProtocolError while a reply is due."""
        if self._awaiting is not None:
            raise LocalProtocolError(f"a reply to {type(self._awaiting).__name__} is due first")
        event = self._read(self)
        if event is None:
            return _DISCONNECTED if self._eof else NEED_DATA
        if type(event) is not Content:
            self._awaiting = event
        return event

    def _read_nothing(self) -> Event | None:
        """Before the greeting nothing is read; after the end nothing is kept (F017)."""
        if self.phase is Phase.CLOSED:
            self._consume(len(self._buffer))
        return None

    def _consume(self, end: int) -> None:
        if end < len(self._buffer):
            self._start = end
        else:
            self._buffer = b""
            self._start = 0

    def _refuse(self, line: bytes, reply: Reply, moves: Moves = STAY) -> Refused:
        self._moves = moves
        return Refused(line, reply, fatal=moves is _CLOSE)

    # --- lines

    def _read_first_line(self) -> Event | None:
        """The first octets tell whether the peer speaks TLS, in which no line end may ever come (F028)."""
        first = self._buffer[self._start : self._start + len(_TLS)]
        if first == _TLS:
            return self._refuse(_TLS, replies.OTHER_PROTOCOL, _CLOSE)
        if _TLS.startswith(first):
            return None
        self._read = ServerConnection._read_line
        return self._read_line()

    def _read_line(self) -> Event | None:
        buffer, start = self._buffer, self._start
        if not buffer:
            return None
        end = buffer.find(b"\n", start)
        size = (end if end >= 0 else len(buffer)) - start
        if size > self._settings.line or self._discarded:
            return self._discard_line(end, size)
        if end < 0:
            return None
        line = buffer[start:end]
        self._consume(end + 1)
        if line[-1:] != b"\r":
            # RFC 5321 §2.3.8: a bare LF ends nothing, so what follows cannot be trusted.
            return self._refuse(line, replies.BARE_LINE_END, _CLOSE)
        return self._understand(line[:-1])

    def _discard_line(self, end: int, size: int) -> Event | None:
        """Reads on to the line's end without keeping it; one that never ends is cut off (F046)."""
        buffer, start = self._buffer, self._start
        if not self._discarded:
            self._line = buffer[start : start + LINE_KEPT]
        if self._discarded + size > LINE_DISCARD_FACTOR * self._settings.line:
            return self._refuse(self._line, replies.ENDLESS_LINE, _CLOSE)
        if end < 0:
            self._discarded += size - 1  # The last octet stays: it may be the CR before the LF.
            self._consume(start + size - 1)
            return None
        self._discarded = 0
        self._consume(end + 1)
        if buffer[end - 1 : end] != b"\r":
            return self._refuse(self._line, replies.BARE_LINE_END, _CLOSE)
        return self._refuse(self._line, replies.LINE_TOO_LONG)

    def _understand(self, line: bytes) -> Event | None:
        try:
            word, argument = grammar.parse_line(line)
            command = self._commands.get(word)
            if command is None:
                return self._refuse_unknown(line, word)
            verb = command.verb
            if verb in _BEFORE_CONTENT:
                if verb is Verb.BDAT:
                    return self._begin_chunk(line, argument)
                if self._buffer:
                    # RFC 2920 §3.1: DATA is the last of its group. What follows was sent without
                    # waiting for our word: it may be content, and must not be obeyed (F016).
                    return self._refuse(line, replies.EARLY_TALKER, _CLOSE)
            moves = PHASES[self.phase].get(verb)
            if moves is None:
                return self._refuse(line, self._out_of_order(verb))
            if command.argument is (_NO_ARGUMENT if argument else _REQUIRED):
                return self._refuse(line, replies.NO_ARGUMENT if argument else _MISSING[verb])
            self._moves = moves
            return _UNDERSTAND[verb](self, line, argument)
        except grammar.SyntaxRefusal as refusal:
            return self._refuse(line, refusal.reply)

    def _refuse_unknown(self, line: bytes, word: str) -> Refused:
        if word in FOREIGN_VERBS:
            return self._refuse(line, replies.OTHER_PROTOCOL, _CLOSE)  # F027
        return self._refuse(line, replies.NOT_OFFERED if word in NOT_OFFERED else replies.UNKNOWN)

    def _out_of_order(self, verb: Verb) -> Reply:
        if verb in _BEFORE_CONTENT and self.phase is Phase.TRANSACTION and self._settings.dialect is Dialect.SMTP:
            return replies.NO_RECIPIENTS  # RFC 5321 §3.3; RFC 2033 §4.2 wants 503
        return replies.OUT_OF_ORDER

    def _mail(self, line: bytes, argument: str) -> Event:
        path, parameters = grammar.parse_mail(argument, self._mail_allowed, typed=self._settings.typed)
        self._forbid(parameters)
        self._smtputf8 = parameters.smtputf8
        self._text = None if parameters.body is Body.BINARY else TextChunks()
        return Mail(path, parameters)

    def _forbid(self, parameters: MailParameters) -> None:
        if parameters.body is Body.BINARY and "BINARYMIME" not in self._offered:
            raise grammar.SyntaxRefusal(replies.bad_parameter("BODY is 7BIT or 8BITMIME"))
        if parameters.size is not None and parameters.size > self._settings.message_size:
            raise grammar.SyntaxRefusal(replies.TOO_BIG)  # RFC 1870 §6.1

    def _rcpt(self, line: bytes, argument: str) -> Event:
        path, parameters = grammar.parse_rcpt(
            argument, self._rcpt_allowed, typed=self._settings.typed, smtputf8=self._smtputf8
        )
        return Rcpt(path, parameters)

    def _data(self, line: bytes, argument: str) -> Event:
        if self._text is None:
            return self._refuse(line, replies.BINARY_NEEDS_CHUNKS)  # F023
        return _DATA

    def _verify(self, line: bytes, argument: str) -> Event:
        return Verify(*grammar.parse_name(argument, smtputf8="SMTPUTF8" in self._offered))

    def _expand(self, line: bytes, argument: str) -> Event:
        return Expand(*grammar.parse_name(argument, smtputf8="SMTPUTF8" in self._offered))

    # --- content by DATA

    def _begin_content(self) -> None:
        self._reader = DotReader()
        self._read = ServerConnection._read_content

    def _read_content(self) -> Event | None:
        if not self._buffer:
            return None
        piece = self._reader.read(self._buffer[self._start :])
        self._consume(self._start + piece.consumed)
        content = self._hand_on(piece.octets)
        self._fault = piece.fault
        if self._size > DISCARD_FACTOR * self._settings.message_size:
            self._fault = replies.TOO_BIG
        if self._fault is not None:
            self._read = ServerConnection._break_off
        elif piece.ended:
            self._read = ServerConnection._end_content
        return content or self._read(self)

    def _hand_on(self, octets: bytes) -> Content | None:
        """Content that may be kept; what is over the limit is counted and thrown away."""
        self._size += len(octets)
        excess = self._size - self._settings.message_size
        if excess > 0:
            octets = octets[: max(0, len(octets) - excess)]
        return Content(octets) if octets else None

    def _break_off(self) -> Event:
        assert self._fault is not None
        return self._refuse(b"DATA", self._fault, _CLOSE)

    def _end_content(self) -> Event:
        self._read = ServerConnection._read_line
        self._moves = PHASES[self.phase][Verb.CONTENT_END]
        return ContentEnd(self._size, self._content_refusal())

    def _content_refusal(self) -> Reply | None:
        return replies.TOO_BIG if self._size > self._settings.message_size else self._fault

    # --- content by BDAT

    def _begin_chunk(self, line: bytes, argument: str) -> Event | None:
        """RFC 3030 §2: the octets follow whatever the answer will be, and are taken first (F020)."""
        if "CHUNKING" not in self._settings.extensions:
            return self._refuse(line, replies.NOT_OFFERED, _CLOSE)
        try:
            chunk = grammar.parse_chunk(argument)
        except grammar.SyntaxRefusal as refusal:
            return self._refuse(line, refusal.reply, _CLOSE)  # F021: where it ends, nobody knows
        if self._size + chunk.size > DISCARD_FACTOR * self._settings.message_size:
            return self._refuse(line, replies.TOO_BIG, _CLOSE)
        self._line, self._chunk, self._chunk_left = line, chunk, chunk.size
        may_come = Verb.BDAT in PHASES[self.phase] and "CHUNKING" in self._offered
        self._read = ServerConnection._read_chunk if may_come else ServerConnection._skip_chunk
        return self._read(self)

    def _take_of_chunk(self) -> bytes:
        octets = self._buffer[self._start : self._start + self._chunk_left]
        self._consume(self._start + len(octets))
        self._chunk_left -= len(octets)
        return octets

    def _skip_chunk(self) -> Event | None:
        self._take_of_chunk()
        if self._chunk_left:
            return None
        self._read = ServerConnection._read_line
        return self._refuse(self._line, self._out_of_order(Verb.BDAT))

    def _read_chunk(self) -> Event | None:
        octets = self._take_of_chunk()
        ended = self._chunk_left == 0
        if self._fault is not None:
            octets = b""
        elif self._text is not None:
            octets, self._fault = self._text.read(octets, last=ended and self._chunk.last)
        content = self._hand_on(octets)
        if ended:
            self._read = ServerConnection._end_content if self._chunk.last else ServerConnection._end_chunk
        return content or (self._read(self) if ended else None)

    def _end_chunk(self) -> Event:
        self._read = ServerConnection._read_line
        moves = PHASES[self.phase][Verb.BDAT]
        refusal = self._content_refusal()
        if refusal is not None:
            return self._refuse(self._line, refusal, moves)
        self._moves = moves
        return ChunkEnd(self._chunk.size)

    # --- replies in, octets out

    def greet(self, reply: Reply) -> bytes:
        """The first words of the session: 220, or a refusal that closes it."""
        if reply.is_positive:
            self.phase = Phase.HELLO
            self._read = ServerConnection._read_first_line
        else:
            self._shut()
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
        octets = replies.encode(reply)
        if type(event) is ContentEnd and self._settings.dialect is Dialect.LMTP:
            octets *= self._recipients  # RFC 2033 §4.2: one for each accepted recipient
        self._move(event, reply)
        return octets

    def send_each(self, answers: Sequence[Reply]) -> bytes:
        """LMTP's answer to the content: one reply for each accepted recipient, in their order."""
        event = self._awaiting
        if type(event) is not ContentEnd or len(answers) != self._recipients:
            raise LocalProtocolError("one reply for each accepted recipient is due at the end of the content")
        self._move(event, answers[-1])
        return b"".join(map(replies.encode, answers))

    def close(self, reply: Reply) -> bytes:
        """Ends the session out of turn, with 421 (RFC 5321 §3.8)."""
        self._shut()
        return replies.encode(reply)

    def _move(self, event: Event, reply: Reply) -> None:
        phase = Phase.CLOSED if reply.code == 421 else self._moves.get(reply.severity)
        self._awaiting = None
        if phase is None:
            return
        self.phase = phase
        if type(event) is Hello:
            self._offer(frozenset() if event.verb is Verb.HELO else self._settings.extensions)
        arrive = _ARRIVE.get(phase)
        if arrive is not None:
            arrive(self)

    def _count_recipient(self) -> None:
        self._recipients += 1

    def _shut(self) -> None:
        self.phase = Phase.CLOSED
        self._awaiting = None
        self._read = ServerConnection._read_nothing
        self._consume(len(self._buffer))


@lru_cache(maxsize=64)
def _keywords(settings: ServerSettings) -> tuple[str, ...]:
    arguments = {"SIZE": f"SIZE {settings.message_size}", "LIMITS": " ".join(("LIMITS", *settings.limits))}
    offered = sorted(settings.extensions - (set() if settings.limits else {"LIMITS"}))
    return tuple(arguments.get(keyword, keyword) for keyword in offered)


@lru_cache(maxsize=64)
def _allowed(extensions: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    return parameters_of("MAIL", extensions), parameters_of("RCPT", extensions)


_TLS: Final = b"\x16\x03"  # a handshake record of any version, RFC 8446 §5.1
_CLOSE: Final[Moves] = dict.fromkeys(Severity, Phase.CLOSED)
_BEFORE_CONTENT: Final = frozenset({Verb.DATA, Verb.BDAT})
# An enum's member is looked up by Python before 3.12; these are asked for with every line.
_NO_ARGUMENT, _REQUIRED = Argument.NONE, Argument.REQUIRED

_NO_READER: Final = DotReader()
_NO_CHUNK: Final = grammar.Chunk(0, False)
_DISCONNECTED: Final = Disconnected()
_DATA: Final = Data()

_COMMANDS_OF: Final[Mapping[Dialect, Mapping[str, Command]]] = {
    dialect: {verb: row for verb, row in COMMANDS.items() if dialect in row.dialects} for dialect in Dialect
}

_MISSING: Final[Mapping[Verb, Reply]] = dict.fromkeys(Verb, replies.NEEDS_ARGUMENT) | {
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
    Verb.VRFY: ServerConnection._verify,
    Verb.EXPN: ServerConnection._expand,
    Verb.HELP: lambda _, line, argument: Help(argument),
}

_ARRIVE: Final[Mapping[Phase, Callable[[ServerConnection], None]]] = {
    Phase.READY: ServerConnection._forget_transaction,
    Phase.RECIPIENTS: ServerConnection._count_recipient,
    Phase.CONTENT: ServerConnection._begin_content,
    Phase.CLOSED: ServerConnection._shut,
}
"""What happens when a reply leads to a phase, be it the one the session was in."""
