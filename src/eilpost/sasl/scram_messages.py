"""The four messages of SCRAM, RFC 5802 §7, read and written (a grammar).

What does not fit is None. Extensions that need not be understood are skipped; ``m=``, which must
be, is refused (RFC 5802 §5.1).
"""

from __future__ import annotations

import binascii
import re
from typing import Final

from eilpost.mail.value import value
from eilpost.sasl.words import MAX_NAME

MAX_SCRAM: Final = 4096  # octets of one message
MAX_NONCE: Final = 512  # characters
MAX_SALT: Final = 1024  # octets

_NAME: Final = r"(?:[^\0=,]|=2C|=3D)+"
_NONCE: Final = rf"[!-+\--~]{{1,{MAX_NONCE}}}"
_EXTENSIONS: Final = r"(?:,[A-Za-z]=[^\0,]+)*"
_BASE64: Final = r"[A-Za-z0-9+/]+={0,2}"
_CLIENT_FIRST: Final = re.compile(
    rf"(?P<header>(?P<flag>[ny]|p=(?P<kind>[A-Za-z0-9.-]{{1,64}})),(?:a=(?P<authorize>{_NAME}))?,)"
    rf"(?P<bare>n=(?P<name>{_NAME}),r=(?P<nonce>{_NONCE}){_EXTENSIONS})"
)
_SERVER_FIRST: Final = re.compile(
    rf"r=(?P<nonce>{_NONCE}),s=(?P<salt>{_BASE64}),i=(?P<iterations>[1-9][0-9]{{0,9}}){_EXTENSIONS}"
)
_CLIENT_FINAL: Final = re.compile(
    rf"(?P<unproved>c=(?P<binding>{_BASE64}),r=(?P<nonce>{_NONCE}){_EXTENSIONS}),p=(?P<proof>{_BASE64})"
)
_SERVER_FINAL: Final = re.compile(rf"(?:v=(?P<signature>{_BASE64})|e=(?P<error>[^\0,]+)){_EXTENSIONS}")


@value(frozen=True, slots=True)
class ClientFirst:
    """Who the client is, and its flag for channel bindings: "n", "y" or "p"."""

    header: str
    flag: str
    kind: str
    authorize: str
    name: str
    nonce: str
    bare: str


@value(frozen=True, slots=True)
class ServerFirst:
    """How to make keys of the password."""

    nonce: str
    salt: bytes
    iterations: int


@value(frozen=True, slots=True)
class ClientFinal:
    """The proof, and what it is a proof of."""

    binding: bytes
    nonce: str
    proof: bytes
    unproved: str


@value(frozen=True, slots=True)
class ServerFinal:
    """The server's own proof, or why it refuses."""

    signature: bytes
    error: str


def read_client_first(octets: bytes) -> ClientFirst | None:
    """``n,a=authzid,n=user,r=nonce``."""
    found = _CLIENT_FIRST.fullmatch(_text(octets))
    if found is None or len(found["name"]) > 3 * MAX_NAME:
        return None
    return ClientFirst(
        found["header"], found["flag"][0], found["kind"] or "", unescape(found["authorize"] or ""),
        unescape(found["name"]), found["nonce"], found["bare"],
    )  # fmt: skip


def read_server_first(octets: bytes) -> ServerFirst | None:
    """``r=nonce,s=salt,i=iterations``."""
    found = _SERVER_FIRST.fullmatch(_text(octets))
    salt = unbase64(found["salt"]) if found else None
    if found is None or salt is None or len(salt) > MAX_SALT:
        return None
    return ServerFirst(found["nonce"], salt, int(found["iterations"]))


def read_client_final(octets: bytes) -> ClientFinal | None:
    """``c=binding,r=nonce,p=proof``."""
    found = _CLIENT_FINAL.fullmatch(_text(octets))
    if found is None:
        return None
    binding, proof = unbase64(found["binding"]), unbase64(found["proof"])
    if binding is None or proof is None:
        return None
    return ClientFinal(binding, found["nonce"], proof, found["unproved"])


def read_server_final(octets: bytes) -> ServerFinal | None:
    """``v=signature`` or ``e=error``."""
    found = _SERVER_FINAL.fullmatch(_text(octets))
    if found is None:
        return None
    if found["error"]:
        return ServerFinal(b"", found["error"])
    signature = unbase64(found["signature"])
    return None if signature is None else ServerFinal(signature, "")


def escape(name: str) -> str:
    """A name as it stands in a message: RFC 5802 §5.1."""
    return name.replace("=", "=3D").replace(",", "=2C")


def unescape(name: str) -> str:
    """The name that was escaped."""
    return name.replace("=2C", ",").replace("=3D", "=")


def base64(octets: bytes) -> str:
    """Octets as they stand in a message."""
    return binascii.b2a_base64(octets, newline=False).decode()


def unbase64(text: str) -> bytes | None:
    """The octets; None when the text is not exactly what they are written as (RFC 4648 §3.5)."""
    try:
        octets = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        return None
    return octets if base64(octets) == text else None


def _text(octets: bytes) -> str:
    """The message; empty, which fits nothing, when it is too long or no UTF-8."""
    if len(octets) > MAX_SCRAM:
        return ""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return ""
