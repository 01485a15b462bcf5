"""Invariant: a row decodes to exactly what was encoded, or raises RecordDamaged; no changed row passes as another."""

from __future__ import annotations

import argparse
import random
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from eilpost.mail.address import Address
from eilpost.mail.envelope import (
    Body,
    ByMode,
    DeliverBy,
    MailParameters,
    Notify,
    RcptParameters,
    Recipient,
    Ret,
    ReversePath,
    ValidSince,
)
from eilpost.mail.outcome import Fate, Outcome
from eilpost.mail.status import Status
from eilpost.spool import records
from eilpost.spool.records import MessageRecord, RecordDamaged, Row

try:
    import atheris
except ImportError:
    atheris = None

_TEXT = "abcxyzABC019.-_+@<>;' \"\\\0\r\n\tüßλ中😀\u202e"
# Of a recipient's row: state, due, attempts, warned and next hop have no checksum; no last outcome is no damage.
_MUTABLE = {2, 3, 4, 5, 8}
_LAST = 11


def main(arguments: list[str]) -> int:
    """Runs for so many seconds; prints the seed, so that a failure can be had again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    options = parser.parse_args(arguments)
    source = random.Random(options.seed)
    print(f"seed {options.seed}", flush=True)
    end, runs = time.monotonic() + options.seconds, 0
    while time.monotonic() < end:
        one_input(source.randbytes(64))
        runs += 1
    print(f"{runs} inputs, no violation")
    return 0


def one_input(octets: bytes) -> None:
    """One round, decided by ``octets`` alone; AssertionError when the invariant breaks."""
    source = random.Random(octets)
    message = _message(source)
    row = _as_read(records.encode_message(message))
    assert records.decode_message(row) == message, row
    _check_damage(source, row, records.decode_message, message, set())
    recipient = _recipient(source)
    number, position = source.getrandbits(55), source.randrange(1000)
    row = _as_read(records.encode_recipient(number, position, recipient, records.DEFERRED, 1.5))
    outcome = _outcome(source)
    row = (*row[:_LAST], records.encode_outcome(outcome).encode())  # the rank is written and never read
    decoded = records.decode_recipient(row)
    assert decoded.recipient == recipient, row
    assert decoded.last == outcome, row
    _check_damage(source, row, records.decode_recipient, decoded, _MUTABLE)
    _check_garbage(source)


def _check_damage(source: random.Random, row: Row, decode: Any, whole: object, mutable: set[int]) -> None:
    column = source.randrange(len(row))
    damaged = (*row[:column], _damage(source, row[column]), *row[column + 1 :])
    try:
        decoded = decode(damaged)
    except RecordDamaged:
        return
    unchanged = decoded == whole or (column == _LAST and damaged[_LAST] is None)
    assert column in mutable or unchanged, (row, damaged)


def _check_garbage(source: random.Random) -> None:
    for decode, width in ((records.decode_message, 13), (records.decode_recipient, 12)):
        garbage = tuple(_damage(source, None) for _ in range(width))
        try:
            decode(garbage)
        except RecordDamaged:
            continue
        raise AssertionError(garbage)
    try:
        records.decode_outcome(source.randbytes(source.randrange(60)))
    except RecordDamaged:
        return
    raise AssertionError("random octets passed as an outcome")


def _damage(source: random.Random, value: object) -> object:
    """Another value: bits flipped, cut, of another type."""
    if isinstance(value, bytes) and value and source.random() < 0.7:
        place = source.randrange(len(value))
        if source.random() < 0.2:
            return value[:place]
        return value[:place] + bytes([value[place] ^ 1 << source.randrange(8)]) + value[place + 1 :]
    if isinstance(value, int) and source.random() < 0.7:
        return value ^ 1 << source.randrange(62)
    choices = (None, -1, 2**62, 0.5, float("inf"), b"", b"\xff\xfe", source.randbytes(8), source.getrandbits(40))
    return source.choice(choices)


def _as_read(row: Row) -> Row:
    """The row as a reader's connection gives it: text as octets."""
    return tuple(value.encode() if isinstance(value, str) else value for value in row)


def _text(source: random.Random, most: int = 20) -> str:
    return "".join(source.choices(_TEXT, k=source.randrange(most)))


def _address(source: random.Random) -> Address:
    return Address(_text(source), _text(source))


def _maybe(source: random.Random, value: Any) -> Any:
    return value if source.random() < 0.5 else None


def _message(source: random.Random) -> MessageRecord:
    parameters = MailParameters(
        _maybe(source, source.getrandbits(40)),
        _maybe(source, source.choice(list(Body))),
        source.random() < 0.5,
        _maybe(source, source.choice(list(Ret))),
        _maybe(source, _text(source)),
    )
    if source.random() < 0.5:
        parameters = replace(
            parameters,
            auth=_maybe(source, ReversePath(_maybe(source, _address(source)))),
            priority=_maybe(source, source.randrange(-9, 10)),
            deliver_by=_maybe(source, DeliverBy(source.randrange(-9, 10**9), source.choice(list(ByMode)), True)),
            require_tls=source.random() < 0.5,
            solicit=tuple(_text(source) for _ in range(source.randrange(3))),
        )
    return MessageRecord(
        number=source.getrandbits(55),
        received=source.choice((0.0, 1e9, source.random() * 2e9)),
        size=source.getrandbits(30),
        has_8bit=source.random() < 0.5,
        reverse_path=ReversePath(_maybe(source, _address(source))),
        account=_text(source),
        session=_text(source),
        message_id=_text(source, 200),
        parameters=source.choice((parameters, MailParameters())),
        in_file=source.random() < 0.5,
        content_check=source.getrandbits(32),
    )


def _recipient(source: random.Random) -> Recipient:
    notify = _maybe(source, frozenset(source.sample(list(Notify), source.randrange(4))))
    since = ValidSince(datetime.fromtimestamp(source.getrandbits(31), UTC), source.random() < 0.5)
    wishes = RcptParameters(notify, _maybe(source, _text(source)), _maybe(source, since))
    full = Recipient(_address(source), wishes, _maybe(source, _address(source)))
    return source.choice((full, replace(full, parameters=RcptParameters(), given=None)))


def _outcome(source: random.Random) -> Outcome:
    code = Status(source.choice((2, 4, 5)), source.randrange(1000), source.randrange(1000))
    return Outcome(
        _address(source),
        source.choice(list(Fate)),
        code,
        _text(source, 300),
        _maybe(source, _text(source)),
        source.random() * 2e9,
        source.random() < 0.5,
    )


if __name__ == "__main__":
    if atheris is None or {"--seconds", "--seed"} & set(sys.argv):
        sys.exit(main(sys.argv[1:]))
    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
