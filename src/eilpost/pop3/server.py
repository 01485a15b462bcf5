"""The server's machine: octets in, events out; answers in, octets out (a grammar).

Three questions are asked of every line, each a look-up: is it a verb (``commands``), do we offer
it (``capabilities``), is it its turn (``phases``)? What passes becomes an event; what does not
becomes ``Refused`` with the answer that is due. After an event nothing more is read until it was
answered: a pipelined command is judged in the phase its predecessors' answers made.

However the input is split, the events are the same. Nothing that a peer sends raises an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final

from eilpost.mail.value import value
from eilpost.pop3 import events as ev
from eilpost.pop3 import grammar, replies
from eilpost.pop3.capabilities import CAPABILITIES, NEEDED
from eilpost.pop3.commands import COMMANDS, FOREIGN_VERBS, Verb
from eilpost.pop3.content import DotWriter, dotted
from eilpost.pop3.errors import LocalProtocolError
from eilpost.pop3.events import NEED_DATA, Event, NeedData
from eilpost.pop3.phases import PHASES, STAY, Moves, Phase
from eilpost.pop3.replies import Answer

LINE_DISCARD_FACTOR: Final = 16
"""A line without an end is read and thrown away up to so many times its limit, then cut (F046)."""

MAX_RESPONSE: Final = 12_288
"""Octets of a line of a login; RFC 4954 §4 says so of SMTP, and RFC 5034 gives no other."""

WORD_KEPT: Final = 20
"""So many characters of a line that is refused may be logged: its verb, never an argument."""

ALL: Final = frozenset(CAPABILITIES) - {"LOGIN-DELAY"}


@value(frozen=True, slots=True)
class ServerSettings:
    """What one listener's machines have in common, before TLS or after it.

    ``offered`` are keywords of the table of capabilities. ``mechanisms`` is what AUTH knows. ``expire`` is
    the days that mail is kept, None for ever; ``login_delay`` seconds. ``line`` is in octets.
    """

    offered: frozenset[str] = ALL
    mechanisms: tuple[str, ...] = ()
    apop: bool = False
    expire: int | None = None
    login_delay: int = 0
    line: int = 4096
    implementation: str = "Eilpost"

    def lines(self, *, logged_in: bool) -> tuple[str, ...]:
        """What CAPA lists."""
        return _capability_lines(self, logged_in)

    def offers(self, verb: Verb) -> bool:
        """Whether a client may use this verb at all."""
        if verb is Verb.APOP:
            return self.apop
        if verb is Verb.AUTH:
            return bool(self.mechanisms) and "SASL" in self.offered
        return verb not in NEEDED or NEEDED[verb] in self.offered


class ServerConnection:
    """One session seen from the server; feed it, ask it, answer it."""

    __slots__ = (
        "_awaiting", "_buffer", "_discarded", "_eof", "_in_login", "_limit", "_moves", "_name", "_settings", "_start",
        "_utf8", "_writer", "phase",
    )  # fmt: skip

    def __init__(self, settings: ServerSettings) -> None:
        self.phase = Phase.GREETING
        self._settings = settings
        self._buffer = b""
        self._start = 0
        self._eof = False
        self._discarded = 0
        self._limit = settings.line
        self._awaiting: Event | None = None
        self._moves: Moves = STAY
        self._name = ""
        self._in_login = False
        self._utf8 = False
        self._writer: DotWriter | None = None

    @property
    def settings(self) -> ServerSettings:
        """Those that hold now."""
        return self._settings

    # --- octets in, events out

    def receive_data(self, octets: bytes) -> None:
        """Takes what came; empty when the peer closed its side."""
        if not octets:
            self._eof = True
        elif self.phase is not Phase.CLOSED:
            self._buffer = self._buffer[self._start :] + octets
            self._start = 0

    def next_event(self) -> Event | NeedData:
        """What comes next; NEED_DATA when that is not known yet. LocalProtocolError while an answer is due."""
        if self._awaiting is not None:
            raise LocalProtocolError("an answer is due before the next event")
        if self.phase is Phase.CLOSED:
            return _DISCONNECTED
        if self.phase is Phase.GREETING or self.phase is Phase.SECURING:
            return _DISCONNECTED if self._eof else NEED_DATA
        event = self._read_line()
        if event is None:
            return _DISCONNECTED if self._eof else NEED_DATA
        self._awaiting = event
        return event

    def _read_line(self) -> Event | None:
        if not self._discarded:
            self._limit = MAX_RESPONSE if self._in_login or self._begins_login() else self._settings.line
        limit = self._limit
        end = self._buffer.find(b"\n", self._start)
        if end < 0:
            return self._too_long_yet(limit)
        line = self._buffer[self._start : end + 1]
        self._start = end + 1
        octets, self._discarded = self._discarded + len(line), 0
        if octets > limit:
            endless = octets - 1 > limit * LINE_DISCARD_FACTOR  # as if it had come octet by octet
            return self._refuse("", replies.ENDLESS_LINE if endless else replies.LINE_TOO_LONG, fatal=endless)
        if not line.endswith(b"\r\n") or line.find(b"\r") != len(line) - 2:
            return self._refuse("", replies.NOT_A_COMMAND)
        return self._response(line[:-2]) if self._in_login else self._understand(line[:-2])

    def _begins_login(self) -> bool:
        return self._buffer[self._start : self._start + 5].upper() == b"AUTH "

    def _too_long_yet(self, limit: int) -> Event | None:
        """A line without its end: what is above the limit is thrown away, and at last the peer is."""
        waiting = len(self._buffer) - self._start
        if self._discarded + waiting > limit:
            self._discarded += waiting
            self._buffer, self._start = b"", 0
        if self._discarded > limit * LINE_DISCARD_FACTOR:
            return self._refuse("", replies.ENDLESS_LINE, fatal=True)
        return None

    def _understand(self, line: bytes) -> Event:
        word = ""
        try:
            word, rest = grammar.parse_line(line)
            command = COMMANDS.get(word)
            if command is None:
                foreign = word in FOREIGN_VERBS
                return self._refuse(word, replies.OTHER_PROTOCOL if foreign else replies.UNKNOWN, fatal=foreign)
            verb = command.verb
            moves = PHASES[self.phase].get(verb)
            if moves is None:
                return self._refuse(word, replies.OUT_OF_ORDER)
            if not self._settings.offers(verb):
                return self._refuse(word, replies.NEEDS_TLS if self._wants_tls(verb) else replies.NOT_OFFERED)
            arguments = grammar.split_arguments(command, rest)
            self._moves = moves
            return _UNDERSTAND[verb](self, arguments)
        except grammar.SyntaxRefusal as refusal:
            return self._refuse(word, refusal.answer)

    def _wants_tls(self, verb: Verb) -> bool:
        """Whether TLS would make this verb possible: then the peer is told so."""
        return verb in (Verb.USER, Verb.PASS, Verb.APOP, Verb.AUTH) and self._settings.offers(Verb.STLS)

    def _refuse(self, word: str, answer: Answer, *, fatal: bool = False) -> ev.Refused:
        login, self._in_login = self._in_login, False
        if fatal:
            self._moves = _CLOSE
        elif login:
            self._moves = STAY
        elif self.phase is Phase.NAMED and word == Verb.PASS.value:
            self._moves = Moves(err=Phase.AUTHORIZATION)
        else:
            self._moves = STAY
        return ev.Refused(word[:WORD_KEPT], answer, fatal)

    # --- the verbs that need more than a row

    def _user(self, arguments: list[str]) -> Event:
        self._name = arguments[0]
        return ev.User(self._name)

    def _auth(self, arguments: list[str]) -> Event:
        if not arguments:
            self._moves = STAY
            return ev.ListMechanisms()
        mechanism = grammar.parse_mechanism(arguments[0])
        if mechanism not in self._settings.mechanisms:
            return self._refuse("AUTH", replies.UNKNOWN_MECHANISM)
        initial = grammar.from_base64(arguments[1].encode()) if len(arguments) > 1 else None
        return ev.Auth(mechanism, initial)

    def _response(self, line: bytes) -> Event:
        if line == b"*":  # RFC 5034 §4
            return ev.AuthResponse(None)
        try:
            # An empty line is an empty response; "=" is only the initial one's spelling of it.
            return ev.AuthResponse(grammar.from_base64(line) if line != b"=" else b"")
        except grammar.SyntaxRefusal as refusal:
            return self._refuse("AUTH", refusal.answer)

    def _stls(self, arguments: list[str]) -> Event:
        if self._start < len(self._buffer):
            # Whoever sends on without waiting wants it obeyed after the handshake, as if it came
            # through TLS (F029).
            return self._refuse("STLS", replies.EARLY_TALKER, fatal=True)
        if self._utf8:
            return self._refuse("STLS", replies.NO_TLS_AFTER_UTF8)  # RFC 6856 §2.1
        return ev.StartTls()

    # --- answers in, octets out

    def greet(self, answer: Answer) -> bytes:
        """The first words of the session: +OK, or a refusal that closes it."""
        if answer.ok:
            self.phase = Phase.AUTHORIZATION
        else:
            self._shut()
        return replies.encode(answer)

    def send(self, answer: Answer) -> bytes:
        """Answers the event that awaits it with one line."""
        event = self._due()
        if self._begins_many(event) and answer.ok:
            raise LocalProtocolError("this answer has many lines")
        self._move(event, answer)
        return replies.encode(answer)

    def challenge(self, octets: bytes) -> bytes:
        """Answers a line of a login with the server's next challenge."""
        if type(self._due()) not in _LOGIN:
            raise LocalProtocolError("no login is going on")
        self._awaiting = None
        self._in_login = True
        return b"+ " + grammar.to_base64(octets) + b"\r\n"

    def send_lines(self, answer: Answer, lines: Iterable[str]) -> bytes:
        """Answers with a list; no line of ours begins with a dot."""
        octets = [self.begin(answer), "".join([f"{line}\r\n" for line in lines]).encode(), self.end()]
        return b"".join(octets)

    def begin(self, answer: Answer) -> bytes:
        """The first line of an answer with many; ``content`` and ``end`` follow."""
        event = self._due()
        if not answer.ok or not (self._begins_many(event) or type(event) is ev.ListMechanisms):
            raise LocalProtocolError("this answer has one line")
        self._writer = DotWriter()
        return replies.encode(answer)

    def content(self, octets: bytes) -> bytes:
        """A piece of what ``begin`` began, with its line ends as CR LF."""
        if self._writer is None:
            raise LocalProtocolError("no answer with many lines has begun")
        return self._writer.write(octets)

    def end(self) -> bytes:
        """The end of what ``begin`` began."""
        if self._writer is None:
            raise LocalProtocolError("no answer with many lines has begun")
        octets, self._writer = self._writer.end(), None
        self._move(self._due(), replies.DONE)
        return octets

    def whole(self, answer: Answer, octets: bytes) -> bytes:
        """``begin``, ``content`` and ``end`` in one: the answer's first line and all of a small message."""
        event = self._due()
        if not answer.ok or not self._begins_many(event):
            raise LocalProtocolError("this answer has one line")
        self._move(event, replies.DONE)
        return b"".join((replies.encode(answer), *dotted(octets)))

    def close(self, answer: Answer) -> bytes:
        """Ends the session out of turn; within an answer of many lines nothing can be said any more."""
        silent = self._writer is not None or self.phase is Phase.SECURING
        self._shut()
        return b"" if silent else replies.encode(answer)

    def secured(self, settings: ServerSettings) -> None:
        """TLS stands: everything known of the peer is forgotten (RFC 2595 §4), and nothing it sent before survives."""
        if self.phase is not Phase.SECURING:
            raise LocalProtocolError("no STLS was answered")
        self.phase = Phase.AUTHORIZATION
        self._settings = settings
        self._buffer, self._start, self._name = b"", 0, ""

    def _due(self) -> Event:
        if self._awaiting is None:
            raise LocalProtocolError("no answer is due")
        return self._awaiting

    @staticmethod
    def _begins_many(event: Event) -> bool:
        match event:
            case ev.Capa() | ev.Retr() | ev.Top():
                return True
            case ev.List(number=0) | ev.Uidl(number=0):
                return True
            case ev.Lang(tag=""):
                return True
            case _:
                return False

    def _move(self, event: Event, answer: Answer) -> None:
        self._awaiting = None
        self._in_login = False
        if type(event) is ev.Utf8 and answer.ok:
            self._utf8 = True
        phase = self._moves.ok if answer.ok else self._moves.err
        if phase is Phase.CLOSED:
            self._shut()
        elif phase is not None:
            self.phase = phase
            if phase is Phase.SECURING:
                self._buffer, self._start = b"", 0

    def _shut(self) -> None:
        self.phase = Phase.CLOSED
        self._awaiting, self._writer = None, None
        self._buffer, self._start = b"", 0


@lru_cache(maxsize=64)
def _capability_lines(settings: ServerSettings, logged_in: bool) -> tuple[str, ...]:
    spelled = {
        "SASL": " ".join(("SASL", *settings.mechanisms)) if settings.mechanisms else "",
        "EXPIRE": "EXPIRE NEVER" if settings.expire is None else f"EXPIRE {settings.expire}",
        "LOGIN-DELAY": f"LOGIN-DELAY {settings.login_delay}" if settings.login_delay else "",
        "UTF8": "UTF8 USER",
        "IMPLEMENTATION": f"IMPLEMENTATION {settings.implementation}" if logged_in else "",  # RFC 2449 §6.9
    }
    offered = settings.offered | ({"LOGIN-DELAY"} if settings.login_delay else frozenset())
    lines = [
        spelled.get(row.keyword, row.keyword)
        for row in CAPABILITIES.values()
        if row.keyword in offered and not (logged_in and row.before_login_only)
    ]
    return tuple(line for line in lines if line)


_CLOSE: Final = Moves(Phase.CLOSED, Phase.CLOSED)
_DISCONNECTED: Final = ev.Disconnected()
_LOGIN: Final = (ev.Auth, ev.AuthResponse)


def _message(arguments: list[str]) -> int:
    return grammar.parse_number(arguments[0], least=1) if arguments else 0


_UNDERSTAND: Final[Mapping[Verb, Callable[[ServerConnection, list[str]], Event]]] = {
    Verb.USER: ServerConnection._user,
    Verb.PASS: lambda machine, arguments: ev.Pass(machine._name, arguments[0]),
    Verb.APOP: lambda _, arguments: ev.Apop(arguments[0], grammar.parse_digest(arguments[1])),
    Verb.AUTH: ServerConnection._auth,
    Verb.STLS: ServerConnection._stls,
    Verb.CAPA: lambda _, arguments: ev.Capa(),
    Verb.UTF8: lambda _, arguments: ev.Utf8(),
    Verb.LANG: lambda _, arguments: ev.Lang(grammar.parse_tag(arguments[0]) if arguments else ""),
    Verb.STAT: lambda _, arguments: ev.Stat(),
    Verb.LIST: lambda _, arguments: ev.List(_message(arguments)),
    Verb.UIDL: lambda _, arguments: ev.Uidl(_message(arguments)),
    Verb.RETR: lambda _, arguments: ev.Retr(_message(arguments)),
    Verb.TOP: lambda _, arguments: ev.Top(_message(arguments), grammar.parse_number(arguments[1], least=0)),
    Verb.DELE: lambda _, arguments: ev.Dele(_message(arguments)),
    Verb.NOOP: lambda _, arguments: ev.Noop(),
    Verb.RSET: lambda _, arguments: ev.Rset(),
    Verb.QUIT: lambda machine, arguments: ev.Quit(machine.phase is Phase.TRANSACTION),
}
