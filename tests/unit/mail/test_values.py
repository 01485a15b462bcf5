"""The small words: envelope, outcome, next hop."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from eilpost.mail.address import Address, parse_address
from eilpost.mail.envelope import (
    NO_MAIL_PARAMETERS,
    NO_RCPT_PARAMETERS,
    NULL_REVERSE_PATH,
    Envelope,
    ForwardPath,
    Recipient,
    ReversePath,
)
from eilpost.mail.outcome import Fate

ANNA = parse_address("anna@example.test")


def test_the_null_reverse_path_has_no_mailbox() -> None:
    """``<>`` is a reverse-path without a mailbox; it is not an address."""
    assert NULL_REVERSE_PATH.is_null
    assert str(NULL_REVERSE_PATH) == "<>"
    assert not ReversePath(ANNA).is_null
    assert str(ReversePath(ANNA)) == "<anna@example.test>"


def test_postmaster_may_stand_alone() -> None:
    """RFC 5321 §4.5.1: ``<postmaster>`` is a forward-path without a domain."""
    assert ForwardPath(Address("postmaster", "")).is_bare_postmaster
    assert str(ForwardPath(Address("postmaster", ""))) == "<postmaster>"
    assert not ForwardPath(ANNA).is_bare_postmaster


def test_an_envelope_asks_for_nothing_unless_told() -> None:
    """Parameters that were not given are None, False or the shared empty value."""
    envelope = Envelope(NULL_REVERSE_PATH, (Recipient(ANNA),))

    assert envelope.parameters is NO_MAIL_PARAMETERS
    assert envelope.recipients[0].parameters is NO_RCPT_PARAMETERS
    assert envelope.recipients[0].given is None


@pytest.mark.parametrize("fate", Fate)
def test_only_deferred_mail_stays(fate: Fate) -> None:
    """Every fate but DEFERRED ends a recipient's time in the queue."""
    assert fate.is_final is (fate is not Fate.DEFERRED)


def test_words_are_compared_by_what_they_say() -> None:
    """Values with equal fields are equal and hash alike; of different kinds they never are (docs/decisions/0009)."""
    assert Address("anna", "example.org") == Address("anna", "example.org")
    assert hash(Address("anna", "example.org")) == hash(Address("anna", "example.org"))
    assert ForwardPath(ANNA) != ReversePath(ANNA)


def test_words_cannot_grow() -> None:
    """A word has the fields of its table and no others."""
    with pytest.raises(AttributeError):
        ANNA.host = "evil.example"  # type: ignore[attr-defined]


def test_a_change_of_a_word_is_an_error_of_types(tmp_path: Path) -> None:
    """The type checker refuses to set a field of a value."""
    program = tmp_path / "change.py"
    program.write_text("from eilpost.mail.address import Address\n\nAddress('a', 'b').domain = 'c'\n")
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--follow-imports=silent", str(program)], capture_output=True, text=True
    )
    assert 'Property "domain" defined in "Address" is read-only' in checked.stdout
