"""One session: what the machine understood is judged, answered, and made durable if accepted (a deed).

The loop takes events from the machine until it has none left, sends all replies that are
ready in one write, and waits for more. Each event has its handler in the table at the end; what
happens when the content has arrived stands in ``arrival``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from eilpost.journal import CommandRefused, Faulted, HandshakeFailed, SessionClosed, SessionOpened, SessionSecured
from eilpost.mail.encryption import Security
from eilpost.mail.reply import Reply
from eilpost.net.stream import DeadlineExpired, Stream, TlsError
from eilpost.policy import login as login_policy
from eilpost.policy import recipient as recipient_policy
from eilpost.policy import sender as sender_policy
from eilpost.policy import verdicts
from eilpost.policy.facts import Client
from eilpost.policy.peer import Conduct, conduct
from eilpost.receive.arrival import Guest, mending, take_in
from eilpost.receive.authenticate import Login
from eilpost.receive.favours import name_of, start_queue, unmet
from eilpost.receive.house import House
from eilpost.receive.roles import RoleRow
from eilpost.receive.transaction import Transaction
from eilpost.sasl.words import Challenge, Success
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
    Etrn,
    Expand,
    Hello,
    Help,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Refused,
    Reset,
    StartTls,
    Verify,
)
from eilpost.smtp.phases import Phase
from eilpost.smtp.server import NeedData, ServerConnection, ServerSettings
from eilpost.spool.contract import SpoolClosed, SpoolFull

_CLOSED: Final = Phase.CLOSED
_IDLE: Final = frozenset({Phase.HELLO, Phase.READY})

FAREWELL: Final = 10.0
"""Seconds a peer has to take our last words."""

CONTENT_GRACE: Final = 60.0
"""Seconds of content before its minimum rate counts."""

SLOW_READER: Final = 60.0
"""Seconds a peer has to take the replies that pile up (F124)."""


class Session:
    """A connected client, from greeting to farewell."""

    __slots__ = (
        "_arrived", "_content_came", "_content_since", "_errors", "_guest", "_held", "_house", "_junk", "_last",
        "_login", "_loop", "_machine", "_messages", "_opened", "_out", "_patience", "_refusal", "_stream",
        "_transaction", "_waiting", "client",
    )  # fmt: skip

    def __init__(self, house: House, role: RoleRow, client: Client, stream: Stream, id: str) -> None:
        self.client = self._arrived = client
        self._house = house
        self._guest = Guest(id, role, client)
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._machine = ServerConnection(house.logins.settings(role, client, stream.tls))
        self._login: Login | None = None
        self._out: list[bytes] = []
        self._transaction: Transaction | None = None
        self._refusal: Reply | None = None
        self._opened = self._loop.time()
        self._last = self._opened + house.limits.session_deadline
        self._patience = house.patience()
        self._content_since, self._content_came = 0.0, 0
        self._held = 0
        self._errors = self._junk = self._messages = 0
        self._waiting = False

    # --- the loop

    async def run(self) -> None:
        """The whole session; never raises for what a peer does."""
        reason = "disconnected"
        self._house.journal(SessionOpened(self._guest.session, self._guest.role.name, self.client.address))
        try:
            if self._guest.role.implicit:
                await self._secure(self._stream.secured(self._house.handshake))
                self._machine = ServerConnection(self._settings())
            await asyncio.sleep(0)  # what came before our greeting is seen now (F017)
            reason = await self._converse() if self._greet() else "refused"
        except DeadlineExpired:
            reason = "deadline"
            self._say_last(verdicts.TOO_SLOW)
        except TlsError:
            reason = "handshake"
        except ConnectionError:
            pass
        except asyncio.CancelledError:
            reason = "shutdown"
            self._say_last(verdicts.STOPPING)
        except Exception as error:
            # A bug must not cost more than this session, and its peer must be able to try again.
            reason = "fault"
            self._house.journal(Faulted("session", type(error).__name__, str(error)))
            self._say_last(verdicts.INTERNAL)
        finally:
            await self._end(reason)

    def _greet(self) -> bool:
        if self._stream.has_input:
            self._say_last(verdicts.EARLY)
            return False
        protocol = "LMTP" if self._guest.role.dialect is Dialect.LMTP else "ESMTP"
        self._out.append(self._machine.greet(Reply(220, None, (f"{self._house.hostname} {protocol} Eilpost",))))
        if self._house.ways.reverse is not None and self.client.address:
            self._guest.name = self._loop.create_task(name_of(self._house.ways.reverse, self.client.address))
        return True

    async def _converse(self) -> str:
        machine, stream, loop, out = self._machine, self._stream, self._loop, self._out
        stream.deadline = loop.time() + self._patience
        while True:
            event = machine.next_event()
            kind = type(event)
            if kind is NeedData:
                if out:
                    stream.write(out[0] if len(out) == 1 else b"".join(out))
                    out.clear()
                if self._house.stopping and machine.phase in _IDLE:
                    self._say_last(verdicts.STOPPING)
                    return "shutdown"
                if stream.is_congested:
                    await self._drain()
                self._waiting = True
                octets = await stream.receive()
                self._waiting = False
                machine.receive_data(octets)
            elif kind is Disconnected:
                self._flush()
                return "shutdown" if machine.phase is _CLOSED else "disconnected"
            else:
                waits = _HANDLERS[kind](self, event)
                if waits is not None:
                    await waits
                if machine.phase is _CLOSED:
                    self._flush()
                    return "quit" if kind is Quit else "refused"
                # Only a whole command earns its sender more time, not an octet of one (F123).
                content = kind is Content or kind is Data
                stream.deadline = self._content_deadline() if content else min(loop.time() + self._patience, self._last)

    def _content_deadline(self) -> float:
        """The content's minimum rate counts after its first minute, or that of each chunk (F123)."""
        earned = self._content_came / max(1, self._house.limits.content_rate)
        return min(self._content_since + CONTENT_GRACE + earned, self._last)

    async def _drain(self) -> None:
        before = self._stream.deadline
        self._stream.deadline = self._loop.time() + SLOW_READER
        await self._stream.drain()
        self._stream.deadline = before

    def stop(self) -> None:
        """The house closes: at once when nothing is under way, else after the transaction."""
        if self._waiting and self._machine.phase in _IDLE:
            self._say_last(verdicts.STOPPING)
            self._stream.close()
        elif self._machine.phase is _CLOSED:
            self._stream.close()

    def _flush(self) -> None:
        if self._out:
            self._stream.write(self._out[0] if len(self._out) == 1 else b"".join(self._out))
            self._out.clear()

    def _say_last(self, words: Reply) -> None:
        if self._machine.phase is not Phase.CLOSED:
            self._out.append(self._machine.close(words))
        self._flush()

    async def _end(self, reason: str) -> None:
        await self._forget()
        if self._guest.name is not None:
            self._guest.name.cancel()
        self._stream.deadline = self._loop.time() + FAREWELL
        if reason == "refused" and not self._house.stopping:
            self._stream.linger()  # it may be in the middle of sending what we refused
        else:
            self._stream.close()
        seconds = round(self._loop.time() - self._opened, 3)
        self._house.journal(SessionClosed(self._guest.session, self.client.address, reason, self._messages, seconds))
        await self._stream.closed()  # who does not go yet is still a guest, and counted (F121)

    # --- TLS

    def _settings(self) -> ServerSettings:
        """What the machine is told, before and after a handshake."""
        return self._house.logins.settings(self._guest.role, self.client, self._guest.security)

    async def _on_start_tls(self, event: StartTls) -> None:
        keys = self._house.keys
        if keys is None:
            self._answer(replies.NO_TLS)
            return
        self._answer(replies.READY_FOR_TLS)
        if self._machine.phase is not Phase.HANDSHAKE:
            return  # the house is closing, and has said so instead
        await self._forget()
        self._guest.helo, self._guest.extended = "", False  # RFC 3207 §4.2: all of it is forgotten
        self.client = self._guest.client = self._arrived  # a login in clear as well
        context = keys.asking() if self._guest.role.asks else keys.context()
        self._flush()
        await self._secure(self._stream.start_tls_server(context, self._house.handshake))
        self._machine.secured(self._settings())

    async def _secure(self, handshake: Awaitable[Security]) -> None:
        session, address = self._guest.session, self.client.address
        try:
            security = self._guest.security = await handshake
        except TlsError as error:
            self._house.journal(HandshakeFailed(session, self._guest.role.name, address, str(error)))
            raise
        names = ", ".join(security.names)
        self._house.journal(SessionSecured(session, address, security.version, security.cipher, names))

    # --- replies

    def _answer(self, words: Reply) -> None:
        """Sends a reply to the event at hand; the session ends here if the house does."""
        if self._house.stopping and self._machine.phase in _IDLE:
            words = verdicts.STOPPING
        self._out.append(self._machine.send(words))

    def _useless(self, words: Reply) -> None:
        """Answers a command that moves no mail; too many of them end the session."""
        self._junk += 1
        if conduct(self._house.limits, errors=0, junk=self._junk) is Conduct.TOO_MUCH_JUNK:
            words = verdicts.TOO_MUCH_JUNK
        self._answer(words)

    def _refuse(self, command: str, words: Reply, forward_path: str = "") -> Awaitable[None] | None:
        """Answers 4yz or 5yz: noted, and errors slowed down when there are many, and ended at last.

        An error is a 5yz. A 4yz is our trouble or our limit; it counts as a command without effect.
        One recipient too many is nothing of both: the sender goes on with the rest (RFC 5321 §4.5.3.1.10).
        """
        if words.is_permanent:
            self._errors += 1
        elif words is not verdicts.TOO_MANY_RECIPIENTS:
            self._junk += 1
        transaction = self._transaction
        self._house.journal(
            CommandRefused(
                self._guest.session,
                self._guest.role.name,
                self.client.address,
                self._guest.helo,
                command,
                str(words),
                str(transaction.reverse_path) if transaction is not None else "",
                forward_path,
            )
        )
        match conduct(self._house.limits, errors=self._errors, junk=self._junk):
            case Conduct.TOO_MANY_ERRORS:
                self._answer(verdicts.TOO_MANY_ERRORS)
            case Conduct.TOO_MUCH_JUNK:
                self._answer(verdicts.TOO_MUCH_JUNK)
            case Conduct.SLOWLY:
                return self._answer_slowly(words)
            case _:
                self._answer(words)
        return None

    async def _answer_slowly(self, words: Reply) -> None:
        self._flush()
        await asyncio.sleep(self._house.limits.error_delay)
        self._answer(words)

    # --- commands

    async def _forget(self) -> None:
        transaction, self._transaction = self._transaction, None
        self._refusal, self._content_since = None, 0.0
        if self._held:
            self._house.let_go(self._held)
            self._held = 0
        if transaction is not None:
            await transaction.discard()

    async def _on_hello(self, event: Hello) -> None:
        await self._forget()  # RFC 5321 §4.1.4: as RSET
        self._guest.helo = event.name
        self._guest.extended = event.verb is not Verb.HELO
        self._useless(self._machine.hello_reply(f"{self._house.hostname} greets {event.name}"))

    def _on_mail(self, event: Mail) -> Awaitable[None] | None:
        self._patience = self._house.patience()
        verdict = sender_policy.judge(
            self.client,
            self._house.limits,
            messages=self._messages,
            rate_allowed=self._house.may_begin(self.client),
            owned=self._house.logins.owns_sender(self.client, event.reverse_path, self._house.inquiry),
        )
        if verdict.is_positive and event.parameters.hold is not None:
            verdict = unmet(event.parameters.hold, self._house.limits) or verdict
        if not verdict.is_positive:
            return self._refuse(f"MAIL FROM:{event.reverse_path}", verdict)
        self._transaction = Transaction(event.reverse_path, event.parameters)
        self._answer(verdict)
        return None

    def _on_rcpt(self, event: Rcpt) -> Awaitable[None] | None:
        transaction = self._transaction
        assert transaction is not None
        address = event.forward_path.mailbox
        standing, recipients = self._house.inquiry.recipient(address, event.parameters)
        verdict = recipient_policy.judge(self.client, self._house.limits, standing, recipients=transaction.accepted)
        if not verdict.is_positive:
            return self._refuse(f"RCPT TO:{event.forward_path}", verdict, str(event.forward_path))
        transaction.add(recipients)
        self._answer(verdict)
        return None

    def _on_data(self, event: Data) -> Awaitable[None] | None:
        self._begin_content()
        self._time_content()
        self._answer(replies.SEND_CONTENT)
        return None

    def _time_content(self) -> None:
        self._content_since, self._content_came = self._loop.time(), 0

    def _begin_content(self) -> Transaction:
        transaction = self._transaction
        assert transaction is not None
        if transaction.draft is None:
            draft = self._house.ways.spool.draft()
            transaction.begin_content(
                draft,
                header_limit=self._house.limits.header_size,
                mend=mending(self._house, transaction, draft.id) if self._guest.role.repairs else None,
            )
        return transaction

    async def _on_content(self, event: Content) -> None:
        if not self._content_since:
            self._time_content()  # a chunk begins
        self._content_came += len(event.octets)
        if self._refusal is not None:
            return
        transaction = self._begin_content()
        inline = min(len(event.octets), max(0, self._house.ways.inline - self._held))
        if inline:
            if not self._house.hold(inline):
                self._refusal = verdicts.NO_MEMORY
                return
            self._held += inline
        try:
            await transaction.take(event.octets)
        except SpoolFull:
            self._refusal = verdicts.NO_SPACE
        except SpoolClosed:
            self._refusal = verdicts.CLOSED

    def _on_chunk_end(self, event: ChunkEnd) -> Awaitable[None] | None:
        self._content_since = 0.0
        if self._refusal is not None:
            return self._refuse("BDAT", self._refusal)
        self._answer(verdicts.CHUNK_OK)
        return None

    async def _on_content_end(self, event: ContentEnd) -> None:
        """The content has arrived."""
        transaction = self._begin_content()
        try:
            verdict = self._refusal or event.refusal
            if verdict is None:
                verdict = await take_in(self._house, self._guest, transaction, event.size)
        except SpoolFull:
            verdict = verdicts.NO_SPACE
        except SpoolClosed:
            verdict = verdicts.CLOSED
        if verdict.is_positive:
            self._errors = self._junk = 0
            self._messages += 1
            self._transaction = None
            self._answer(verdict)
        else:
            waits = self._refuse("end of content", verdict)
            if waits is not None:
                await waits
        await self._forget()

    async def _on_reset(self, event: Reset) -> None:
        await self._forget()
        self._useless(replies.RESET)

    def _on_noop(self, event: Noop) -> None:
        self._useless(replies.OK)

    def _on_quit(self, event: Quit) -> None:
        self._out.append(self._machine.send(replies.BYE))

    def _on_verify(self, event: Verify) -> None:
        if recipient_policy.may_ask(self.client):
            self._useless(self._house.inquiry.verify(event.name, utf8=event.smtputf8))
        else:
            self._useless(verdicts.CANNOT_VERIFY)

    def _on_expand(self, event: Expand) -> Awaitable[None] | None:
        if not recipient_policy.may_ask(self.client):
            return self._refuse("EXPN", verdicts.NO_EXPANSION)
        self._useless(self._house.inquiry.expand(event.name, utf8=event.smtputf8))
        return None

    def _on_help(self, event: Help) -> None:
        self._useless(self._machine.help_reply(event.topic))

    async def _on_auth(self, event: Auth) -> None:
        login = self._login = self._login or Login()
        guest = self._guest
        step = await login.begin(
            event, self._house.logins, self.client, self._stream.tls, guest.session, guest.role.name
        )
        await self._go_on_with(step)

    async def _on_auth_response(self, event: AuthResponse) -> None:
        assert self._login is not None
        await self._go_on_with(await self._login.go_on(event.octets))

    async def _go_on_with(self, step: Challenge | Success | Reply) -> None:
        match step:
            case Challenge(octets):
                self._out.append(self._machine.challenge(octets))
            case Success(account):
                self.client = self._guest.client = replace(self.client, account=account, logged_in=True)
                self._answer(login_policy.LOGGED_IN)
            case _:
                assert self._login is not None
                waits = self._refuse(f"AUTH {self._login.mechanism}", step)
                if waits is not None:
                    await waits

    async def _on_etrn(self, event: Etrn) -> None:
        self._useless(await start_queue(self._house, self.client, event))

    def _on_refused(self, event: Refused) -> Awaitable[None] | None:
        return self._refuse(event.line.decode("utf-8", "backslashreplace"), event.reply)


_HANDLERS: Final[Mapping[type[object], Callable[[Session, Any], Awaitable[None] | None]]] = {
    Hello: Session._on_hello,
    Mail: Session._on_mail,
    Rcpt: Session._on_rcpt,
    Data: Session._on_data,
    Content: Session._on_content,
    ChunkEnd: Session._on_chunk_end,
    ContentEnd: Session._on_content_end,
    Reset: Session._on_reset,
    Noop: Session._on_noop,
    Quit: Session._on_quit,
    Verify: Session._on_verify,
    Expand: Session._on_expand,
    Help: Session._on_help,
    Etrn: Session._on_etrn,
    StartTls: Session._on_start_tls,
    Auth: Session._on_auth,
    AuthResponse: Session._on_auth_response,
    Refused: Session._on_refused,
}
