"""Invariant: whatever a server sends and however it is split, the client's machine gives the same events, and raises nothing but RemoteProtocolError.

Run: ``python fuzz/smtp_client.py --seconds 30 --seed 1``. Random octets and mutated transcripts are fed to
a machine in a random phase, whole and in pieces.
"""  # noqa: E501

from __future__ import annotations

import argparse
import random
import sys
import time

from eilpost.mail.address import Address
from eilpost.mail.envelope import ReversePath
from eilpost.smtp.claims import Claims
from eilpost.smtp.client import ClientConnection
from eilpost.smtp.client_events import AuthChallenge, Disconnected
from eilpost.smtp.commands import Dialect
from eilpost.smtp.errors import LocalProtocolError, RemoteProtocolError
from eilpost.smtp.events import NEED_DATA
from eilpost.smtp.phases import Phase

EHLO = (
    b"250-mx.example\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-LIMITS RCPTMAX=3\r\n"
    b"250-STARTTLS\r\n250-AUTH PLAIN\r\n250-AUTH=LOGIN\r\n250-ETRN\r\n250-XCLIENT\r\n250 CHUNKING\r\n"
)
SEEDS = (
    b"220 hi\r\n" + EHLO + b"250 Ok\r\n250 Ok\r\n354 go\r\n250 2.0.0 queued\r\n",
    b"220-a\r\n220 b\r\n" + EHLO + b"250 2.1.0 Ok\r\n550 5.1.1 no\r\n452 4.5.3 many\r\n503 no\r\n",
    b"554 5.3.2 no\r\n421 4.3.2 bye\r\n",
    EHLO + b"250 a\r\n250 b\r\n421-4.3.2 x\r\n421 4.3.2 y\r\n",
    b"250\r\n" * 20,
    b"334 YQ==\r\n334 \r\n235 2.7.0 Ok\r\n250 Ok\r\n",
    b"334 YQ==\r\n334 YWE=\r\n535 5.7.8 no\r\n220 go\r\n" + EHLO,
    b"250-" * 30 + b"\r\n",
)
BEFORE_TLS = "the handshake"
WORDS = (b"250 ", b"250-", b"354 ", b"421 ", b"550 5.1.1 ", b"\r\n", b"\n", b"\r", b"\0", b"\xff", b"999 ", b"2.0.0 ",
         b"334 ", b"A" * 90, b"334 YQ==\r\n", b"235 Ok\r\n")  # fmt: skip


def mutate(seed: bytes, dice: random.Random) -> bytes:
    """A transcript with a few accidents."""
    octets = bytearray(seed if dice.random() < 0.9 else dice.randbytes(dice.randrange(400)))
    for _ in range(dice.randrange(6)):
        at = dice.randrange(len(octets) + 1)
        octets[at : at + dice.randrange(8)] = dice.choice(WORDS) * dice.choice((0, 1, 1, 2, 700))
    return bytes(octets)


def prepare(dice: random.Random) -> ClientConnection:
    """A machine with some commands outstanding."""
    machine = ClientConnection(dice.choice(list(Dialect)))
    if dice.random() < 0.2:
        return machine
    path = ReversePath(Address("a", "b.example"))
    machine.receive_data(b"220 hi\r\n")
    machine.next_event()
    machine.hello("me.example")
    if dice.random() < 0.2:
        return machine
    machine.receive_data(EHLO)
    machine.next_event()
    for turn, say in enumerate(
        (
            dice.choice(
                (
                    lambda: machine.auth("LOGIN"),
                    lambda: machine.auth("PLAIN", b"x"),
                    machine.starttls,
                    lambda: machine.etrn("b.example"),
                    lambda: machine.xclient(Claims(name="a")),
                )
            ),
            lambda: machine.mail(path),
            lambda: machine.rcpt(Address("c", "d.example")),
            lambda: machine.rcpt(Address("e", "d.example")),
            dice.choice((machine.data, lambda: machine.bdat(b"x", last=True), machine.rset, machine.quit)),
        )
    ):
        if dice.random() < (0.3 if turn == 0 else 0.95):
            try:
                say()
            except LocalProtocolError:
                continue
    return machine


def observe(machine: ClientConnection, pieces: list[bytes]) -> list[object]:
    """All events, and the error at their end if there is one. Content is ended as soon as it may be."""
    seen: list[object] = []
    try:
        for piece in [*pieces, b""]:
            machine.receive_data(piece)
            while (event := machine.next_event()) is not NEED_DATA:
                if machine.phase is Phase.HANDSHAKE:  # what comes behind it must never be read
                    return [*seen, BEFORE_TLS]
                seen.append(event)
                if isinstance(event, Disconnected):
                    return seen
                if machine.phase is Phase.CONTENT and machine.awaiting is None:
                    seen.append(machine.end_content())
                if isinstance(event, AuthChallenge):
                    seen.append(machine.auth_respond(None if len(seen) > 9 else b"x"))
    except RemoteProtocolError as error:
        seen.append(BEFORE_TLS if machine.awaiting is None and "before TLS" in str(error) else str(error))
    return seen


def split(octets: bytes, dice: random.Random) -> list[bytes]:
    """The same octets in pieces, none of them empty."""
    pieces = []
    while octets:
        size = dice.choice((1, 1, 2, 5, 80, 4000))
        pieces.append(octets[:size])
        octets = octets[size:]
    return pieces


def run(seconds: float, seed: int) -> int:
    """How many transcripts were tried."""
    tried = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        case = seed * 1_000_003 + tried
        dice = random.Random(case)
        octets = mutate(dice.choice(SEEDS), dice)
        state = dice.getrandbits(64)
        whole = observe(prepare(random.Random(state)), [octets] if octets else [])
        parts = observe(prepare(random.Random(state)), split(octets, dice))
        if whole != parts:
            sys.exit(f"case {case}: split input differs\n{octets!r}\n{whole}\n{parts}")
        tried += 1
    return tried


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{run(options.seconds, options.seed)} transcripts, no fault")


if __name__ == "__main__":
    main()
