"""One login within a dialogue by hand: the encoding of what a mechanism says (a grammar).

Whoever types gives a name and a password; base64, challenges and proofs are done here. Lines that
hold a secret are shown as what they are, never as they are.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from eilpost.cli.talk_words import Action, Send, Show
from eilpost.mail.value import value
from eilpost.sasl.mechanisms import MECHANISMS, Mechanism, Wants
from eilpost.sasl.words import Client, ClientTerms, Credentials, Response

NewTerms = Callable[[], ClientTerms]
"""The terms of one exchange, with a nonce of its own."""

MAX_INITIAL: Final = 500  # octets of a command line, RFC 4954 §4: what is longer waits for the server's 334

WHAT_TO_ASK: Final[Mapping[Wants, str]] = MappingProxyType({
    Wants.PASSWORD: "Password",
    Wants.TOKEN: "Token",
    Wants.CERTIFICATE: "",
})  # fmt: skip
"""What proves who you are; a certificate was shown already."""


def choose(offered: Iterable[str], *, secured: bool) -> str:
    """The first of our mechanisms for a password that the server offers; in the clear none that shows it."""
    names = set(offered)
    fitting = (row for row in MECHANISMS.values() if row.name in names and row.wants is Wants.PASSWORD)
    return next((row.name for row in fitting if not row.binding and (secured or not row.plain_text)), "")


def credentials(row: Mechanism, name: str, secret: str) -> Credentials:
    """Who logs in, as the mechanism wants it."""
    match row.wants:
        case Wants.PASSWORD:
            return Credentials(name, password=secret)
        case Wants.TOKEN:
            return Credentials(name, token=secret)
        case Wants.CERTIFICATE:
            return Credentials(name)


@value(frozen=True, slots=True)
class Turn:
    """What is said next, and whether it ends the exchange before the server has."""

    actions: tuple[Action, ...]
    given_up: bool = False


class Login:
    """The client's side of one exchange."""

    def __init__(self, mechanism: str, exchange: Client) -> None:
        self.mechanism = mechanism
        self._exchange = exchange
        self._held: bytes | None = None
        self._proven = False

    def begin(self) -> Turn:
        """AUTH with an initial response where the mechanism speaks first."""
        step = self._step(None)
        if step is None:
            return Turn((Show("", f"{self.mechanism} cannot be used here"),), given_up=True)
        command = f"AUTH {self.mechanism}"
        shown = command
        if step.octets is not None:
            encoded = base64.b64encode(step.octets).decode() or "="  # RFC 4954 §4
            if len(command) + len(encoded) > MAX_INITIAL:
                self._held = step.octets
            else:
                shown = f"{command} (a response, not shown)"
                command = f"{command} {encoded}"
        return Turn((Send(f"{command}\r\n".encode()), Show("C", shown)))

    def go_on(self, challenge: str) -> Turn:
        """The answer to 334 or ``+``."""
        try:
            octets = base64.b64decode(challenge, validate=True)
        except binascii.Error:
            return self._cancel("the challenge is no base64")
        if self._held is not None:
            response, self._held = Response(self._held), None
        else:
            step = self._step(octets)
            if step is None:
                return self._cancel(f"{self.mechanism} does not go on")
            response = step
        said = _readable(octets)
        told = (Show("", f"that is: {said}"),) if said else ()
        answer = base64.b64encode(response.octets or b"")
        return Turn((*told, Send(answer + b"\r\n"), Show("C", "(a response, not shown)" if answer else "")))

    def accepted(self) -> tuple[Action, ...]:
        """The server said yes; whether it proved what it had to."""
        self._exchange.close()
        if self._proven:
            return ()
        return (Show("", f"careful: {self.mechanism} was not finished; a server that skips its proof is an impostor"),)

    def refused(self) -> None:
        """The server said no."""
        self._exchange.close()

    def _step(self, challenge: bytes | None) -> Response | None:
        try:
            response = next(self._exchange) if challenge is None else self._exchange.send(challenge)
        except StopIteration:
            return None
        self._proven = response.complete
        return response

    def _cancel(self, why: str) -> Turn:
        self._exchange.close()
        return Turn((Show("", why), Send(b"*\r\n"), Show("C", "*")), given_up=True)


def _readable(octets: bytes) -> str:
    """A challenge that people can read, such as ``Username:``."""
    text = octets.decode("ascii", "replace")
    return text if text and text.isprintable() and "\ufffd" not in text else ""
