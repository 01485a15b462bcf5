"""A session's parts as dialogues: what is said when, and what the answers mean for whom (a grammar).

A dialogue is a generator. It yields octets to send, or a ``Stage`` whose answer it wants to hear,
or ``Want.CHUNK`` for the next piece of the content (``b""`` after the last). Whoever drives it
waits, over asyncio or over a blocking socket; the order of things is the same for both and stands
only here.

Where the server takes it (RFC 2920), MAIL, all RCPTs and DATA go in one write; where it takes
chunks (RFC 3030), small content goes with them. Then a refused MAIL or RCPT is heard of after the
fact: content that nobody was accepted for is never sent to DATA, and answers to the rest of the
group are heard and mean nothing.
"""

from __future__ import annotations

from collections.abc import Generator
from enum import Enum
from typing import Final

from eilpost.mail.envelope import Body, MailParameters, Recipient, ReversePath
from eilpost.mail.reply import Reply
from eilpost.mail.value import value
from eilpost.smtp.client import ClientConnection
from eilpost.smtp.client_events import Answer, Greeting
from eilpost.smtp.client_results import Answered, Lost, Result, Stage
from eilpost.smtp.client_terms import Terms, Traits, Unsuitable, negotiate, suits
from eilpost.smtp.commands import Dialect, Verb
from eilpost.smtp.phases import Phase

MAX_EARLY_CHUNK: Final = 64 * 1024
"""Octets of content that may be sent before it is known that a recipient is accepted."""


class Want(Enum):
    """What a dialogue needs that is not an answer."""

    CHUNK = "chunk"


Step = bytes | Stage | Want
Heard = Answer | Greeting | bytes | None

_STAGES: Final = {Verb.RCPT: Stage.RCPT, Verb.DATA: Stage.DATA, Verb.CONTENT_END: Stage.END}


@value(frozen=True, slots=True)
class Parcel:
    """What one transaction carries. ``octets`` is None when the content comes in chunks.

    ``verified`` says that all lines are known to end in CRLF, or that the content is binary.
    """

    reverse_path: ReversePath
    recipients: tuple[Recipient, ...]
    parameters: MailParameters
    traits: Traits
    octets: bytes | None
    verified: bool = False


class _SessionEnded(Exception):
    """The server said 421."""

    def __init__(self, result: Answered) -> None:
        super().__init__()
        self.result = result


def _listen(stage: Stage) -> Generator[Step, Heard, Answer | Greeting]:
    heard = yield stage
    if not isinstance(heard, Answer | Greeting):
        raise TypeError("a dialogue that wants an answer is to be given one")
    return heard


def _ask(octets: bytes, stage: Stage) -> Generator[Step, Heard, Reply]:
    yield octets
    heard = yield from _listen(stage)
    return heard.reply


def opening(machine: ClientConnection, hostname: str) -> Generator[Step, Heard, Answered | None]:
    """Greeting and hello, with HELO for servers that know no EHLO; the refusal, or None."""
    greeting = (yield from _listen(Stage.GREETING)).reply
    if not greeting.is_positive:
        return Answered(Stage.GREETING, greeting)
    return (yield from saying_hello(machine, hostname))


def saying_hello(machine: ClientConnection, hostname: str) -> Generator[Step, Heard, Answered | None]:
    """EHLO or LHLO, at the beginning and once more over TLS (RFC 3207 §4.2); the refusal, or None."""
    reply = yield from _ask(machine.hello(hostname), Stage.HELLO)
    if reply.is_permanent and machine.dialect is Dialect.SMTP:  # RFC 5321 §3.2
        reply = yield from _ask(machine.helo(hostname), Stage.HELLO)
    return None if reply.is_positive else Answered(Stage.HELLO, reply)


def starting_tls(machine: ClientConnection) -> Generator[Step, Heard, Answered | None]:
    """STARTTLS (RFC 3207 §4); the refusal, or None: then the handshake is next."""
    reply = yield from _ask(machine.starttls(), Stage.STARTTLS)
    return None if reply.is_positive else Answered(Stage.STARTTLS, reply)


def resetting(machine: ClientConnection) -> Generator[Step, Heard, Answered | None]:
    """RSET before a session is used again (F154); the refusal, or None."""
    reply = yield from _ask(machine.rset(), Stage.RESET)
    return None if reply.is_positive else Answered(Stage.RESET, reply)


def closing(machine: ClientConnection) -> Generator[Step, Heard, Answered | None]:
    """QUIT (RFC 5321 §4.1.1.10)."""
    reply = yield from _ask(machine.quit(), Stage.QUIT)
    return None if reply.is_positive else Answered(Stage.QUIT, reply)


class Transaction:
    """One parcel's way over a machine. ``results`` has a row for each recipient, None until known.

    ``heard`` counts the answers. ``is_broken`` tells that the session ended before the transaction
    did, ``needs_reset`` that it must be reset before its next one, ``dsn`` that the server was
    given the sender's wishes.
    """

    __slots__ = ("_accepted", "_machine", "_parcel", "_sent", "dsn", "heard", "is_broken", "needs_reset", "results")

    def __init__(self, machine: ClientConnection, parcel: Parcel) -> None:
        self._machine = machine
        self._parcel = parcel
        self._sent: list[int] = []  # the recipients that were named, in order
        self._accepted = False
        self.results: list[Result | None] = [None] * len(parcel.recipients)
        self.heard = 0
        self.dsn = False
        self.is_broken = False
        self.needs_reset = False

    @property
    def final(self) -> list[Result]:
        """The results when all are known."""
        return [known for known in self.results if known is not None]

    def break_off(self, result: Answered | Lost) -> None:
        """The session ended; ``result`` is for everybody without one."""
        self.is_broken = True
        self.settle(result)

    def settle(self, result: Result) -> None:
        """The result of every recipient that has none yet."""
        self.results = [known or result for known in self.results]

    def steps(self) -> Generator[Step, Heard, None]:
        """The dialogue."""
        terms = self._terms()
        if terms is not None:
            try:
                yield from self._transact(terms)
            except _SessionEnded as ended:
                self.break_off(ended.result)
        self.needs_reset = self.needs_reset or self._machine.phase not in (Phase.READY, Phase.CLOSED)

    def _transact(self, terms: Terms) -> Generator[Step, Heard, None]:
        octets = self._parcel.octets
        grouped = self._machine.can_pipeline
        early = grouped and terms.by_chunks and octets is not None and len(octets) <= MAX_EARLY_CHUNK
        if grouped:
            yield self._group(terms, octets if early else None)
        yield from self._envelope(terms, grouped=grouped)
        if not self._accepted:
            yield from self._nobody()
        elif early:
            yield from self._end()
        elif terms.by_chunks and (octets is not None or terms.parameters.body is Body.BINARY):
            yield from self._chunks(octets)
        else:
            yield from self._data(octets, grouped=grouped)

    def _terms(self) -> Terms | None:
        """How it goes; None when no recipient can be sent to."""
        offer, parcel = self._machine.offer, self._parcel
        utf8 = False
        for position, recipient in enumerate(parcel.recipients):
            is_ascii = recipient.address.is_ascii
            if is_ascii and recipient.parameters.valid_since is None:
                self._sent.append(position)
                continue
            unsuitable = suits(offer, recipient)
            if unsuitable is None:
                self._sent.append(position)
                utf8 = utf8 or not is_ascii
            else:
                self.results[position] = unsuitable
        if not self._sent:
            return None
        terms = negotiate(offer, parcel.reverse_path, parcel.parameters, parcel.traits, utf8_recipients=utf8)
        if isinstance(terms, Unsuitable):
            self.settle(terms)
            return None
        self.dsn = terms.dsn
        return terms

    def _group(self, terms: Terms, octets: bytes | None) -> bytes:
        machine, parcel = self._machine, self._parcel
        said = [machine.mail(parcel.reverse_path, terms.parameters)]
        for position in self._sent:
            recipient = parcel.recipients[position]
            said.append(machine.rcpt(recipient.address, terms.recipient_parameters(recipient.parameters)))
        if octets is not None:
            said.append(machine.bdat(octets, last=True))
        elif not terms.by_chunks or (parcel.octets is None and terms.parameters.body is not Body.BINARY):
            said.append(machine.data())
        return b"".join(said)

    def _envelope(self, terms: Terms, *, grouped: bool) -> Generator[Step, Heard, None]:
        machine, parcel = self._machine, self._parcel
        if not grouped:
            yield machine.mail(parcel.reverse_path, terms.parameters)
        reply = self._take((yield Stage.MAIL), Stage.MAIL).reply
        if not reply.is_positive:
            self.settle(Answered(Stage.MAIL, reply))
            return
        for position in self._sent:
            if not grouped:
                recipient = parcel.recipients[position]
                yield machine.rcpt(recipient.address, terms.recipient_parameters(recipient.parameters))
            reply = self._take((yield Stage.RCPT), Stage.RCPT).reply
            if reply.is_positive:
                self._accepted = True
            else:
                self.results[position] = Answered(Stage.RCPT, reply)

    def _nobody(self) -> Generator[Step, Heard, None]:
        """Hears the rest of the group; a lone dot where DATA was taken all the same (RFC 2920 §3.1)."""
        machine = self._machine
        while machine.awaiting is not None:
            stage = _STAGES[machine.awaiting]
            self._take((yield stage), stage)
        if machine.phase is Phase.CONTENT:
            yield machine.end_content()
            self._take((yield Stage.END), Stage.END)

    def _data(self, octets: bytes | None, *, grouped: bool) -> Generator[Step, Heard, None]:
        machine, verified = self._machine, self._parcel.verified
        if not grouped:
            yield machine.data()
        reply = self._take((yield Stage.DATA), Stage.DATA).reply
        if machine.phase is not Phase.CONTENT:
            self.settle(Answered(Stage.DATA, reply))
            return
        if octets is not None:
            yield b"".join((machine.content(octets, verified=verified), machine.end_content()))
        else:
            while chunk := (yield from _next_chunk()):
                yield machine.content(chunk, verified=verified)
            yield machine.end_content()
        yield from self._end()

    def _chunks(self, octets: bytes | None) -> Generator[Step, Heard, None]:
        machine = self._machine
        if octets is not None:
            yield machine.bdat(octets, last=True)
        else:
            while chunk := (yield from _next_chunk()):
                yield machine.bdat(chunk, last=False)
                reply = self._take((yield Stage.CONTENT), Stage.CONTENT).reply
                if not reply.is_positive:
                    self.settle(Answered(Stage.CONTENT, reply))
                    return
            yield machine.bdat(b"", last=True)
        yield from self._end()

    def _end(self) -> Generator[Step, Heard, None]:
        """One answer for all; in LMTP one for each accepted recipient (RFC 2033 §4.2)."""
        while True:
            answer = self._take((yield Stage.END), Stage.END)
            result = Answered(Stage.END, answer.reply)
            if not answer.reply.is_positive:
                self.needs_reset = True
            if answer.recipient < 0:
                self.settle(result)
                return
            self.results[self._sent[answer.recipient]] = result
            if self._machine.awaiting is not Verb.CONTENT_END:
                return

    def _take(self, heard: Heard, stage: Stage) -> Answer:
        if not isinstance(heard, Answer):
            raise TypeError("a transaction is to be given answers")
        self.heard += 1
        if heard.reply.code == 421:
            raise _SessionEnded(Answered(stage, heard.reply))
        return heard


def _next_chunk() -> Generator[Step, Heard, bytes]:
    chunk = yield Want.CHUNK
    if not isinstance(chunk, bytes):
        raise TypeError("a dialogue that wants a chunk is to be given one")
    return chunk
