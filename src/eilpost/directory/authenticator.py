"""Answers what login exchanges ask: is that the password, and what are the keys? (a deed)

Unknown users get answers that look, cost and last like those about known ones (F108, F110). Tries
are counted before they are made and forgiven when they succeed, so that many at once are many.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from eilpost.config.schema import Auth
from eilpost.directory.guesses import Guesses
from eilpost.directory.hashing import Hasher, HashPool, Match, PoolFull
from eilpost.directory.kept import User
from eilpost.directory.names import fold
from eilpost.directory.remembered import Remembered
from eilpost.directory.schemes import SchemeError, scram_keys
from eilpost.directory.source import Peer, Sources
from eilpost.directory.store import DirectoryError
from eilpost.journal import Journal, LoggedIn, LoginFailed, Warned
from eilpost.mail.address import Address, AddressError, parse_address
from eilpost.policy.guessing import Pace, places
from eilpost.sasl.scram_keys import ITERATIONS, fake_keys
from eilpost.sasl.words import (
    MAX_NAME,
    Ask,
    CheckCertificate,
    CheckPassword,
    CheckToken,
    Failure,
    FindScram,
    FindSecret,
    Granted,
    Reason,
    ScramKeys,
    Secret,
    Success,
)

if TYPE_CHECKING:
    from argon2 import PasswordHasher

CheckTokens = Callable[[CheckToken], Awaitable[Granted | Failure]]
"""Who asks the authority of bearer tokens."""

_WRONG: Final = Failure(Reason.CREDENTIALS)
_THROTTLED: Final = Failure(Reason.THROTTLED)
_FULL: Final = Failure(Reason.UNAVAILABLE, "too many passwords wait to be checked")
_DOWN: Final = Failure(Reason.UNAVAILABLE, "the directory cannot be asked")
_NO_TOKENS: Final = Failure(Reason.CREDENTIALS, "no authority for tokens is configured")
_NO_GUESS: Final = frozenset({Reason.UNAVAILABLE, Reason.CANCELLED, Reason.MALFORMED, Reason.THROTTLED})


class Authenticator:
    """One for all listeners. ``clock`` is monotonic."""

    def __init__(
        self,
        sources: Sources,
        rules: Auth,
        journal: Journal,
        *,
        argon2: PasswordHasher | None = None,
        tokens: CheckTokens | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.journal = journal
        self._sources = sources
        self._rules = rules
        self._tokens = tokens
        self._clock = clock
        self._hasher = Hasher(argon2)
        self._pool = HashPool(rules.hashing_threads, rules.hashing_queue)
        self._guesses = Guesses(rules)
        self._remembered = Remembered(rules.remember)

    def reload(self, sources: Sources, rules: Auth, tokens: CheckTokens | None = None) -> None:
        """Other rules and another directory, also for exchanges under way; what was counted counts on.

        How many passwords are checked at once cannot change.
        """
        self._sources, self._rules, self._tokens = sources, rules, tokens
        self._guesses.rules = rules
        self._remembered = Remembered(rules.remember)

    def close(self) -> None:
        """Ends the threads."""
        self._pool.close()

    # --- the course of an exchange

    async def answer(self, ask: Ask, peer: Peer) -> Granted | ScramKeys | Secret | Failure:
        """What the directory says. ``settle`` must follow when the exchange is over."""
        match self._guesses.begin(places(peer.address), self._key(ask.name), self._clock(), trusted=peer.trusted):
            case Pace.NOT_NOW:
                return _THROTTLED
            case Pace.SLOWLY:
                await asyncio.sleep(self._rules.guess_delay)
            case Pace.AT_ONCE:
                pass
        try:
            return await self._answer(ask, peer)
        except PoolFull:
            return _FULL
        except DirectoryError as error:
            self.journal(Warned("the directory of logins cannot be asked", str(error)))
            return _DOWN

    def settle(self, name: str | None, result: Success | Failure, mechanism: str, peer: Peer) -> None:
        """How it ended: noted, and counted if it was a guess. ``name`` is of the ask, None: there was none."""
        where, now = places(peer.address), self._clock()
        if isinstance(result, Success):
            if name is not None:
                self._guesses.succeeded(where, self._key(name), now)
            self.journal(LoggedIn(peer.session, peer.role, peer.address, result.account, mechanism, peer.tls))
            return
        if name is not None and result.reason in _NO_GUESS and result.reason is not Reason.THROTTLED:
            self._guesses.forgive(where, self._key(name), now)
        why, detail = result.reason.value, result.detail
        user = (name or "")[:MAX_NAME]
        self.journal(LoginFailed(peer.session, peer.role, peer.address, user, mechanism, why, detail))

    # --- the answers

    async def _answer(self, ask: Ask, peer: Peer) -> Granted | ScramKeys | Secret | Failure:
        match ask:
            case CheckPassword(name, password):
                return await self._password(self._address(name), password, peer)
            case FindScram(name, hash_name):
                return self._scram(name, await self._find(self._address(name)), hash_name)
            case FindSecret(name):
                return self._secret(name, await self._find(self._address(name)))
            case CheckToken():
                return await self._token(ask)
            case CheckCertificate():
                return await self._certificate(ask)

    async def _password(self, address: Address | None, password: str, peer: Peer) -> Granted | Failure:
        if self._sources.checker is not None:
            # It only says yes or no; whether all users cost it the same is its own affair.
            account = await self._sources.checker.check(address, password, peer) if address is not None else None
            return Granted(account) if account else _WRONG
        user = await self._find(address)
        now = self._clock()
        match = self._remembered.find(user, password, now) if user is not None else None
        if match is None:
            renew = self._rules.renew and self._sources.keeper is not None
            match = await self._pool.run(lambda: self._hasher.check(user, password, renew=renew))
            if user is not None and match is not None:
                self._remembered.note(user, password, match, now)
        if user is None or match is None:
            return _WRONG
        await self._note(user, match, peer)
        return Granted(user.account)

    async def _note(self, user: User, match: Match, peer: Peer) -> None:
        keeper = self._sources.keeper
        if keeper is None:
            return
        try:
            if match.app_password:
                await keeper.used(user.account, match.app_password, peer.address)
            if match.renewed is not None:
                await keeper.renew(user, match.renewed)
        except DirectoryError as error:
            self.journal(Warned("a login could not be noted", str(error)))

    def _scram(self, name: str, user: User | None, hash_name: str) -> ScramKeys:
        kept = user.kept if user is not None else None
        text = (kept.scram_sha256 if hash_name == "sha256" else kept.scram_sha1) if kept is not None else ""
        if user is not None and text:
            try:
                return scram_keys("SCRAM", user.account, text)
            except SchemeError as error:
                self.journal(Warned("the SCRAM keys of an account are broken", f"{user.account}: {error}"))
        return fake_keys(self._key(name), self._sources.pepper, ITERATIONS[hash_name], hash_name)

    def _secret(self, name: str, user: User | None) -> Secret:
        if user is not None and user.kept.secret:
            return Secret(user.account, user.kept.secret.encode())
        return Secret(None, hmac.digest(self._sources.pepper, self._key(name).encode(), "sha256"))

    async def _token(self, ask: CheckToken) -> Granted | Failure:
        """Whom the authority names must be at home here, where accounts can be looked up."""
        found = await self._tokens(ask) if self._tokens is not None else _NO_TOKENS
        if isinstance(found, Failure) or self._sources.finder is None:
            return found
        user = await self._find(self._address(found.account))
        return Granted(user.account) if user is not None else Failure(Reason.CREDENTIALS, "the token names no account")

    async def _certificate(self, ask: CheckCertificate) -> Granted | Failure:
        """The verified certificate names addresses; one of them must be the account."""
        named = [name for name in ask.certificate.names if "@" in name]  # a host's name is nobody's account
        keys = {self._key(name) for name in named}
        for name in (ask.name,) if ask.name else named:
            user = await self._find(self._address(name)) if self._key(name) in keys else None
            if user is not None:
                return Granted(user.account)
        return Failure(Reason.CREDENTIALS, "the certificate names no such account")

    # --- names

    async def _find(self, address: Address | None) -> User | None:
        finder = self._sources.finder
        return await finder.find(address) if finder is not None and address is not None else None

    def _address(self, name: str) -> Address | None:
        """The address that a user's name means; None: nobody's."""
        domain = self._sources.domain
        try:
            address = parse_address(name if "@" in name or not domain else f"{name}@{domain}")
        except AddressError:
            return None
        return address if address.domain else None

    def _key(self, name: str) -> str:
        """One for all spellings of a name (F113)."""
        address = self._address(name)
        return f"{fold(address.local_part)}@{address.domain}" if address is not None else name[:MAX_NAME]
