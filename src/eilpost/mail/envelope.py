"""What is around a message: reverse-path, recipients and what the sender asked for (words).

Source: RFC 5321 §2.3.1; RFC 3461 for NOTIFY, RET, ENVID and ORCPT; RFC 6152 and 3030 for BODY;
RFC 6531 for SMTPUTF8.
"""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from enum import Enum
from typing import Final

from eilpost.mail.address import Address
from eilpost.mail.value import value


class Body(Enum):
    """What the sender declared about the octets of the content."""

    __hash__ = object.__hash__  # as good for singletons, and what Enum has is Python, for each look-up

    SEVEN_BIT = "7BIT"
    EIGHT_BIT = "8BITMIME"
    BINARY = "BINARYMIME"


class Ret(Enum):
    """How much of the message a failure report returns, RFC 3461 §4.3."""

    __hash__ = object.__hash__  # as good for singletons, and what Enum has is Python, for each look-up

    FULL = "FULL"
    HEADERS = "HDRS"


class Notify(Enum):
    """When a recipient's sender wants a report, RFC 3461 §4.1."""

    __hash__ = object.__hash__  # as good for singletons, and what Enum has is Python, for each look-up

    NEVER = "NEVER"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    DELAY = "DELAY"


@value(frozen=True, slots=True)
class ReversePath:
    """Where reports go; the null reverse-path ``<>`` has no mailbox."""

    mailbox: Address | None

    @property
    def is_null(self) -> bool:
        """True for ``<>``: a report must never be sent there (RFC 5321 §4.5.5)."""
        return self.mailbox is None

    def __str__(self) -> str:
        return "<>" if self.mailbox is None else f"<{self.mailbox}>"


NULL_REVERSE_PATH: Final = ReversePath(None)


@value(frozen=True, slots=True)
class ForwardPath:
    """One RCPT's address; ``<postmaster>`` has an empty domain (RFC 5321 §4.5.1)."""

    mailbox: Address

    @property
    def is_bare_postmaster(self) -> bool:
        """True for ``<postmaster>`` without a domain."""
        return not self.mailbox.domain

    def __str__(self) -> str:
        return f"<{self.mailbox}>"


class ByMode(Enum):
    """What happens to mail that was not delivered in time, RFC 2852 §4."""

    __hash__ = object.__hash__

    RETURN = "R"
    NOTIFY = "N"


@value(frozen=True, slots=True)
class DeliverBy:
    """BY: seconds from now; ``trace`` asks each relay for a report (RFC 2852 §4)."""

    seconds: int
    mode: ByMode
    trace: bool = False


@value(frozen=True, slots=True)
class ValidSince:
    """RRVS: the mailbox must have been its owner's since then (RFC 7293 §5.1).

    ``may_continue``: a server that does not know RRVS may be given the message all the same.
    """

    moment: datetime
    may_continue: bool = False


@value(frozen=True, slots=True)
class MailParameters:
    """The parameters of MAIL, parsed; the defaults mean: not given.

    ``auth`` is who submitted the message, as the client says (RFC 4954 §5); null for ``<>``. ``hold`` is
    for how many seconds or until when it waits (RFC 4865), ``priority`` lies between -9 and 9 (RFC 6710),
    ``require_tls`` is RFC 8689, ``solicit`` names classes of advertising (RFC 3865).
    """

    size: int | None = None
    body: Body | None = None
    smtputf8: bool = False
    ret: Ret | None = None
    envid: str | None = None
    auth: ReversePath | None = None
    hold: int | datetime | None = None
    deliver_by: DeliverBy | None = None
    priority: int | None = None
    require_tls: bool = False
    solicit: tuple[str, ...] = ()


@value(frozen=True, slots=True)
class RcptParameters:
    """The parameters of RCPT, parsed; ``orcpt`` is ``type;address`` with xtext decoded."""

    notify: frozenset[Notify] | None = None
    orcpt: str | None = None
    valid_since: ValidSince | None = None


NO_MAIL_PARAMETERS: Final = MailParameters()
NO_RCPT_PARAMETERS: Final = RcptParameters()


@value(frozen=True, slots=True)
class Recipient:
    """One final recipient with what its sender asked for.

    ``address`` is where the message goes; ``given`` is the RCPT address it came from when an
    alias or a bare ``<postmaster>`` led here, else None.
    """

    address: Address
    parameters: RcptParameters = NO_RCPT_PARAMETERS
    given: Address | None = None


@value(frozen=True, slots=True)
class Envelope:
    """A transaction as it is handed on."""

    reverse_path: ReversePath
    recipients: tuple[Recipient, ...]
    parameters: MailParameters = field(default=NO_MAIL_PARAMETERS)
