"""OAUTHBEARER (RFC 7628) and XOAUTH2: a token of an authority that the server trusts (a grammar).

They differ in spelling. A server that refuses says so in JSON, the client answers with one more
message that says nothing, and then the exchange fails.
"""

from __future__ import annotations

import json
import re
from typing import Final

from eilpost.sasl.prepare import user_name
from eilpost.sasl.scram_messages import escape, unescape
from eilpost.sasl.steps import challenge, check
from eilpost.sasl.words import (
    MAX_MESSAGE,
    MAX_NAME,
    MAX_TOKEN,
    CheckToken,
    Client,
    ClientTerms,
    Credentials,
    Failure,
    Reason,
    Response,
    Server,
    ServerTerms,
    Success,
)

_TOKEN: Final = r"[A-Za-z0-9._~+/-]+={0,2}"  # b64token, RFC 6750 §2.1
# RFC 7628 §3.1: a GS2 header, then key=value pairs, each ended by ^A, and ^A at the end.
_OAUTHBEARER: Final = re.compile(
    r"[ny],(?:a=(?P<name>(?:[^\0=,\x01]|=2C|=3D)+))?,\x01(?P<pairs>(?:[A-Za-z]+=[\x20-\x7e\r\n\t]*\x01)+)\x01"
)
_XOAUTH2: Final = re.compile(r"user=(?P<name>[^\0\x01]*)\x01(?P<pairs>(?:[A-Za-z]+=[\x20-\x7e]*\x01)+)\x01")
_BEARER: Final = re.compile(rf"[Bb][Ee][Aa][Rr][Ee][Rr] +(?P<token>{_TOKEN}) *")


def oauthbearer_server(initial: bytes | None, terms: ServerTerms) -> Server:
    """``n,a=user,^Ahost=…^Aport=…^Aauth=Bearer token^A^A``."""
    refusal = {"status": "invalid_token", "scope": terms.scope, "openid-configuration": terms.discovery}
    return _server(initial, _OAUTHBEARER, refusal)


def xoauth2_server(initial: bytes | None, terms: ServerTerms) -> Server:
    """``user=name^Aauth=Bearer token^A^A``."""
    return _server(initial, _XOAUTH2, {"status": "401", "schemes": "bearer", "scope": terms.scope})


def _server(initial: bytes | None, grammar: re.Pattern[str], refusal: dict[str, str]) -> Server:
    octets = initial if initial is not None else (yield from challenge(b""))
    if isinstance(octets, Failure):
        return octets
    asked = _read(octets, grammar)
    if isinstance(asked, Failure):
        return asked
    answer = yield from check(asked)
    if isinstance(answer, Failure) and answer.reason is Reason.CREDENTIALS:
        told = {key: text for key, text in refusal.items() if text}
        # RFC 7628 §3.2.3: whatever the client says to this, the exchange has failed.
        yield from challenge(json.dumps(told, separators=(",", ":")).encode())
        return answer
    return answer if isinstance(answer, Failure) else Success(answer.account)


def _read(octets: bytes, grammar: re.Pattern[str]) -> CheckToken | Failure:
    """The token, and the name that the client gives itself."""
    try:
        found = grammar.fullmatch(octets.decode()) if len(octets) <= MAX_MESSAGE else None
    except UnicodeDecodeError:
        found = None
    if found is None:
        return Failure(Reason.MALFORMED, "no message of a bearer")
    pairs = [pair.partition("=") for pair in found["pairs"].split("\x01") if pair]
    bearers = [_BEARER.fullmatch(text) for key, _, text in pairs if key.lower() == "auth"]
    if len(bearers) != 1 or bearers[0] is None or len(bearers[0]["token"]) > MAX_TOKEN:
        return Failure(Reason.MALFORMED, "not one bearer token")
    spelled = unescape(found["name"] or "") if grammar is _OAUTHBEARER else found["name"]
    name = user_name(spelled.encode()) if spelled else ""
    if name is None:
        return Failure(Reason.CREDENTIALS, "a name that nobody can have")
    return CheckToken(name, bearers[0]["token"])


def oauthbearer_client(credentials: Credentials, terms: ClientTerms) -> Client:
    """RFC 7628 §3.1; host and port say for which server the token is meant to be used."""
    name = credentials.authorize or credentials.user
    where = f"host={terms.host}\x01port={terms.port}\x01" if terms.host and terms.port else ""
    header = f"n,a={escape(name)}," if name else "n,,"
    return _client(credentials, f"{header}\x01{where}auth=Bearer {credentials.token}\x01\x01", b"\x01")


def xoauth2_client(credentials: Credentials, terms: ClientTerms) -> Client:
    """The spelling from before there was a standard."""
    return _client(credentials, f"user={credentials.user}\x01auth=Bearer {credentials.token}\x01\x01", b"")


def _client(credentials: Credentials, message: str, resigned: bytes) -> Client:
    token, names = credentials.token or "", credentials.user + credentials.authorize
    fits = re.fullmatch(_TOKEN, token) and len(token) <= MAX_TOKEN and len(credentials.user.encode()) <= MAX_NAME
    if not fits or "\0" in names or "\x01" in names:
        return Failure(Reason.UNFIT, "no token as RFC 6750 §2.1 has it, or a name that cannot be sent")
    told = yield Response(message.encode(), complete=True)
    # Success brings no challenge: this is the server's reason to refuse, and it waits for our nod.
    yield Response(resigned)
    return Failure(Reason.CREDENTIALS, error_status(told))


def error_status(told: bytes) -> str:
    """What a server gives as its reason, cut down to one printable word; empty when there is none."""
    try:
        status = json.loads(told)["status"] if len(told) <= MAX_MESSAGE else ""
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return status[:64] if isinstance(status, str) and status.isascii() and status.isprintable() else ""
