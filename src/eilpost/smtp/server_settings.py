"""What one listener's machines have in common (words)."""

from __future__ import annotations

from functools import lru_cache

from eilpost.mail.value import value
from eilpost.smtp.commands import Dialect
from eilpost.smtp.extensions import ALL, parameters_of


@value(frozen=True, slots=True)
class ServerSettings:
    """What one listener's machines have in common; limits are octets.

    ``typed`` allows the forms that people type. ``limits`` are the words of the LIMITS extension
    (RFC 9422), such as ``RCPTMAX=100``.
    """

    dialect: Dialect = Dialect.SMTP
    extensions: frozenset[str] = ALL
    message_size: int = 25_000_000
    line: int = 4096
    typed: bool = False
    limits: tuple[str, ...] = ()

    def keywords(self) -> tuple[str, ...]:
        """What EHLO announces, a line each."""
        return _keywords(self)


@lru_cache(maxsize=64)
def _keywords(settings: ServerSettings) -> tuple[str, ...]:
    arguments = {"SIZE": f"SIZE {settings.message_size}", "LIMITS": " ".join(("LIMITS", *settings.limits))}
    offered = sorted(settings.extensions - (set() if settings.limits else {"LIMITS"}))
    return tuple(arguments.get(keyword, keyword) for keyword in offered)


@lru_cache(maxsize=64)
def allowed(extensions: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The parameters that MAIL and RCPT may carry when these extensions are offered."""
    return parameters_of("MAIL", extensions), parameters_of("RCPT", extensions)
