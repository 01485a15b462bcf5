"""``aiosmtpd.smtp``: the protocol of one connection, and the words of its hooks (a deed)."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from eilpost.compat.aiosmtpd.adapter import Adapter
from eilpost.compat.aiosmtpd.wording import parse_status
from eilpost.compat.aiosmtpd.words import MISSING, AuthResult, Envelope, LoginPassword, Session
from eilpost.mail.reply import Reply, reply
from eilpost.net.stream import Stream
from eilpost.server import Deadlines, Limits, Raw
from eilpost.server import Session as OurSession
from eilpost.server.terms import Terms, make_terms
from eilpost.smtp.commands import Dialect
from eilpost.smtp.events import Hello

__all__ = ["MISSING", "SMTP", "AuthResult", "Envelope", "LoginPassword", "Session"]

DATA_SIZE_DEFAULT: Final = 2**25
UNLIMITED: Final = 2**40
EXTENSIONS: Final = frozenset({"PIPELINING", "SIZE", "8BITMIME", "CHUNKING", "DSN"})
MECHANISMS: Final = ("LOGIN", "PLAIN")

Authenticator = Callable[["SMTP", Session, Envelope, str, Any], Any]
AuthCallback = Callable[[str, bytes, bytes], bool]


class SMTP(Stream):
    """The protocol of one connection: ``loop.create_server(lambda: SMTP(handler), …)``.

    The parameters are aiosmtpd's. ``proxy_protocol_timeout`` is not there: see the migration page.
    """

    dialect = Dialect.SMTP

    def __init__(
        self,
        handler: Any,
        *,
        data_size_limit: int | None = DATA_SIZE_DEFAULT,
        enable_SMTPUTF8: bool = False,
        decode_data: bool = False,
        hostname: str | None = None,
        ident: str | None = None,
        tls_context: ssl.SSLContext | None = None,
        require_starttls: bool = False,
        timeout: float = 300,
        auth_required: bool = False,
        auth_require_tls: bool = True,
        auth_exclude_mechanism: Iterable[str] | None = None,
        auth_callback: AuthCallback | None = None,
        command_call_limit: int | Mapping[str, int] | None = None,
        authenticator: Authenticator | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(self._begin)
        if enable_SMTPUTF8 and decode_data:
            raise ValueError("decode_data and enable_SMTPUTF8 cannot be set to True at the same time")
        self.event_handler = handler
        self.hostname = hostname or socket.gethostname()
        self.session = Session(self._loop)
        self.envelope = Envelope()
        self.authenticator = authenticator
        self.auth_callback = auth_callback
        self.enable_SMTPUTF8 = enable_SMTPUTF8
        self._decode_data = decode_data
        self._session: OurSession | None = None
        self._terms = make_terms(
            self.hostname,
            ident or "Eilpost, as aiosmtpd",
            self.dialect,
            extensions=EXTENSIONS | ({"SMTPUTF8"} if enable_SMTPUTF8 else frozenset()),
            typed=True,
            tls=tls_context,
            implicit_tls=False,
            tls_required=require_starttls,
            accounts=None,
            mechanisms=self._mechanisms(auth_exclude_mechanism or (), auth_required),
            plain_text=not auth_require_tls,
            login_required=auth_required,
            limits=Limits(connections=0, message_size=data_size_limit or UNLIMITED, junk=_calls(command_call_limit)),
            deadlines=Deadlines(command=timeout, content=timeout),
            transcript=0,
        )
        self.finished: asyncio.Task[None] | None = None

    def _mechanisms(self, excluded: Iterable[str], required: bool) -> tuple[str, ...]:
        if self.authenticator is None and self.auth_callback is None and not required:
            return ()
        left_out = {name.upper() for name in excluded}
        return tuple(name for name in MECHANISMS if name not in left_out)

    def _begin(self, stream: Stream) -> None:
        self.session.peer = self.peer if self.peer[0] else ""
        self._session = OurSession(self._terms, Adapter(self), self, id(self))
        self.finished = self._loop.create_task(self._session.run())

    # --- for handlers

    @property
    def transport(self) -> asyncio.Transport | None:
        """The event loop's transport."""
        return self._transport

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop."""
        return self._loop

    async def push(self, status: str | bytes) -> None:
        """Sends a line to the client."""
        octets = status.encode("utf-8", "surrogateescape") if isinstance(status, str) else status
        if self._session is not None:
            await self._session.say(octets.rstrip(b"\r\n") + b"\r\n")

    # --- for the adapter and the controllers

    def greeting(self, session: OurSession, event: Hello) -> tuple[str, ...]:
        """What EHLO is answered with."""
        settings = self._terms.settings if session.tls is None else self._terms.secured
        return (self.hostname, *settings.keywords())

    def decoded(self, octets: bytes) -> bytes | str:
        """The content as ``decode_data`` wants it."""
        return octets.decode("ascii", "surrogateescape") if self._decode_data else octets

    async def own_verb(self, line: bytes) -> Reply | Raw | None:
        """Calls the ``smtp_VERB`` method of a subclass, which pushes its reply; None when it has none."""
        verb, _, argument = line.decode("utf-8", "backslashreplace").partition(" ")
        method = dict(_methods(type(self))).get(f"smtp_{verb.upper()}")
        if method is None:
            return None
        given = method(self, argument.strip() or None)
        if isinstance(given, Awaitable):
            given = await given
        return parse_status(given) if isinstance(given, str) else Raw(b"", reply(250, None, "said"))

    def stop(self) -> None:
        """Ends the session: at once when it is idle, else after its transaction."""
        if self._session is not None:
            self._session.stop()

    @property
    def terms(self) -> Terms:
        """What the session's server offers."""
        return self._terms


def _methods(kind: type) -> Iterable[tuple[str, Any]]:
    for base in reversed(kind.__mro__):
        yield from vars(base).items()


def _calls(limit: int | Mapping[str, int] | None) -> int:
    """aiosmtpd counts each verb; we count all commands that move no mail together."""
    if limit is None:
        return Limits().junk
    return limit if isinstance(limit, int) else sum(limit.values())
