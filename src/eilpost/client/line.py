"""A session over a socket that blocks: drives the dialogues of a script, and of ``sendmail`` (a deed).

It loads in little time, for a program waits for it: no event loop, and logins only for who logs in.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, TypeVar

from eilpost.client.patience import Broken, Timeouts
from eilpost.smtp.client import ClientConnection
from eilpost.smtp.client_events import Answer, AuthChallenge, AuthDone, Dismissal, Greeting
from eilpost.smtp.client_results import Answered, Cause, Lost, Stage
from eilpost.smtp.client_transaction import Heard, Step
from eilpost.smtp.errors import RemoteProtocolError
from eilpost.smtp.events import NEED_DATA

if TYPE_CHECKING:
    from eilpost.client.login import Dialogue, LoginHeard, Refusal

T = TypeVar("T")

Said = Callable[[bytes], None]
Word = Answer | Greeting | AuthChallenge | AuthDone


class Line:
    """A socket and a machine. ``said`` and ``heard`` are told what goes over it."""

    def __init__(
        self,
        connection: socket.socket,
        machine: ClientConnection,
        timeouts: Timeouts,
        said: Said | None = None,
        heard: Said | None = None,
    ) -> None:
        self.machine = machine
        self.connection = connection
        self._timeouts = timeouts
        self._said = said
        self._heard = heard

    def drive(self, dialogue: Generator[Step, Heard, T]) -> T:
        """Runs a dialogue to its end; Broken when the connection or the protocol breaks."""
        heard: Heard = None
        while True:
            try:
                step = dialogue.send(heard)
            except StopIteration as done:
                result: T = done.value
                return result
            heard = None
            if isinstance(step, bytes):
                self.say(step)
            elif isinstance(step, Stage):
                word = self.hear(step)
                heard = word if isinstance(word, Answer | Greeting) else None

    def log_in(self, dialogue: Dialogue) -> Refusal | None:
        """Runs a login to its end; why there is none. Broken as above."""
        from eilpost.client.login import Think, told

        heard: LoginHeard = None
        while True:
            try:
                step = dialogue.send(heard)
            except StopIteration as done:
                refusal: Refusal | None = done.value
                return refusal
            heard = None
            if isinstance(step, bytes):
                self._say(step, told(step))
            elif isinstance(step, Think):
                heard = step.work()
            else:
                heard = self.hear(step)

    def close(self) -> None:
        """Ends the connection."""
        self.connection.close()

    def say(self, octets: bytes) -> None:
        """Sends; what the server said before it hung up is heard next."""
        self._say(octets, octets)

    def _say(self, octets: bytes, shown: bytes) -> None:
        if self._said is not None:
            self._said(shown)
        self.connection.settimeout(self._timeouts.block)
        try:
            self.connection.sendall(octets)
        except TimeoutError:
            raise Broken(Lost(Stage.CONTENT, Cause.TIMEOUT, "the server took nothing for too long")) from None
        except OSError:
            return

    def hear(self, stage: Stage) -> Word:
        """The deadline is for the whole reply, not for each piece of it (F152)."""
        due = time.monotonic() + self._timeouts.of(stage)
        try:
            while (event := self.machine.next_event()) is NEED_DATA:
                self.connection.settimeout(max(due - time.monotonic(), 0.001))
                octets = self.connection.recv(65536)
                if self._heard is not None:
                    self._heard(octets)
                self.machine.receive_data(octets)
        except TimeoutError:
            raise Broken(Lost(stage, Cause.TIMEOUT, "the server did not answer in time")) from None
        except OSError as error:
            raise Broken(Lost(stage, Cause.DROPPED, error.strerror or str(error))) from None
        except RemoteProtocolError as error:
            raise Broken(Lost(stage, Cause.PROTOCOL, f"the server broke the protocol ({error})")) from None
        if isinstance(event, Word):
            return event
        if isinstance(event, Dismissal):
            raise Broken(Answered(stage, event.reply))
        raise Broken(Lost(stage, Cause.DROPPED, "the server closed the connection"))
