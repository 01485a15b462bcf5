"""STARTTLS and AUTH, for the server's machine (a grammar).

RFC 3207 and RFC 4954. The machine decodes and keeps the order; who may log in how is decided above
it. Whatever may be a secret is kept out of what it tells of a line (F119).
"""

from __future__ import annotations

from typing import Final

from eilpost.mail.reply import Reply
from eilpost.smtp import login, replies
from eilpost.smtp.commands import Verb
from eilpost.smtp.events import Auth, AuthResponse, Event, Refused, StartTls
from eilpost.smtp.grammar import SyntaxRefusal
from eilpost.smtp.phases import PHASES, STAY, Moves, Phase
from eilpost.smtp.server_content import ContentIntake
from eilpost.smtp.server_settings import ServerSettings

_AUTH: Final = b"AUTH "
_EXCHANGE: Final = PHASES[Phase.EXCHANGE][Verb.AUTH]
_START_TLS: Final = StartTls()


class LoginIntake(ContentIntake):
    """The part of the machine that knows of TLS and logins."""

    __slots__ = ("_authenticated", "_private", "_secured")

    def __init__(self, settings: ServerSettings) -> None:
        super().__init__(settings)
        self._authenticated = False
        self._secured = False
        self._private = False  # AUTH was seen: a line that is no command may be a password

    def _refuse(self, line: bytes, reply: Reply, moves: Moves = STAY) -> Refused:
        if self._private or line[:4].upper() == b"AUTH":
            self._private = True
            line = login.told(line)
        return super()._refuse(line, reply, moves)

    def _start_tls(self, line: bytes, argument: str) -> Event:
        if "STARTTLS" not in self._offered:
            return self._refuse(line, replies.OUT_OF_ORDER)
        return _START_TLS

    def _auth(self, line: bytes, argument: str) -> Event:
        self._private = True
        if self._authenticated or "AUTH" not in self._offered:
            return self._refuse(line, replies.OUT_OF_ORDER)  # RFC 4954 §4, F060
        return Auth(*login.parse_auth(argument))

    # --- the exchange

    def _begin_response(self) -> None:
        self._hear = LoginIntake._understand_response
        self._longest = max(login.MAX_LINE, self._settings.line)

    def _end_response(self) -> None:
        self._hear = type(self)._understand
        self._longest = self._settings.line

    def _understand_response(self, line: bytes) -> Event:
        self._end_response()
        if line == login.CANCEL:
            self._moves = _EXCHANGE
            return AuthResponse(None)
        try:
            octets = login.decode(line)
        except SyntaxRefusal as refusal:
            return self._refuse(b"AUTH", refusal.reply, _EXCHANGE)
        self._moves = _EXCHANGE
        return AuthResponse(octets)

    # --- lines that are too long

    def _overlong(self, end: int, size: int) -> Event | None:
        """An initial response may make AUTH longer than other commands (RFC 4954 §4)."""
        if self._discarded or self._longest >= login.MAX_LINE or size > login.MAX_LINE or not self._begins_auth():
            return super()._overlong(end, size)
        longest, self._longest = self._longest, login.MAX_LINE
        event = self._read_line()
        self._longest = longest
        return event

    def _begins_auth(self) -> bool:
        return self._buffer[self._start : self._start + len(_AUTH)].upper() == _AUTH and "AUTH" in self._offered

    def _too_long(self) -> Event:
        if self.phase is Phase.EXCHANGE:
            self._end_response()
            return self._refuse(b"AUTH", replies.AUTH_LINE_TOO_LONG, _EXCHANGE)
        is_auth = self._line[: len(_AUTH)].upper() == _AUTH
        return self._refuse(self._line, replies.AUTH_LINE_TOO_LONG) if is_auth else super()._too_long()
