"""A directory of one user, and a wire between a client's and a server's mechanism."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from eilpost.sasl.mechanisms import MECHANISMS
from eilpost.sasl.scram_keys import derive, fake_keys
from eilpost.sasl.words import (
    Answer,
    Certificate,
    Challenge,
    ChannelBinding,
    CheckCertificate,
    CheckPassword,
    CheckToken,
    ClientTerms,
    Credentials,
    Failure,
    FindScram,
    FindSecret,
    Granted,
    Reason,
    Response,
    Result,
    ScramKeys,
    Secret,
    Server,
    ServerStep,
    ServerTerms,
    Success,
)

ACCOUNT: Final = "anna@example.test"
PASSWORD: Final = "fjärd och fjäll"
TOKEN: Final = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
BINDING: Final = ChannelBinding("tls-exporter", b"\x01" * 32)
END_POINT: Final = ChannelBinding("tls-server-end-point", b"\x02" * 32)
CERTIFICATE: Final = Certificate("ab" * 32, (ACCOUNT,))
DENIED: Final = Failure(Reason.CREDENTIALS)


@dataclass
class Directory:
    """Answers what a mechanism asks, as for one user."""

    name: str = ACCOUNT
    password: str = PASSWORD
    iterations: int = 4096
    salt: bytes = b"salt salt salt 16"
    asked: list[ServerStep] = field(default_factory=list)

    def answer(self, ask: ServerStep) -> Answer:
        """What the directory says."""
        self.asked.append(ask)
        match ask:
            case CheckPassword(name, password):
                return Granted(ACCOUNT) if (name, password) == (self.name, self.password) else DENIED
            case FindScram(name, hash_name):
                return self._keys(name, hash_name)
            case FindSecret(name):
                known = name == self.name
                return Secret(ACCOUNT, self.password.encode()) if known else Secret(None, b"fake")
            case CheckToken(name, token):
                return Granted(ACCOUNT) if (name, token) in ((self.name, TOKEN), ("", TOKEN)) else DENIED
            case CheckCertificate(name, certificate):
                return Granted(ACCOUNT) if name in ("", *certificate.names) else DENIED
        raise AssertionError(ask)

    def _keys(self, name: str, hash_name: str) -> ScramKeys:
        keys = derive(ACCOUNT, self.password, self.salt, self.iterations, hash_name) if name == self.name else None
        return keys or fake_keys(name, b"pepper", self.iterations, hash_name)


def server_terms(**changes: object) -> ServerTerms:
    """What the server is given, over TLS, for a client with a certificate."""
    given: dict[str, object] = {
        "nonce": "serverNonce", "hostname": "mx.example.test", "bindings": (BINDING, END_POINT),
        "binding_offered": True, "certificate": CERTIFICATE,
    }  # fmt: skip
    return ServerTerms(**(given | changes))  # type: ignore[arg-type]


def client_terms(**changes: object) -> ClientTerms:
    """What the client is given, over TLS."""
    given: dict[str, object] = {
        "nonce": "clientNonce", "host": "mx.example.test", "port": 587, "bindings": (BINDING,), "binding_offered": True
    }  # fmt: skip
    return ClientTerms(**(given | changes))  # type: ignore[arg-type]


CREDENTIALS: Final = {
    name: Credentials("") if name == "EXTERNAL" else Credentials(ACCOUNT, PASSWORD, TOKEN) for name in MECHANISMS
}


@dataclass
class Exchange:
    """What was said, and how each side ended; ``client`` is None while it had no objection."""

    server: Result
    client: Failure | None
    complete: bool
    said: list[bytes]


Tamper = Callable[[int, bytes], bytes]


def untouched(number: int, octets: bytes) -> bytes:
    """A wire that changes nothing."""
    return octets


def run(
    name: str,
    credentials: Credentials,
    directory: Directory | None = None,
    *,
    ours: ServerTerms | None = None,
    theirs: ClientTerms | None = None,
    tamper: Tamper = untouched,
    initial: bool = True,
) -> Exchange:
    """Both sides against each other, as SMTP carries them; ``tamper`` sees each message with its number."""
    row, directory = MECHANISMS[name], directory or Directory()
    client = row.client(credentials, theirs or client_terms())
    said: list[bytes] = []

    def over(octets: bytes) -> bytes:
        said.append(octets)
        return tamper(len(said) - 1, octets)

    try:
        response: Response = next(client)
    except StopIteration as stop:
        return Exchange(Failure(Reason.CANCELLED), stop.value, False, said)
    first = response.octets
    early = initial and first is not None
    server = row.server(over(first) if early and first is not None else None, ours or server_terms())
    answer: Answer | None = None
    while True:
        step = advance(server, answer, directory)
        if isinstance(step, Success | Failure):
            return Exchange(step, None, response.complete, said)
        if first is not None and not early:  # the client speaks first, and the server had to ask
            answer, early = over(first), True
            continue
        try:
            response = client.send(over(step.octets))
        except StopIteration as stop:
            return Exchange(Failure(Reason.CANCELLED), stop.value, False, said)
        assert response.octets is not None
        answer = over(response.octets)


def advance(server: Server, answer: Answer | None, directory: Directory) -> Challenge | Result:
    """The next challenge or the end; what the mechanism asks is answered."""
    try:
        step = next(server) if answer is None else server.send(answer)
        while not isinstance(step, Challenge):
            step = server.send(directory.answer(step))
    except StopIteration as stop:
        result: Result = stop.value
        return result
    return step
