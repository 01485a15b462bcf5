"""Invariant: whatever a client sends and however it is split, POP3's server machine gives the same events, answers, and raises nothing.

Run: ``python fuzz/pop3_server.py --seconds 30 --seed 1``.
"""  # noqa: E501

from __future__ import annotations

import argparse
import random
import time

from eilpost.pop3 import events as ev
from eilpost.pop3 import replies
from eilpost.pop3.events import Event, NeedData
from eilpost.pop3.phases import Phase
from eilpost.pop3.replies import err, ok
from eilpost.pop3.server import ServerConnection, ServerSettings

SEEDS = (
    b"CAPA\r\nUSER anna\r\nPASS one two\r\nSTAT\r\nLIST\r\nUIDL 1\r\nRETR 1\r\nTOP 1 10\r\nDELE 1\r\nRSET\r\nQUIT\r\n",
    b"AUTH PLAIN\r\nAGEAYg==\r\nLIST 1\r\nNOOP\r\nQUIT\r\n",
    b"AUTH PLAIN =\r\nAUTH SCRAM-SHA-256 biws\r\n*\r\n\r\nAPOP anna c4c9334bac560ecc979e58001b3e22fb\r\nUIDL\r\n",
    b"UTF8\r\nLANG\r\nLANG de\r\nAUTH\r\nUSER \xc3\xbc\r\nUSER b\r\nPASS \xc3\xbc\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00" + bytes(range(256)),
)
WORDS = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"=",
    b"*\r\n",
    b"x" * 300,
    b"\xff",
    b"1",
    b"-1",
    b"AUTH PLAIN\r\n",
    b"QUIT\r\n",
)


def mutate(seed: bytes, dice: random.Random) -> bytes:
    """A session with a few accidents. What lies behind STLS is judged by its cut, so it stays out."""
    octets = bytearray(seed if dice.random() < 0.9 else dice.randbytes(dice.randrange(400)))
    for _ in range(dice.randrange(7)):
        at = dice.randrange(len(octets) + 1)
        octets[at : at + dice.randrange(8)] = dice.choice(WORDS) * dice.choice((0, 1, 1, 2, 40))
    return bytes(octets).upper().replace(b"STLS", b"NOOP")


def answer(machine: ServerConnection, event: Event, dice: random.Random) -> bytes:
    """Some answer that may be given."""
    if isinstance(event, ev.Refused):
        return machine.send(event.answer)
    if isinstance(event, ev.Auth | ev.AuthResponse) and dice.random() < 0.5:
        return machine.challenge(dice.randbytes(dice.randrange(9)))
    if dice.random() < 0.2:
        return machine.send(err("no"))
    match event:
        case (
            ev.Capa()
            | ev.ListMechanisms()
            | ev.Retr()
            | ev.Top()
            | ev.Lang(tag="")
            | ev.List(number=0)
            | ev.Uidl(number=0)
        ):
            return machine.begin(ok()) + machine.content(dice.choice((b"", b".", b"a\r\n.b", b"\r\n"))) + machine.end()
        case _:
            return machine.send(replies.DONE)


def run(octets: bytes, cuts: list[int], seed: int, settings: ServerSettings) -> tuple[list[Event], bytes]:
    """All events and answers."""
    dice, machine = random.Random(seed), ServerConnection(settings)
    events: list[Event] = []
    said, before = machine.greet(ok("ready")), 0
    for cut in [*cuts, len(octets)]:
        if piece := octets[before:cut]:
            machine.receive_data(piece)
        before = cut
        while not isinstance(event := machine.next_event(), NeedData | ev.Disconnected):
            events.append(event)
            said += answer(machine, event, dice)
    assert machine.phase is not Phase.GREETING
    return events, said


def main() -> None:
    """Fuzzes for some seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    dice, end, count = random.Random(given.seed), time.monotonic() + given.seconds, 0
    while time.monotonic() < end:
        octets = mutate(dice.choice(SEEDS), dice)
        mechanisms = dice.choice(((), ("PLAIN", "SCRAM-SHA-256")))
        settings = ServerSettings(mechanisms=mechanisms, apop=dice.random() < 0.5, line=dice.choice((64, 255)))
        seed = dice.randrange(1 << 30)
        whole = run(octets, [], seed, settings)
        cuts = sorted(dice.sample(range(len(octets) + 1), min(len(octets), dice.randrange(1, 9))))
        assert run(octets, list(range(len(octets))), seed, settings) == whole, octets
        assert run(octets, cuts, seed, settings) == whole, octets
        count += 1
    print(f"{count} sessions, nothing found")


if __name__ == "__main__":
    main()
