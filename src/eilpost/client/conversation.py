"""A session with a server over a stream: waits, so that the dialogues need not (a deed).

What is said, and in which order, stands in ``smtp.client_transaction``. Here octets are sent and
awaited, each wait has its limit (RFC 5321 §4.5.3.2), and whatever breaks becomes a result.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Generator
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from eilpost.client.login import Channel, Login, LoginHeard, Refusal, Think, bindings_of, is_loopback, logging_in, told
from eilpost.client.patience import RFC_TIMEOUTS, Broken, Timeouts
from eilpost.client.protection import PLAIN, Protection
from eilpost.client.transcript import Tell, Transcript
from eilpost.mail.encryption import Encryption, Security
from eilpost.mail.next_hop import Host
from eilpost.net.stream import Stream, TlsError, connect, connect_unix
from eilpost.smtp.client import ClientConnection
from eilpost.smtp.client_events import Answer, AuthChallenge, AuthDone, ClientEvent, Dismissal, Greeting
from eilpost.smtp.client_offer import Offer
from eilpost.smtp.client_results import Answered, Cause, Lost, Stage
from eilpost.smtp.client_transaction import (
    Heard,
    Parcel,
    Step,
    Transaction,
    Want,
    closing,
    opening,
    resetting,
    saying_hello,
    starting_tls,
)
from eilpost.smtp.commands import Dialect
from eilpost.smtp.errors import RemoteProtocolError
from eilpost.smtp.events import NEED_DATA, NeedData
from eilpost.smtp.phases import Phase

T = TypeVar("T")

FOREVER: Final = float("inf")

Way = tuple[Host, Encryption, bool, bool]


@dataclass(frozen=True, slots=True)
class Manner:
    """How we speak: our name, the dialect, patience, our address, who listens in, and as whom we log in."""

    hostname: str
    dialect: Dialect = Dialect.SMTP
    timeouts: Timeouts = RFC_TIMEOUTS
    source: str | None = None
    tell: Tell | None = None
    login: Login | None = None
    protection: Protection = PLAIN

    def way(self, host: Host) -> Way:
        """What sessions with a host must have in common to stand for each other."""
        return host, self.protection.encryption, self.protection.implicit, self.login is not None


class Conversation:
    """One session, from its greeting on; one task at a time."""

    __slots__ = ("_limits", "_loop", "_needs_reset", "_stream", "_transcript", "_until", "host", "kept_until",
                 "machine", "messages", "way", "why_clear")  # fmt: skip

    def __init__(self, host: Host, stream: Stream, manner: Manner) -> None:
        self.host = host
        self.machine = ClientConnection(manner.dialect)
        self.messages = 0
        self.way = manner.way(host)
        self.why_clear = ""  # why it is in clear, although the server offers more
        self.kept_until = FOREVER
        self._stream = stream
        self._limits = {stage: manner.timeouts.of(stage) for stage in Stage}
        self._loop = asyncio.get_running_loop()
        self._needs_reset = False
        self._transcript = Transcript(manner.tell) if manner.tell else None
        self._until = FOREVER

    @property
    def offer(self) -> Offer:
        """What the server offers."""
        return self.machine.offer

    @property
    def is_usable(self) -> bool:
        """False when the session is over, or the server said something while nobody listened."""
        return self.machine.phase is not Phase.CLOSED and self._stream.is_quiet

    @property
    def is_spent(self) -> bool:
        """True when the server takes no further message in this session (RFC 9422)."""
        return not self.is_usable or (self.offer.mail_max is not None and self.messages >= self.offer.mail_max)

    async def transact(
        self, parcel: Parcel, chunks: Callable[[], AsyncIterator[bytes]] | None = None, *, until: float = FOREVER
    ) -> Transaction:
        """Sends a parcel; every recipient has its result at the end.

        ``until`` is a loop time; the answer to the end of the content is awaited beyond it, since
        a message given up there may come twice (RFC 5321 §4.5.3.2.6).
        """
        self._until = until
        transaction = Transaction(self.machine, parcel)
        try:
            if self._needs_reset:
                refusal = await self._drive(resetting(self.machine))
                if refusal is not None:
                    raise Broken(refusal)
                self._needs_reset = False
            self.messages += 1
            await self._drive(transaction.steps(), chunks() if chunks else None)
        except Broken as broken:
            self.abort()
            transaction.break_off(broken.result)
        except BaseException:  # content that cannot be read, a cancelled task: never an end mark
            self.abort()
            raise
        self._needs_reset = transaction.needs_reset
        return transaction

    async def quit(self) -> None:
        """Ends the session politely; never raises for what the server does."""
        try:
            if self.is_usable:
                self._until = FOREVER
                await self._drive(closing(self.machine))
            self._stream.close()
        except Broken:
            self.abort()
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Ends the connection at once."""
        self._stream.abort()

    @property
    def security(self) -> Security | None:
        """What the handshake came to; None in clear."""
        return self._stream.tls

    async def _open(self, hostname: str, protection: Protection, until: float) -> Refusal | None:
        self._until = until
        if protection.implicit:
            await self._shake_hands(protection)
        refusal: Refusal | None = await self._drive(opening(self.machine, hostname))
        if refusal is None and protection.encryption is not Encryption.OFF and not protection.implicit:
            refusal = await self._start_tls(hostname, protection)
        return refusal

    async def _start_tls(self, hostname: str, protection: Protection) -> Refusal | None:
        if "STARTTLS" not in self.offer:
            if not protection.encryption.is_binding:
                return None
            return Lost(Stage.STARTTLS, Cause.TLS, "the server does not offer STARTTLS")  # F037
        refusal = await self._drive(starting_tls(self.machine))
        if refusal is not None:
            return refusal
        await self._shake_hands(protection)
        try:
            self.machine.secured()
        except RemoteProtocolError as error:
            raise Broken(Lost(Stage.STARTTLS, Cause.PROTOCOL, f"the server broke the protocol ({error})")) from None
        return await self._drive(saying_hello(self.machine, hostname))

    async def _shake_hands(self, protection: Protection) -> None:
        assert protection.context is not None
        patience = max(0.0, min(protection.timeout, self._until - self._loop.time()))
        try:
            await self._stream.start_tls_client(protection.context, self.host.name.strip("[]"), patience)
        except TlsError as error:
            raise Broken(Lost(Stage.STARTTLS, Cause.TLS, str(error))) from None

    async def _log_in(self, login: Login) -> Refusal | None:
        """Logs in. Proofs are computed in a thread: the server chose how long that lasts."""
        dialogue = logging_in(self.machine, login, self._channel(), secrets.token_urlsafe(24))
        heard: LoginHeard = None
        while True:
            try:
                step = dialogue.send(heard)
            except StopIteration as done:
                refusal: Refusal | None = done.value
                return refusal
            heard = None
            if isinstance(step, bytes):
                self._stream.write(step)
                if self._transcript is not None:
                    self._transcript.said(told(step), is_content=False)
            elif isinstance(step, Think):
                heard = await asyncio.to_thread(step.work)
            else:
                heard = await self._hear(step, self._next(step))

    def _channel(self) -> Channel:
        security = self._stream.tls
        return Channel(
            self.host.name,
            self.host.port,
            private=security is not None and security.verified,
            loopback=not self.host.port or is_loopback(self.host.address),
            bindings=bindings_of(security.bindings) if security is not None else (),
        )

    async def _drive(self, dialogue: Generator[Step, Heard, T], chunks: AsyncIterator[bytes] | None = None) -> T:
        """Runs a dialogue to its end; Broken when the connection or the protocol breaks."""
        heard: Heard = None
        while True:
            try:
                step = dialogue.send(heard)
            except StopIteration as done:
                result: T = done.value
                return result
            if isinstance(step, Stage):
                event = self._next(step)
                heard = event if isinstance(event, Answer) else _plain(await self._hear(step, event))
            elif isinstance(step, bytes):
                heard = None
                if self._say(step):
                    await self._drain()
            elif step is Want.CHUNK and chunks is not None:
                heard = await anext(chunks, b"")
                await self._heed()

    def _say(self, octets: bytes) -> bool:
        """Sends; True when the server is to take some of it before more is said."""
        self._stream.write(octets)
        if self._transcript is not None:
            self._transcript.said(octets, is_content=self.machine.phase is Phase.CONTENT)
        return self._stream.is_congested

    async def _drain(self) -> None:
        # A server that refuses content early stops reading it; what it said is heard next.
        self._stream.deadline = min(self._loop.time() + self._limits[Stage.CONTENT], self._until)
        try:
            await self._stream.drain()
        except TimeoutError:
            raise Broken(Lost(Stage.CONTENT, Cause.TIMEOUT, "the server took nothing for too long")) from None
        except OSError as error:
            raise Broken(await self._last_words(error)) from None

    async def _heed(self) -> None:
        """A server that speaks, or goes, in the middle of the content wants no more of it."""
        if not self._stream.is_quiet:
            raise Broken(await self._interruption())

    async def _last_words(self, error: OSError) -> Answered | Lost:
        """Why a connection broke while we spoke: the server's reply if it left one."""
        try:
            return await self._interruption()
        except Broken as broken:
            if isinstance(broken.result, Answered):
                return broken.result
            return Lost(Stage.CONTENT, Cause.DROPPED, _why(error))

    async def _interruption(self) -> Answered:
        """What the server says in the middle of the content."""
        return Answered(Stage.CONTENT, _plain(await self._hear(Stage.CONTENT, self._next(Stage.CONTENT))).reply)

    def _next(self, stage: Stage) -> ClientEvent | NeedData:
        try:
            return self.machine.next_event()
        except RemoteProtocolError as error:
            raise Broken(Lost(stage, Cause.PROTOCOL, f"the server broke the protocol ({error})")) from None

    async def _hear(self, stage: Stage, event: ClientEvent | NeedData) -> Answer | Greeting | AuthChallenge | AuthDone:
        """Waits for the server's word, where ``event`` is not it yet."""
        if event is NEED_DATA:  # the limit is for the whole reply, not for each piece of it (F152)
            due = self._loop.time() + self._limits[stage]
            self._stream.deadline = due if stage is Stage.END else min(due, self._until)
        while event is NEED_DATA:
            try:
                octets = await self._stream.receive()
            except TimeoutError:
                raise Broken(Lost(stage, Cause.TIMEOUT, "the server did not answer in time")) from None
            except OSError as error:
                raise Broken(Lost(stage, Cause.DROPPED, _why(error))) from None
            if self._transcript is not None:
                self._transcript.heard(octets)
            self.machine.receive_data(octets)
            event = self._next(stage)
        if isinstance(event, Answer | Greeting | AuthChallenge | AuthDone):
            return event
        if isinstance(event, Dismissal):
            raise Broken(Answered(stage, event.reply))
        raise Broken(Lost(stage, Cause.DROPPED, "the server closed the connection"))


async def converse(host: Host, manner: Manner, *, until: float = FOREVER) -> Conversation | Answered | Lost:
    """A session that is ready for mail: connected, greeted, and said hello to; or why there is none.

    Where TLS is only an opportunity and comes to nothing, the session is one in clear, over a new connection.
    """
    found = await _converse(host, manner, until)
    if (
        manner.protection.encryption is not Encryption.OPPORTUNISTIC
        or isinstance(found, Conversation)
        or found.stage is not Stage.STARTTLS
    ):
        return found
    in_clear = await _converse(host, replace(manner, protection=PLAIN), until)
    if isinstance(in_clear, Conversation):
        in_clear.way = manner.way(host)
        in_clear.why_clear = str(found.reply) if isinstance(found, Answered) else found.text
    return in_clear


async def _converse(host: Host, manner: Manner, until: float) -> Conversation | Answered | Lost:
    loop = asyncio.get_running_loop()
    patience = max(0.0, min(manner.timeouts.connect, until - loop.time()))
    try:
        if host.port:
            stream = await connect(host.address, host.port, timeout=patience, source=manner.source)
        else:
            stream = await connect_unix(host.address, timeout=patience)
    except TimeoutError:
        return Lost(Stage.CONNECT, Cause.TIMEOUT, f"{host.address} did not answer in time")
    except OSError as error:
        return Lost(Stage.CONNECT, Cause.UNREACHABLE, f"{host.address}: {_why(error)}")
    conversation = Conversation(host, stream, manner)
    try:
        refusal: Refusal | None = await conversation._open(manner.hostname, manner.protection, until)
        if refusal is None and manner.login is not None:
            refusal = await conversation._log_in(manner.login)
    except Broken as broken:
        conversation.abort()
        return broken.result
    except BaseException:
        conversation.abort()
        raise
    if refusal is None:
        return conversation
    await conversation.quit()
    return refusal


def _plain(event: Answer | Greeting | AuthChallenge | AuthDone) -> Answer | Greeting:
    """The machine answers AUTH with events of its own, and nothing else with them."""
    if isinstance(event, AuthChallenge | AuthDone):
        raise TypeError("no login is going on")
    return event


def _why(error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno is None:
        return error.strerror or str(error) or type(error).__name__
    return os.strerror(error.errno)
