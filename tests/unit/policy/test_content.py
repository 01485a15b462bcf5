"""Whether a content may be accepted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from eilpost.config.schema import Limits, Role
from eilpost.policy import verdicts
from eilpost.policy.content import judge
from eilpost.policy.facts import Client, ContentFacts

LIMITS = Limits(hops=100)
PLAIN = ContentFacts(size=1, hops=0, header_too_big=False, header_8bit=False, smtputf8=False)


def client(role: Role = Role.MX) -> Client:
    """Somebody."""
    return Client(role, "192.0.2.1", "192.0.2.1", True)


@pytest.mark.parametrize("role", [Role.MX, Role.SUBMISSION, Role.LMTP])
def test_what_is_in_order_is_accepted(role: Role) -> None:
    """2.6.0, but for the spool's word."""
    assert judge(client(role), LIMITS, PLAIN) is verdicts.CONTENT_OK


def test_f085_the_header_is_bounded() -> None:
    """552 5.3.4 before anything else."""
    facts = replace(PLAIN, header_too_big=True, hops=999)
    assert judge(client(), LIMITS, facts) is verdicts.HEADER_TOO_BIG


def test_f160_hops_are_bounded() -> None:
    """RFC 5321 §6.3: 554 5.4.6 above the limit, and the limit is at least 100."""
    assert judge(client(), LIMITS, replace(PLAIN, hops=100)) is verdicts.CONTENT_OK
    assert judge(client(), LIMITS, replace(PLAIN, hops=101)) is verdicts.LOOPING
    assert Limits().hops >= 100


def test_f094_a_new_message_names_its_author() -> None:
    """RFC 6409 §8: who submits is told what is missing; what passes by is not judged."""
    facts = replace(PLAIN, troubles=("the message has no From field", "more"))
    refusal = judge(client(Role.SUBMISSION), LIMITS, facts)
    assert str(refusal) == "550 5.6.0 The message has no From field"
    assert judge(client(), LIMITS, facts) is verdicts.CONTENT_OK


def test_f105_a_new_header_beyond_ascii_needs_smtputf8() -> None:
    """RFC 6531 §3.5: 550 5.6.9 at submission; elsewhere it passes as it came."""
    facts = replace(PLAIN, header_8bit=True)
    assert judge(client(Role.SUBMISSION), LIMITS, facts) is verdicts.NEEDS_SMTPUTF8
    assert judge(client(Role.SUBMISSION), LIMITS, replace(facts, smtputf8=True)) is verdicts.CONTENT_OK
    assert judge(client(), LIMITS, facts) is verdicts.CONTENT_OK
