"""What can happen to mail, as typed events (words; a table).

Log lines, metrics and pages are renderings of these events; nothing else is logged. Ids tie a
life together: ``session`` names a connection, ``message`` a spool entry. Text that came from a
peer stays raw here and is escaped by whoever renders it. The names of events and fields are a
public interface: they may be added to, not changed.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import ClassVar, Final

from eilpost.mail.value import value


class Level(IntEnum):
    """How much an operator wants to read; an event is shown from its level on."""

    ERROR = 1
    WARNING = 2
    INFO = 3
    DEBUG = 4


@value(frozen=True, slots=True)
class SessionOpened:
    """A peer connected."""

    event: ClassVar[str] = "session-opened"
    level: ClassVar[Level] = Level.DEBUG
    session: str
    role: str
    peer: str


@value(frozen=True, slots=True)
class SessionClosed:
    """A connection ended; ``reason`` is one of quit, disconnected, deadline, handshake, refused, shutdown."""

    event: ClassVar[str] = "session-closed"
    level: ClassVar[Level] = Level.DEBUG
    session: str
    peer: str
    reason: str
    accepted: int
    seconds: float


@value(frozen=True, slots=True)
class SessionSecured:
    """A peer and we speak TLS now; ``names`` are those of a certificate it showed, if it was checked."""

    event: ClassVar[str] = "session-secured"
    level: ClassVar[Level] = Level.DEBUG
    session: str
    peer: str
    version: str
    cipher: str
    names: str = ""


@value(frozen=True, slots=True)
class HandshakeFailed:
    """There is no TLS with a peer: ``session`` is that of a client, empty where the peer is a server."""

    event: ClassVar[str] = "handshake-failed"
    level: ClassVar[Level] = Level.INFO
    session: str
    role: str
    peer: str
    why: str


@value(frozen=True, slots=True)
class CommandRefused:
    """A peer was told 4yz or 5yz."""

    event: ClassVar[str] = "refused"
    level: ClassVar[Level] = Level.INFO
    session: str
    role: str
    peer: str
    helo: str
    command: str
    reply: str
    reverse_path: str = ""
    forward_path: str = ""


@value(frozen=True, slots=True)
class LoggedIn:
    """A peer has proved to be ``account``."""

    event: ClassVar[str] = "login"
    level: ClassVar[Level] = Level.INFO
    session: str
    role: str
    peer: str
    account: str
    mechanism: str
    tls: bool = False


@value(frozen=True, slots=True)
class LoginFailed:
    """A login came to nothing; ``user`` is what the peer called itself, and never what it said as its secret."""

    event: ClassVar[str] = "login-failed"
    level: ClassVar[Level] = Level.WARNING
    session: str
    role: str
    peer: str
    user: str
    mechanism: str
    why: str
    detail: str = ""


@value(frozen=True, slots=True)
class MailboxRead:
    """A POP3 session with a mailbox is over; ``octets`` are those of the ``retrieved`` messages."""

    event: ClassVar[str] = "mailbox-read"
    level: ClassVar[Level] = Level.INFO
    session: str
    peer: str
    account: str
    messages: int
    retrieved: int
    octets: int
    deleted: int


@value(frozen=True, slots=True)
class RelayOpened:
    """SMTP-after-POP: this address may send as this account for so many seconds."""

    event: ClassVar[str] = "relay-opened"
    level: ClassVar[Level] = Level.INFO
    session: str
    peer: str
    account: str
    seconds: float


@value(frozen=True, slots=True)
class Accepted:
    """A message is durable here and was, or will be, acknowledged."""

    event: ClassVar[str] = "accepted"
    level: ClassVar[Level] = Level.INFO
    session: str
    message: str
    role: str
    peer: str
    helo: str
    reverse_path: str
    recipients: int
    size: int
    message_id: str = ""
    account: str = ""
    tls: str = ""


@value(frozen=True, slots=True)
class Attempted:
    """One recipient's outcome of one attempt; the fields of ``mail.Outcome``."""

    event: ClassVar[str] = "attempted"
    level: ClassVar[Level] = Level.INFO
    message: str
    recipient: str
    fate: str
    status: str
    next_hop: str
    remote: str
    attempt: int
    delay: float
    diagnostic: str
    next_attempt: float | None = None


@value(frozen=True, slots=True)
class Reported:
    """A report was made durable: ``report`` is its message id; kind as in RFC 3464 actions."""

    event: ClassVar[str] = "reported"
    level: ClassVar[Level] = Level.INFO
    message: str
    report: str
    kind: str
    recipient: str


@value(frozen=True, slots=True)
class ReportOmitted:
    """Nobody could or should be told: null reverse-path, NOTIFY=NEVER."""

    event: ClassVar[str] = "report-omitted"
    level: ClassVar[Level] = Level.INFO
    message: str
    recipient: str
    why: str


@value(frozen=True, slots=True)
class Removed:
    """The last recipient of a message is settled; its content is gone."""

    event: ClassVar[str] = "removed"
    level: ClassVar[Level] = Level.DEBUG
    message: str


@value(frozen=True, slots=True)
class SetAside:
    """A spool entry cannot be read; it is kept apart, counted and listed."""

    event: ClassVar[str] = "set-aside"
    level: ClassVar[Level] = Level.ERROR
    message: str
    why: str


@value(frozen=True, slots=True)
class Operated:
    """An operator's command changed the queue."""

    event: ClassVar[str] = "operated"
    level: ClassVar[Level] = Level.INFO
    operation: str
    message: str
    recipients: int


@value(frozen=True, slots=True)
class DestinationChanged:
    """A destination was found down, or up again."""

    event: ClassVar[str] = "destination"
    level: ClassVar[Level] = Level.WARNING
    next_hop: str
    state: str
    why: str


@value(frozen=True, slots=True)
class IntakeChanged:
    """Mail is no longer taken, or taken again."""

    event: ClassVar[str] = "intake"
    level: ClassVar[Level] = Level.ERROR
    state: str
    why: str


@value(frozen=True, slots=True)
class SystemChanged:
    """The system's own life: starting, ready, reloaded, stopping, stopped."""

    event: ClassVar[str] = "system"
    level: ClassVar[Level] = Level.INFO
    state: str
    detail: str = ""


@value(frozen=True, slots=True)
class Warned:
    """Something an operator should mend, with its cause."""

    event: ClassVar[str] = "warning"
    level: ClassVar[Level] = Level.WARNING
    what: str
    detail: str = ""


@value(frozen=True, slots=True)
class Faulted:
    """A bug or a broken machine: where it showed, and the exception, without any content."""

    event: ClassVar[str] = "fault"
    level: ClassVar[Level] = Level.ERROR
    where: str
    exception: str
    detail: str = ""


@value(frozen=True, slots=True)
class LinesLost:
    """The log could not keep up; so many lines are missing."""

    event: ClassVar[str] = "lines-lost"
    level: ClassVar[Level] = Level.WARNING
    count: int


Event = (
    SessionOpened | SessionSecured | HandshakeFailed | SessionClosed | CommandRefused | LoggedIn | LoginFailed
    | MailboxRead | RelayOpened | Accepted | Attempted | Reported | ReportOmitted | Removed | SetAside | Operated
    | DestinationChanged | IntakeChanged | SystemChanged | Warned | Faulted | LinesLost
)  # fmt: skip

EVENTS: Final[tuple[type[Event], ...]] = (
    SessionOpened, SessionSecured, HandshakeFailed, SessionClosed, CommandRefused, LoggedIn, LoginFailed,
    MailboxRead, RelayOpened, Accepted, Attempted, Reported, ReportOmitted, Removed, SetAside, Operated,
    DestinationChanged, IntakeChanged, SystemChanged, Warned, Faulted, LinesLost,
)  # fmt: skip

Journal = Callable[[Event], None]
"""Where events go. It never waits and never raises."""
