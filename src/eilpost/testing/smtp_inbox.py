"""A running developer's inbox for tests: a free port, a thread of its own, faults as methods (a deed)."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from eilpost.inbox.board import Board
from eilpost.inbox.contract import Summary
from eilpost.inbox.fault_rules import rule_of
from eilpost.inbox.faults import Rule
from eilpost.inbox.store import Inbox
from eilpost.inbox.taking import Taking
from eilpost.server import Server
from eilpost.testing.caught import Message

__all__ = ["Fault", "Message", "SmtpInbox"]

T = TypeVar("T")
PATIENCE: Final = 5.0
"""Seconds that ``wait_for`` waits unless told otherwise."""

_MECHANISMS: Final = ("PLAIN", "LOGIN")
_LOOK: Final = 0.1
_MOST: Final = 1_000_000


class Fault:
    """A fault that is set; ``remove`` takes it back, and so does the end of a ``with``."""

    def __init__(self, rule: Rule, remove: Callable[[Rule], None]) -> None:
        self.rule = rule
        self._remove = remove

    def remove(self) -> None:
        """From now on it does not hold."""
        self._remove(self.rule)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.remove()


class SmtpInbox:
    """Takes every message that is sent to ``host`` and ``port``, and delivers none.

    ``tls`` offers STARTTLS, ``implicit_tls`` begins with the handshake, both with a certificate by an
    authority of its own, which ``client_context`` trusts and ``authority`` is the file of. Any login
    is good unless ``accounts`` (names and passwords) are given.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: bool = False,
        implicit_tls: bool = False,
        accounts: Mapping[str, str] | None = None,
        login_required: bool = False,
        hostname: str = "localhost",
    ) -> None:
        self.host = host
        self.port = port
        self._tls, self._implicit = tls or implicit_tls, implicit_tls
        self._accounts, self._login_required = dict(accounts or {}), login_required
        self._hostname = hostname
        self._board = Board(by_address=False)
        self._arrival = threading.Condition()
        self._seen: dict[str, Message] = {}
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._inbox: Inbox | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self.authority = ""

    # --- beginning and end

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when mail is taken. ListenError: the address cannot be had."""
        started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name="smtp-inbox", daemon=True)
        self._thread.start()
        started.result()

    def stop(self) -> None:
        """Ends the server; what was caught is forgotten."""
        thread, self._thread = self._thread, None
        if thread is not None and self._loop is not None and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            thread.join()
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def _run(self, started: Future[None]) -> None:
        try:
            with asyncio.Runner() as runner:
                runner.run(self._serve(started))
        except BaseException as error:
            if not started.done():
                started.set_exception(error)

    async def _serve(self, started: Future[None]) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        async with Inbox() as self._inbox:
            taking = Taking(self._inbox, self._board, plus_tags=False, taken=self._taken)
            server = Server(
                taking,
                self.host,
                self.port,
                hostname=self._hostname,
                tls=self._server_context() if self._tls else None,
                implicit_tls=self._implicit,
                accounts=self._accounts,
                mechanisms=_MECHANISMS,
                plain_text=True,
                login_required=self._login_required,
                typed=True,
                transcript=True,
                grace=0.0,
            )
            async with server:
                self.port = server.port
                started.set_result(None)
                await self._stopping.wait()
            await taking.close()

    def _server_context(self) -> ssl.SSLContext:
        from eilpost.net.dev_certificate import prepare
        from eilpost.net.tls import server_context

        self._directory = tempfile.TemporaryDirectory(prefix="smtp-inbox-")
        certificate = prepare(Path(self._directory.name), [self._hostname], time.time())
        self.authority = certificate.authority
        return server_context(certificate.pair)

    def client_context(self) -> ssl.SSLContext:
        """A context for clients that verifies, and trusts this inbox's authority alone."""
        if not self.authority:
            raise RuntimeError("this inbox speaks no TLS: ask for tls=True or implicit_tls=True")
        return ssl.create_default_context(cafile=self.authority)

    # --- what came

    @property
    def messages(self) -> list[Message]:
        """All that was caught, the oldest first."""
        return self._call(self._all())

    def __len__(self) -> int:
        return len(self.messages)

    def __iter__(self) -> Iterator[Message]:
        return iter(self.messages)

    def __bool__(self) -> bool:
        return True

    def clear(self) -> None:
        """Forgets all that was caught."""
        self._call(self._forget())

    def wait_for(
        self,
        *,
        to: str | None = None,
        sender: str | None = None,
        subject: str | None = None,
        text: str | None = None,
        timeout: float = PATIENCE,
    ) -> Message:
        """The newest message that fits, as soon as there is one; AssertionError after ``timeout`` seconds.

        ``to`` is a recipient and ``sender`` the sender of the envelope; ``subject`` and ``text``
        are pieces of what the message says.
        """
        __tracebackhide__ = True
        wanted = {"to": to, "sender": sender, "subject": subject, "text": text}
        until = time.monotonic() + timeout
        while True:
            messages = self.messages
            found = next((each for each in reversed(messages) if _fits(each, wanted)), None)
            if found is not None:
                return found
            left = until - time.monotonic()
            if left <= 0:
                raise AssertionError(_missing(wanted, messages, timeout))
            with self._arrival:
                self._arrival.wait(min(left, _LOOK))

    async def arrives(
        self,
        *,
        to: str | None = None,
        sender: str | None = None,
        subject: str | None = None,
        text: str | None = None,
        timeout: float = PATIENCE,
    ) -> Message:
        """``wait_for``, for tests in an event loop."""
        return await asyncio.to_thread(self.wait_for, to=to, sender=sender, subject=subject, text=text, timeout=timeout)

    def assert_empty(self) -> None:
        """Nothing was caught."""
        __tracebackhide__ = True
        messages = self.messages
        if messages:
            raise AssertionError(f"no message was to come, and there are {len(messages)}:\n{_listed(messages)}")

    # --- faults

    def fault(self, stage: str, **keys: object) -> Fault:
        """A fault at a stage: connect, banner, ehlo, starttls, auth, mail, rcpt, data or end.

        The keys are those of ``eilpost dev --fault``; ``from_`` spells ``from``. FaultError.
        """
        rule = rule_of({"stage": stage} | {name.rstrip("_"): value for name, value in keys.items()})
        self._call(self._set((*self._board.rules, rule)))
        return Fault(rule, self._remove)

    def refuse_sender(self, sender: str = "*", reply: str | int = 550) -> Fault:
        """MAIL from such addresses is refused; ``*`` stands for anything."""
        return self.fault("mail", from_=sender, reply=reply)

    def refuse_recipient(self, recipient: str = "*", reply: str | int = 550) -> Fault:
        """RCPT to such addresses is refused."""
        return self.fault("rcpt", to=recipient, reply=reply)

    def refuse_login(self, reply: str | int = 535) -> Fault:
        """Nobody logs in."""
        return self.fault("auth", reply=reply)

    def refuse_message(self, reply: str | int = 554) -> Fault:
        """Messages are refused after the dot."""
        return self.fault("end", reply=reply)

    def drop_connection(self, stage: str = "connect") -> Fault:
        """The connection ends there, without a word."""
        return self.fault(stage, drop="close")

    def delay(self, stage: str, seconds: float) -> Fault:
        """The answer takes so long."""
        return self.fault(stage, delay=f"{seconds:g}s")

    def clear_faults(self) -> None:
        """All faults are taken back."""
        self._call(self._set(()))

    # --- in the loop

    def _taken(self, summary: Summary) -> None:
        with self._arrival:
            self._arrival.notify_all()

    def _remove(self, rule: Rule) -> None:
        self._call(self._set(tuple(each for each in self._board.rules if each is not rule)))

    async def _set(self, rules: tuple[Rule, ...]) -> None:
        self._board.set(rules)

    async def _forget(self) -> None:
        assert self._inbox is not None
        await self._inbox.delete([summary.id for summary in await self._inbox.after(0, limit=_MOST)])
        self._seen.clear()

    async def _all(self) -> list[Message]:
        assert self._inbox is not None
        return [await self._message(summary) for summary in await self._inbox.after(0, limit=_MOST)]

    async def _message(self, summary: Summary) -> Message:
        known = self._seen.get(summary.id)
        if known is None:
            assert self._inbox is not None
            kept = await self._inbox.get(summary.id)
            content, transcript = await self._inbox.content(summary.id), await self._inbox.transcript(summary.id)
            known = self._seen[summary.id] = Message(
                summary.id, summary.reverse_path, summary.recipients, content, kept.via.login, kept.via.tls, transcript
            )
        return known

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        if self._thread is None or self._loop is None:
            work.close()
            raise RuntimeError("the inbox is not running")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _fits(message: Message, wanted: Mapping[str, str | None]) -> bool:
    to, sender, subject, text = (wanted[name] for name in ("to", "sender", "subject", "text"))
    return (
        (to is None or to.lower() in (each.lower() for each in message.recipients))
        and (sender is None or sender.lower() == message.sender.lower())
        and (subject is None or subject in message.subject)
        and (text is None or text in message.text or text in message.html)
    )


def _missing(wanted: Mapping[str, str | None], messages: list[Message], timeout: float) -> str:
    asked = ", ".join(f"{name}={value!r}" for name, value in wanted.items() if value is not None) or "anything"
    came = f"these came:\n{_listed(messages)}" if messages else "none came at all"
    return f"no message with {asked} came within {timeout:g} s; {came}"


def _listed(messages: list[Message]) -> str:
    return "\n".join(f"  {number}. {message}" for number, message in enumerate(messages, 1))
