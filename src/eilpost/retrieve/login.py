"""A POP3 session's way to an account: mechanisms, failures and their delays (a deed)."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final, cast

from eilpost.directory.exchange import Exchange, Step
from eilpost.directory.source import Peer
from eilpost.mail.encryption import Security
from eilpost.policy.facts import Client
from eilpost.pop3 import replies
from eilpost.pop3.events import Apop, Auth, Pass
from eilpost.pop3.replies import Answer
from eilpost.retrieve import apop
from eilpost.retrieve.house import House
from eilpost.retrieve.offer import FAILURES
from eilpost.sasl.mechanisms import MECHANISMS, Mechanism
from eilpost.sasl.words import BindingKind, Certificate, Challenge, ChannelBinding, Reason, ServerTerms, Success

NONCE: Final = 24  # octets


class Login:
    """The logins of one session. ``is_over``: too many have failed."""

    __slots__ = ("_client", "_exchange", "_failures", "_house", "_role", "_session", "is_over", "timestamp")

    def __init__(self, house: House, client: Client, session: str, role: str) -> None:
        self.is_over = False
        self.timestamp = f"<{secrets.token_hex(12)}.{session}@{house.hostname}>"  # RFC 1939 §7: never twice
        self._house = house
        self._client = client
        self._session = session
        self._role = role
        self._failures = 0
        self._exchange: Exchange | None = None

    async def begin(self, event: Pass | Apop | Auth, security: Security | None) -> Challenge | Success | Answer:
        """The first challenge, or how it ended at once."""
        match event:
            case Pass(name, password):
                return await self._try(apop.USER_PASS, apop.user_pass(name, password), security)
            case Apop(name, digest):
                return await self._try(apop.mechanism(self.timestamp.encode(), name, digest), None, security)
            case Auth(mechanism, initial):
                return await self._try(MECHANISMS[mechanism], initial, security)

    async def go_on(self, octets: bytes | None) -> Challenge | Success | Answer:
        """The client's response; None: it cancelled."""
        assert self._exchange is not None
        return await self._took(await self._exchange.respond(octets))

    def abandon(self) -> None:
        """The client broke off: what it said was no response at all, or it went away."""
        if self._exchange is not None:
            self._exchange.abandon()
            self._exchange = None

    async def _try(
        self, mechanism: Mechanism, initial: bytes | None, security: Security | None
    ) -> Challenge | Success | Answer:
        peer = Peer(self._session, self._role, self._client.address, "pop3", self._client.trusted, security is not None)
        terms = _terms(self._house, security)
        self._exchange = Exchange(self._house.ways.authenticator, mechanism, initial, terms, peer)
        return await self._took(await self._exchange.begin())

    async def _took(self, step: Step) -> Challenge | Success | Answer:
        if isinstance(step, Challenge):
            return step
        self._exchange = None
        if isinstance(step, Success):
            return step
        auth = self._house.rules.auth
        if step.reason in (Reason.CREDENTIALS, Reason.BINDING):
            self._failures += 1
            await asyncio.sleep(auth.failure_delay)  # this session alone waits
        self.is_over = self._failures > auth.failures or step.reason is Reason.THROTTLED
        return replies.TOO_MANY_ERRORS if self._failures > auth.failures else FAILURES[step.reason]


def _terms(house: House, security: Security | None) -> ServerTerms:
    bindings = security.bindings if security is not None else {}
    return ServerTerms(
        secrets.token_hex(NONCE),
        house.hostname,
        tuple(ChannelBinding(cast(BindingKind, kind), octets) for kind, octets in bindings.items()),
        security is not None and any(MECHANISMS[name].binding for name in house.rules.auth.mechanisms),
        Certificate("", security.names) if security is not None and security.verified else None,
    )
