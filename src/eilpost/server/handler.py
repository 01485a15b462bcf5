"""The handler: what a program says to each step of a session (decisions).

Every hook may be a plain or an ``async`` method, and answers with a ``Reply``, or with None for what
the server says by itself. A handler overrides what it cares about; nothing is found by name. Hooks
of one session are never called at the same time, those of several sessions are.

The order: ``connected``, ``hello``, perhaps ``starttls`` and ``secured``, perhaps ``auth`` and
``authenticated``, then for each transaction ``mail``, ``rcpt`` …, ``data``, ``content`` …, ``end``;
at last ``quit``, and always ``disconnected``.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from eilpost.mail.envelope import Envelope
from eilpost.sasl.words import Answer as CheckAnswer
from eilpost.sasl.words import ServerStep
from eilpost.server import accounts
from eilpost.server.answers import Answer, EndAnswer
from eilpost.smtp.events import (
    Auth,
    ChunkEnd,
    ContentEnd,
    Data,
    Expand,
    Hello,
    Help,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Refused,
    Reset,
    StartTls,
    Verify,
)

if TYPE_CHECKING:
    from eilpost.server.session import Session

__all__ = ["Handler"]


class Handler:
    """Takes every message and forgets it; override what shall be otherwise."""

    __slots__ = ("__dict__", "__weakref__")

    # --- the connection

    def connected(self, session: Session) -> Answer:
        """A client is there. None: the banner; a 4yz or 5yz reply ends the session (RFC 5321 §3.1)."""
        return None

    def hello(self, session: Session, event: Hello) -> Answer:
        """HELO, EHLO or LHLO. None: 250 with the extensions."""
        return None

    def starttls(self, session: Session, event: StartTls) -> Answer:
        """STARTTLS. None: 220, and the handshake begins."""
        return None

    def secured(self, session: Session) -> Awaitable[None] | None:
        """The handshake is done: ``session.tls`` tells of it, and all that was known of the client is forgotten."""
        return None

    def quit(self, session: Session, event: Quit) -> Answer:
        """QUIT. None: 221."""
        return None

    def disconnected(self, session: Session, reason: str) -> Awaitable[None] | None:
        """The session is over; called once for each, and nothing can be said any more.

        ``reason`` is ``quit``, ``disconnected``, ``refused``, ``deadline``, ``stopped``, ``hung up``,
        ``handshake`` or ``fault``.
        """
        return None

    # --- the login

    def auth(self, session: Session, event: Auth) -> Answer:
        """AUTH with ``event.mechanism``. None: the exchange begins; any reply ends it before it has."""
        return None

    def check(self, session: Session, ask: ServerStep) -> CheckAnswer | Awaitable[CheckAnswer]:
        """What a login mechanism asks of the directory; see ``eilpost.sasl.words`` for each ask and its answers.

        ``CheckPassword(name, password)`` wants ``Granted(account)`` or ``Failure(reason)``. By default the
        ``accounts`` that the server was given are asked.
        """
        return accounts.answer(session.accounts, ask)

    def authenticated(self, session: Session, account: str) -> Answer:
        """The client is ``account``. None: 235; a 4yz or 5yz reply, and it is not."""
        return None

    # --- the transaction

    def mail(self, session: Session, event: Mail) -> Answer:
        """MAIL: ``event.reverse_path``, ``event.parameters``. None: 250."""
        return None

    def rcpt(self, session: Session, event: Rcpt) -> Answer:
        """RCPT: ``event.forward_path``, ``event.parameters``. None: 250."""
        return None

    def data(self, session: Session, event: Data) -> Answer:
        """DATA. None: 354. Content that comes by BDAT has no such step."""
        return None

    def content(self, session: Session, octets: bytes) -> Awaitable[None] | None:
        """A piece of the content, as it comes, dots removed; lines end in CR LF.

        By default pieces are gathered for ``message``. Override it, and ``end``, to stream: while
        an ``async`` hook waits, the client is made to wait.
        """
        session.gather(octets)
        return None

    def chunk_end(self, session: Session, event: ChunkEnd) -> Answer:
        """A BDAT chunk that is not the last is complete. None: 250."""
        return None

    def end(self, session: Session, event: ContentEnd) -> EndAnswer:
        """The content is complete, and not refused by the server. By default ``message`` is asked."""
        return self.message(session, session.envelope, session.gathered())

    def message(self, session: Session, envelope: Envelope, content: bytes) -> EndAnswer:
        """A whole message. None: 250, and from then on the message is yours to care for (RFC 5321 §4.2.5)."""
        return None

    # --- the rest

    def reset(self, session: Session, event: Reset) -> Answer:
        """RSET. None: 250."""
        return None

    def noop(self, session: Session, event: Noop) -> Answer:
        """NOOP. None: 250."""
        return None

    def verify(self, session: Session, event: Verify) -> Answer:
        """VRFY. None: 252."""
        return None

    def expand(self, session: Session, event: Expand) -> Answer:
        """EXPN. None: 502."""
        return None

    def help(self, session: Session, event: Help) -> Answer:
        """HELP. None: 214 from the table of commands."""
        return None

    def refused(self, session: Session, event: Refused) -> Answer:
        """The server is about to refuse a line, or a content, with ``event.reply``. None: it does."""
        return None

    def failed(self, session: Session, error: Exception) -> Answer:
        """A hook raised ``error``, which the server has logged. None: 451, and the session goes on."""
        return None
