"""The inbox by POP3: any login sees its mailbox, QUIT deletes what was marked (a deed)."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, Final, Self

from eilpost.inbox.contract import InboxError, NoMessage, Sorting
from eilpost.inbox.store import Inbox
from eilpost.maildrop.drop import Item
from eilpost.net.listen import Listener, bind_tcp
from eilpost.net.stream import DeadlineExpired, Stream
from eilpost.pop3 import events as ev
from eilpost.pop3 import replies
from eilpost.pop3.content import TopCutter
from eilpost.pop3.phases import Phase
from eilpost.pop3.replies import Answer, ok
from eilpost.pop3.server import ALL, ServerConnection, ServerSettings
from eilpost.retrieve.mailbox import Mailbox

log = logging.getLogger("eilpost.inbox")

_IDLE: Final = 600.0  # seconds, RFC 1939 §3
_FAREWELL: Final = 5.0
_CONNECTIONS: Final = 100
_LINES_AT_ONCE: Final = 1_000
_ERRORS: Final = 50
_SETTINGS: Final = ServerSettings(offered=ALL - {"SASL", "STLS", "LANG"}, implementation="Eilpost-developers-inbox")


class Fetching:
    """Use ``async with``; ``port`` 0 takes a free one. ``accounts`` are the only logins, if there are any."""

    def __init__(self, inbox: Inbox, host: str, port: int, accounts: Mapping[str, str]) -> None:
        self.inbox = inbox
        self.accounts = accounts
        self._host, self._asked_port = host, port
        self._listener: Listener | None = None
        self._sessions: dict[asyncio.Task[None], Stream] = {}
        self.port = 0

    async def __aenter__(self) -> Self:
        """Takes connections from now on; ListenError."""
        sock = bind_tcp(self._host, self._asked_port, [])
        self.port = sock.getsockname()[1]
        self._listener = Listener(sock)
        await self._listener.start(self._connected)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ends all sessions; nothing marked is deleted without QUIT (F172)."""
        if self._listener is not None:
            self._listener.close()
        for task in tuple(self._sessions):
            task.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    def _connected(self, stream: Stream) -> None:
        if len(self._sessions) >= _CONNECTIONS:
            stream.write(replies.encode(replies.BUSY))
            stream.close()
            return
        task = asyncio.get_running_loop().create_task(_Session(self, stream).run())
        self._sessions[task] = stream
        task.add_done_callback(self._sessions.pop)

    def admits(self, name: str, password: str) -> bool:
        """Any login is good, unless accounts were given."""
        if not self.accounts:
            return True
        known = self.accounts.get(name, "")
        return hmac.compare_digest(known.encode(), password.encode()) and name in self.accounts

    def mailbox_of(self, name: str) -> str | None:
        """The mailbox that a login sees; None is all mail."""
        match self.inbox.sorting:
            case Sorting.NONE:
                return None
            case Sorting.DOMAIN:
                return name.rpartition("@")[2].lower()
            case _:
                return name


class _Session:
    """One connection."""

    def __init__(self, house: Fetching, stream: Stream) -> None:
        self._house = house
        self._inbox = house.inbox
        self._stream = stream
        self._machine = ServerConnection(_SETTINGS)
        self._ids: list[str] = []
        self._mailbox = Mailbox(())
        self._errors = 0

    async def run(self) -> None:
        """The whole session; never raises for what a client does."""
        try:
            await self._converse()
        except DeadlineExpired:
            self._last(replies.TOO_SLOW)
        except asyncio.CancelledError:
            self._last(replies.STOPPING)
        except ConnectionError:
            return
        except Exception:
            log.exception("a POP3 session failed")
            self._last(replies.INTERNAL)
        finally:
            self._stream.deadline = asyncio.get_running_loop().time() + _FAREWELL
            self._stream.close()
            await self._stream.closed()

    def _last(self, words: Answer) -> None:
        if self._machine.phase is not Phase.CLOSED:
            self._stream.write(self._machine.close(words))

    async def _converse(self) -> None:
        machine, stream = self._machine, self._stream
        stream.write(machine.greet(ok("Eilpost developer's inbox, any login")))
        while machine.phase is not Phase.CLOSED:
            event = machine.next_event()
            if isinstance(event, ev.NeedData):
                await stream.drain()
                stream.deadline = asyncio.get_running_loop().time() + _IDLE
                machine.receive_data(await stream.receive())
            elif isinstance(event, ev.Disconnected):
                return
            else:
                waits = _HANDLERS[type(event)](self, event)
                if waits is not None:
                    await waits

    def _answer(self, words: Answer) -> None:
        if not words.ok:
            self._errors += 1
        self._stream.write(self._machine.send(words))
        if self._errors > _ERRORS:
            self._last(replies.TOO_MANY_ERRORS)

    def _user(self, event: ev.User) -> None:
        self._answer(replies.SEND_PASSWORD)

    async def _pass(self, event: ev.Pass) -> None:
        if not self._house.admits(event.name, event.password):
            self._answer(replies.FAILED)
            return
        items, number, mailbox = [], 0, self._house.mailbox_of(event.name)
        while some := await self._inbox.after(number, mailbox=mailbox):
            number = some[-1].number
            items += [Item(each.id, each.size) for each in some]
        self._ids = [item.uidl for item in items]
        self._mailbox = Mailbox(items)
        self._answer(ok(f"Logged in, {self._mailbox.count} messages ({self._mailbox.octets} octets)"))

    def _capa(self, event: ev.Capa) -> None:
        lines = _SETTINGS.lines(logged_in=self._machine.phase is Phase.TRANSACTION)
        self._stream.write(self._machine.send_lines(replies.CAPABILITIES, lines))

    def _stat(self, event: ev.Stat) -> None:
        self._answer(ok(f"{self._mailbox.count} {self._mailbox.octets}"))

    def _list(self, event: ev.List) -> Awaitable[None] | None:
        if not event.number:
            return self._lines(ok(f"{self._mailbox.count} messages"), self._mailbox.sizes())
        item = self._mailbox.find(event.number)
        self._answer(ok(f"{event.number} {item.octets}") if item else replies.NO_SUCH_MESSAGE)
        return None

    def _uidl(self, event: ev.Uidl) -> Awaitable[None] | None:
        if not event.number:
            return self._lines(ok(), self._mailbox.names())
        item = self._mailbox.find(event.number)
        self._answer(ok(f"{event.number} {item.uidl}") if item else replies.NO_SUCH_MESSAGE)
        return None

    async def _lines(self, first: Answer, lines: Iterator[str]) -> None:
        self._stream.write(self._machine.begin(first))
        while some := list(islice(lines, _LINES_AT_ONCE)):
            self._stream.write(self._machine.content(("\r\n".join(some) + "\r\n").encode()))
            await self._stream.drain()
        self._stream.write(self._machine.end())

    def _retr(self, event: ev.Retr) -> Awaitable[None]:
        return self._send(event.number, None)

    def _top(self, event: ev.Top) -> Awaitable[None]:
        return self._send(event.number, TopCutter(event.lines))

    async def _send(self, number: int, cutter: TopCutter | None) -> None:
        item = self._mailbox.find(number)
        if item is None:
            self._answer(replies.NO_SUCH_MESSAGE)
            return
        blocks = self._inbox.blocks(item.uidl)
        try:
            piece = await anext(blocks, b"")
        except NoMessage:
            self._answer(replies.VANISHED)
            return
        self._stream.write(self._machine.begin(ok(f"{item.octets} octets")))
        while piece and not (cutter is not None and cutter.is_done):
            self._stream.write(self._machine.content(piece if cutter is None else cutter.write(piece)))
            await self._stream.drain()
            piece = await anext(blocks, b"")
        self._stream.write(self._machine.end())
        with suppress(InboxError):  # deleted meanwhile
            await self._inbox.mark([item.uidl], read=True)

    def _dele(self, event: ev.Dele) -> None:
        self._answer(replies.DONE if self._mailbox.mark(event.number) else replies.NO_SUCH_MESSAGE)

    def _noop(self, event: ev.Noop | ev.Utf8) -> None:
        self._answer(replies.DONE)

    def _rset(self, event: ev.Rset) -> None:
        self._mailbox.reset()
        self._answer(replies.DONE)

    async def _quit(self, event: ev.Quit) -> None:
        marked = [self._ids[position] for position in self._mailbox.marked]
        if marked:
            await self._inbox.delete(marked)
        self._answer(replies.BYE)

    def _refused(self, event: ev.Refused) -> None:
        if event.fatal:
            self._last(event.answer)
        else:
            self._answer(event.answer)


_HANDLERS: Final[Mapping[type[object], Callable[[_Session, Any], Awaitable[None] | None]]] = {
    ev.User: _Session._user,
    ev.Pass: _Session._pass,
    ev.Capa: _Session._capa,
    ev.Utf8: _Session._noop,
    ev.Stat: _Session._stat,
    ev.List: _Session._list,
    ev.Uidl: _Session._uidl,
    ev.Retr: _Session._retr,
    ev.Top: _Session._top,
    ev.Dele: _Session._dele,
    ev.Noop: _Session._noop,
    ev.Rset: _Session._rset,
    ev.Quit: _Session._quit,
    ev.Refused: _Session._refused,
}
