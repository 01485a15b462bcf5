"""Runs a dialogue against the bare server machine, without a socket (a grammar).

Grammar and phases answer as they must; where policy would be asked, everything is accepted. Logins succeed with
the password ``secret``. What a listener offers beside the standard is set by ``machine.offers`` (extensions),
``machine.mechanisms`` and ``machine.mechanisms_over_tls``, for dialogues that are ``on: machine``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from eilpost.config.schema import Role
from eilpost.mail.reply import Reply, reply
from eilpost.policy import verdicts
from eilpost.smtp import replies
from eilpost.smtp.commands import Dialect
from eilpost.smtp.events import (
    Auth,
    AuthResponse,
    ChunkEnd,
    Content,
    ContentEnd,
    Data,
    Disconnected,
    Etrn,
    Event,
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
    XClient,
    XForward,
)
from eilpost.smtp.extensions import STANDARD
from eilpost.smtp.phases import Phase
from eilpost.smtp.server import NEED_DATA, ServerConnection, ServerSettings
from eilpost.testing.dialog import Demand, Dialogue, play

GREETING: Final = reply(220, None, "mx.example.test ESMTP")
ACCEPTED: Final = reply(250, "2.0.0", "Ok: accepted")

_QUESTIONS: Final = {"PLAIN": (b"",), "LOGIN": (b"User Name\0", b"Password\0")}
"""What each mechanism asks, in turn; an initial response answers the first."""


def settings_of(dialogue: Dialogue) -> ServerSettings:
    """What of the dialogue's role and settings the machine itself knows."""
    known: dict[str, Any] = {
        "message_size": dialogue.settings.get("limits.message_size"),
        "line": dialogue.settings.get("limits.line"),
    }
    return ServerSettings(
        dialect=Dialect.LMTP if dialogue.role is Role.LMTP else Dialect.SMTP,
        typed=dialogue.role is Role.SUBMISSION,
        extensions=STANDARD | frozenset(dialogue.settings.get("machine.offers", ())),
        mechanisms=tuple(dialogue.settings.get("machine.mechanisms", ())),
        **{name: value for name, value in known.items() if value is not None},
    )


class MachineUnderTest:
    """A server machine that accepts whatever its grammar lets through; it keeps the contents."""

    def __init__(self, settings: ServerSettings, over_tls: ServerSettings | None = None) -> None:
        self._machine = ServerConnection(settings)
        self._over_tls = over_tls or settings
        self._questions: list[bytes] = []
        self._content = bytearray()
        self._output = bytearray(self._machine.greet(GREETING))
        self.contents: list[bytes] = []
        self.closed = False

    def feed(self, octets: bytes) -> None:
        """Gives it input; an empty string ends it."""
        self._machine.receive_data(octets)
        while not self.closed and (event := self._machine.next_event()) is not NEED_DATA:
            self._answer(event)

    def encrypt(self) -> None:
        """The handshake is done."""
        self._machine.secured(self._over_tls)

    def line(self) -> bytes | None:
        """Its next line; None when it has closed and said all. LookupError when it waits for input."""
        end = self._output.find(b"\n")
        if end < 0:
            if self.closed:
                return None
            raise LookupError("the server says nothing and waits")
        line = bytes(self._output[: end + 1])
        del self._output[: end + 1]
        return line

    def rest(self) -> bytes:
        """All that it has said and nobody has read."""
        return bytes(self._output)

    def _answer(self, event: Event) -> None:
        match event:
            case Content(octets=octets):
                self._content += octets
            case Disconnected():
                self.closed = True
            case Auth(mechanism=mechanism, initial=initial):
                self._questions = list(_QUESTIONS.get(mechanism, ()))
                self._output += self._login(mechanism in _QUESTIONS, initial)
            case AuthResponse(octets=None):
                self._output += self._machine.send(replies.AUTH_CANCELLED)
            case AuthResponse(octets=octets):
                self._output += self._login(True, octets)
            case _:
                self._output += self._machine.send(self._decide(event))
                self.closed = self._machine.phase is Phase.CLOSED

    def _login(self, known: bool, response: bytes | None) -> bytes:
        if not known:
            return self._machine.send(replies.AUTH_UNKNOWN)
        if response is not None:
            self._questions.pop(0)
        if self._questions:
            return self._machine.challenge(self._questions[0])
        right = response is not None and response.endswith(b"secret")
        return self._machine.send(replies.AUTH_OK if right else replies.AUTH_FAILED)

    def _decide(self, event: Event) -> Reply:
        match event:
            case Refused(reply=answer):
                return answer
            case Help(topic=topic):
                return self._machine.help_reply(topic)
            case Hello():
                return self._machine.hello_reply("mx.example.test")
            case ContentEnd(refusal=refusal):
                content, self._content = bytes(self._content), bytearray()
                if refusal is None:
                    self.contents.append(content)
                return refusal or ACCEPTED
            case Reset():
                self._content.clear()
                return replies.RESET
            case _:
                return _DECISIONS[type(event)]


_DECISIONS: Final[dict[type[Event], Reply]] = {
    Mail: verdicts.SENDER_OK,
    Rcpt: verdicts.RECIPIENT_OK,
    Data: replies.SEND_CONTENT,
    ChunkEnd: verdicts.CHUNK_OK,
    Noop: replies.OK,
    Quit: replies.BYE,
    Verify: verdicts.CANNOT_VERIFY,
    Expand: verdicts.NO_EXPANSION,
    StartTls: replies.READY_FOR_TLS,
    Etrn: reply(250, "2.0.0", "Ok: the queue is started"),
    XClient: GREETING,
    XForward: replies.OK,
}


def run_on_machine(dialogue: Dialogue, *, split: bool = False) -> list[bytes]:
    """Plays the dialogue to its end; the contents that were accepted. Mismatch when it differs."""
    settings = settings_of(dialogue)
    over_tls = replace(settings, mechanisms=tuple(dialogue.settings.get("machine.mechanisms_over_tls", ())))
    machine = MachineUnderTest(settings, over_tls)
    player = play(dialogue, split=split)
    answer: bytes | None = None
    while True:
        try:
            demand = player.send(answer)
        except StopIteration:
            return machine.contents
        answer = _serve(machine, demand)


def _serve(machine: MachineUnderTest, demand: bytes | Demand) -> bytes | None:
    match demand:
        case bytes():
            machine.feed(demand)
        case Demand.LINE:
            try:
                return machine.line()
            except LookupError:
                return b"(silence)\r\n"
        case Demand.CLOSE_OURS:
            machine.feed(b"")
        case Demand.ENCRYPT:
            machine.encrypt()
        case Demand.REST:
            machine.feed(b"")
            return machine.rest()
    return None
