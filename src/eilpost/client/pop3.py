"""Fetches mail by POP3: connects, encrypts, logs in, and asks (a deed)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from eilpost.client.login import Login, bindings_of, is_loopback
from eilpost.client.protection import PLAIN, Protection
from eilpost.client.transcript import CLIENT, SERVER, Tell
from eilpost.mail.encryption import Encryption
from eilpost.net.stream import Stream, TlsError, connect
from eilpost.pop3.client import Answered, Challenge, ClientConnection, ClientEvent, Closed, Content, Greeting
from eilpost.pop3.commands import Verb
from eilpost.pop3.errors import LocalProtocolError, RemoteProtocolError
from eilpost.pop3.events import NeedData
from eilpost.pop3.phases import Phase
from eilpost.pop3.replies import Answer
from eilpost.sasl import apop
from eilpost.sasl.choose import AUTO, NoMechanism, choose
from eilpost.sasl.mechanisms import Mechanism
from eilpost.sasl.words import Client as Side
from eilpost.sasl.words import ClientTerms, Failure, Response

TIMEOUT: Final = 60.0
"""Seconds that a server may say nothing while an answer is due."""

AT_ONCE: Final = 50
"""Commands that are sent without waiting for answers, where the server offers PIPELINING."""

MAX_INITIAL: Final = 200
"""Octets of an initial response: a command has 255 (RFC 2449 §4); what is longer waits for its turn."""

LONGEST_LIST: Final = 256 * 1024 * 1024
"""Octets of an answer that is kept whole."""


class PopError(Exception):
    """The session is over; the message is a sentence that says why."""


class LoginRefused(PopError):
    """The server does not let us in."""


class NoMessage(Exception):
    """The server does not give this message; the message of the error is the server's."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that the server has."""

    number: int
    octets: int
    uidl: str


class PopClient:
    """One session; ``async with`` opens it and says QUIT. A block that raises deletes nothing."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        protection: Protection = PLAIN,
        timeout: float = TIMEOUT,
        tell: Tell | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._protection = protection
        self._timeout = timeout
        self._tell = tell
        self._machine = ClientConnection()
        self._stream: Stream
        self._timestamp: bytes | None = None
        self._capabilities: dict[str, list[str]] = {}

    async def __aenter__(self) -> Self:
        """Connects, and encrypts as it was told. PopError."""
        try:
            self._stream = await connect(self._host, self._port, timeout=self._timeout)
        except TimeoutError:
            raise PopError(f"{self._host}:{self._port} did not answer in time") from None
        except OSError as error:
            raise PopError(f"{self._host}:{self._port}: {error.strerror or error}") from None
        try:
            await self._open()
        except BaseException:
            self._stream.abort()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """QUIT, by which the server deletes what was marked; after an error the connection just ends."""
        if kind is not None:
            self._stream.abort()
            return
        try:
            if self._machine.phase is not Phase.CLOSED:
                answer = await self._ask(Verb.QUIT)
                if not answer.ok:
                    raise PopError(f"not everything was deleted: {answer.text}")
        finally:
            self._stream.close()

    # --- the session

    async def _open(self) -> None:
        if self._protection.implicit:
            await self._encrypt()
        greeting = await self._next()
        if not isinstance(greeting, Greeting) or not greeting.answer.ok:
            words = greeting.answer.text if isinstance(greeting, Greeting) else "no greeting"
            raise PopError(f"the server does not want to talk: {words}")
        self._timestamp = apop.timestamp(greeting.answer.text.encode("latin-1", "replace"))
        await self._look()
        if self._protection.encryption is not Encryption.OFF and not self._protection.implicit:
            await self._start_tls()

    async def _start_tls(self) -> None:
        if "STLS" not in self._capabilities and self._capabilities:
            raise PopError("the server does not offer TLS (STLS); nothing was sent")
        answer = await self._ask(Verb.STLS)
        if not answer.ok:
            raise PopError(f"the server refuses TLS: {answer.text}")
        await self._encrypt()
        self._machine.secured()
        await self._look()

    async def _encrypt(self) -> None:
        assert self._protection.context is not None
        try:
            await self._stream.start_tls_client(self._protection.context, self._host, self._protection.timeout)
        except TlsError as error:
            raise PopError(f"TLS: {error}") from None

    async def _look(self) -> None:
        """CAPA; a server that does not know it offers nothing."""
        self._say(self._machine.command(Verb.CAPA))
        if (await self._answer()).ok:
            lines = (await self._whole()).decode("utf-8", "replace").split("\r\n")
            self._capabilities = {words[0].upper(): words[1:] for line in lines if (words := line.split())}
        else:
            self._capabilities = {}

    async def log_in(self, login: Login) -> None:
        """Logs in by the best way that both have. LoginRefused, PopError."""
        credentials = login.credentials
        loopback = login.plain_on_loopback and is_loopback(self._stream.peer[0])
        private = loopback or self._stream.tls is not None
        bindings = bindings_of(self._stream.tls.bindings) if self._stream.tls is not None else ()
        offered = self._capabilities.get("SASL", [])
        row = choose(
            offered, credentials, wanted=login.mechanism, private=private, bindings=bindings,
            certificate=login.certificate,
        )  # fmt: skip
        if isinstance(row, Mechanism):
            terms = ClientTerms(
                secrets.token_hex(18), self._host, self._port, bindings, any(name.endswith("-PLUS") for name in offered)
            )
            await self._authenticate(row, login, terms)
        elif login.mechanism.upper() not in (AUTO.upper(), "APOP", "USER"):
            raise LoginRefused(row.reason)
        else:
            await self._log_in_as_of_old(login, row, private=private)

    async def _log_in_as_of_old(self, login: Login, why_not: NoMechanism, *, private: bool) -> None:
        """APOP where it was asked for, or USER and PASS where nobody listens."""
        user, password = login.credentials.user, login.credentials.password
        if password is None:
            raise LoginRefused(why_not.reason)
        if login.mechanism.upper() == "APOP":
            if self._timestamp is None:
                raise LoginRefused("the server does not offer APOP")
            digest = apop.digest(self._timestamp, password.encode()).decode()
            await self._accepted(await self._ask(Verb.APOP, user, digest))
            return
        if not private:
            raise LoginRefused("the password would be readable on the way, and there is no TLS; use --tls starttls")
        answer = await self._ask(Verb.USER, user)
        await self._accepted(await self._ask(Verb.PASS, password) if answer.ok else answer)

    async def _authenticate(self, row: Mechanism, login: Login, terms: ClientTerms) -> None:
        dialogue = row.client(login.credentials, terms)
        step = _step(dialogue, None)
        held = isinstance(step, Response) and step.octets is not None and len(step.octets) > MAX_INITIAL
        if isinstance(step, Response):
            self._say(self._machine.auth(row.name, None if held else step.octets), secret=True)
        while isinstance(step, Response) and isinstance(event := await self._next(), Challenge):
            if not held:
                # Proofs cost as much as the server wants: not on the event loop.
                step = await asyncio.to_thread(_step, dialogue, event.octets)
            held = False
            if isinstance(step, Response):
                self._say(self._machine.auth_respond(step.octets or b""), secret=True)
        if isinstance(step, Failure):
            raise LoginRefused(f"{step.reason.value} {step.detail}".strip())
        if not isinstance(event, Answered):
            raise PopError("the server closed the connection")
        if event.answer.ok and not step.complete:
            raise LoginRefused("the server did not prove that it knows the password")
        await self._accepted(event.answer)

    @staticmethod
    async def _accepted(answer: Answer) -> None:
        if not answer.ok:
            raise LoginRefused(f"the server refuses the login: {answer.text}")

    # --- what it has

    async def messages(self) -> list[Waiting]:
        """All messages with their sizes and stable names. PopError."""
        sizes = await self._list(Verb.LIST)
        names = await self._list(Verb.UIDL)
        return [Waiting(number, int(size), names.get(number, "")) for number, size in sizes.items() if size.isdecimal()]

    async def _list(self, verb: Verb) -> dict[int, str]:
        self._say(self._machine.command(verb))
        answer = await self._answer()
        if not answer.ok:
            raise PopError(f"the server refuses {verb.value}: {answer.text}")
        lines = (await self._whole()).decode("utf-8", "replace").split("\r\n")
        pairs = (line.split() for line in lines)
        return {int(pair[0]): pair[1] for pair in pairs if len(pair) > 1 and pair[0].isdecimal()}

    async def headers(self, numbers: Sequence[int]) -> AsyncIterator[tuple[int, bytes]]:
        """The headers of messages, many asked for at once where the server allows it."""
        step = AT_ONCE if "PIPELINING" in self._capabilities else 1
        for begin in range(0, len(numbers), step):
            some = numbers[begin : begin + step]
            self._say(b"".join([self._machine.command(Verb.TOP, str(number), "0") for number in some]))
            for number in some:
                yield number, await self._whole() if (await self._answer()).ok else b""

    async def message(self, number: int) -> AsyncIterator[bytes]:
        """A message in pieces. NoMessage, PopError."""
        self._say(self._machine.command(Verb.RETR, str(number)))
        answer = await self._answer()
        if not answer.ok:
            raise NoMessage(answer.text)
        while isinstance(event := await self._next(), Content):
            yield event.octets

    async def delete(self, numbers: Iterable[int]) -> None:
        """Marks messages; the server deletes them at the end of the session. PopError."""
        for number in numbers:
            answer = await self._ask(Verb.DELE, str(number))
            if not answer.ok:
                raise PopError(f"message {number} cannot be deleted: {answer.text}")

    # --- octets

    async def _ask(self, verb: Verb, *arguments: str) -> Answer:
        try:
            self._say(self._machine.command(verb, *arguments), secret=verb in (Verb.PASS, Verb.APOP))
        except LocalProtocolError as error:
            raise PopError(str(error)) from None
        return await self._answer()

    async def _answer(self) -> Answer:
        event = await self._next()
        if not isinstance(event, Answered):
            raise PopError("the server closed the connection")
        return event.answer

    async def _whole(self) -> bytes:
        pieces, size = [], 0
        while isinstance(event := await self._next(), Content):
            pieces.append(event.octets)
            size += len(event.octets)
            if size > LONGEST_LIST:
                raise PopError("the server's answer does not end")
        return b"".join(pieces)

    def _say(self, octets: bytes, *, secret: bool = False) -> None:
        self._stream.write(octets)
        if self._tell is not None:
            for line in octets.removesuffix(b"\r\n").split(b"\r\n"):
                self._tell(CLIENT, line.partition(b" ")[0] + b" (not shown)" if secret else line)

    async def _next(self) -> ClientEvent:
        loop = asyncio.get_running_loop()
        try:
            while isinstance(event := self._machine.next_event(), NeedData):
                self._stream.deadline = loop.time() + self._timeout
                self._machine.receive_data(await self._stream.receive())
        except RemoteProtocolError as error:
            raise PopError(f"the server broke the protocol ({error})") from None
        except TimeoutError:
            raise PopError("the server did not answer in time") from None
        except OSError as error:
            raise PopError(f"the connection broke: {error.strerror or error}") from None
        if self._tell is not None and isinstance(event, Answered | Greeting):
            self._tell(SERVER, str(event.answer).encode())
        if isinstance(event, Closed):
            raise PopError("the server closed the connection")
        return event


def _step(dialogue: Side, octets: bytes | None) -> Response | Failure:
    """What the mechanism says next, or why it does not."""
    try:
        return next(dialogue) if octets is None else dialogue.send(octets)
    except StopIteration as end:
        failure: Failure = end.value
        return failure
