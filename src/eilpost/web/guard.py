"""Stands before the page and the API: hosts, other sites, sign-in, size of bodies, headers of answers (a deed)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections import deque
from collections.abc import Mapping
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eilpost.web.gate import Refusal, Rules, SignIn, refuse, sign_in

BODY_LIMIT: Final = 100_000_000
"""Octets of a request's body that are read at most; each operation asks for less."""
_GUESSES: Final = 10
_MINUTE: Final = 60.0
_MOST_PEERS: Final = 10_000
_OPEN: Final = frozenset({"/livez", "/readyz"})

_HEADERS: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "SAMEORIGIN"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
"""What an answer says unless it says it itself."""


class Accounts:
    """Names with password hashes (argon2), and tokens; who was right once is not hashed again."""

    def __init__(self, hashes: Mapping[str, str], tokens: tuple[str, ...] = ()) -> None:
        self._hashes = dict(hashes)
        self._key = secrets.token_bytes(32)
        self._tokens = tuple(self._digest(token) for token in tokens)
        self._known: dict[str, bytes] = {}
        self._wrong: dict[str, deque[float]] = {}
        self._hasher = PasswordHasher()
        self._nobody = self._hasher.hash(secrets.token_urlsafe()) if hashes else ""

    @property
    def are_wanted(self) -> bool:
        """True when somebody has to sign in."""
        return bool(self._hashes or self._tokens)

    async def admits(self, shown: SignIn | None, peer: str) -> Refusal | None:
        """Why this is not let in; None when it is (F184)."""
        if shown is None:
            return Refusal.SIGN_IN
        if self._is_known(shown):
            return None
        wrong = self._wrong.setdefault(peer, deque())
        now = time.monotonic()
        while wrong and wrong[0] < now - _MINUTE:
            wrong.popleft()
        if len(wrong) >= _GUESSES:
            return Refusal.TOO_MANY
        wrong.append(now)
        if len(self._wrong) > _MOST_PEERS:
            del self._wrong[next(iter(self._wrong))]
        is_right = bool(shown.name) and await asyncio.to_thread(self._is_right, shown)
        if is_right:
            self._known[shown.name] = self._digest(shown.secret)
            wrong.pop()
            return None
        return Refusal.SIGN_IN

    def _is_known(self, shown: SignIn) -> bool:
        digest = self._digest(shown.secret)
        if not shown.name:
            return sum(hmac.compare_digest(digest, token) for token in self._tokens) > 0
        return hmac.compare_digest(digest, self._known.get(shown.name, b""))

    def _is_right(self, shown: SignIn) -> bool:
        """Unknown names cost a hash too."""
        try:
            self._hasher.verify(self._hashes.get(shown.name, self._nobody), shown.secret)
            return shown.name in self._hashes
        except (Argon2Error, InvalidHashError):
            return False

    def _digest(self, secret: str) -> bytes:
        return hmac.digest(self._key, secret.encode("utf-8", "surrogatepass"), hashlib.sha256)


class Guard:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, rules: Rules, accounts: Accounts) -> None:
        self._app = app
        self._rules = rules
        self._accounts = accounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        refusal = await self._refusal(scope)
        if refusal is not None:
            await _refused(refusal)(scope, receive, _with_headers(send))
            return
        await self._app(scope, _bounded(receive), _with_headers(send))

    async def _refusal(self, scope: Scope) -> Refusal | None:
        headers = Headers(scope=scope)
        path = str(scope["path"])
        refusal = refuse(self._rules, scope["method"], path, headers)
        if refusal is not None or not self._accounts.are_wanted or path in _OPEN:
            return refusal
        peer = scope["client"][0] if scope.get("client") else ""
        return await self._accounts.admits(sign_in(headers.get("authorization", "")), peer)


def _refused(refusal: Refusal) -> JSONResponse:
    code, text = refusal.value
    headers = {"WWW-Authenticate": 'Basic realm="Eilpost", charset="UTF-8"'} if refusal is Refusal.SIGN_IN else {}
    return JSONResponse({"error": text}, code, headers)


def _bounded(receive: Receive) -> Receive:
    """A body that never ends is cut, and what reads it sees the end (F183)."""
    left = BODY_LIMIT

    async def bounded() -> Message:
        nonlocal left
        message = await receive()
        if message["type"] == "http.request":
            left -= len(message.get("body", b""))
            if left < 0:
                return {"type": "http.disconnect"}
        return message

    return bounded


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, text in _HEADERS:
                if name not in headers:
                    headers[name] = text
        await send(message)

    return sending
