"""Invariant: any messages, to either side, end a login with a value in linear time, and log in nobody without the secret.

Run: ``python fuzz/sasl.py --seconds 30 --seed 1``. Both sides of each mechanism talk through a wire
that changes, drops and repeats messages; the directory knows one user. Whoever changes a message
must not be believed by both sides of a SCRAM.
"""  # noqa: E501

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Generator
from typing import Any

from eilpost.sasl import apop, bearer
from eilpost.sasl.mechanisms import MECHANISMS
from eilpost.sasl.prepare import saslprep, user_name
from eilpost.sasl.scram_keys import derive, fake_keys
from eilpost.sasl.scram_messages import MAX_SCRAM
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
    Secret,
    ServerStep,
    ServerTerms,
    Success,
)

ACCOUNT = "anna@example.test"
SECRET = "s3cret,=é"
TOKEN = "abc.def-ghi"
BINDING = ChannelBinding("tls-exporter", b"\x01" * 32)
PIECES = (
    b"", b"\0", b"\x01", b"\x01\x01", b",", b"=", b"=2C", b"=3D", b"n,,", b"y,,", b"p=tls-exporter,,", b"m=x,", b"r=",
    b"i=4096", b"i=0", b"i=99999999999", b"s=", b"c=biws", b"p=AAAA", b"v=", b"e=other", b"auth=Bearer ", b"user=",
    b"anna@example.test", b"\xff\xfe", "ａ".encode(), b"\xed\xa0\x80", b" ", b"{}", b"[" * 5000, b"A" * 9000, b"<a@b>",
)  # fmt: skip
KEYS = {hash_name: derive(ACCOUNT, SECRET, b"0123456789abcdef", 4096, hash_name) for hash_name in ("sha1", "sha256")}


def answer(ask: ServerStep) -> Answer:
    """What a directory with one user says."""
    match ask:
        case CheckPassword(name, password):
            return Granted(ACCOUNT) if (name, password) == (ACCOUNT, SECRET) else Failure(Reason.CREDENTIALS)
        case FindScram(name, hash_name):
            keys = KEYS[hash_name]
            return keys if name == ACCOUNT and keys else fake_keys(name, b"pepper", 4096, hash_name)
        case FindSecret(name):
            return Secret(ACCOUNT, SECRET.encode()) if name == ACCOUNT else Secret(None, b"")
        case CheckToken(_, token):
            return Granted(ACCOUNT) if token == TOKEN else Failure(Reason.CREDENTIALS)
        case CheckCertificate(name, _):
            return Granted(ACCOUNT) if name in ("", ACCOUNT) else Failure(Reason.CREDENTIALS)
    raise AssertionError(ask)


class Wire:
    """Changes some of what goes over it, and remembers whether it did."""

    def __init__(self, dice: random.Random, rate: float) -> None:
        self._dice, self._rate = dice, rate
        self.heard: list[bytes] = []
        self.changed = False

    def carry(self, octets: bytes) -> bytes:
        """The message as it arrives."""
        self.heard.append(octets)
        if self._dice.random() >= self._rate:
            return octets
        arrived = self._mutated(octets)
        self.changed = self.changed or arrived != octets
        return arrived

    def _mutated(self, octets: bytes) -> bytes:
        dice = self._dice
        at = dice.randrange(len(octets) + 1)
        match dice.randrange(5):
            case 0:
                return dice.choice(self.heard)
            case 1:
                return octets[:at]
            case 2:
                return octets[:at] + dice.choice(PIECES) + octets[at:]
            case 3:
                return b"".join(dice.choice(PIECES) for _ in range(dice.randrange(6)))
            case _:
                return octets[:at] + bytes([dice.randrange(256)]) + octets[at + 1 :]


def run(name: str, credentials: Credentials, wire: Wire) -> tuple[Result | None, bool]:
    """How the server ended, and whether the client was ready to believe it."""
    row = MECHANISMS[name]
    client = row.client(credentials, ClientTerms("cnonce", "mx", 587, (BINDING,), True))
    response = _step(client, None)
    if not isinstance(response, Response):
        return None, False
    initial = None if response.octets is None else wire.carry(response.octets)
    server = row.server(initial, ServerTerms("snonce", "mx", (BINDING,), True, Certificate("ab", (ACCOUNT,))))
    sent: Answer | None = None
    for _ in range(12):
        step = _step(server, sent)
        while not isinstance(step, Challenge | Success | Failure):
            step = _step(server, answer(step))
        if isinstance(step, Success | Failure):
            return step, response.complete
        response = _step(client, wire.carry(step.octets))
        if isinstance(response, Failure):
            return None, False
        sent = wire.carry(response.octets or b"")
    raise AssertionError("an exchange without an end")


def _step(side: Generator[Any, Any, Any], sent: object) -> Any:
    try:
        return next(side) if sent is None else side.send(sent)
    except StopIteration as stop:
        if isinstance(stop.value, Success | Failure):
            return stop.value
        raise


def check(dice: random.Random) -> str:
    """One exchange; which mechanism."""
    name = dice.choice(tuple(MECHANISMS))
    knows = dice.random() < 0.5
    credentials = Credentials(ACCOUNT, SECRET if knows else "wrong", TOKEN if knows else "stale")
    wire = Wire(dice, dice.choice((0.0, 0.3, 1.0)))
    ended, complete = run(name, credentials, wire)
    believed = isinstance(ended, Success) and complete
    if isinstance(ended, Success):
        assert ended.account == ACCOUNT
        assert knows or name == "EXTERNAL", f"{name} let in who does not know the secret"
    if not wire.changed and knows and name != "EXTERNAL":
        assert believed, f"{name} refused who knows the secret"
    if name.startswith("SCRAM") and wire.changed:
        assert not believed, f"{name} was changed on the way, and both believe it"
    words = b"".join(dice.choice(PIECES) for _ in range(4))
    apop.timestamp(words), user_name(words), bearer.error_status(words), saslprep(words.decode("utf-8", "replace"))
    assert all(len(each) <= MAX_SCRAM for each in wire.heard if name.startswith("SCRAM") and not wire.changed)
    return name


def main() -> int:
    """Fuzzes for the time that was asked for; 1 when the invariant broke."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=30.0)
    options.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    given = options.parse_args()
    dice = random.Random(given.seed)
    print(f"seed {given.seed}")
    end, runs = time.monotonic() + given.seconds, 0
    while time.monotonic() < end:
        state, begin = dice.getstate(), time.process_time()
        try:
            check(dice)
            assert time.process_time() - begin < 2, "more than linear time"
        except Exception:
            dice.setstate(state)
            print(f"broken in run {runs} of seed {given.seed}", file=sys.stderr)
            raise
        runs += 1
    print(f"{runs} logins, no fault")
    return 0


if __name__ == "__main__":
    sys.exit(main())
