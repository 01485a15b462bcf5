"""Invariant: any octets have a header, found in linear time; look-ups, fields and spans agree, and reports are read or are none.

Run: ``python fuzz/headers.py --seconds 30 --seed 1``. Mutated messages go through the scanner, the
repairs of submission, the parser of reports and the display of fields; nothing may raise.
"""  # noqa: E501

from __future__ import annotations

import argparse
import random
import sys
import time

from eilpost.mail.address import Address
from eilpost.mail.status import Status
from eilpost.message import dates, dsn, encoded_words, submission, trace
from eilpost.message.header import scan, without

REPORT = dsn.multipart(
    "Sorry.\n",
    dsn.DeliveryStatus(
        "mx.example",
        (dsn.RecipientStatus("rfc822;b@x", dsn.Action.FAILED, Status(5, 1, 1), diagnostic="smtp; 550 no"),),
    ),
    dsn.Returned(b"Subject: x\r\n\r\nHello\r\n", whole=True),
    token="t",
)
SEEDS = (
    b"Received: from a ([192.0.2.1])\r\n\tby c with ESMTP id d; Mon, 23 Nov 2026 19:45:50 +0000\r\nFrom: a@x\r\n\r\n",
    b"From: a@x, b@x\r\nSender: a@x\r\nBcc: c@x,\r\n d@x\r\nSubject: =?utf-8?q?=C3=BC?= =?utf-8?b?w7w=?=\r\n\r\n",
    b"Return-Path: <a@x>\r\nDelivered-To: a@x\r\nDate: Mon, 23 Nov 2026 19:45:50 +0000\r\nMessage-ID: <a@x>\r\n\r\n",
    f"Content-Type: {REPORT.content_type}\r\n\r\n".encode() + REPORT.octets,
    b"",
)
WORDS = (
    b"\r\n", b"\r\n\r\n", b"\r\n ", b"\r\n\t", b"\r", b"\n", b"\0", b"\xff", b":", b" :", b"Bcc:", b"bcc :", b"From:",
    b"Received:", b"\r\nReceived:", b"=?utf-8?q?", b"?=", b"--=_t_0", b"Content-Type:", b'"', b";", b",", b"(", b"<",
)  # fmt: skip
NAMES = (b"from", b"received", b"bcc", b"subject", b"content-type", b"x")
ADDRESS = Address("a", "x")


def mutate(seed: bytes, dice: random.Random) -> bytes:
    """A message with a few accidents, some of them long."""
    octets = bytearray(seed if dice.random() < 0.9 else dice.randbytes(dice.randrange(400)))
    for _ in range(dice.randrange(8)):
        at = dice.randrange(len(octets) + 1)
        octets[at : at + dice.randrange(6)] = dice.choice(WORDS) * dice.choice((0, 1, 1, 1, 2, 3000))
    return bytes(octets)


def check(content: bytes, dice: random.Random) -> None:
    """Asserts the invariant for one message."""
    limit = dice.choice((0, 1, 50, 300, 256_000))
    header = scan(content, limit)
    fields = list(header.fields())
    assert len(header.octets) <= limit
    assert content.startswith(header.octets)
    assert len(header.octets) <= header.body <= len(content)
    for name in NAMES:
        same = [item for item in fields if item.name.lower() == name]
        assert header.count(name) == len(same)
        assert list(header.named(name)) == same
    if not header.over_limit:
        assert b"".join(content[item.span.start : item.span.end] for item in fields) == header.octets
    found = submission.repairs(header, date="d", message_id="<m>")
    assert len(without(content, found.cuts)) == len(content) - sum(end - start for start, end in found.cuts)
    assert trace.hops(header) == header.count(b"received")
    trace.was_delivered_to(header, ADDRESS)
    for item in fields[:20]:
        shown = encoded_words.display(item.value)
        assert shown.isprintable()
        dates.parse(shown)
    dsn.parse_report(content)
    dsn.decode_status(content)


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
        content = mutate(dice.choice(SEEDS), dice)
        begin = time.process_time()
        try:
            check(content, dice)
            assert time.process_time() - begin < 2, "more than linear time"
        except Exception:
            print(f"broken by {content[:3000]!r} ({len(content)} octets)", file=sys.stderr)
            raise
        runs += 1
    print(f"{runs} messages, no fault")
    return 0


if __name__ == "__main__":
    sys.exit(main())
