"""What each kind of listener is (a table; words).

mx takes mail from the Internet and is strict. submission takes new mail from users: it accepts
what people type and completes what their programs left out (RFC 6409 §8). lmtp takes mail from a
mail server beside us and answers for each recipient (RFC 2033).
"""

from __future__ import annotations

from typing import Final

from eilpost.config.schema import Limits, Role
from eilpost.mail.value import value
from eilpost.smtp.commands import Dialect
from eilpost.smtp.server import ServerSettings


@value(frozen=True, slots=True)
class RoleRow:
    """One row. ``typed``: forms that people type; ``repairs``: new messages are completed."""

    role: Role
    dialect: Dialect
    typed: bool
    repairs: bool

    @property
    def name(self) -> str:
        """As the configuration and the log spell it."""
        return _NAMES[self.role]


_NAMES: Final = {role: role.value for role in Role}  # an enum's value is slow to get at

ROLES: Final[dict[Role, RoleRow]] = {
    row.role: row
    for row in (
        RoleRow(Role.MX, Dialect.SMTP, typed=False, repairs=False),
        RoleRow(Role.SUBMISSION, Dialect.SMTP, typed=True, repairs=True),
        RoleRow(Role.LMTP, Dialect.LMTP, typed=False, repairs=False),
    )
}


def server_settings(row: RoleRow, limits: Limits) -> ServerSettings:
    """What the role's machines are told; the limits are announced (RFC 9422)."""
    return ServerSettings(
        dialect=row.dialect,
        message_size=limits.message_size,
        line=limits.line,
        typed=row.typed,
        limits=(f"RCPTMAX={limits.recipients}", f"MAILMAX={limits.messages_per_session}"),
    )
