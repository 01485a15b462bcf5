"""What each kind of listener is (a table; words).

mx takes mail from the Internet and is strict. submission takes new mail from users: it accepts
what people type and completes what their programs left out (RFC 6409 §8); submissions is the same
with TLS from the first octet (RFC 8314 §3.3). lmtp takes mail from a
mail server beside us and answers for each recipient (RFC 2033).
"""

from __future__ import annotations

from typing import Final

from eilpost.config.schema import Limits, Role
from eilpost.mail.value import value
from eilpost.smtp.commands import Dialect
from eilpost.smtp.extensions import STANDARD
from eilpost.smtp.server import ServerSettings


@value(frozen=True, slots=True)
class RoleRow:
    """One row. ``typed``: forms that people type; ``repairs``: new messages are completed.

    ``implicit``: TLS from the first octet; ``starttls``: TLS is offered; ``asks``: users may show a certificate.
    """

    role: Role
    dialect: Dialect
    typed: bool
    repairs: bool
    implicit: bool = False
    starttls: bool = False
    asks: bool = False

    @property
    def name(self) -> str:
        """As the configuration and the log spell it."""
        return _NAMES[self.role]


_NAMES: Final = {role: role.value for role in Role}  # an enum's value is slow to get at

ROLES: Final[dict[Role, RoleRow]] = {
    row.role: row
    for row in (
        RoleRow(Role.MX, Dialect.SMTP, typed=False, repairs=False, starttls=True),
        RoleRow(Role.SUBMISSION, Dialect.SMTP, typed=True, repairs=True, starttls=True, asks=True),
        RoleRow(Role.SUBMISSIONS, Dialect.SMTP, typed=True, repairs=True, implicit=True, asks=True),
        RoleRow(Role.LMTP, Dialect.LMTP, typed=False, repairs=False),
    )
}


def server_settings(
    row: RoleRow,
    limits: Limits,
    *,
    mechanisms: tuple[str, ...] = (),
    old_auth: bool = False,
    takes_logins: bool = False,
    starttls: bool = False,
    extras: frozenset[str] = frozenset(),
) -> ServerSettings:
    """What the role's machines are told; the limits are announced (RFC 9422).

    ``takes_logins``: AUTH is understood also where nothing is announced, so that it gets its own answer.
    ``starttls``: there is a certificate, and the connection is in clear.
    ``extras`` are what this client may use beside.
    """
    more = {keyword for keyword, is_so in (("AUTH", takes_logins), ("STARTTLS", starttls and row.starttls)) if is_so}
    return ServerSettings(
        extensions=STANDARD | more | extras,
        hold=int(limits.hold),
        mechanisms=mechanisms,
        old_auth=old_auth,
        dialect=row.dialect,
        message_size=limits.message_size,
        line=limits.line,
        typed=row.typed,
        limits=(f"RCPTMAX={limits.recipients}", f"MAILMAX={limits.messages_per_session}"),
    )
