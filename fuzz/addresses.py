"""Invariant: any text is an address that is written and read back as itself, within its limits, or it raises AddressError.

Run: ``python fuzz/addresses.py --seconds 30 --seed 1``. The parameters of MAIL and RCPT that hold
addresses and xtext are held to the same: a value, or ParameterError.
"""  # noqa: E501

from __future__ import annotations

import argparse
import random
import sys
import time

from eilpost.mail.address import (
    MAX_ADDRESS,
    MAX_DOMAIN,
    MAX_LOCAL_PART,
    Address,
    AddressError,
    parse_address,
    parse_domain,
    parse_local_part,
    to_unicode,
)
from eilpost.mail.envelope import ForwardPath
from eilpost.smtp.extensions import (
    MAIL_PARAMETERS,
    RCPT_PARAMETERS,
    ParameterError,
    decode_xtext,
    encode_xtext,
)

SEEDS = (
    "anna@example.test", '"v@evil.example"@ours.example', '"a\\"b\\\\c d"@x', "v%evil@ours.example",
    "пётр@bücher.example",
    "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]", "@a,@b:c@d", "postmaster", "", "a.b.c@xn--bcher-kva.example",
    "rfc822;anna+2B@x", "utf-8;a\\x{E4}@x", "a@" + "b." * 120 + "c", "x" * 64 + "@y", "漢字@漢字。漢字",
)  # fmt: skip
WORDS = (
    "@", ".", "..", '"', "\\", "[", "]", "[IPv6:", ":", "%", "!", " ", "\r\n", "\x00", "\x85", "\u2028", "\u202e",
    "\ud800", "＠", "。", "ß", "ı", "K", "é", "e\u0301", "\u200d", "😀", "xn--", "-", "_", "+", "=", "+0A", "\\x{",
    "}", ";", "0x7f",
)  # fmt: skip


def mutate(seed: str, dice: random.Random) -> str:
    """An address with a few accidents."""
    text = seed
    for _ in range(dice.randrange(6)):
        at = dice.randrange(len(text) + 1)
        text = text[:at] + dice.choice(WORDS) * dice.choice((0, 1, 1, 2, 70)) + text[at + dice.randrange(4) :]
    return text


def check(text: str) -> None:
    """Asserts the invariant for one text."""
    try:
        address = parse_address(text)
    except AddressError:
        pass  # the answer for what is no address
    else:
        check_address(address)
        check_parts(text, address)
    for row in (*MAIL_PARAMETERS.values(), *RCPT_PARAMETERS.values()):
        try:
            value = row.parse(text)
        except ParameterError:
            continue
        else:
            assert not isinstance(value, str) or (value.encode() and len(value.splitlines()) == 1)
    try:
        decoded = decode_xtext(text)
    except ParameterError:
        return
    assert decode_xtext(encode_xtext(decoded)) == decoded


def check_address(address: Address) -> None:
    """An address that was read is written within the limits, and read again as itself."""
    written = str(address)
    assert parse_address(written) == address
    assert len(written.encode()) <= MAX_ADDRESS
    assert len(address.domain) <= MAX_DOMAIN
    assert address.domain == address.domain.lower() or address.is_literal
    assert address.domain.isascii()
    assert parse_domain(address.domain) == address.domain
    assert written.isascii() is address.is_ascii
    assert len(written.splitlines()) == 1
    assert to_unicode(address.domain)
    assert str(ForwardPath(address)) == f"<{written}>"


def check_parts(text: str, address: Address) -> None:
    """The parts of an address, split at its last @, are read alone as they are in the whole."""
    local_part, _, domain = text.rpartition("@")
    assert parse_local_part(local_part) == address.local_part
    assert parse_domain(domain) == address.domain
    assert len(local_part.encode()) <= MAX_LOCAL_PART


def main() -> int:
    """Fuzzes for the time that was asked for; raises when the invariant breaks."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=30.0)
    options.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    given = options.parse_args()
    dice = random.Random(given.seed)
    print(f"seed {given.seed}")
    end, runs = time.monotonic() + given.seconds, 0
    while time.monotonic() < end:
        text = mutate(dice.choice(SEEDS), dice)
        try:
            check(text)
        except Exception:
            print(f"broken by {text!r}", file=sys.stderr)
            raise
        runs += 1
    print(f"{runs} texts, no fault")
    return 0


if __name__ == "__main__":
    sys.exit(main())
