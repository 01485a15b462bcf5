"""The mechanisms we know, one row each, the one to prefer first (a table; decisions)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from functools import partial
from typing import Final

from eilpost.mail.value import value
from eilpost.sasl import bearer, cram_md5, external, login, plain, scram
from eilpost.sasl.words import Client, ClientTerms, Credentials, Server, ServerTerms


class Wants(Enum):
    """What a client must have to use a mechanism."""

    PASSWORD = "a user and a password"
    TOKEN = "an OAuth token"
    CERTIFICATE = "a TLS client certificate"


@value(frozen=True, slots=True)
class Mechanism:
    """One row. ``plain_text``: who listens learns the secret, so TLS is needed. ``binding``: it names the channel."""

    name: str
    rfc: str
    wants: Wants
    plain_text: bool
    binding: bool
    server: Callable[[bytes | None, ServerTerms], Server]
    client: Callable[[Credentials, ClientTerms], Client]
    meaning: str
    default: bool = True  # whether a server offers it unless told otherwise


def _scram(name: str, rfc: str, hash_name: str, plus: bool, meaning: str, default: bool) -> Mechanism:
    return Mechanism(
        name, rfc, Wants.PASSWORD, plain_text=False, binding=plus,
        server=partial(scram.server, hash_name=hash_name, plus=plus),
        client=partial(scram.client, hash_name=hash_name, plus=plus),
        meaning=meaning, default=default,
    )  # fmt: skip


MECHANISMS: Final[dict[str, Mechanism]] = {
    row.name: row
    for row in (
        _scram("SCRAM-SHA-256-PLUS", "RFC 7677", "sha256", True,
               "neither side says the password, and both name the TLS connection they see", True),
        _scram("SCRAM-SHA-1-PLUS", "RFC 5802", "sha1", True, "the same with the older hash", False),
        _scram("SCRAM-SHA-256", "RFC 7677", "sha256", False, "neither side says the password", True),
        _scram("SCRAM-SHA-1", "RFC 5802", "sha1", False, "the same with the older hash", False),
        Mechanism("OAUTHBEARER", "RFC 7628", Wants.TOKEN, True, False,
                  bearer.oauthbearer_server, bearer.oauthbearer_client, "a token of an authority"),
        Mechanism("XOAUTH2", "", Wants.TOKEN, True, False,
                  bearer.xoauth2_server, bearer.xoauth2_client, "the same as large providers spell it"),
        Mechanism("EXTERNAL", "RFC 4422", Wants.CERTIFICATE, False, False,
                  external.server, external.client, "the TLS certificate has said who it is"),
        Mechanism("CRAM-MD5", "RFC 2195", Wants.PASSWORD, False, False,
                  cram_md5.server, cram_md5.client, "a digest; the server must keep the password itself", False),
        Mechanism("PLAIN", "RFC 4616", Wants.PASSWORD, True, False,
                  plain.server, plain.client, "the password as it is"),
        Mechanism("LOGIN", "", Wants.PASSWORD, True, False,
                  login.server, login.client, "the same in two messages, for old clients"),
    )
}  # fmt: skip

DEFAULT: Final = tuple(name for name, row in MECHANISMS.items() if row.default)


def offer(
    enabled: Iterable[str],
    *,
    secured: bool,
    plain_text: bool = False,
    bindings: bool = False,
    certificate: bool = False,
) -> tuple[str, ...]:
    """What a server announces, in its own order. ``plain_text``: even without TLS, as an explicit setting says."""
    return tuple(
        row.name
        for row in (MECHANISMS[name] for name in enabled)
        if (secured or plain_text or not row.plain_text)
        and (bindings or not row.binding)
        and (certificate or row.wants is not Wants.CERTIFICATE)
    )
