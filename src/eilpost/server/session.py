"""One session of the server library: asks the handler at each step, and says what it answered (a deed).

The loop takes events from the machine until it has none left, sends all replies that are ready in
one write, and waits for more. What each event asks, says by default and leads to stands in the
table at the end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from eilpost.mail.address import Address
from eilpost.mail.envelope import (
    NO_MAIL_PARAMETERS,
    NULL_REVERSE_PATH,
    Envelope,
    MailParameters,
    Recipient,
    ReversePath,
)
from eilpost.mail.reply import Reply, reply
from eilpost.net.stream import DeadlineExpired, Stream
from eilpost.server import answers
from eilpost.server.answers import Answer, EndAnswer, HangUp, Raw
from eilpost.server.handler import Handler
from eilpost.server.terms import Terms
from eilpost.server.transcript import Transcript
from eilpost.smtp import replies
from eilpost.smtp.commands import COMMANDS, Dialect, Verb
from eilpost.smtp.events import (
    ChunkEnd,
    Content,
    ContentEnd,
    Data,
    Disconnected,
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
from eilpost.smtp.phases import Phase
from eilpost.smtp.server import ServerConnection

log = logging.getLogger("eilpost.server")

_IDLE: Final = frozenset({Phase.GREETING, Phase.HELLO, Phase.READY})
_CLOSED: Final = Phase.CLOSED


class _HungUp(Exception):
    """The handler wants the connection to end."""

    def __init__(self, how: HangUp) -> None:
        super().__init__()
        self.how = how


class Session:
    """A connected client.

    ``peer`` and ``local`` are (address, port), of a Unix socket ("", 0). ``helo`` is the name the
    client gave itself, ``extended`` tells EHLO and LHLO from HELO. ``notes`` is the handler's own.
    ``read_rate`` makes the server read slowly: octets a second, 0 is as fast as it can.
    """

    __slots__ = (
        "_earned", "_errors", "_farewell", "_fault", "_handler", "_in_content", "_junk", "_last", "_loop", "_machine",
        "_opened", "_out", "_pieces", "_stopping", "_stream", "_terms", "_waiting", "extended", "helo", "id", "local",
        "messages", "notes", "parameters", "peer", "read_rate", "recipients", "reverse_path", "transcript",
    )  # fmt: skip

    def __init__(self, terms: Terms, handler: Handler, stream: Stream, id: int) -> None:
        self.id = id
        self.peer, self.local = stream.peer, stream.local
        self.helo = ""
        self.extended = False
        self.messages = 0
        self.notes: dict[str, Any] = {}
        self.read_rate = 0
        self.reverse_path: ReversePath = NULL_REVERSE_PATH
        self.parameters: MailParameters = NO_MAIL_PARAMETERS
        self.recipients: list[Recipient] = []
        self._terms = terms
        self._handler = handler
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._machine = ServerConnection(terms.settings)
        self._opened = self._loop.time()
        self._last = self._opened + terms.deadlines.session
        self._out: list[bytes] = []
        self._pieces: list[bytes] = []
        self._fault: Exception | None = None
        self._errors = self._junk = 0
        self._earned, self._in_content = True, False
        self._waiting = self._stopping = False
        self._farewell = ""
        self.transcript = Transcript(terms.transcript) if terms.transcript else None

    # --- for handlers

    @property
    def dialect(self) -> Dialect:
        """SMTP or LMTP."""
        return self._terms.settings.dialect

    @property
    def phase(self) -> Phase:
        """Where the session stands."""
        return self._machine.phase

    @property
    def hostname(self) -> str:
        """What the server calls itself."""
        return self._terms.hostname

    @property
    def envelope(self) -> Envelope:
        """The transaction as it stands: what was accepted of MAIL and RCPT."""
        return Envelope(self.reverse_path, tuple(self.recipients), self.parameters)

    @property
    def seconds(self) -> float:
        """How long the session has been open."""
        return self._loop.time() - self._opened

    def gather(self, octets: bytes) -> None:
        """Keeps a piece of the content in memory until the end of the transaction."""
        self._pieces.append(octets)

    def gathered(self) -> bytes:
        """The content that was gathered."""
        pieces = self._pieces
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def redirect(self, *recipients: Address) -> None:
        """Replaces the accepted recipients in ``envelope``; in LMTP their number stays what the client knows."""
        self.recipients = [Recipient(address) for address in recipients]

    async def say(self, octets: bytes) -> None:
        """Sends octets now, in the middle of a hook: a reply in pieces, or none. ``Raw`` ends such a reply."""
        self._out.append(octets)
        self._flush()
        if self._stream.is_congested:
            await self._drain()

    # --- the loop

    async def run(self) -> None:
        """The whole session; never raises for what a client does."""
        reason = "fault"
        try:
            reason = await self._converse()
        except DeadlineExpired:
            reason = "deadline"
            self._say_last(answers.TOO_SLOW)
        except _HungUp as hung_up:
            reason = "hung up"
            self._out.append(hung_up.how.octets)
            self._flush()
            if hung_up.how.abort:
                self._stream.abort()
        except ConnectionError:
            reason = "disconnected"
        except asyncio.CancelledError:
            reason = "stopped"
            self._say_last(answers.STOPPING)
        except Exception:
            log.exception("session %d failed", self.id)
            self._say_last(answers.BROKEN)
        finally:
            await self._end(reason)

    async def _converse(self) -> str:
        machine = self._machine
        await self._answer(_GREETING, None, machine.greet)
        while True:
            event = machine.next_event()
            kind = type(event)
            if kind is NeedData:
                await self._receive()
            elif isinstance(event, Content):
                await self._take(event.octets)
            elif kind is Disconnected:
                self._flush()
                return self._farewell or "disconnected"
            else:
                await self._answer(_STEPS[kind], event, machine.send)
                if machine.phase is _CLOSED:
                    self._flush()
                    return self._farewell or ("quit" if kind is Quit else "refused")

    async def _receive(self) -> None:
        stream, machine = self._stream, self._machine
        self._flush()
        if self._stopping and machine.phase in _IDLE:
            self._leave()
        if stream.is_congested:
            await self._drain()
        if self._earned:  # Only a whole command earns more time, not an octet of one (F123).
            self._earned = False
            patience = self._terms.deadlines.content if self._in_content else self._terms.deadlines.command
            stream.deadline = min(self._loop.time() + patience, self._last)
        self._waiting = True
        octets = await stream.receive()
        self._waiting = False
        if self.transcript is not None:
            self._write_down(self.transcript, octets)
        if self.read_rate:
            await asyncio.sleep(len(octets) / self.read_rate)
        machine.receive_data(octets)

    def _write_down(self, transcript: Transcript, octets: bytes) -> None:
        if self._in_content:
            transcript.heard_content(self.seconds, octets)
        elif octets:
            transcript.heard(self.seconds, octets)

    async def _answer(self, step: Step, event: Any, say: Callable[[Reply], bytes]) -> None:
        """Asks the handler, says what it answered, and does what a positive reply leads to."""
        try:
            given = step.ask(self, event)
            if given is not None and type(given) is not Reply and isinstance(given, Awaitable):
                self._flush()
                given = await given
        except Exception as error:
            given = await self._failed(error)
        if given is None:
            given = step.default(self, event)
        if type(given) is not Reply:
            given = self._say_strangely(given, say)
        else:
            self._out.append(say(given))
        self._earned = True
        if given.code < 400:
            self._in_content = given.code == 354
            if step.done is not None:
                step.done(self, event)
        elif step.is_end:
            self._forget()
        if step.is_junk or given.code >= 500:
            self._count(given)

    def _say_strangely(self, given: Any, say: Callable[[Reply], bytes]) -> Reply:
        """Answers that are no plain reply; the reply that stands for them."""
        match given:
            case HangUp():
                raise _HungUp(given)
            case Raw(octets, meaning):
                say(meaning)
                self._out.append(octets)
                return meaning
            case [Reply() as meant, *_] as each:
                is_lmtp = self.dialect is Dialect.LMTP
                self._out.append(self._machine.send_each(each) if is_lmtp else say(meant))
                return next((one for one in each if one.is_positive), meant)
            case _:
                raise TypeError(f"a hook answered {given!r}, which is no reply")

    async def _failed(self, error: Exception) -> Any:
        """A hook raised: it is logged, and the client may try again later."""
        log.error("a hook of session %d failed", self.id, exc_info=error)
        given = self._handler.failed(self, error)
        if isinstance(given, Awaitable):
            given = await given
        return given or answers.INTERNAL

    async def _take(self, octets: bytes) -> None:
        self._earned = self._in_content = True
        if self._fault is not None:
            return
        try:
            waits = self._handler.content(self, octets)
            if waits is not None:
                await waits
        except Exception as error:
            self._fault = error

    def _count(self, given: Reply) -> None:
        """Too much that moves no mail ends the session."""
        limits = self._terms.limits
        if given.code >= 500:
            self._errors += 1
        else:
            self._junk += 1
        if self._machine.phase is _CLOSED:
            return
        if self._errors >= limits.errors:
            self._say_last(answers.TOO_MANY_ERRORS)
        elif self._junk >= limits.junk:
            self._say_last(answers.TOO_MUCH_JUNK)

    # --- the end

    def stop(self) -> None:
        """The server closes: at once when nothing is under way, else after the transaction."""
        self._stopping = True
        if self._waiting and self._machine.phase in _IDLE:
            self._leave()

    def _leave(self) -> None:
        self._farewell = "stopped"
        self._say_last(answers.STOPPING)
        self._stream.close()

    def _flush(self) -> None:
        out = self._out
        if out:
            octets = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            if self.transcript is not None:
                self.transcript.said(self.seconds, octets)
            self._stream.write(octets)

    async def _drain(self) -> None:
        before = self._stream.deadline
        self._stream.deadline = self._loop.time() + self._terms.deadlines.drain
        await self._stream.drain()
        self._stream.deadline = before

    def _say_last(self, words: Reply) -> None:
        if self._machine.phase is not _CLOSED:
            self._out.append(self._machine.close(words))
        self._flush()

    async def _end(self, reason: str) -> None:
        try:
            waits = self._handler.disconnected(self, reason)
            if waits is not None:
                await waits
        except Exception as error:
            log.error("a hook of session %d failed", self.id, exc_info=error)
        self._forget()
        self._stream.deadline = self._loop.time() + self._terms.deadlines.farewell
        if reason == "refused" and not self._stopping:
            self._stream.linger()  # it may be in the middle of sending what we refused
        else:
            self._stream.close()
        await self._stream.closed()

    def _forget(self) -> None:
        self.reverse_path, self.parameters = NULL_REVERSE_PATH, NO_MAIL_PARAMETERS
        self.recipients = []
        self._pieces = []
        self._fault = None

    # --- what a positive reply leads to

    def _hello_done(self, event: Hello) -> None:
        self._forget()  # RFC 5321 §4.1.4: as RSET
        self.helo, self.extended = event.name, event.verb is not Verb.HELO

    def _mail_done(self, event: Mail) -> None:
        self._forget()
        self.reverse_path, self.parameters = event.reverse_path, event.parameters

    def _rcpt_done(self, event: Rcpt) -> None:
        self.recipients.append(Recipient(event.forward_path.mailbox, event.parameters))

    def _end_done(self, event: ContentEnd) -> None:
        self.messages += 1
        self._errors = self._junk = 0
        self._forget()

    def _reset_done(self, event: Reset) -> None:
        self._forget()

    # --- what is asked

    def _ask_rcpt(self, event: Rcpt) -> Answer:
        if len(self.recipients) >= self._terms.limits.recipients:
            return answers.TOO_MANY_RECIPIENTS
        return self._handler.rcpt(self, event)

    def _ask_end(self, event: ContentEnd) -> EndAnswer:
        if self._fault is not None:
            raise self._fault
        if event.refusal is not None:
            return self._handler.refused(self, Refused(b"", event.refusal))
        return self._handler.end(self, event)


def help_reply(topic: str, dialect: Dialect) -> Reply:
    """HELP from the table of commands (RFC 5321 §4.1.1.8)."""
    row = COMMANDS.get(topic.upper())
    if row is not None and dialect in row.dialects:
        return reply(214, "2.0.0", row.syntax, row.help)
    if topic:
        return reply(504, "5.5.4", "No help for that; HELP alone lists the commands")
    known = " ".join(verb for verb, row in COMMANDS.items() if dialect in row.dialects)
    return reply(214, "2.0.0", "Commands:", known)


class Step(NamedTuple):
    """One row: whom an event asks, what is said when they say nothing, what a positive reply leads to."""

    ask: Callable[[Session, Any], Any]
    default: Callable[[Session, Any], Reply]
    done: Callable[[Session, Any], None] | None = None
    is_junk: bool = False
    is_end: bool = False


def _always(words: Reply) -> Callable[[Session, Any], Reply]:
    return lambda session, event: words


_GREETING: Final = Step(
    lambda session, _: session._handler.connected(session),
    lambda session, _: Reply(220, None, (session._terms.banner,)),
)

_STEPS: Final[Mapping[type[object], Step]] = {
    Hello: Step(
        lambda session, event: session._handler.hello(session, event),
        lambda session, event: session._machine.hello_reply(f"{session.hostname} greets {event.name}"),
        Session._hello_done,
        is_junk=True,
    ),
    Mail: Step(
        lambda session, event: session._handler.mail(session, event), _always(answers.SENDER_OK), Session._mail_done
    ),
    Rcpt: Step(Session._ask_rcpt, _always(answers.RECIPIENT_OK), Session._rcpt_done),
    Data: Step(lambda session, event: session._handler.data(session, event), _always(replies.SEND_CONTENT)),
    ChunkEnd: Step(lambda session, event: session._handler.chunk_end(session, event), _always(answers.CHUNK_OK)),
    ContentEnd: Step(
        Session._ask_end, lambda session, event: event.refusal or answers.CONTENT_OK, Session._end_done, is_end=True
    ),
    Reset: Step(
        lambda session, event: session._handler.reset(session, event),
        _always(replies.RESET),
        Session._reset_done,
        is_junk=True,
    ),
    Noop: Step(lambda session, event: session._handler.noop(session, event), _always(replies.OK), is_junk=True),
    Quit: Step(lambda session, event: session._handler.quit(session, event), _always(replies.BYE)),
    Verify: Step(
        lambda session, event: session._handler.verify(session, event), _always(answers.CANNOT_VERIFY), is_junk=True
    ),
    Expand: Step(
        lambda session, event: session._handler.expand(session, event), _always(answers.NO_EXPANSION), is_junk=True
    ),
    Help: Step(
        lambda session, event: session._handler.help(session, event),
        lambda session, event: help_reply(event.topic, session.dialect),
        is_junk=True,
    ),
    Refused: Step(lambda session, event: session._handler.refused(session, event), lambda session, event: event.reply),
}
