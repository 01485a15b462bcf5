"""The client's machine: commands in, octets out; replies in, events out (a grammar).

Each method that speaks returns the octets to send and puts its command into a FIFO; each reply
answers the oldest command there. That is all there is to PIPELINING (RFC 2920): what may be sent
before the earlier answers are in is asked of the phase that the session will be in if they are
what we hope for. Where a command may not come now, LocalProtocolError is raised and nothing was
sent.

Replies are judged by their first digit (RFC 5321 §4.2.1), and 421 ends the session whatever it
answers. A reply that cannot answer its command is a RemoteProtocolError (F146). However the input
is split, the events are the same.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from eilpost.mail.address import Address
from eilpost.mail.envelope import (
    NO_MAIL_PARAMETERS,
    NO_RCPT_PARAMETERS,
    Body,
    MailParameters,
    RcptParameters,
    ReversePath,
)
from eilpost.mail.reply import Reply, Severity
from eilpost.smtp import client_lines as lines
from eilpost.smtp import login
from eilpost.smtp.claims import Claims
from eilpost.smtp.client_events import Answer, AuthChallenge, AuthDone, ClientEvent, Dismissal, Greeting
from eilpost.smtp.client_offer import NOTHING, Offer, parse_offer
from eilpost.smtp.client_replies import MAX_LINE, RawReply, ReplyReader, interpret
from eilpost.smtp.commands import Dialect, Verb
from eilpost.smtp.content import find_fault
from eilpost.smtp.errors import LocalProtocolError, RemoteProtocolError
from eilpost.smtp.events import NEED_DATA, Disconnected, NeedData
from eilpost.smtp.phases import PHASES, Phase

_SEVERITY: Final = {item.value: item for item in Severity}
_HELLOS: Final = frozenset({Verb.EHLO, Verb.HELO, Verb.LHLO})
_PLAIN: Final = _HELLOS | {Verb.DATA}
"""Commands whose replies carry no enhanced code (RFC 2034 §4); DATA's 4yz and 5yz do."""

_LAST_IN_GROUP: Final = _HELLOS | {
    Verb.DATA, Verb.VRFY, Verb.EXPN, Verb.NOOP, Verb.HELP, Verb.QUIT, Verb.STARTTLS, Verb.AUTH,
    Verb.ETRN, Verb.XCLIENT,
}  # fmt: skip
"""Nothing may follow these before their answer is in (RFC 2920 §3.1, RFC 4954 §4)."""

_BEGINNINGS: Final = frozenset({Verb.MAIL, Verb.SEND, Verb.SOML, Verb.SAML})
_WORDS: Final = {verb: verb.value for verb in _BEGINNINGS}  # an enum's value is slow to get at

_FIRST_LINE_END: Final = b"\r\n"
_HOPES: Final = dict.fromkeys(Verb, Severity.POSITIVE) | {Verb.DATA: Severity.INTERMEDIATE}
_HOPED: Final = {
    phase: {verb: moves.get(_HOPES[verb], phase) for verb, moves in rows.items()} for phase, rows in PHASES.items()
}
"""Where each command leads if its answer is what we hope for."""


class ClientConnection:
    """One session seen from the client; tell it what to say, feed it, ask it."""

    __slots__ = (
        "_accepted",
        "_ahead",
        "_asked",
        "_authenticated",
        "_binary",
        "_delivered",
        "_dialect",
        "_eof",
        "_fault",
        "_outstanding",
        "_reader",
        "_secured",
        "_smtputf8",
        "_tail",
        "offer",
        "phase",
    )

    def __init__(self, dialect: Dialect = Dialect.SMTP) -> None:
        self.phase = Phase.GREETING
        self.offer: Offer = NOTHING
        self._ahead = Phase.GREETING  # where the answers we hope for will have led
        self._dialect = dialect
        self._outstanding: deque[tuple[Verb, int]] = deque()
        self._reader = ReplyReader()
        self._eof = False
        self._fault = ""
        self._asked = 0  # RCPTs sent in the transaction that is being sent
        self._accepted: list[int] = []  # RCPTs accepted in the transaction that is being answered
        self._delivered = 0  # of those, how many LMTP has answered after the content
        self._secured = self._authenticated = False
        self._smtputf8 = False
        self._binary = False
        self._tail = _FIRST_LINE_END

    # What is known

    @property
    def dialect(self) -> Dialect:
        """SMTP or LMTP."""
        return self._dialect

    @property
    def awaiting(self) -> Verb | None:
        """The command that the next reply will answer."""
        return self._outstanding[0][0] if self._outstanding else None

    @property
    def can_pipeline(self) -> bool:
        """True when the server takes commands before it has answered the earlier ones."""
        return "PIPELINING" in self.offer.keywords

    # What comes in

    def receive_data(self, octets: bytes) -> None:
        """Takes what the server sent; ``b""`` says that it has closed its side."""
        if octets:
            self._reader.feed(octets)
        else:
            self._eof = True

    def next_event(self) -> ClientEvent | NeedData:
        """What the server has said next; RemoteProtocolError if no rule allows it."""
        if self._fault:
            raise RemoteProtocolError(self._fault)
        if self.phase is Phase.CLOSED:  # what follows 221 or 421 means nothing (F144)
            return Disconnected() if self._eof else NEED_DATA
        try:
            raw = self._reader.next()
            if raw is None:
                return Disconnected() if self._eof else NEED_DATA
            return self._understand(raw)
        except RemoteProtocolError as error:
            self._fault = str(error)
            self._close()
            raise

    def _understand(self, raw: RawReply) -> ClientEvent:
        severity = _SEVERITY[raw.code // 100]
        if not self._outstanding:
            return self._unasked(raw, severity)
        verb, recipient = self._outstanding[0]
        if verb is Verb.AUTH:
            return self._auth_answered(raw, severity)
        if (severity is Severity.INTERMEDIATE) != (verb is Verb.DATA) and raw.code < 400:
            raise RemoteProtocolError(f"{raw.code} does not answer {_name(verb)}")
        reply = interpret(raw, enhanced=verb not in _PLAIN or raw.code >= 400)
        if raw.code == 421:
            self._close()
            return Answer(verb, reply, recipient)
        if verb is Verb.CONTENT_END and self._accepted and self._dialect is Dialect.LMTP:
            return self._delivery_answered(reply, severity)
        self._outstanding.popleft()
        self._note(verb, recipient, reply)
        self._move(verb, severity)
        return Answer(verb, reply, recipient)

    def _auth_answered(self, raw: RawReply, severity: Severity) -> ClientEvent:
        self._outstanding.popleft()
        self._reader.longest = MAX_LINE
        if severity is Severity.INTERMEDIATE:
            if raw.code != 334:
                raise RemoteProtocolError(f"{raw.code} does not answer AUTH")
            octets = login.challenged(raw.lines)
            self._move(Verb.AUTH, severity)
            return AuthChallenge(octets)
        self._move(Verb.AUTH, severity)
        self._authenticated = severity is Severity.POSITIVE
        if raw.code == 421:
            self._close()
        return AuthDone(interpret(raw, enhanced=True))

    def _unasked(self, raw: RawReply, severity: Severity) -> ClientEvent:
        reply = interpret(raw, enhanced=raw.code >= 400)
        if self.phase is Phase.GREETING and severity is not Severity.INTERMEDIATE:
            self.phase = self._ahead = Phase.HELLO if severity is Severity.POSITIVE else Phase.CLOSED
            return Greeting(reply)
        if raw.code == 421:
            self._close()
            return Dismissal(reply)
        if self.phase is Phase.CONTENT and raw.code >= 400:
            # The server has had enough before the end. Whatever we send now it may read as
            # content or as commands: nothing more can be said.
            self._close()
            return Answer(Verb.CONTENT_END, reply)
        raise RemoteProtocolError(f"{raw.code} answers nothing")

    def _delivery_answered(self, reply: Reply, severity: Severity) -> Answer:
        """RFC 2033 §4.2: a reply for each accepted recipient, in order."""
        recipient = self._accepted[self._delivered]
        self._delivered += 1
        if self._delivered == len(self._accepted):
            self._outstanding.popleft()
            self._move(Verb.CONTENT_END, severity)
        return Answer(Verb.CONTENT_END, reply, recipient)

    def _note(self, verb: Verb, recipient: int, reply: Reply) -> None:
        if verb in _BEGINNINGS:
            self._accepted = []
            self._delivered = 0
        elif reply.code >= 300:
            return
        elif verb is Verb.RCPT:
            self._accepted.append(recipient)
        elif verb in _HELLOS:
            self.offer = NOTHING if verb is Verb.HELO else parse_offer(reply)
        elif verb is Verb.XCLIENT:
            self.offer, self._authenticated = NOTHING, False  # the session begins again, as another client's

    def _move(self, verb: Verb, severity: Severity) -> None:
        moves = PHASES[self.phase].get(verb)
        if moves is not None:
            self.phase = moves.get(severity, self.phase)
        elif severity is Severity.INTERMEDIATE:
            # RFC 2920 §3.1: 354 although no recipient was accepted; a lone dot must end it.
            if self._dialect is Dialect.LMTP:  # RFC 2033 §4.2: here it can only be 503
                raise RemoteProtocolError("354 although no recipient was accepted")
            self.phase = Phase.CONTENT
        if self.phase is Phase.CONTENT:
            self._tail = _FIRST_LINE_END
        elif self.phase is Phase.HANDSHAKE and self._reader.buffered:
            # RFC 3207 §6: anybody may have put it there, to be taken for words said over TLS (F031).
            raise RemoteProtocolError("the server said more before TLS began")
        if severity is not _HOPES[verb] or moves is None:
            self._look_ahead()  # an answer that was hoped for was reckoned with when the command was said

    def _look_ahead(self) -> None:
        ahead = self.phase
        for verb, _ in self._outstanding:
            ahead = _HOPED[ahead].get(verb, ahead)
        self._ahead = ahead

    def _close(self) -> None:
        self.phase = self._ahead = Phase.CLOSED
        self._outstanding.clear()

    # What goes out

    def hello(self, name: str) -> bytes:
        """EHLO, or LHLO: greets with our host name and asks for extensions."""
        verb = Verb.LHLO if self._dialect is Dialect.LMTP else Verb.EHLO
        return self._say(verb, lines.hello(verb.value, name))

    def helo(self, name: str) -> bytes:
        """HELO, for servers that refuse EHLO (RFC 5321 §3.2)."""
        if self._dialect is Dialect.LMTP:
            raise LocalProtocolError("LMTP has no HELO")
        return self._say(Verb.HELO, lines.hello("HELO", name))

    def starttls(self) -> bytes:
        """STARTTLS. When the answer is positive, let TLS begin, and then say ``secured``."""
        if self._secured:
            raise LocalProtocolError("the session is over TLS already")  # RFC 3207 §4
        self._check_keyword("STARTTLS")
        return self._say(Verb.STARTTLS, b"STARTTLS\r\n")

    def secured(self) -> None:
        """The handshake is done: what the server said before is forgotten (RFC 3207 §4.2). EHLO is next."""
        if self.phase is not Phase.HANDSHAKE:
            raise LocalProtocolError("no handshake was begun")
        if self._reader.buffered:
            raise RemoteProtocolError("the server said more before TLS began")
        self.offer = NOTHING
        self.phase = self._ahead = Phase.HELLO
        self._authenticated = False
        self._secured = True

    def auth(self, mechanism: str, initial: bytes | None = None) -> bytes:
        """AUTH; ``initial`` is the initial response, b"" one without octets, None: there is none.

        One that does not fit into a line (``login.fits``) is refused: send None, and answer the first challenge.
        """
        if self._authenticated or self.phase is Phase.EXCHANGE:
            raise LocalProtocolError("a login was made or begun")  # RFC 4954 §4
        if mechanism not in self.offer.mechanisms:
            raise LocalProtocolError(f"the server does not offer AUTH {mechanism}")
        return self._log_in(login.auth(mechanism, initial))

    def auth_respond(self, octets: bytes | None) -> bytes:
        """The response to a challenge; None cancels the exchange."""
        if self.phase is not Phase.EXCHANGE or self._outstanding:
            raise LocalProtocolError("a response comes after a challenge")
        return self._log_in((login.CANCEL if octets is None else login.encode(octets)) + b"\r\n")

    def _log_in(self, line: bytes) -> bytes:
        said = self._say(Verb.AUTH, line)
        self._reader.longest = login.MAX_LINE  # RFC 4954 §4: challenges may be as long as responses
        return said

    def mail(
        self, reverse_path: ReversePath, parameters: MailParameters = NO_MAIL_PARAMETERS, verb: Verb = Verb.MAIL
    ) -> bytes:
        """MAIL: begins a transaction; so do SEND, SOML and SAML, where the server offers them (RFC 821 §3.4)."""
        if verb is not Verb.MAIL:
            self._check_keyword(verb.value)
        if parameters is not NO_MAIL_PARAMETERS:
            self._check_offered(parameters)
        said = self._say(verb, lines.mail(reverse_path, parameters, _WORDS[verb]))
        self._asked = 0
        self._smtputf8 = parameters.smtputf8
        self._binary = parameters.body is Body.BINARY
        return said

    def rcpt(self, address: Address, parameters: RcptParameters = NO_RCPT_PARAMETERS) -> bytes:
        """RCPT: one more recipient."""
        if parameters is not NO_RCPT_PARAMETERS:
            self._check_offered(parameters)
        said = self._say(Verb.RCPT, lines.rcpt(address, parameters, smtputf8=self._smtputf8), self._asked)
        self._asked += 1
        return said

    def data(self) -> bytes:
        """DATA: asks to send the content."""
        if self._binary:
            raise LocalProtocolError("BINARYMIME content goes by BDAT")  # RFC 3030 §3
        return self._say(Verb.DATA, b"DATA\r\n")

    def content(self, octets: bytes, *, verified: bool = False) -> bytes:
        """A piece of the content after 354, with its dots doubled (RFC 5321 §4.5.2).

        Lines must end in CRLF; ``verified`` says that this is known, and saves looking (F153).
        """
        if self.phase is not Phase.CONTENT or self._outstanding:
            raise LocalProtocolError("content comes after 354")
        if not self._accepted:
            raise LocalProtocolError("no recipient was accepted: end the content at once")
        tail = self._tail
        if not verified:
            _verify(tail, octets)
        self._tail = (tail + octets[-2:])[-2:]
        stuffed = octets.replace(b"\r\n.", b"\r\n..")
        if tail == b"\r\n" and octets[:1] == b".":
            return b"." + stuffed
        if tail[-1:] == b"\r" and octets[:2] == b"\n.":
            return b"\n." + stuffed[1:]
        return stuffed

    def end_content(self) -> bytes:
        """The lone dot, after a CRLF where the content lacks its last one."""
        if self._tail[-1:] == b"\r":
            raise LocalProtocolError("the content ends in a bare CR")
        return self._say(Verb.CONTENT_END, b".\r\n" if self._tail == b"\r\n" else b"\r\n.\r\n")

    def bdat(self, octets: bytes, *, last: bool) -> bytes:
        """BDAT with its chunk (RFC 3030 §2); the content goes as it is."""
        self._check_keyword("CHUNKING")
        if self._dialect is Dialect.LMTP and self._outstanding and self._outstanding[-1][0] is Verb.BDAT:
            # How many replies the last chunk gets depends on the answers to those before it.
            raise LocalProtocolError("in LMTP a chunk awaits the answer to the one before")
        verb = Verb.CONTENT_END if last else Verb.BDAT
        return self._say(verb, b"BDAT %d%s\r\n%b" % (len(octets), b" LAST" if last else b"", octets))

    def rset(self) -> bytes:
        """RSET: ends the transaction without sending."""
        return self._say(Verb.RSET, b"RSET\r\n")

    def noop(self) -> bytes:
        """NOOP: does nothing, and shows that the server is there."""
        return self._say(Verb.NOOP, b"NOOP\r\n")

    def quit(self) -> bytes:
        """QUIT: ends the session."""
        return self._say(Verb.QUIT, b"QUIT\r\n")

    def verify(self, name: str) -> bytes:
        """VRFY: asks whether a mailbox exists."""
        return self._say(Verb.VRFY, lines.command(f"VRFY {name}"))

    def expand(self, name: str) -> bytes:
        """EXPN: asks who is on a list."""
        return self._say(Verb.EXPN, lines.command(f"EXPN {name}"))

    def etrn(self, name: str) -> bytes:
        """ETRN: asks to send the mail that waits for a domain, ``@domain`` or ``#queue`` (RFC 1985)."""
        self._check_keyword("ETRN")
        return self._say(Verb.ETRN, lines.etrn(name))

    def xclient(self, claims: Claims) -> bytes:
        """XCLIENT: as which client to be judged; EHLO is next."""
        self._check_keyword("XCLIENT")
        return self._say(Verb.XCLIENT, lines.claims(Verb.XCLIENT, claims))

    def xforward(self, claims: Claims) -> bytes:
        """XFORWARD: where the mail that follows came from."""
        self._check_keyword("XFORWARD")
        return self._say(Verb.XFORWARD, lines.claims(Verb.XFORWARD, claims))

    def help(self, topic: str = "") -> bytes:
        """HELP."""
        return self._say(Verb.HELP, lines.command(f"HELP {topic}".rstrip(" ")))

    def _say(self, verb: Verb, octets: bytes, recipient: int = -1) -> bytes:
        if self._outstanding:
            last = self._outstanding[-1][0]
            if last in _LAST_IN_GROUP or not self.can_pipeline:
                raise LocalProtocolError(f"{_name(verb)} must await the answer to {_name(last)}")
        ahead = _HOPED[self._ahead].get(verb)
        if ahead is None:
            raise LocalProtocolError(f"{_name(verb)} is out of order: the phase is {self._ahead.value}")
        self._ahead = ahead
        self._outstanding.append((verb, recipient))
        return octets

    def _check_keyword(self, keyword: str) -> None:
        if keyword not in self.offer.keywords:
            raise LocalProtocolError(f"the server does not offer {keyword}")

    def _check_offered(self, parameters: MailParameters | RcptParameters) -> None:
        needed = lines.needed(parameters)
        if not needed <= self.offer.keywords:
            missing = needed - self.offer.keywords
            raise LocalProtocolError(f"the server does not offer {', '.join(sorted(missing))}")


def _verify(tail: bytes, octets: bytes) -> None:
    window = b"\r" + octets if tail[-1:] == b"\r" else octets
    fault = find_fault(window.removesuffix(b"\r"))
    if fault is not None:
        raise LocalProtocolError(fault.text)


def _name(verb: Verb) -> str:
    return "the end of the content" if verb is Verb.CONTENT_END else verb.value
