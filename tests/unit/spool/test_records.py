"""Rows are what was encoded, or damaged."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from eilpost.mail.outcome import Fate
from eilpost.spool import records
from eilpost.spool.contract import State
from eilpost.spool.records import RecordDamaged
from fuzz.spool_records import one_input
from tests.unit.spool.sample import BOB, outcome


def test_the_fuzzers_invariant() -> None:
    """E25: a row decodes to what was encoded or raises RecordDamaged, whatever bit is flipped."""
    source = random.Random(2)
    for _ in range(2000):
        one_input(source.randbytes(64))


def test_a_damaged_outcome_says_so() -> None:
    """The last outcome has a checksum of its own."""
    text = records.encode_outcome(outcome()).encode()
    with pytest.raises(RecordDamaged, match="last outcome"):
        records.decode_outcome(text.replace(b"250", b"251"))


def test_an_outcome_without_a_time_can_be_kept() -> None:
    """A diagnostic and a remote that are no text are escaped; nothing raises."""
    strange = replace(outcome(Fate.DEFERRED), diagnostic="\udcff", remote="\ud800")
    decoded = records.decode_outcome(records.encode_outcome(strange).encode())
    assert (decoded.diagnostic, decoded.remote) == ("\\udcff", "\\ud800")


def test_what_is_shown_of_damaged_rows() -> None:
    """A row that cannot be read is shown as damaged, with the address as far as it is text."""
    shown = records.shown_recipient((7, 1, 1, 0.0, 0, 0, b"b\xffb", b"example.org", "", None, 0, None))
    assert (shown.state, str(shown.recipient.address)) == (State.DAMAGED, '"b\\\\xffb"@example.org')
    nobody = records.shown_recipient((7, 1, 1, 0.0, 0, 0, None, 3, "", None, 0, None))
    assert nobody.recipient.address.domain == "invalid"
    assert records.shown_message(7).reverse_path.is_null
    assert records.content_check(5, b"") == 5
    assert BOB
