"""The table of policy's replies."""

from __future__ import annotations

import pytest

from eilpost.mail.reply import Reply
from eilpost.policy import verdicts
from eilpost.smtp import replies

TABLE = {name: value for name, value in vars(verdicts).items() if isinstance(value, Reply)}
OUR_OWN_TROUBLE = ("UNDECIDED", "BUSY", "STOPPING", "NO_MEMORY", "NO_SPACE", "CLOSED", "INTERNAL", "TOO_SLOW")


@pytest.mark.parametrize("name", TABLE)
def test_every_verdict_agrees_with_itself(name: str) -> None:
    """RFC 3463 §2: code and status have the same class, and the status is a registered one."""
    verdict = TABLE[name]
    assert verdict.status is not None
    assert verdict.status.klass == verdict.code // 100
    assert verdict.status.meaning
    assert replies.encode(verdict).decode().endswith(f"{verdict.text}\r\n")


@pytest.mark.parametrize("name", OUR_OWN_TROUBLE)
def test_our_own_trouble_is_never_permanent(name: str) -> None:
    """P5, P9: shortage and faults of ours are 4yz, so that nobody loses mail by them."""
    assert TABLE[name].is_transient
