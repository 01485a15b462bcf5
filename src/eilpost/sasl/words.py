"""What a login exchange says and asks (words).

A mechanism is a generator. On the **server** it yields a ``Challenge`` and is sent the client's
octets, or it yields an ``Ask`` and is sent the directory's answer; it returns ``Success`` or
``Failure``. A directory may answer any ``Ask`` with a ``Failure``, which ends the exchange. On the
**client** it yields a ``Response`` and is sent the server's challenge; it returns a ``Failure`` when
it does not want to go on. No mishap of the peer is an exception.

::

    CheckPassword, CheckToken, CheckCertificate   ->  Granted | Failure
    FindScram                                     ->  ScramKeys | Failure
    FindSecret                                    ->  Secret | Failure

Nothing here shows a secret when it is printed.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import field
from enum import Enum
from typing import Final, Literal

from eilpost.mail.value import value

MAX_NAME: Final = 320  # octets of UTF-8 in a user's name: RFC 5321 §4.5.3.1, 64 + 1 + 255
MAX_PASSWORD: Final = 1024  # octets of UTF-8
MAX_TOKEN: Final = 8192  # characters of a bearer token; a large signed one has some 4,000
MAX_MESSAGE: Final = 9216  # octets of one challenge or response: RFC 4954 §4 wants 12,288 of base64


class Reason(Enum):
    """Why an exchange failed; the value is for our own log, a peer is told one text for CREDENTIALS."""

    CREDENTIALS = "the credentials were not accepted"
    MALFORMED = "a message breaks the mechanism's grammar"
    CANCELLED = "the client cancelled"
    UNAVAILABLE = "the directory cannot answer now"
    THROTTLED = "too many failures from there, or for that account"
    BINDING = "the channel binding does not fit the connection"
    IMPOSTOR = "the server did not prove that it knows the password"
    UNFIT = "the mechanism cannot be used with what is at hand"


@value(frozen=True, slots=True)
class Success:
    """The exchange is over and the client is ``account`` (an address, as the directory spells it)."""

    account: str


@value(frozen=True, slots=True)
class Failure:
    """The exchange is over and nobody is logged in; ``detail`` is for our own log and holds no secret."""

    reason: Reason
    detail: str = ""


# ------------------------------------------------------------------------------------ what goes over the line


@value(frozen=True, slots=True)
class Challenge:
    """What the server says next, before base64."""

    octets: bytes = field(repr=False)


@value(frozen=True, slots=True)
class Response:
    """What the client says next, before base64; None: nothing yet, the server speaks first.

    ``complete``: the server may now declare success. A success that comes sooner is an impostor's.
    """

    octets: bytes | None = field(repr=False)
    complete: bool = False


# ------------------------------------------------------------------------------ what the directory must answer


@value(frozen=True, slots=True)
class CheckPassword:
    """Is this the password of this user? ``name`` is as the client spelled it."""

    name: str
    password: str = field(repr=False)


@value(frozen=True, slots=True)
class FindScram:
    """The SCRAM keys of this user; ``hash_name`` is "sha1" or "sha256". Unknown users get ``fake`` keys."""

    name: str
    hash_name: str


@value(frozen=True, slots=True)
class FindSecret:
    """The shared secret of this user, for CRAM-MD5 and APOP. Unknown users get a fake one."""

    name: str


@value(frozen=True, slots=True)
class CheckToken:
    """Whose bearer token is this? ``name`` is the user whom the client claims to be, perhaps empty."""

    name: str
    token: str = field(repr=False)


@value(frozen=True, slots=True)
class CheckCertificate:
    """May who holds this verified certificate be ``name``? An empty name: whoever the certificate says."""

    name: str
    certificate: Certificate


Ask = CheckPassword | FindScram | FindSecret | CheckToken | CheckCertificate
ASKS: Final = (CheckPassword, FindScram, FindSecret, CheckToken, CheckCertificate)


# ---------------------------------------------------------------------------------- what the directory answers


@value(frozen=True, slots=True)
class Granted:
    """Yes: they are ``account``."""

    account: str


@value(frozen=True, slots=True)
class ScramKeys:
    """What RFC 5802 §3 stores for a password. ``account`` is None in a fake: the exchange goes on and fails."""

    account: str | None
    salt: bytes
    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


@value(frozen=True, slots=True)
class Secret:
    """The password itself, as CRAM-MD5 and APOP need it. ``account`` is None in a fake."""

    account: str | None
    octets: bytes = field(repr=False)


# ------------------------------------------------------------------------------- what both know of the connection

# RFC 9266; RFC 5929 §3, which TLS 1.2 alone has; RFC 5929 §4, which proves the server's certificate alone.
BindingKind = Literal["tls-exporter", "tls-unique", "tls-server-end-point"]


@value(frozen=True, slots=True)
class ChannelBinding:
    """One name of the TLS connection that both sides compute: RFC 5802 §6."""

    kind: BindingKind
    octets: bytes


@value(frozen=True, slots=True)
class Certificate:
    """A client's certificate that the TLS layer has verified: its names and its SHA-256 in hexadecimal."""

    fingerprint: str
    names: tuple[str, ...] = ()


@value(frozen=True, slots=True)
class ServerTerms:
    """What a server mechanism is given: all randomness, and the facts of the connection.

    ``nonce`` is fresh for each exchange: at least 18 octets of randomness in characters of
    hexadecimal or base64. ``binding_offered``: a -PLUS mechanism was announced to this client.
    ``discovery`` is where a client without a valid token may get one (RFC 7628 §3.2.2).
    """

    nonce: str = field(repr=False)
    hostname: str = "localhost"
    bindings: tuple[ChannelBinding, ...] = ()
    binding_offered: bool = False
    certificate: Certificate | None = None
    discovery: str = ""
    scope: str = ""


@value(frozen=True, slots=True)
class ClientTerms:
    """What a client mechanism is given: randomness, and what it knows of the connection and the server."""

    nonce: str = field(repr=False)
    host: str = ""
    port: int = 0
    bindings: tuple[ChannelBinding, ...] = ()
    binding_offered: bool = False  # the server announced a -PLUS mechanism


@value(frozen=True, slots=True)
class Credentials:
    """Who a client is. ``authorize`` asks to act as somebody else; usually empty."""

    user: str
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    authorize: str = ""


# ----------------------------------------------------------------------------------------------- the generators

ServerStep = Challenge | CheckPassword | FindScram | FindSecret | CheckToken | CheckCertificate
Answer = bytes | Granted | ScramKeys | Secret | Failure
Result = Success | Failure
Server = Generator[ServerStep, Answer, Result]
Client = Generator[Response, bytes, Failure]
