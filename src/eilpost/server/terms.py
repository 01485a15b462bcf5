"""What all sessions of one server share, and what they offer when (words; decisions)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any, Final

from eilpost.mail.value import value
from eilpost.sasl.mechanisms import offer
from eilpost.server.limits import Deadlines, Limits
from eilpost.smtp.commands import Dialect
from eilpost.smtp.server import ServerSettings

DEFAULT_MECHANISMS: Final = ("SCRAM-SHA-256", "PLAIN", "LOGIN")
_PROTOCOLS: Final[Mapping[Dialect, str]] = {Dialect.SMTP: "ESMTP", Dialect.LMTP: "LMTP"}


@value(frozen=True, slots=True)
class Terms:
    """Decided once per server.

    ``settings`` hold from the greeting on, ``secured`` after STARTTLS. ``tls`` is the SSLContext for
    it. ``mechanisms`` are all that are enabled, be they offered now or only over TLS. ``transcript``
    is how many octets of a session are kept; 0 keeps none.
    """

    hostname: str
    banner: str
    settings: ServerSettings
    secured: ServerSettings
    limits: Limits
    deadlines: Deadlines
    tls: Any = None
    implicit_tls: bool = False
    tls_required: bool = False
    login_required: bool = False
    mechanisms: tuple[str, ...] = ()
    accounts: Mapping[str, str] = field(default_factory=dict, repr=False)
    transcript: int = 0


def make_terms(
    hostname: str,
    banner: str,
    dialect: Dialect,
    *,
    extensions: frozenset[str],
    typed: bool,
    tls: Any,
    implicit_tls: bool,
    tls_required: bool,
    accounts: Mapping[str, str] | None,
    mechanisms: tuple[str, ...] | None,
    plain_text: bool,
    login_required: bool,
    limits: Limits,
    deadlines: Deadlines,
    transcript: int,
) -> Terms:
    """The terms for what ``Server`` was told."""
    enabled = (DEFAULT_MECHANISMS if accounts else ()) if mechanisms is None else mechanisms
    before = ServerSettings(
        dialect=dialect,
        extensions=_offered(extensions, starttls=tls is not None and not implicit_tls, auth=bool(enabled)),
        message_size=limits.message_size,
        line=limits.line,
        typed=typed,
        mechanisms=offer(enabled, secured=implicit_tls, plain_text=plain_text, bindings=implicit_tls),
    )
    secured = replace(before, mechanisms=offer(enabled, secured=True, bindings=True))
    return Terms(
        hostname=hostname,
        banner=f"{hostname} {banner or _PROTOCOLS[dialect] + ' Eilpost'}",
        settings=before,
        secured=secured,
        limits=limits,
        deadlines=deadlines,
        tls=tls,
        implicit_tls=implicit_tls,
        tls_required=tls_required,
        login_required=login_required,
        mechanisms=enabled,
        accounts=accounts or {},
        transcript=transcript,
    )


def _offered(extensions: frozenset[str], *, starttls: bool, auth: bool) -> frozenset[str]:
    """AUTH is understood where it is offered only over TLS, so that its refusal can say so."""
    more = {keyword for keyword, wanted in (("STARTTLS", starttls), ("AUTH", auth)) if wanted}
    return (extensions - {"STARTTLS", "AUTH"}) | more
