"""Bearer tokens: an authority is asked about each, or its keys prove them (a deed).

Introspection (RFC 7662) asks for each login; with the authority's keys (JWKS, RFC 7517) a signed
token is checked here. A few threads do either; when all are busy, a login is told to come later.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from threading import Lock
from typing import Any, Final

from eilpost.config.schema import Oauth
from eilpost.directory.claims import Claims, judge
from eilpost.sasl.words import CheckToken, Failure, Granted, Reason

THREADS: Final = 4
WAITING: Final = 64
MOST: Final = 256 * 1024  # octets of an answer
KEEP_KEYS: Final = 3600.0  # seconds
ASK_AGAIN: Final = 60.0  # seconds between two looks for a key that was not there
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures alone: with the others whoever can check a token can make one."""

_BUSY: Final = Failure(Reason.UNAVAILABLE, "too many tokens wait to be checked")
_INACTIVE: Final = Failure(Reason.CREDENTIALS, "the authority knows no such token")
_UNSIGNED: Final = Failure(Reason.CREDENTIALS, "no signature of the authority")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A token goes where the configuration says and nowhere else."""

    def redirect_request(self, *given: Any, **more: Any) -> None:
        """None of them is followed."""


class TokenChecker:
    """Answers CheckToken; called as the ``tokens`` of an ``Authenticator``."""

    def __init__(self, rules: Oauth, now: Callable[[], float] = time.time) -> None:
        self._rules = rules
        self._now = now
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="oauth")
        self._waiting = 0
        self._lock = Lock()
        self._keys: Any = None
        self._keys_of = 0.0
        context = ssl.create_default_context(cafile=rules.authorities or None)
        self._opener = urllib.request.build_opener(
            _NoRedirects, urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, ask: CheckToken) -> Granted | Failure:
        """Whose token it is; UNAVAILABLE when the authority cannot be asked."""
        if self._waiting >= WAITING:
            return _BUSY
        self._waiting += 1
        look = self._introspect if self._rules.introspection else self._verify
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._pool, look, ask.token)
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            return Failure(Reason.UNAVAILABLE, f"the authority of tokens cannot be asked: {type(error).__name__}")
        finally:
            self._waiting -= 1
        return found if isinstance(found, Failure) else judge(found, ask.name, self._rules, self._now())

    # --- in a thread

    def _introspect(self, token: str) -> Claims | Failure:
        rules = self._rules
        given = urllib.parse.urlencode({"token": token, "token_type_hint": "access_token"}).encode()
        headers = {"Accept": "application/json"}
        if rules.client_id:
            secret = Path(rules.client_secret_file).read_text().strip() if rules.client_secret_file else ""
            pair = ":".join(map(urllib.parse.quote_plus, (rules.client_id, secret)))  # RFC 6749 §2.3.1
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        claims = self._fetch(urllib.request.Request(rules.introspection, given, headers))
        return claims if claims.get("active") is True else _INACTIVE

    def _verify(self, token: str) -> Claims | Failure:
        import jwt  # loads cryptography, which only those need who trust signed tokens

        try:
            key = self._key(jwt, jwt.get_unverified_header(token).get("kid"))
            if key is None:
                return _UNSIGNED
            # Who it is for, by whom and how long is judged with the answers of introspection.
            lenient: Any = dict.fromkeys(("verify_aud", "verify_iss", "verify_exp", "verify_nbf", "verify_iat"), False)
            claims: Claims = jwt.decode(token, key.key, algorithms=_fitting(key), options=lenient)
        except jwt.PyJWTError:
            return _UNSIGNED
        return claims

    def _key(self, jwt: Any, wanted: str | None) -> Any:
        """The key of that name, or the only one; asked for again when it is not there."""
        with self._lock:
            age = self._now() - self._keys_of
            if self._keys is None or age > KEEP_KEYS or (age > ASK_AGAIN and not _named(self._keys, wanted)):
                document = self._fetch(urllib.request.Request(self._rules.jwks, headers={"Accept": "application/json"}))
                self._keys, self._keys_of = jwt.PyJWKSet.from_dict(document), self._now()
            return _named(self._keys, wanted)

    def _fetch(self, request: urllib.request.Request) -> dict[str, Any]:
        with self._opener.open(request, timeout=self._rules.timeout) as answer:
            octets = answer.read(MOST + 1)
        if len(octets) > MOST:
            raise ValueError("the answer is too long")
        document = json.loads(octets)
        if not isinstance(document, dict):
            raise ValueError("the answer is no JSON object")
        return document


def _named(keys: Any, wanted: str | None) -> Any:
    if wanted is None:
        return keys.keys[0] if len(keys.keys) == 1 else None
    return next((key for key in keys.keys if key.key_id == wanted), None)


def _fitting(key: Any) -> list[str]:
    """What this key may sign with: an RSA key is never taken for a shared secret (RFC 8725 §3.1)."""
    named = key.algorithm_name
    return [named] if named in ALGORITHMS else []


def token_checker(rules: Oauth) -> TokenChecker | None:
    """None where no authority is named."""
    return TokenChecker(rules) if rules.introspection or rules.jwks else None
