"""Calls aiosmtpd's ``handle_*`` hooks from the hooks of our server (a deed)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final

from eilpost.compat.aiosmtpd.wording import address_of, mail_options, parse_status, rcpt_options
from eilpost.compat.aiosmtpd.words import MISSING, AuthResult, Envelope, LoginPassword
from eilpost.mail.reply import Reply, reply
from eilpost.sasl.words import Answer as CheckAnswer
from eilpost.sasl.words import CheckPassword, Failure, Granted, Reason, ServerStep
from eilpost.server import Handler, Raw
from eilpost.server import Session as OurSession
from eilpost.smtp.events import Auth, ContentEnd, Hello, Mail, Noop, Quit, Rcpt, Refused, Reset, StartTls, Verify

if TYPE_CHECKING:
    from eilpost.compat.aiosmtpd.smtp import SMTP

_HELLO: Final = {"HELO": "handle_HELO", "EHLO": "handle_EHLO", "LHLO": "handle_EHLO"}
_FAILED: Final = Failure(Reason.CREDENTIALS)
_OLD_ARGUMENTS: Final = 4  # server, session, envelope, hostname; the newer form has the responses, too


class Adapter(Handler):
    """One connection's hooks; ``server`` is what they get as their first argument."""

    def __init__(self, server: SMTP) -> None:
        self._server = server
        self._login_message: str | None = None

    async def _hook(self, name: str, *arguments: object) -> Any:
        """What the handler's hook returns; MISSING when it has none."""
        server = self._server
        hook = getattr(server.event_handler, name, None)
        if hook is None:
            return MISSING
        given = hook(server, server.session, server.envelope, *arguments)
        return await given if isinstance(given, Awaitable) else given

    async def _status(self, name: str, *arguments: object) -> Reply | None:
        given = await self._hook(name, *arguments)
        return None if given is MISSING or given is None else parse_status(given)

    def _renew(self) -> None:
        self._server.envelope = Envelope()

    # --- the connection

    async def hello(self, session: OurSession, event: Hello) -> Reply | None:
        """``handle_EHLO`` has two forms: the newer one is given the responses, and returns them."""
        server = self._server
        self._renew()
        server.session.extended_smtp = session.extended = event.verb.value != "HELO"
        name = _HELLO[event.verb.value]
        hook = getattr(server.event_handler, name, None)
        if hook is None:
            server.session.host_name = event.name
            return None
        offer = server.greeting(session, event)
        if event.verb.value == "HELO" or _arguments_of(hook) == _OLD_ARGUMENTS:
            given = await self._status(name, event.name)
            if given is None or not given.is_positive or event.verb.value == "HELO":
                return given
            return Reply(250, None, (*offer[:-1], *given.lines))
        said = await self._hook(name, event.name, [f"250-{line}" for line in offer[:-1]] + [f"250 {offer[-1]}"])
        return parse_status("\r\n".join(said))

    def starttls(self, session: OurSession, event: StartTls) -> Reply | None:
        """aiosmtpd asks only after the handshake."""
        return None

    async def secured(self, session: OurSession) -> None:
        """``handle_STARTTLS`` may refuse what the handshake came to."""
        server = self._server
        server.session.ssl = session.tls
        server.session.host_name, server.session.authenticated = None, None
        self._renew()
        if await self._hook("handle_STARTTLS") is False:
            server.abort()

    async def quit(self, session: OurSession, event: Quit) -> Reply | None:
        return await self._status("handle_QUIT")

    async def noop(self, session: OurSession, event: Noop) -> Reply | None:
        return await self._status("handle_NOOP", "")

    async def verify(self, session: OurSession, event: Verify) -> Reply | None:
        return await self._status("handle_VRFY", event.name)

    async def reset(self, session: OurSession, event: Reset) -> Reply | None:
        self._renew()
        return await self._status("handle_RSET")

    async def refused(self, session: OurSession, event: Refused) -> Reply | Raw | None:
        """A verb that the server does not know may have its ``smtp_VERB`` method."""
        return None if event.fatal else await self._server.own_verb(event.line)

    async def failed(self, session: OurSession, error: Exception) -> Reply:
        hook = getattr(self._server.event_handler, "handle_exception", None)
        if hook is None:
            return reply(500, None, f"Error: ({type(error).__name__}) {error}")
        given = hook(error)
        return parse_status(await given if isinstance(given, Awaitable) else given)

    # --- the login

    async def auth(self, session: OurSession, event: Auth) -> Reply | None:
        words = [event.mechanism]
        if event.initial is not None:
            words.append(base64.b64encode(event.initial).decode() or "=")
        return await self._status("handle_AUTH", words)

    async def check(self, session: OurSession, ask: ServerStep) -> CheckAnswer:
        """PLAIN and LOGIN, by the authenticator or the older callback."""
        if not isinstance(ask, CheckPassword):
            return _FAILED
        server = self._server
        login = LoginPassword(ask.name.encode(), ask.password.encode())
        given: Any = False
        if server.authenticator is not None:
            given = server.authenticator(server, server.session, server.envelope, session.mechanism, login)
        elif server.auth_callback is not None:
            given = server.auth_callback(session.mechanism, login.login, login.password)
        if isinstance(given, Awaitable):
            given = await given
        result = given if isinstance(given, AuthResult) else AuthResult(success=bool(given))
        server.session.authenticated = result.success
        self._login_message = result.message
        if not result.success:
            return _FAILED
        server.session.auth_data = login if result.auth_data is None else result.auth_data
        return Granted(ask.name)

    def authenticated(self, session: OurSession, account: str) -> Reply:
        return parse_status(self._login_message or "235 2.7.0 Authentication successful")

    # --- the transaction

    async def mail(self, session: OurSession, event: Mail) -> Reply | None:
        envelope, address = self._server.envelope, address_of(event.reverse_path)
        options = mail_options(event.parameters)
        envelope.smtp_utf8 = event.parameters.smtputf8
        given = await self._status("handle_MAIL", address, options)
        if given is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return given or reply(250, None, "OK")

    async def rcpt(self, session: OurSession, event: Rcpt) -> Reply | None:
        envelope, address = self._server.envelope, str(event.forward_path.mailbox)
        options = rcpt_options(event.parameters)
        given = await self._status("handle_RCPT", address, options)
        if given is None:
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(options)
        return given or reply(250, None, "OK")

    async def end(self, session: OurSession, event: ContentEnd) -> Reply:
        envelope, octets = self._server.envelope, session.gathered()
        envelope.original_content = octets
        envelope.content = self._server.decoded(octets)
        try:
            return await self._status("handle_DATA") or reply(250, None, "OK")
        finally:
            self._renew()

    async def disconnected(self, session: OurSession, reason: str) -> None:
        """aiosmtpd has no hook for the end; who overrides ``connection_lost`` is told by the event loop."""
        await asyncio.sleep(0)


def _arguments_of(hook: Any) -> int:
    """How many arguments a bound hook takes; aiosmtpd tells the two forms of ``handle_EHLO`` by it."""
    function = getattr(hook, "__func__", hook)
    code = getattr(function, "__code__", None)
    count = code.co_argcount if code is not None else _OLD_ARGUMENTS + 1
    return count - (1 if hasattr(hook, "__self__") else 0)
