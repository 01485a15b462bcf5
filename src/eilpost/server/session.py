"""One session of the server library: asks the handler at each step, and says what it answered (a deed).

The loop takes events from the machine until it has none left, sends all replies that are ready in
one write, and waits for more. What each event asks, says by default and leads to stands in the
table at the end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple, cast

from eilpost.mail.address import Address
from eilpost.mail.envelope import (
    NO_MAIL_PARAMETERS,
    NULL_REVERSE_PATH,
    Envelope,
    MailParameters,
    Recipient,
    ReversePath,
)
from eilpost.mail.reply import Reply
from eilpost.net.stream import DeadlineExpired, Stream, TlsError
from eilpost.sasl.words import BindingKind, Challenge, ChannelBinding, Failure, ServerTerms, Success
from eilpost.server import answers
from eilpost.server.answers import Answer, EndAnswer, HangUp, Raw
from eilpost.server.handler import Handler
from eilpost.server.login import FAILURES, Exchange, nonce, refusal
from eilpost.server.terms import Terms
from eilpost.server.wire import Wire
from eilpost.smtp import replies
from eilpost.smtp.commands import Dialect, Verb
from eilpost.smtp.events import (
    Auth,
    AuthResponse,
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
    StartTls,
    Verify,
)
from eilpost.smtp.phases import Phase

log = logging.getLogger("eilpost.server")

_CLOSED: Final = Phase.CLOSED
_HANDSHAKE: Final = Phase.HANDSHAKE


class _HungUp(Exception):
    """The handler wants the connection to end."""

    def __init__(self, how: HangUp) -> None:
        super().__init__()
        self.how = how


class Session(Wire):
    """A connected client.

    ``peer`` and ``local`` are (address, port), of a Unix socket ("", 0). ``helo`` is the name the
    client gave itself, ``extended`` tells EHLO and LHLO from HELO. ``account`` is who logged in, by
    ``mechanism``; None is nobody. ``notes`` is the handler's own. ``read_rate`` makes the server read
    slowly: octets a second, 0 is as fast as it can.
    """

    __slots__ = (
        "_errors", "_exchange", "_fault", "_handler", "_junk", "_pieces", "account", "extended", "helo", "id",
        "mechanism", "messages", "notes", "parameters", "recipients", "reverse_path",
    )  # fmt: skip

    def __init__(self, terms: Terms, handler: Handler, stream: Stream, id: int) -> None:
        super().__init__(terms, stream)
        self.id = id
        self.helo = ""
        self.extended = False
        self.account: str | None = None
        self.mechanism = ""
        self.messages = 0
        self.notes: dict[str, Any] = {}
        self.reverse_path: ReversePath = NULL_REVERSE_PATH
        self.parameters: MailParameters = NO_MAIL_PARAMETERS
        self.recipients: list[Recipient] = []
        self._handler = handler
        self._pieces: list[bytes] = []
        self._fault: Exception | None = None
        self._exchange: Exchange | None = None
        self._errors = self._junk = 0

    # --- for handlers

    @property
    def dialect(self) -> Dialect:
        """SMTP or LMTP."""
        return self._terms.settings.dialect

    @property
    def hostname(self) -> str:
        """What the server calls itself."""
        return self._terms.hostname

    @property
    def accounts(self) -> Mapping[str, str]:
        """The accounts that the server was given."""
        return self._terms.accounts

    @property
    def envelope(self) -> Envelope:
        """The transaction as it stands: what was accepted of MAIL and RCPT."""
        return Envelope(self.reverse_path, tuple(self.recipients), self.parameters)

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
        except TlsError as error:
            reason = "handshake"
            log.info("session %d: no TLS: %s", self.id, error)
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
        if self._terms.implicit_tls:
            await self._stream.secured(self._terms.deadlines.handshake)
        await self._answer(_GREETING, None, machine.greet)
        reason = "refused"
        while machine.phase is not _CLOSED:
            event = machine.next_event()
            kind = type(event)
            if kind is NeedData:
                if machine.phase is _HANDSHAKE:
                    await self._secure()
                await self._receive()
            elif isinstance(event, Content):
                await self._take(event.octets)
            elif kind is Disconnected:
                self._flush()
                return self._farewell or "disconnected"
            else:
                await self._answer(_STEPS[kind], event, machine.send)
                reason = "quit" if kind is Quit else "refused"
        self._flush()
        return self._farewell or reason

    async def _secure(self) -> None:
        """RFC 3207 §4.2: what was known of the client is forgotten."""
        terms = self._terms
        self._flush()
        await self._stream.start_tls_server(terms.tls, terms.deadlines.handshake)
        self._machine.secured(terms.secured)
        self._forget()
        self.helo, self.account, self.mechanism = "", None, ""
        if self.transcript is not None:
            self.transcript.note(self.seconds, str(self.tls))
        waits = self._handler.secured(self)
        if waits is not None:
            await waits

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
        self._in_content = given.code == 354
        if given.code < 400:
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
            case Challenge(octets):
                self._out.append(self._machine.challenge(octets))
                return _CHALLENGE
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

    def _auth_done(self, event: Auth | AuthResponse) -> None:
        if self._exchange is None:
            self._errors = self._junk = 0

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

    async def _ask_auth(self, event: Auth) -> Any:
        self.mechanism = event.mechanism
        given = self._handler.auth(self, event)
        if isinstance(given, Awaitable):
            given = await given
        terms, security = self._terms, self._stream.tls
        current = terms.settings if security is None else terms.secured
        given = given or refusal(event.mechanism, current.mechanisms, terms.mechanisms)
        if given is not None:
            return given
        kinds = {} if security is None else security.bindings
        bindings = tuple(ChannelBinding(cast(BindingKind, kind), octets) for kind, octets in kinds.items())
        plus = any(name.endswith("-PLUS") for name in current.mechanisms)
        facts = ServerTerms(nonce(), terms.hostname, bindings, plus)
        self._exchange = Exchange(event, facts, lambda ask: self._handler.check(self, ask))
        return await self._go_on(None)

    async def _ask_auth_response(self, event: AuthResponse) -> Any:
        if event.octets is None or self._exchange is None:
            self._exchange, self._in_login = None, False
            return replies.AUTH_CANCELLED
        return await self._go_on(event.octets)

    async def _go_on(self, said: bytes | None) -> Any:
        exchange, self._exchange, self._in_login = self._exchange, None, False
        assert exchange is not None
        match await exchange.go_on(said):
            case Challenge() as challenge:
                self._exchange, self._in_login = exchange, True
                return challenge
            case Failure(reason):
                return FAILURES[reason]
            case Success(account):
                given = self._handler.authenticated(self, account)
                if isinstance(given, Awaitable):
                    given = await given
                if given is None or (isinstance(given, Reply) and given.is_positive):
                    self.account = account
                return given

    def _ask_mail(self, event: Mail) -> Answer:
        if self._terms.tls_required and self._stream.tls is None:
            return answers.NEEDS_TLS
        if self._terms.login_required and self.account is None:
            return answers.NEEDS_LOGIN
        return self._handler.mail(self, event)

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


class Step(NamedTuple):
    """One row: whom an event asks, what is said when they say nothing, what a positive reply leads to."""

    ask: Callable[[Session, Any], Any]
    default: Callable[[Session, Any], Reply]
    done: Callable[[Session, Any], None] | None = None
    is_junk: bool = False
    is_end: bool = False


def _always(words: Reply) -> Callable[[Session, Any], Reply]:
    return lambda session, event: words


_CHALLENGE: Final = Reply(334, None, ("",))

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
    StartTls: Step(
        lambda session, event: session._handler.starttls(session, event), _always(replies.READY_FOR_TLS), is_junk=True
    ),
    Auth: Step(Session._ask_auth, _always(replies.AUTH_OK), Session._auth_done),
    AuthResponse: Step(Session._ask_auth_response, _always(replies.AUTH_OK), Session._auth_done),
    Mail: Step(Session._ask_mail, _always(answers.SENDER_OK), Session._mail_done),
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
        lambda session, event: session._machine.help_reply(event.topic),
        is_junk=True,
    ),
    Refused: Step(lambda session, event: session._handler.refused(session, event), lambda session, event: event.reply),
}
