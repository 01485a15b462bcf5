"""Logging in at a server: the mechanism is chosen, and its messages go over SMTP's machine (a grammar).

A dialogue, as those of ``smtp.client_transaction``. It yields octets to send, ``Stage.LOGIN`` where
it wants to hear the server, and ``Think`` where much is to be computed: making SCRAM's proof takes
as long as the server wants, and whoever drives an event loop leaves that to a thread.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Generator, Mapping
from dataclasses import field
from functools import partial
from typing import Final

from eilpost.mail.value import value
from eilpost.sasl.choose import AUTO, NoMechanism, choose
from eilpost.sasl.mechanisms import MECHANISMS, Mechanism
from eilpost.sasl.words import BindingKind, ChannelBinding, ClientTerms, Credentials, Failure, Response
from eilpost.sasl.words import Client as Side
from eilpost.smtp.client import ClientConnection
from eilpost.smtp.client_events import Answer, AuthChallenge, AuthDone, Greeting
from eilpost.smtp.client_results import Answered, Cause, Lost, Stage
from eilpost.smtp.login import fits


@value(frozen=True, slots=True)
class Login:
    """Who we are for a server. ``mechanism`` names one, or is ``auto``: the best that both have.

    ``plain_on_loopback`` lets the secret be shown without TLS to a server on this machine;
    ``certificate`` tells that TLS shows one of ours.
    """

    credentials: Credentials
    mechanism: str = AUTO
    plain_on_loopback: bool = False
    certificate: bool = False


@value(frozen=True, slots=True)
class Channel:
    """What is known of the connection. ``private``: only the server that is meant can read what we say."""

    host: str = ""
    port: int = 0
    private: bool = False
    loopback: bool = False
    bindings: tuple[ChannelBinding, ...] = ()


@value(frozen=True, slots=True)
class Think:
    """Something to compute that may take a while; its value is what the dialogue is sent next."""

    work: Callable[[], Response | Failure] = field(repr=False)


def login_as(
    user: str | None,
    password: str | None,
    token: str | None,
    auth: str = AUTO,
    *,
    plain_on_loopback: bool = False,
    certificate: bool = False,
) -> Login | None:
    """What a program asks for; None: no login. ValueError: a secret without a user."""
    if user is None and auth.upper() != "EXTERNAL":
        if password is not None or token is not None:
            raise ValueError("a password or a token needs a user")
        return None
    return Login(Credentials(user or "", password, token), auth, plain_on_loopback, certificate)


LoginStep = bytes | Stage | Think
LoginHeard = Answer | Greeting | AuthChallenge | AuthDone | Response | Failure | None
Refusal = Answered | Lost
Dialogue = Generator[LoginStep, LoginHeard, Refusal | None]

_KINDS: Final[tuple[BindingKind, ...]] = ("tls-exporter", "tls-unique", "tls-server-end-point")  # the stronger first


def bindings_of(known: Mapping[str, bytes]) -> tuple[ChannelBinding, ...]:
    """The bindings of a connection that SCRAM can name, the strongest first."""
    return tuple(ChannelBinding(kind, known[kind]) for kind in _KINDS if kind in known)


def is_loopback(address: str) -> bool:
    """Whether octets sent there stay on this machine."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def logging_in(machine: ClientConnection, login: Login, channel: Channel, nonce: str) -> Dialogue:
    """AUTH (RFC 4954); why there is no login, or None. ``nonce`` is fresh and random for each."""
    offered = machine.offer.mechanisms
    row = choose(
        offered,
        login.credentials,
        wanted=login.mechanism,
        private=channel.private or (channel.loopback and login.plain_on_loopback),
        bindings=channel.bindings,
        certificate=login.certificate,
    )
    if isinstance(row, NoMechanism):
        return Lost(Stage.LOGIN, Cause.UNFIT, row.reason)
    plus = any(MECHANISMS[name].binding for name in offered if name in MECHANISMS)
    terms = ClientTerms(nonce, channel.host, channel.port, channel.bindings, plus)
    return (yield from _exchange(machine, row, row.client(login.credentials, terms)))


def _exchange(machine: ClientConnection, row: Mechanism, side: Side) -> Dialogue:
    said = advance(side, None)
    if isinstance(said, Failure):
        return _given_up(said)
    early = said.octets is not None and fits(row.name, said.octets)
    heard = yield from _ask(machine.auth(row.name, said.octets if early else None))
    asked = not early and said.octets is not None  # the first challenge is empty: it asks for what did not fit
    while isinstance(heard, AuthChallenge):
        step = said if asked else (yield from _think(side, heard.octets))
        asked = False
        if isinstance(step, Failure):
            yield from _ask(machine.auth_respond(None))  # RFC 4954 §4: cancelled; the answer changes nothing
            return _given_up(step)
        said = step
        heard = yield from _ask(machine.auth_respond(said.octets or b""))
    side.close()
    if not heard.reply.is_positive:
        return Answered(Stage.LOGIN, heard.reply)
    if not said.complete:
        return Lost(Stage.LOGIN, Cause.PROTOCOL, "the server did not prove that it knows the password")
    return None


def _ask(octets: bytes) -> Generator[LoginStep, LoginHeard, AuthChallenge | AuthDone]:
    yield octets
    heard = yield Stage.LOGIN
    if not isinstance(heard, AuthChallenge | AuthDone):
        raise TypeError("a login that wants an answer is to be given one")
    return heard


def _think(side: Side, octets: bytes) -> Generator[LoginStep, LoginHeard, Response | Failure]:
    heard = yield Think(partial(advance, side, octets))
    if not isinstance(heard, Response | Failure):
        raise TypeError("a login that computes is to be given the value")
    return heard


def advance(side: Side, challenge: bytes | None) -> Response | Failure:
    """A mechanism's next response to the server, or why it does not go on."""
    try:
        return next(side) if challenge is None else side.send(challenge)
    except StopIteration as stop:
        failure: Failure = stop.value
        return failure


def _given_up(failure: Failure) -> Lost:
    return Lost(Stage.LOGIN, Cause.UNFIT, failure.detail or failure.reason.value)


def told(octets: bytes) -> bytes:
    """What a transcript may show of what we say in a login: no secrets (F119)."""
    line = octets.removesuffix(b"\r\n")
    verb, _, rest = line.partition(b" ")
    if verb != b"AUTH":
        return line if line == b"*" else b"(not shown)"
    mechanism, blank, _ = rest.partition(b" ")
    return b"AUTH " + mechanism + (b" (not shown)" if blank else b"")
