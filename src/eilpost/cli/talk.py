"""``eilpost talk``: telnet for mail, which knows what is said (a deed)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from eilpost.cli.errors import CommandError
from eilpost.cli.exits import Exit
from eilpost.cli.options import example
from eilpost.cli.talk_explain import COMPLETED
from eilpost.cli.talk_machine import Mode, Talk
from eilpost.cli.talk_record import Recorder
from eilpost.cli.talk_terminal import Terminal
from eilpost.cli.talk_wire import Trust, Wire
from eilpost.cli.talk_words import Action, Ask, Protocol, Send, Show, Upgrade
from eilpost.client.client import own_name
from eilpost.config.values import Endpoint, parse_endpoint
from eilpost.sasl.words import ClientTerms

_PORTS: Final = {"off": 25, "starttls": 587, "implicit": 465}


@click.command(
    epilog=example(
        "eilpost talk 127.0.0.1:2525",
        "eilpost talk mx.example.org:587 --tls starttls",
        "eilpost talk 127.0.0.1:2525 --record first.dialog",
        "printf 'ehlo anna\\nquit\\n' | eilpost talk 127.0.0.1:2525",
    )
)
@click.argument("server", metavar="HOST[:PORT]")
@click.option(
    "--tls",
    type=click.Choice(["off", "starttls", "implicit"]),
    default="off",
    show_default=True,
    help="starttls goes on in TLS at once; typing starttls does it later.",
)
@click.option("--ca", metavar="FILE", type=click.Path(exists=True, dir_okay=False), help="Whose certificates count.")
@click.option("--insecure", is_flag=True, help="Take any certificate.")
@click.option("--name", metavar="HOST", help="The name the certificate has to have; else HOST.")
@click.option(
    "--protocol", type=click.Choice([p.value for p in Protocol]), help="What it speaks; else its greeting tells."
)
@click.option(
    "--record", metavar="FILE", type=click.Path(dir_okay=False), help="Write a dialogue file, without secrets."
)
@click.option("--explain", is_flag=True, help="Explain each reply, as ? does.")
@click.option("--timeout", type=float, default=300.0, show_default=True, help="Seconds to wait for a reply.")
def talk(**given: Any) -> int:
    """Talk with a mail server by hand: SMTP, LMTP or POP3.

    What you type goes to the server as it stands. starttls goes on in TLS, auth logs in and does the encoding,
    data takes care of dots, and ? explains the last reply. Passwords are never shown and never recorded.
    """
    endpoint = _endpoint(given["server"], given["tls"])
    trust = Trust(given["name"] or endpoint.host or "localhost", given["ca"], given["insecure"])
    protocol = Protocol(given["protocol"]) if given["protocol"] else None
    recorder = Recorder(given["server"], endpoint.port)
    wire = _connect(endpoint, given["timeout"])
    try:
        conversation = Conversation(wire, Terminal(COMPLETED), trust, explains=given["explain"])
        return conversation.run(protocol, recorder, given["tls"])
    except TimeoutError:
        raise CommandError(f"{given['server']} says nothing; --timeout waits longer", Exit.TEMPFAIL) from None
    finally:
        wire.close()
        if given["record"]:
            Path(given["record"]).write_text(recorder.text(), encoding="utf-8")


def _endpoint(text: str, tls: str) -> Endpoint:
    try:
        return parse_endpoint(text, _PORTS[tls])
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: {error}", param_hint="HOST:PORT") from None


def _connect(endpoint: Endpoint, timeout: float) -> Wire:
    try:
        return Wire(endpoint, timeout)
    except OSError as error:
        why = error.strerror or error
        raise CommandError(f"{endpoint}: no connection, {why}; is a server there?", Exit.UNAVAILABLE) from None


@dataclass
class Conversation:
    """One connection, and the person who talks over it."""

    wire: Wire
    terminal: Terminal
    trust: Trust
    explains: bool = False
    _typed: str = ""

    def run(self, protocol: Protocol | None, recorder: Recorder, tls: str) -> int:
        """Until the server has closed; the exit code."""
        if tls == "implicit":
            self._secure()
        self._talk = Talk(protocol, recorder, self._terms, secured=tls == "implicit")
        self._listen()
        if tls == "starttls":
            self._upgrade()
        while self._talk.mode is not Mode.CLOSED:
            if (said := self.wire.heard()) is not None:
                self._do(self._talk.received(said))
                continue
            try:
                line = self.terminal.line(self._talk.prompt)
            except KeyboardInterrupt:
                line = None
            if line is None:
                return self._leave()
            self._say(line)
        return Exit.OK

    def _upgrade(self) -> None:
        if self._talk.protocol is not Protocol.POP3:
            self._say(f"{'LHLO' if self._talk.protocol is Protocol.LMTP else 'EHLO'} {own_name()}")
        self._say("starttls")

    def _say(self, line: str) -> None:
        self._typed = line
        if self._talk.may_remember(line):
            self.terminal.remember(line)
        self._do(self._talk.typed(line))
        self._listen()

    def _listen(self) -> None:
        """Until the server has said what is due; who presses Ctrl-C waits no longer."""
        try:
            while self._talk.is_waiting:
                self._do(self._talk.received(self.wire.receive()))
        except KeyboardInterrupt:
            self._talk.stop_waiting()

    def _leave(self) -> int:
        """The input has ended: QUIT, unless the content is half sent, which nobody must take for a whole."""
        if self._talk.mode is Mode.COMMAND:
            self._say("QUIT")
            return Exit.OK
        self.terminal.show("", "the content has no end: the message is not sent")
        return Exit.DATAERR

    def _do(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Send(octets):
                    self._send(octets)
                case Show(side, text):
                    if side != "C" or text != self._typed or not self.terminal.is_terminal:
                        self.terminal.show(side, text)
                case Ask(what, secret):
                    self._ask(what, secret=secret)
                case Upgrade():
                    self._secure()
        if self.explains and any(isinstance(action, Show) and action.side == "S" for action in actions):
            self._do(self._talk.explained())

    def _send(self, octets: bytes) -> None:
        try:
            self.wire.send(octets)
        except ConnectionError:
            return  # what the server said before it closed is still to be heard

    def _ask(self, what: str, *, secret: bool) -> None:
        try:
            answer = self.terminal.secret(what) if secret else self.terminal.line(f"{what}: ")
        except KeyboardInterrupt:
            answer = None
        self._do(self._talk.answered(answer))

    def _secure(self) -> None:
        for fact in self.wire.secure(self.trust):
            self.terminal.show("", fact)

    def _terms(self) -> ClientTerms:
        bindings = self.wire.bindings()
        offered = any(name.endswith("-PLUS") for name in self._talk.offers.get("AUTH", "").upper().split())
        return ClientTerms(secrets.token_hex(18), self.trust.name, 0, bindings, offered)
