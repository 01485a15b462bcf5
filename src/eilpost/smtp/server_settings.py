"""What one listener's machines have in common (words)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from eilpost.mail.value import value
from eilpost.smtp.claims import ATTRIBUTES
from eilpost.smtp.commands import COMMANDS, Command, Dialect, Verb
from eilpost.smtp.extensions import EXTENSIONS, STANDARD, parameters_of
from eilpost.smtp.wishes import write_moment


@value(frozen=True, slots=True)
class ServerSettings:
    """What one listener's machines have in common; limits are octets.

    ``typed`` allows the forms that people type. ``limits`` are the words of the LIMITS extension
    (RFC 9422), such as ``RCPTMAX=100``. ``mechanisms`` are those that AUTH announces; with ``old_auth``
    once more in the spelling ``AUTH=`` for clients from before RFC 4954. Where there are none, AUTH is
    not offered; with ``AUTH`` among the extensions it is understood all the same, and not announced.
    ``hold`` is the longest FUTURERELEASE in seconds, ``deliver_by`` the shortest time of DELIVERBY (0: none is
    announced), ``priorities`` the profile of MT-PRIORITY, ``solicitations`` the classes that NO-SOLICITING refuses.
    """

    dialect: Dialect = Dialect.SMTP
    extensions: frozenset[str] = STANDARD
    message_size: int = 25_000_000
    line: int = 4096
    typed: bool = False
    limits: tuple[str, ...] = ()
    mechanisms: tuple[str, ...] = ()
    old_auth: bool = False
    hold: int = 604_800
    deliver_by: int = 0
    priorities: str = ""
    solicitations: tuple[str, ...] = ()

    def keywords(self, now: int = 0) -> tuple[str, ...]:
        """What EHLO announces, a line each; ``now`` is Unix time, for the latest moment of FUTURERELEASE."""
        if "FUTURERELEASE" not in self.extensions:
            return _keywords(self)
        latest = write_moment(datetime.fromtimestamp(now + self.hold, UTC)) if now else _FAR
        return (*_keywords(self), f"FUTURERELEASE {self.hold} {latest}")  # RFC 4865 §3


_FAR: Final = "9999-12-31T23:59:59Z"
_VERBS_OF: Final = {verb: row.keyword for row in EXTENSIONS.values() for verb in row.verbs}


@lru_cache(maxsize=64)
def offered(settings: ServerSettings) -> frozenset[str]:
    """The extensions whose verbs and parameters are understood after EHLO."""
    return settings.extensions | {"AUTH"} if settings.mechanisms else settings.extensions


@lru_cache(maxsize=64)
def commands(settings: ServerSettings) -> Mapping[str, Command]:
    """The verbs that are understood."""
    # BDAT has its row even where CHUNKING is not offered: its octets must not be taken for commands (F020).
    known = offered(settings) | {"CHUNKING"}
    return MappingProxyType(
        {
            verb: row
            for verb, row in COMMANDS.items()
            if settings.dialect in row.dialects and (verb not in _VERBS_OF or _VERBS_OF[verb] in known)
        }
    )


@lru_cache(maxsize=64)
def allowed(extensions: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The parameters that MAIL and RCPT may carry when these extensions are offered."""
    return parameters_of("MAIL", extensions), parameters_of("RCPT", extensions)


@lru_cache(maxsize=64)
def _keywords(settings: ServerSettings) -> tuple[str, ...]:
    arguments = {
        "SIZE": f"SIZE {settings.message_size}",
        "LIMITS": " ".join(("LIMITS", *settings.limits)),
        "AUTH": " ".join(("AUTH", *settings.mechanisms)),
        "DELIVERBY": f"DELIVERBY {settings.deliver_by}" if settings.deliver_by else "DELIVERBY",  # RFC 2852 §3
        "MT-PRIORITY": f"MT-PRIORITY {settings.priorities}".rstrip(),  # RFC 6710 §3
        "NO-SOLICITING": f"NO-SOLICITING {','.join(settings.solicitations)}".rstrip(),  # RFC 3865 §2
        "XCLIENT": " ".join(("XCLIENT", *ATTRIBUTES[Verb.XCLIENT])),
        "XFORWARD": " ".join(("XFORWARD", *ATTRIBUTES[Verb.XFORWARD])),
    }
    silent = {"FUTURERELEASE"} | {
        keyword for keyword, words in (("LIMITS", settings.limits), ("AUTH", settings.mechanisms)) if not words
    }
    lines = [arguments.get(keyword, keyword) for keyword in sorted(offered(settings) - silent)]
    if settings.mechanisms and settings.old_auth:
        lines.append("AUTH=" + " ".join(settings.mechanisms))
    return tuple(lines)
