"""Invariant: whatever a client sends and however it is split, the server's machine gives the same events and replies, hands on no more than the limit, and raises nothing.

Run: ``python fuzz/smtp_server.py --seconds 30 --seed 1``. Random octets and mutated sessions are fed whole,
octet by octet and in random pieces; a random session answers, the same for all three.
"""  # noqa: E501

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections.abc import Iterator
from itertools import count, pairwise

from eilpost.mail.reply import Reply, reply
from eilpost.smtp import replies
from eilpost.smtp.commands import Dialect
from eilpost.smtp.events import (
    NEED_DATA,
    Auth,
    AuthResponse,
    CommandEvent,
    Content,
    ContentEnd,
    Data,
    Disconnected,
    Event,
    Hello,
    Help,
    NeedData,
    Refused,
)
from eilpost.smtp.extensions import ALL, STANDARD
from eilpost.smtp.phases import Phase
from eilpost.smtp.server import ServerConnection, ServerSettings

ENVELOPE = b"EHLO client.example\r\nMAIL FROM:<a@b.test> SIZE=9 BODY=8BITMIME\r\nRCPT TO:<c@d.test>\r\n"
SEEDS = (
    ENVELOPE + b"DATA\r\nSubject: x\r\n\r\n..\r\n.a\r\nbody\r\n.\r\nMAIL FROM:<>\r\nRSET\r\nQUIT\r\n",
    ENVELOPE + b"RCPT TO:<e@d.test> NOTIFY=NEVER\r\nBDAT 9\r\nSubject:\r\nBDAT 8 LAST\r\n x\r\n\r\n.\r\nNOOP\r\n",
    ENVELOPE + b"DATA\r\n.\r\nMAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<c@d.test>\r\nBDAT 2 LAST\r\n\n\0NOOP\r\n",
    ENVELOPE.replace(b"EHLO", b"LHLO") + b"DATA\r\nx\r\n.\r\nVRFY a SMTPUTF8\r\nEXPN b\r\nHELP\r\n",
    b"HELO x\r\nmail from: a@b.test\r\nrcpt to: <@r.test:\"c d\"@[IPv6:::1]>\r\ndata\r\n" + b"x" * 90 + b"\r\n.\r\n",
    b"EHLO x\r\nAUTH PLAIN AGEAYg==\r\nAUTH LOGIN\r\nYQ==\r\nYWE=\r\nAUTH PLAIN =\r\n*\r\nSTARTTLS\r\nEHLO x\r\n",
    b"EHLO x\r\nXCLIENT NAME=a ADDR=IPV6:::1 LOGIN=[UNAVAILABLE]\r\nEHLO x\r\nXFORWARD IDENT=1\r\nETRN @b.test\r\n",
    b"EHLO x\r\nSOML FROM:<a@b.test> HOLDFOR=9 BY=-9;NT MT-PRIORITY=-9 REQUIRETLS SOLICIT=a:b AUTH=<>\r\nRSET\r\n",
    b"EHLO x\r\nSEND FROM:<> HOLDUNTIL=2030-01-01T00:00:00Z\r\nRCPT TO:<c@d.test> RRVS=2030-01-01T00:00:00Z;C\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00" + bytes(range(256)),
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"EHLO [127.0.0.1]\r\n" + "MAIL FROM:<ü@bücher.test> SMTPUTF8\r\nRCPT TO:<ß@b.test>\r\n".encode() + b"RSET\r\n" * 9,
)  # fmt: skip
WORDS = (
    b"\r\n", b"\n", b"\r", b"\0", b".", b"\r\n.\r\n", b"\r\n.", b" ", b"<", b"@", b"x" * 300, b"\xff", b"DATA\r\n",
    b"BDAT 5\r\n", b"BDAT 7 LAST\r\n", b"RSET\r\n", b"RCPT TO:<c@d.test>\r\n", b"MAIL FROM:<>\r\n", b"EHLO x\r\n", b"1",
    b"AUTH LOGIN\r\n", b"AUTH PLAIN YQ==\r\n", b"*\r\n", b"YQ==\r\n", b"STARTTLS\r\n", b"=", b"A" * 700,
    b"XCLIENT NAME=a\r\n",
)  # fmt: skip
# DATA and STARTTLS must end their group: the cut behind them is the only one that counts (RFC 2920 §3.1).
AFTER_DATA = re.compile(rb"(?i)(?:data|starttls)[^\n]*\n")
VERDICTS = (reply(451, "4.3.0", "later"), reply(550, "5.7.1", "no"), reply(421, "4.3.2", "gone"))


def mutate(seed: bytes, dice: random.Random) -> bytes:
    """A session with a few accidents."""
    octets = bytearray(seed if dice.random() < 0.9 else dice.randbytes(dice.randrange(400)))
    for _ in range(dice.randrange(7)):
        at = dice.randrange(len(octets) + 1)
        octets[at : at + dice.randrange(8)] = dice.choice(WORDS) * dice.choice((0, 1, 1, 1, 2, 40))
    return bytes(octets)


def settings(dice: random.Random) -> ServerSettings:
    """A listener with tight limits."""
    return ServerSettings(
        dialect=dice.choice(list(Dialect)),
        extensions=dice.choice((ALL, ALL, STANDARD, ALL - {"CHUNKING"}, ALL - {"BINARYMIME", "SMTPUTF8"})),
        mechanisms=dice.choice(((), ("PLAIN",), ("PLAIN", "LOGIN"))),
        message_size=dice.choice((10, 60, 100_000)),
        line=dice.choice((512, 4096)),
        typed=dice.random() < 0.5,
    )


class Observer:
    """A machine with a session that decides by dice; what happened is kept, contents joined."""

    def __init__(self, kind: ServerSettings, mood: int) -> None:
        self._dice = random.Random(mood)
        self._limit = kind.message_size
        self._kind = kind
        self.machine = ServerConnection(kind)
        self.seen: list[object] = [self.machine.greet(reply(220, None, "hi"))]

    def feed(self, octets: bytes) -> None:
        """Gives it octets and answers."""
        machine = self.machine
        machine.receive_data(octets)
        while machine.phase is not Phase.CLOSED and not isinstance(event := machine.next_event(), NeedData):
            self._note(event)
            if isinstance(event, Disconnected):
                return
            if not isinstance(event, Content):
                self.seen.append(self._answer(event))
            if machine.phase is Phase.HANDSHAKE:
                machine.secured(self._kind)
        if machine.next_event() is not NEED_DATA and octets:
            raise AssertionError("a closed machine has something to say")

    def _answer(self, event: CommandEvent) -> bytes:
        goes_on = isinstance(event, Auth) or (isinstance(event, AuthResponse) and event.octets is not None)
        if goes_on and self._dice.random() < 0.6:
            return self.machine.challenge(self._dice.randbytes(5))
        return self.machine.send(self._verdict(event))

    def _note(self, event: Event) -> None:
        if isinstance(event, Content) and isinstance(last := self.seen[-1], Content):
            event = Content(last.octets + event.octets)
            self.seen.pop()
        self.seen.append(event)
        if isinstance(event, Content) and len(event.octets) > self._limit:
            raise AssertionError("more content than the limit")

    def _verdict(self, event: Event) -> Reply:
        if isinstance(event, Refused):
            return event.reply
        if self._dice.random() < 0.08:
            return self._dice.choice(VERDICTS)
        if isinstance(event, Hello):
            return self.machine.hello_reply("mx")
        if isinstance(event, Data):
            return replies.SEND_CONTENT
        if isinstance(event, Help):
            return self.machine.help_reply(event.topic)
        return (event.refusal if isinstance(event, ContentEnd) else None) or replies.OK


def groups(octets: bytes) -> list[bytes]:
    """The octets, cut behind each line that holds DATA or STARTTLS."""
    edges = [0, *(found.end() for found in AFTER_DATA.finditer(octets)), len(octets)]
    return [octets[start:end] for start, end in pairwise(edges) if start < end]


def pieces(octets: bytes, sizes: Iterator[int]) -> Iterator[bytes]:
    """The same octets in pieces, none of them empty."""
    while octets:
        size = next(sizes)
        yield octets[:size]
        octets = octets[size:]


def observe(kind: ServerSettings, mood: int, octets: bytes, sizes: Iterator[int]) -> list[object]:
    """All that happens."""
    observer = Observer(kind, mood)
    for group in groups(octets):
        for piece in pieces(group, sizes):
            observer.feed(piece)
    observer.feed(b"")
    return [*observer.seen, observer.machine.phase]


def run(seconds: float, seed: int) -> int:
    """How many sessions were tried."""
    tried = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        case = seed * 1_000_003 + tried
        dice = random.Random(case)
        octets, kind, mood = mutate(dice.choice(SEEDS), dice), settings(dice), dice.getrandbits(64)
        whole = observe(kind, mood, octets, (1_000_000 for _ in count()))
        single = observe(kind, mood, octets, (1 for _ in count()))
        parts = observe(kind, mood, octets, (dice.choice((1, 2, 3, 8, 70, 600)) for _ in count()))
        if not whole == single == parts:
            sys.exit(f"case {case}: split input differs\n{kind}\n{octets!r}\n{whole}\n{single}\n{parts}")
        tried += 1
    return tried


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    print(f"{run(options.seconds, options.seed)} sessions, no fault")


if __name__ == "__main__":
    main()
