"""What aiosmtpd's handlers are given and give back (words)."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, NamedTuple


class _Missing(Enum):
    MISSING = "missing"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing.MISSING
"""What a hook returns to leave the answer to the server."""


class LoginPassword(NamedTuple):
    """The credentials that an authenticator is given; never printed in full."""

    login: bytes
    password: bytes

    def __repr__(self) -> str:
        return f"LoginPassword(login={self.login!r}, password=...)"

    def __str__(self) -> str:
        return repr(self)


class AuthResult:
    """What an authenticator says. ``message`` is a whole reply; ``auth_data`` is kept in the session."""

    __slots__ = ("auth_data", "handled", "message", "success")

    def __init__(
        self, *, success: bool, handled: bool = True, message: str | None = None, auth_data: Any = None
    ) -> None:
        self.success = success
        self.handled = handled
        self.message = message
        self.auth_data = auth_data


class Session:
    """A connected client as hooks see it; they may set attributes of their own."""

    def __init__(self, loop: Any) -> None:
        self.peer: Any = None
        self.ssl: Any = None
        self.host_name: str | None = None
        self.extended_smtp = False
        self.auth_data: Any = None
        self.authenticated: bool | None = None
        self.proxy_data: Any = None
        self.loop = loop


class Envelope:
    """A transaction as hooks see it and fill it; they may set attributes of their own."""

    def __init__(self) -> None:
        self.mail_from: str | None = None
        self.mail_options: list[str] = []
        self.smtp_utf8 = False
        self.content: bytes | str | None = None
        self.original_content: bytes | None = None
        self.rcpt_tos: list[str] = []
        self.rcpt_options: list[str] = []
