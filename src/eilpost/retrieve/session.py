"""One POP3 session: login, a locked mailbox, what is fetched, and what QUIT deletes (a deed).

The loop takes events from the machine until it has none left, sends all answers that are ready
in one write, and waits for more. Nothing is deleted but by QUIT after the login (RFC 1939 §6).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from eilpost.directory.store import DirectoryError
from eilpost.journal import CommandRefused, Faulted, MailboxRead, RelayOpened, SessionClosed, SessionOpened, Warned
from eilpost.maildrop.drop import Drop, DropError, InUse, Vanished
from eilpost.net.stream import DeadlineExpired, Stream, TlsError
from eilpost.policy.facts import Client
from eilpost.policy.peer import Conduct, conduct
from eilpost.pop3 import events as ev
from eilpost.pop3 import replies
from eilpost.pop3.content import TopCutter
from eilpost.pop3.phases import Phase
from eilpost.pop3.replies import Answer, ok
from eilpost.pop3.server import ServerConnection, ServerSettings
from eilpost.retrieve import offer
from eilpost.retrieve.house import House
from eilpost.retrieve.login import Login
from eilpost.retrieve.mailbox import Mailbox
from eilpost.sasl.words import Challenge, Success

FAREWELL: Final = 10.0
"""Seconds a peer has to take our last words."""

SLOW_READER: Final = 300.0
"""Seconds a peer has to take what piles up: lines are slow, and mail is big."""

LINES_AT_ONCE: Final = 5000
"""Lines of a list that are made without looking up."""

FLUSH: Final = 64 * 1024
"""Octets that are gathered before they are sent."""


class Session:
    """A connected client, from greeting to farewell."""

    __slots__ = (
        "_account", "_drop", "_errors", "_gathered", "_house", "_id", "_junk", "_login", "_loop", "_machine",
        "_mailbox", "_octets", "_opened", "_out", "_retrieved", "_role", "_stream", "_tls", "_waiting", "client",
    )  # fmt: skip

    def __init__(self, house: House, client: Client, stream: Stream, id: str, *, tls: bool) -> None:
        self.client = client
        self._house = house
        self._stream = stream
        self._id = id
        self._role = client.role.value
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._machine = ServerConnection(self._settings())
        self._login = Login(house, client, id, self._role)
        self._out: list[bytes] = []
        self._gathered = 0
        self._drop: Drop | None = None
        self._mailbox = Mailbox(())
        self._account = ""
        self._opened = self._loop.time()
        self._errors = self._junk = self._retrieved = self._octets = 0
        self._waiting = False

    def _settings(self) -> ServerSettings:
        rules, security = self._house.rules, self._stream.tls
        return offer.settings(
            self.client,
            rules.auth,
            rules.pop3,
            line=rules.limits.line,
            secured=security is not None or self._tls,
            certificate=security is not None and security.verified,
            can_secure=self._house.ways.context is not None,
            keys=self._house.ways.keys,
        )

    # --- the loop

    async def run(self) -> None:
        """The whole session; never raises for what a peer does."""
        reason = "disconnected"
        self._house.journal(SessionOpened(self._id, self._role, self.client.address))
        try:
            reason = await self._converse() if await self._greet() else "refused"
        except DeadlineExpired:
            reason = "deadline"
            self._say_last(replies.TOO_SLOW)
        except TlsError as error:
            reason = "refused"
            self._note("TLS", str(error))
        except ConnectionError:
            pass
        except asyncio.CancelledError:
            reason = "shutdown"
            self._say_last(replies.STOPPING)
        except Exception as error:
            # A bug must not cost more than this session.
            reason = "fault"
            self._house.journal(Faulted("POP3 session", type(error).__name__, str(error)))
            self._say_last(replies.INTERNAL)
        finally:
            await self._end(reason)

    async def _greet(self) -> bool:
        if self._tls:
            await self._stream.secured(self._house.rules.handshake)
            self._machine = ServerConnection(self._settings())  # what a certificate allows is known now
        else:
            await asyncio.sleep(0)  # what came before our greeting is seen now (F017)
            if self._stream.has_input:
                self._say_last(replies.EARLY)
                return False
        words = f"{self._house.hostname} POP3 Eilpost"
        if self._machine.settings.apop:
            words = f"{words} {self._login.timestamp}"
        self._out.append(self._machine.greet(ok(words)))
        return True

    async def _converse(self) -> str:
        machine, stream = self._machine, self._stream
        self._extend()
        while True:
            event = machine.next_event()
            kind = type(event)
            if kind is ev.NeedData:
                self._flush()
                if self._house.stopping:
                    self._say_last(replies.STOPPING)
                    return "shutdown"
                await self._drain()
                self._waiting = True
                octets = await stream.receive()
                self._waiting = False
                machine.receive_data(octets)
            elif kind is ev.Disconnected:
                self._flush()
                return "shutdown" if machine.phase is Phase.CLOSED else "disconnected"
            else:
                waits = _HANDLERS[kind](self, event)
                if waits is not None:
                    await waits
                if machine.phase is Phase.CLOSED:
                    self._flush()
                    return "quit" if kind is ev.Quit else "refused"
                self._extend()

    def _extend(self) -> None:
        """Only a whole command earns its sender more time, not an octet of one (F123)."""
        idle = self._house.rules.pop3.idle  # RFC 1939 §3: at least 10 minutes
        self._stream.deadline = self._loop.time() + (idle if self._drop is not None else self._house.patience())

    async def _drain(self) -> None:
        if not self._stream.is_congested:
            return
        before = self._stream.deadline
        self._stream.deadline = self._loop.time() + SLOW_READER
        await self._stream.drain()
        self._stream.deadline = before

    def stop(self) -> None:
        """The house closes: at once when nothing is under way, else after the command."""
        if self._waiting:
            self._say_last(replies.STOPPING)
            self._stream.close()

    def _put(self, octets: bytes) -> None:
        self._out.append(octets)
        self._gathered += len(octets)

    def _flush(self) -> None:
        if self._out:
            self._stream.write(self._out[0] if len(self._out) == 1 else b"".join(self._out))
            self._out.clear()
            self._gathered = 0

    async def _send_on(self) -> None:
        """Sends when enough is gathered, no faster than the peer takes it."""
        if self._gathered >= FLUSH:
            self._flush()
            await self._drain()

    def _say_last(self, words: Answer) -> None:
        if self._machine.phase is not Phase.CLOSED:
            self._out.append(self._machine.close(words))
        self._flush()

    async def _end(self, reason: str) -> None:
        self._login.abandon()
        await self._release()
        self._stream.deadline = self._loop.time() + FAREWELL
        if reason == "refused" and not self._house.stopping:
            self._stream.linger()
        else:
            self._stream.close()
        seconds = round(self._loop.time() - self._opened, 3)
        self._house.journal(SessionClosed(self._id, self.client.address, reason, 0, seconds))
        await self._stream.closed()  # who does not go yet is still a guest, and counted (F121)

    async def _release(self, deleted: int = 0) -> None:
        """Gives the mailbox back before the last words: who hears them may log in again at once."""
        drop, self._drop = self._drop, None
        if drop is not None:
            await drop.close()
            self._house.journal(
                MailboxRead(
                    self._id,
                    self.client.address,
                    self._account,
                    len(drop.items),
                    self._retrieved,
                    self._octets,
                    deleted,
                )
            )

    # --- answers

    def _answer(self, words: Answer) -> None:
        self._put(self._machine.send(words))

    def _useless(self, words: Answer) -> None:
        """Answers a command that fetches nothing; too many of them end the session (F048)."""
        self._junk += 1
        if conduct(self._house.rules.limits, errors=0, junk=self._junk) is Conduct.TOO_MUCH_JUNK:
            self._say_last(replies.TOO_MANY_ERRORS)
        else:
            self._answer(words)

    def _refuse(self, verb: str, words: Answer) -> Awaitable[None] | None:
        """Answers -ERR: noted, slowed down when there are many, and ended at last (F047)."""
        self._errors += 1
        self._note(verb, str(words))
        match conduct(self._house.rules.limits, errors=self._errors, junk=0):
            case Conduct.TOO_MANY_ERRORS:
                self._say_last(replies.TOO_MANY_ERRORS)
            case Conduct.SLOWLY:
                return self._answer_slowly(words)
            case _:
                self._answer(words)
        return None

    def _note(self, verb: str, words: str) -> None:
        self._house.journal(CommandRefused(self._id, self._role, self.client.address, "", verb, words))

    async def _answer_slowly(self, words: Answer) -> None:
        self._flush()
        await asyncio.sleep(self._house.rules.limits.error_delay)
        self._answer(words)

    # --- before the login

    def _on_user(self, event: ev.User) -> None:
        self._answer(replies.SEND_PASSWORD)  # whoever it is (F120)

    async def _on_login(self, event: ev.Pass | ev.Apop | ev.Auth) -> None:
        self._flush()
        await self._took(await self._login.begin(event, self._stream.tls))

    async def _on_response(self, event: ev.AuthResponse) -> None:
        await self._took(await self._login.go_on(event.octets))

    async def _took(self, step: Challenge | Success | Answer) -> None:
        match step:
            case Challenge(octets):
                self._put(self._machine.challenge(octets))
            case Success(account):
                await self._open(account)
            case Answer() if self._login.is_over:
                self._say_last(step)
            case Answer():
                self._answer(step)

    async def _open(self, account: str) -> None:
        """The login succeeded; the mailbox has to be had for it to count (RFC 1939 §4)."""
        if self._house.is_too_soon(account):
            self._answer(replies.TOO_SOON)
            return
        try:
            self._drop = await self._house.ways.drops.open(account)
        except InUse:
            self._answer(replies.IN_USE)
            return
        except DropError as error:
            self._house.journal(Warned("a mailbox cannot be opened", str(error)))
            self._answer(replies.CANNOT_OPEN)
            return
        self._account = account
        self._mailbox = Mailbox(self._drop.items)
        await self._open_relay(account)
        self._answer(ok(f"Logged in, {self._mailbox.count} messages ({self._mailbox.octets} octets)"))

    async def _open_relay(self, account: str) -> None:
        """SMTP-after-POP, where the operator wants it."""
        rules, way = self._house.rules.after_pop, self._house.ways.open_relay
        secured = self._stream.tls is not None
        if way is not None and offer.opens_relay(
            self.client, enabled=rules.enabled, tls_only=rules.tls_only, secured=secured
        ):
            try:
                await way(self.client.address, account, rules.window)
            except DirectoryError as error:  # mail can be fetched all the same
                self._house.journal(Warned("SMTP-after-POP cannot be noted", str(error)))
                return
            self._house.journal(RelayOpened(self._id, self.client.address, account, rules.window))

    async def _on_start_tls(self, event: ev.StartTls) -> None:
        context = self._house.ways.context
        assert context is not None  # else STLS is not offered
        self._answer(replies.BEGIN_TLS)
        self._flush()
        await self._stream.start_tls_server(context(), self._house.rules.handshake)
        self._login.abandon()
        self._machine.secured(self._settings())

    def _on_capa(self, event: ev.Capa) -> None:
        lines = self._machine.settings.lines(logged_in=self._drop is not None)
        self._put(self._machine.send_lines(replies.CAPABILITIES, lines))

    def _on_mechanisms(self, event: ev.ListMechanisms) -> None:
        self._put(self._machine.send_lines(replies.CAPABILITIES, self._machine.settings.mechanisms))

    def _on_utf8(self, event: ev.Utf8) -> None:
        self._useless(replies.UTF8_ON)

    def _on_lang(self, event: ev.Lang) -> Awaitable[None] | None:
        if not event.tag:
            lines = [f"{tag} {name}" for tag, name in offer.LANGUAGES.items()]
            self._put(self._machine.send_lines(replies.LANGUAGES, lines))
        elif event.tag in offer.LANGUAGES or event.tag == "*":
            self._useless(ok(f"{'i-default' if event.tag == '*' else event.tag} Language changed"))
        else:
            return self._refuse("LANG", replies.NO_SUCH_LANGUAGE)
        return None

    # --- after the login

    def _on_stat(self, event: ev.Stat) -> None:
        self._answer(ok(f"{self._mailbox.count} {self._mailbox.octets}"))

    def _on_list(self, event: ev.List) -> Awaitable[None] | None:
        if not event.number:
            first = ok(f"{self._mailbox.count} messages ({self._mailbox.octets} octets)")
            return self._send_list(first, self._mailbox.sizes())
        item = self._mailbox.find(event.number)
        if item is None:
            return self._refuse("LIST", replies.NO_SUCH_MESSAGE)
        self._answer(ok(f"{event.number} {item.octets}"))
        return None

    def _on_uidl(self, event: ev.Uidl) -> Awaitable[None] | None:
        if not event.number:
            return self._send_list(ok(), self._mailbox.names())
        item = self._mailbox.find(event.number)
        if item is None:
            return self._refuse("UIDL", replies.NO_SUCH_MESSAGE)
        self._answer(ok(f"{event.number} {item.uidl}"))
        return None

    async def _send_list(self, first: Answer, lines: Iterator[str]) -> None:
        machine = self._machine
        self._put(machine.begin(first))
        while some := list(islice(lines, LINES_AT_ONCE)):  # F174: a list of millions holds nobody up
            self._put(machine.content(("\r\n".join(some) + "\r\n").encode()))
            await self._send_on()
        self._put(machine.end())

    def _on_retr(self, event: ev.Retr) -> Awaitable[None] | None:
        item, drop = self._mailbox.find(event.number), self._drop
        if item is None or drop is None or (octets := drop.at_hand(event.number - 1)) is None:
            return self._send_message("RETR", event.number, None)
        self._put(self._machine.whole(ok(f"{item.octets} octets"), octets))
        self._count(item.octets)
        return self._send_on() if self._gathered >= FLUSH else None

    async def _on_top(self, event: ev.Top) -> None:
        await self._send_message("TOP", event.number, TopCutter(event.lines))

    async def _send_message(self, verb: str, number: int, cutter: TopCutter | None) -> None:
        item, drop, machine = self._mailbox.find(number), self._drop, self._machine
        if item is None or drop is None:
            await _none_or(self._refuse(verb, replies.NO_SUCH_MESSAGE))
            return
        pieces = drop.read(number - 1)
        try:
            piece = await anext(pieces, b"")
        except Vanished:
            await _none_or(self._refuse(verb, replies.VANISHED))
            return
        except DropError as error:
            self._house.journal(Warned("a message cannot be read", str(error)))
            self._answer(replies.UNREADABLE)
            return
        self._put(machine.begin(ok(f"{item.octets} octets")))
        try:
            while piece:
                self._put(machine.content(piece if cutter is None else cutter.write(piece)))
                await self._send_on()
                if cutter is not None and cutter.is_done:
                    break
                piece = await anext(pieces, b"")
        except DropError as error:
            # Half of it is sent, and nothing but the end of the connection can say so.
            self._house.journal(Warned("a message cannot be read", str(error)))
            self._say_last(replies.UNREADABLE)
            return
        self._put(machine.end())
        self._count(item.octets if cutter is None else 0)

    def _count(self, octets: int) -> None:
        if octets:
            self._retrieved += 1
            self._octets += octets
            self._errors = self._junk = 0

    def _on_dele(self, event: ev.Dele) -> Awaitable[None] | None:
        if not self._mailbox.mark(event.number):
            return self._refuse("DELE", replies.NO_SUCH_MESSAGE)
        self._answer(replies.DONE)
        return None

    def _on_noop(self, event: ev.Noop) -> None:
        self._useless(replies.DONE)

    def _on_rset(self, event: ev.Rset) -> None:
        self._mailbox.reset()
        self._useless(ok(f"{self._mailbox.count} messages ({self._mailbox.octets} octets)"))

    async def _on_quit(self, event: ev.Quit) -> None:
        words, marked, failed = replies.BYE, self._mailbox.marked, 0
        if self._drop is not None and marked:
            try:
                failed = await self._drop.delete(marked)
            except DropError as error:
                self._house.journal(Warned("messages may come again", str(error)))
                failed = len(marked)
            if failed:
                words = replies.NOT_ALL_DELETED
        await self._release(len(marked) - failed)
        self._answer(words)

    def _on_refused(self, event: ev.Refused) -> Awaitable[None] | None:
        self._login.abandon()
        return self._refuse(event.verb, event.answer)


async def _none_or(waits: Awaitable[None] | None) -> None:
    if waits is not None:
        await waits


_HANDLERS: Final[Mapping[type[object], Callable[[Session, Any], Awaitable[None] | None]]] = {
    ev.User: Session._on_user,
    ev.Pass: Session._on_login,
    ev.Apop: Session._on_login,
    ev.Auth: Session._on_login,
    ev.AuthResponse: Session._on_response,
    ev.ListMechanisms: Session._on_mechanisms,
    ev.StartTls: Session._on_start_tls,
    ev.Capa: Session._on_capa,
    ev.Utf8: Session._on_utf8,
    ev.Lang: Session._on_lang,
    ev.Stat: Session._on_stat,
    ev.List: Session._on_list,
    ev.Uidl: Session._on_uidl,
    ev.Retr: Session._on_retr,
    ev.Top: Session._on_top,
    ev.Dele: Session._on_dele,
    ev.Noop: Session._on_noop,
    ev.Rset: Session._on_rset,
    ev.Quit: Session._on_quit,
    ev.Refused: Session._on_refused,
}
