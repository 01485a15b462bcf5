"""What an authority says of a bearer token, and whose login that is (decisions)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from eilpost.config.schema import Oauth
from eilpost.directory.names import fold
from eilpost.mail.address import Address, AddressError, parse_address
from eilpost.sasl.words import Failure, Granted, Reason

LEEWAY: Final = 30.0  # seconds by which two clocks may differ

Claims = Mapping[str, Any]


def judge(claims: Claims, name: str, rules: Oauth, now: float) -> Granted | Failure:
    """Who holds this token; ``name`` is whom the client claims to be, perhaps nobody."""
    why = _objection(claims, rules, now)
    if why:
        return Failure(Reason.CREDENTIALS, why)
    account = _address(claims.get(rules.claim))
    if account is None:
        return Failure(Reason.CREDENTIALS, f"the token's {rules.claim!r} is no address")
    if name and not _same(_address(name), account):
        return Failure(Reason.CREDENTIALS, "the token is somebody else's")
    return Granted(str(account))


def _objection(claims: Claims, rules: Oauth, now: float) -> str:
    """Why the token counts for nothing here; empty when it counts."""
    expires, begins = claims.get("exp"), claims.get("nbf", 0)
    if not isinstance(expires, int | float) or expires + LEEWAY <= now:
        return "the token has expired, or never does"
    if not isinstance(begins, int | float) or begins - LEEWAY > now:
        return "the token is not valid yet"
    if rules.issuer and claims.get("iss") != rules.issuer:
        return "the token is of another issuer"
    if rules.audience and rules.audience not in _words(claims.get("aud")):
        return "the token is for another audience"
    if rules.scope and rules.scope not in _words(claims.get("scope")):
        return f"the token's scope is not {rules.scope}"
    return ""


def _words(value: Any) -> tuple[str, ...]:
    """RFC 7662 §2.2 has blanks between scopes; an audience may be one or a list (RFC 7519 §4.1.3)."""
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _address(value: Any) -> Address | None:
    try:
        return parse_address(value) if isinstance(value, str) else None
    except AddressError:
        return None


def _same(left: Address | None, right: Address) -> bool:
    return left is not None and left.domain == right.domain and fold(left.local_part) == fold(right.local_part)
