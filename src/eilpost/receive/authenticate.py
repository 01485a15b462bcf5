"""AUTH on a session: what is offered, the exchange, and what a failure costs (a deed)."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final, cast

from eilpost.config.schema import Auth as Rules
from eilpost.config.schema import Limits
from eilpost.directory.authenticator import Authenticator
from eilpost.directory.exchange import Exchange, Step
from eilpost.directory.source import Peer
from eilpost.mail.encryption import Security
from eilpost.mail.envelope import ReversePath
from eilpost.mail.reply import Reply
from eilpost.policy import login, wishes
from eilpost.policy.facts import Client
from eilpost.receive.inquiry import Inquiry
from eilpost.receive.ownership import Ownership
from eilpost.receive.roles import RoleRow, server_settings
from eilpost.sasl.mechanisms import MECHANISMS
from eilpost.sasl.words import BindingKind, Certificate, Challenge, ChannelBinding, Reason, ServerTerms, Success
from eilpost.smtp.events import Auth
from eilpost.smtp.server import ServerSettings

NONCE: Final = 24  # octets

_Key = tuple[RoleRow, tuple[str, ...], bool, frozenset[str]]


class Logins:
    """What all sessions share about logins, by the rules in force."""

    __slots__ = ("_settings", "_starttls", "authenticator", "hostname", "keys", "limits", "ownership", "rules")

    def __init__(
        self, rules: Rules, limits: Limits, hostname: str, authenticator: Authenticator, ownership: Ownership, *,
        keys: bool = True, starttls: bool = False,
    ) -> None:  # fmt: skip
        self.rules = rules
        self.limits = limits
        self.hostname = hostname
        self.authenticator = authenticator
        self.ownership = ownership
        self.keys = keys
        self._starttls = starttls
        self._settings: dict[_Key, ServerSettings] = {}

    def offered(self, client: Client, security: Security | None) -> tuple[str, ...]:
        """The mechanisms that this client may use now."""
        certificate = security is not None and security.verified
        return login.offered(client, self.rules, secured=security is not None, certificate=certificate, keys=self.keys)

    def settings(self, row: RoleRow, client: Client, security: Security | None) -> ServerSettings:
        """What the machine of a session is told, at its begin and once more after STARTTLS."""
        extras = wishes.offered(client, self.limits)
        key = (row, self.offered(client, security), security is not None, extras)
        found = self._settings.get(key)
        if found is None:
            found = self._settings[key] = server_settings(
                row,
                self.limits,
                mechanisms=key[1],
                old_auth=self.rules.old_spelling,
                takes_logins=login.takes_logins(row.role, self.rules),
                starttls=self._starttls and security is None,
                extras=extras,
            )
        return found

    def owns_sender(self, client: Client, reverse_path: ReversePath, inquiry: Inquiry) -> bool | None:
        """Whether a user may say so; the null reverse-path is for everybody's reports (RFC 5321 §4.5.5)."""
        mailbox = reverse_path.mailbox
        if not client.logged_in or mailbox is None or not self.rules.own_addresses:
            return True
        return self.ownership.owns(client.account, mailbox, inquiry)


class Login:
    """The logins of one session."""

    __slots__ = ("_announced", "_exchange", "_failures", "_logins", "mechanism")

    def __init__(self) -> None:
        self._failures = 0
        self._exchange: Exchange | None = None
        self._logins: Logins | None = None
        self.mechanism = ""

    async def begin(
        self, event: Auth, logins: Logins, client: Client, security: Security | None, session: str, role: str
    ) -> Challenge | Success | Reply:
        """AUTH: the first challenge, or how it ended at once."""
        self.mechanism = event.mechanism
        announced = logins.offered(client, security)
        refused = login.refusal(event.mechanism, announced, logins.rules)
        if refused is not None:
            return refused
        self._logins = logins
        peer = Peer(session, role, client.address, "smtp", client.trusted, security is not None)
        terms = _terms(logins.hostname, announced, security)
        exchange = self._exchange = Exchange(
            logins.authenticator, MECHANISMS[event.mechanism], event.initial, terms, peer
        )
        return await self._took(await exchange.begin())

    async def go_on(self, octets: bytes | None) -> Challenge | Success | Reply:
        """The client's response; None: it cancelled."""
        assert self._exchange is not None
        return await self._took(await self._exchange.respond(octets))

    async def _took(self, step: Step) -> Challenge | Success | Reply:
        if isinstance(step, Challenge | Success):
            return step
        assert self._logins is not None
        rules = self._logins.rules
        if step.reason is Reason.CREDENTIALS or step.reason is Reason.BINDING:
            self._failures += 1
            await asyncio.sleep(rules.failure_delay)  # this session alone waits
        if self._failures > rules.failures:
            return login.TOO_MANY_FAILURES
        return login.FAILURES[step.reason]


def _terms(hostname: str, announced: tuple[str, ...], security: Security | None) -> ServerTerms:
    bindings = security.bindings if security is not None else {}
    return ServerTerms(
        secrets.token_hex(NONCE),
        hostname,
        tuple(ChannelBinding(cast(BindingKind, kind), octets) for kind, octets in bindings.items()),
        any(MECHANISMS[name].binding for name in announced),
        Certificate("", security.names) if security is not None and security.verified else None,
    )
