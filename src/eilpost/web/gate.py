"""Who may ask the page and the API, and from where (decisions).

Three attacks come through a developer's own browser: another site's page that sends a request (F179), one that opens
an event stream (F180), and a name that suddenly points at loopback (F182). None can forge ``Host``, ``Origin`` or
``Sec-Fetch-Site``; programs, which send none of the last two, are not in anybody's browser.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Mapping
from enum import Enum
from typing import Final

from eilpost.mail.value import value

LOOPBACK_NAMES: Final = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SAME: Final = frozenset({"same-origin", "none"})


class Refusal(Enum):
    """Why a request is turned away, with what to do about it; the value is (code, text)."""

    __hash__ = object.__hash__

    HOST = (421, "This name is not one of this server's; add it with --http-name if it is")
    ORIGIN = (403, "Requests from other sites are not allowed; add the site with --http-origin if it is yours")
    SIGN_IN = (401, "Sign in with a name and a password, or with a bearer token")
    TOO_MANY = (429, "Too many wrong passwords from this address; wait a minute")


@value(frozen=True, slots=True)
class Rules:
    """``names`` are hosts besides loopback, IP addresses and names without a dot; ``origins`` other sites allowed."""

    names: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()


def refuse(rules: Rules, method: str, path: str, headers: Mapping[str, str]) -> Refusal | None:
    """Why this request is turned away before anybody asks who it is; None: it is not."""
    host = headers.get("host", "")
    if not is_ours(rules, host):
        return Refusal.HOST
    if method in SAFE_METHODS and not _is_guarded(path):
        return None
    return None if _is_same(rules, host, headers) else Refusal.ORIGIN


def _is_guarded(path: str) -> bool:
    """Reading by another site is harmless where the browser keeps the answer from it; streams and data are guarded."""
    return path.startswith("/api/") or path in ("/stream", "/list")


def is_ours(rules: Rules, host: str) -> bool:
    """Names in public DNS may be pointed anywhere; addresses, and names without a dot, may not (F182)."""
    name = _host_name(host)
    if name in LOOPBACK_NAMES or name in rules.names or name.endswith(".localhost"):
        return True
    if is_address(name):
        return True
    return bool(name) and "." not in name and name.replace("-", "").replace("_", "").isalnum()


def _host_name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().removesuffix(".")


def is_address(name: str) -> bool:
    """True for an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """True when only this machine can reach what listens there."""
    if host in LOOPBACK_NAMES:
        return True
    return is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_same(rules: Rules, host: str, headers: Mapping[str, str]) -> bool:
    origin = headers.get("origin")
    if origin is not None and origin in rules.origins:
        return True
    if origin is not None and origin.partition("://")[2].lower() != host.lower():
        return False  # "null" too: a sandboxed frame is another site
    return headers.get("sec-fetch-site", "none") in _SAME


@value(frozen=True, slots=True)
class SignIn:
    """What a request shows of who asks; an empty ``name`` is a bearer token."""

    name: str
    secret: str

    def __repr__(self) -> str:
        return f"SignIn({self.name!r}, ...)"


def sign_in(authorization: str) -> SignIn | None:
    """What an Authorization field says; None when it says nothing that can be understood."""
    scheme, _, rest = authorization[:4_000].partition(" ")
    match scheme.lower():
        case "bearer" if rest.strip():
            return SignIn("", rest.strip())
        case "basic":
            try:
                text = base64.b64decode(rest.strip(), validate=True).decode()
            except (binascii.Error, ValueError):
                return None
            name, colon, secret = text.partition(":")
            return SignIn(name, secret) if colon and name else None
        case _:
            return None
