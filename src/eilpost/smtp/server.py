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
from dataclasses import replace
from typing import Final

from eilpost.mail.envelope import Body, ByMode, MailParameters
from eilpost.mail.reply import Reply
from eilpost.smtp import grammar, login, replies
from eilpost.smtp.claims import parse_claims
from eilpost.smtp.commands import COMMANDS, FOREIGN_VERBS, NOT_OFFERED, Argument, Dialect, Verb
from eilpost.smtp.content import TextChunks
from eilpost.smtp.errors import LocalProtocolError
from eilpost.smtp.events import (
    NEED_DATA,
    Auth,
    AuthResponse,
    Content,
    ContentEnd,
    Data,
    Disconnected,
    Etrn,
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
    XClient,
    XForward,
)
from eilpost.smtp.help import help_reply
from eilpost.smtp.phases import PHASES, Phase
from eilpost.smtp.server_content import DISCARD_FACTOR
from eilpost.smtp.server_lines import CLOSE, LINE_DISCARD_FACTOR
from eilpost.smtp.server_login import LoginIntake
from eilpost.smtp.server_settings import ServerSettings, allowed, commands, offered

__all__ = ["DISCARD_FACTOR", "LINE_DISCARD_FACTOR", "NEED_DATA", "NeedData", "ServerConnection", "ServerSettings"]


class ServerConnection(LoginIntake):
    """One session seen from the server; feed it, ask it, answer it."""

    __slots__ = ("_awaiting", "_commands", "_mail_allowed", "_rcpt_allowed")

    def __init__(self, settings: ServerSettings) -> None:
        super().__init__(settings)
        self._commands = commands(settings)
        self._awaiting: Event | None = None  # the event that awaits a reply
        self._offer(frozenset())

    def _offer(self, extensions: frozenset[str]) -> None:
        self._offered = extensions
        self._mail_allowed, self._rcpt_allowed = allowed(extensions)

    # --- octets in, events out

    @property
    def accepted_recipients(self) -> int:
        """How many recipients the transaction has, and replies the content is due in LMTP."""
        return self._recipients

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

    def _understand(self, line: bytes) -> Event | None:
        try:
            word, argument = grammar.parse_line(line)
            command = self._commands.get(word)
            if command is None:
                return self._refuse_unknown(line, word)
            verb = command.verb
            if verb in _LAST_IN_GROUP:
                if verb is Verb.BDAT:
                    return self._begin_chunk(line, argument)
                if self._buffer:
                    # RFC 2920 §3.1: DATA is the last of its group. What follows was sent without
                    # waiting for our word: it may be content, and must not be obeyed (F016). What
                    # follows STARTTLS was sent in clear by anybody (RFC 3207 §6, F029).
                    return self._refuse(line, replies.EARLY_TALKER, CLOSE)
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
            return self._refuse(line, replies.OTHER_PROTOCOL, CLOSE)  # F027
        if word == "STARTTLS" and self._secured:
            return self._refuse(line, replies.OUT_OF_ORDER)  # RFC 3207 §4, F033
        row = COMMANDS.get(word)
        is_known = word in NOT_OFFERED if row is None else self._settings.dialect in row.dialects
        return self._refuse(line, replies.NOT_OFFERED if is_known else replies.UNKNOWN)

    def _mail(self, line: bytes, argument: str) -> Event:
        path, parameters = grammar.parse_mail(argument, self._mail_allowed, typed=self._settings.typed)
        self._forbid(parameters)
        self._smtputf8 = parameters.smtputf8
        self._text = None if parameters.body is Body.BINARY else TextChunks()
        return Mail(path, parameters)

    def _send(self, line: bytes, argument: str) -> Event:
        event = self._mail(line, argument)
        assert isinstance(event, Mail)
        return Mail(event.reverse_path, event.parameters, Verb(line[:4].decode("ascii").upper()))

    def _etrn(self, line: bytes, argument: str) -> Event:
        return self._agreed("ETRN", line) or Etrn(*grammar.parse_etrn(argument))

    def _xclient(self, line: bytes, argument: str) -> Event:
        return self._agreed("XCLIENT", line) or XClient(parse_claims(Verb.XCLIENT, argument))

    def _xforward(self, line: bytes, argument: str) -> Event:
        return self._agreed("XFORWARD", line) or XForward(parse_claims(Verb.XFORWARD, argument))

    def _agreed(self, keyword: str, line: bytes) -> Refused | None:
        """HELO agrees on no extension; only EHLO does (RFC 5321 §4.1.4)."""
        return None if keyword in self._offered else self._refuse(line, replies.OUT_OF_ORDER)

    def _forbid(self, parameters: MailParameters) -> None:
        if parameters.body is Body.BINARY and "BINARYMIME" not in self._offered:
            raise grammar.SyntaxRefusal(replies.bad_parameter("BODY is 7BIT or 8BITMIME"))
        if parameters.size is not None and parameters.size > self._settings.message_size:
            raise grammar.SyntaxRefusal(replies.TOO_BIG)  # RFC 1870 §6.1
        if type(parameters.hold) is int and parameters.hold > self._settings.hold:
            raise grammar.SyntaxRefusal(replies.TOO_LONG_HELD)
        by = parameters.deliver_by
        if by is not None and by.mode is ByMode.RETURN and by.seconds < self._settings.deliver_by:
            raise grammar.SyntaxRefusal(replies.TOO_SOON)

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

    # --- replies in, octets out

    def greet(self, reply: Reply) -> bytes:
        """The first words of the session: 220, or a refusal that closes it."""
        if reply.is_positive:
            self.phase = Phase.HELLO
            self._read = ServerConnection._read_first_line
        else:
            self._shut()
        return replies.encode(reply)

    def help_reply(self, topic: str) -> Reply:
        """The answer to Help: the commands that are understood here, or one of them."""
        return help_reply(topic, self._commands)

    def hello_reply(self, greeting: str, now: int = 0) -> Reply:
        """The positive answer to the Hello that awaits one: with the extensions unless it was HELO.

        ``now`` is Unix time; it is asked for where FUTURERELEASE is offered.
        """
        if isinstance(self._awaiting, Hello) and self._awaiting.verb is Verb.HELO:
            return Reply(250, None, (greeting,))
        return Reply(250, None, (greeting, *self._settings.keywords(now)))

    def send(self, reply: Reply) -> bytes:
        """Answers the event that awaits it; the octets are to be sent. 421 closes the session."""
        event = self._awaiting
        if event is None:
            raise LocalProtocolError("no reply is due")
        octets = replies.encode(reply)
        kind = type(event)
        if kind in _MEAN_MORE:
            octets = self._mean_more(event, reply, octets)
        self._move(event, reply)
        return octets

    def _mean_more(self, event: Event, reply: Reply, octets: bytes) -> bytes:
        """What a reply to these events is or does beside what every reply is and does."""
        if isinstance(event, Verify | Expand):
            return replies.encode_utf8(reply) if event.smtputf8 else octets  # RFC 6531 §3.7.4.2
        if type(event) is not ContentEnd:
            self._authenticated = reply.is_positive
        elif self._settings.dialect is Dialect.LMTP:
            octets *= self._recipients  # RFC 2033 §4.2: one for each accepted recipient
        return octets

    def challenge(self, octets: bytes) -> bytes:
        """Answers Auth or AuthResponse with 334: the client's response is due next (RFC 4954 §4)."""
        event = self._awaiting
        if not isinstance(event, Auth | AuthResponse) or event == _CANCELLED:
            raise LocalProtocolError("a challenge answers AUTH, or a response that goes on")
        self._move(event, _CHALLENGE)
        return b"334 %b\r\n" % login.encode(octets)

    def secured(self, settings: ServerSettings) -> None:
        """The handshake after the 220 to StartTls is done; these settings hold from now on.

        All octets that came before are dropped, and what was known of the peer is forgotten (RFC 3207 §4.2).
        """
        if self.phase is not Phase.HANDSHAKE:
            raise LocalProtocolError("no handshake was begun")
        ServerConnection.__init__(self, replace(settings, extensions=settings.extensions - {"STARTTLS"}))
        self._secured = True
        self.phase = Phase.HELLO
        self._read = ServerConnection._read_first_line

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
            self._offer(frozenset() if event.verb is Verb.HELO else offered(self._settings))
        arrive = _ARRIVE.get(phase)
        if arrive is not None:
            arrive(self)

    def _begin_again(self) -> None:
        """XCLIENT was accepted: the session is another client's, and nothing is known of that one."""
        self._offer(frozenset())
        self._forget_transaction()
        self._authenticated = False

    def _wait_for_tls(self) -> None:
        self._read = ServerConnection._read_nothing

    def _count_recipient(self) -> None:
        self._recipients += 1

    def _shut(self) -> None:
        self.phase = Phase.CLOSED
        self._awaiting = None
        self._read = ServerConnection._read_nothing
        self._consume(len(self._buffer))


# An enum's member is looked up by Python before 3.12; these are asked for with every line.
_NO_ARGUMENT, _REQUIRED = Argument.NONE, Argument.REQUIRED

_DISCONNECTED: Final = Disconnected()
_DATA: Final = Data()

_LAST_IN_GROUP: Final = frozenset({Verb.DATA, Verb.BDAT, Verb.STARTTLS})
"""What follows these on the wire may be no command."""

_MEAN_MORE: Final = frozenset({ContentEnd, Auth, AuthResponse, Verify, Expand})

_CHALLENGE: Final = Reply(334, None, ("",))
_CANCELLED: Final = AuthResponse(None)

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
    Verb.STARTTLS: ServerConnection._start_tls,
    Verb.AUTH: ServerConnection._auth,
    Verb.SEND: ServerConnection._send,
    Verb.SOML: ServerConnection._send,
    Verb.SAML: ServerConnection._send,
    Verb.ETRN: ServerConnection._etrn,
    Verb.XCLIENT: ServerConnection._xclient,
    Verb.XFORWARD: ServerConnection._xforward,
}

_ARRIVE: Final[Mapping[Phase, Callable[[ServerConnection], None]]] = {
    Phase.HELLO: ServerConnection._begin_again,
    Phase.READY: ServerConnection._forget_transaction,
    Phase.RECIPIENTS: ServerConnection._count_recipient,
    Phase.CONTENT: ServerConnection._begin_content,
    Phase.EXCHANGE: ServerConnection._begin_response,
    Phase.HANDSHAKE: ServerConnection._wait_for_tls,
    Phase.CLOSED: ServerConnection._shut,
}
"""What happens when a reply leads to a phase, be it the one the session was in."""
