"""Whether a client may begin a transaction."""

from __future__ import annotations

import pytest

from eilpost.config.schema import Limits, Role
from eilpost.policy import verdicts
from eilpost.policy.facts import Client
from eilpost.policy.sender import judge

LIMITS = Limits(messages_per_session=3)


def client(role: Role = Role.MX, *, trusted: bool = False) -> Client:
    """Somebody."""
    return Client(role, "192.0.2.1", "192.0.2.1", trusted)


@pytest.mark.parametrize("role", [Role.MX, Role.LMTP])
def test_anybody_may_begin(role: Role) -> None:
    """Mail comes from strangers; their address is only their word (F070)."""
    assert judge(client(role), LIMITS, messages=0, rate_allowed=True) is verdicts.SENDER_OK


def test_submission_is_for_users() -> None:
    """RFC 6409 §4.3: 530 5.7.0 for who is not known."""
    assert judge(client(Role.SUBMISSION), LIMITS, messages=0, rate_allowed=True) is verdicts.NOT_FOR_STRANGERS
    assert judge(client(Role.SUBMISSION, trusted=True), LIMITS, messages=0, rate_allowed=True) is verdicts.SENDER_OK


def test_messages_of_a_session_are_bounded() -> None:
    """421 4.7.0 for the one above the limit: the client is to come again."""
    assert judge(client(), LIMITS, messages=2, rate_allowed=True) is verdicts.SENDER_OK
    assert judge(client(), LIMITS, messages=3, rate_allowed=True) is verdicts.TOO_MANY_MESSAGES
    assert verdicts.TOO_MANY_MESSAGES.code == 421


def test_f129_who_is_too_fast_is_asked_to_wait() -> None:
    """450 4.7.1, and the session goes on."""
    assert judge(client(), LIMITS, messages=0, rate_allowed=False) is verdicts.TOO_FAST
    assert verdicts.TOO_FAST.code == 450


def test_trusted_clients_are_free_of_the_limits_per_client() -> None:
    """Neither count nor rate holds for them."""
    assert judge(client(trusted=True), LIMITS, messages=9, rate_allowed=False) is verdicts.SENDER_OK
