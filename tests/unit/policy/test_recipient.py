"""Whether a client may send to a recipient."""

from __future__ import annotations

import pytest

from eilpost.config.schema import Limits, Role
from eilpost.policy import verdicts
from eilpost.policy.facts import Client, Standing
from eilpost.policy.recipient import judge, may_ask, may_relay

LIMITS = Limits(recipients=100)
RECEIVING = (Role.MX, Role.SUBMISSION, Role.LMTP)


def client(role: Role = Role.MX, *, trusted: bool = False) -> Client:
    """Somebody."""
    return Client(role, "192.0.2.1", "192.0.2.1", trusted)


@pytest.mark.parametrize("role", RECEIVING)
def test_f061_f071_strangers_never_relay(role: Role) -> None:
    """Mail of strangers for elsewhere is 550 5.7.1, by whatever door they come."""
    assert judge(client(role), LIMITS, Standing.ELSEWHERE, recipients=0) is verdicts.NO_RELAY
    assert not may_relay(client(role))


def test_trusted_clients_relay() -> None:
    """Who is trusted sends wherever he likes."""
    for role in (Role.MX, Role.SUBMISSION):
        assert judge(client(role, trusted=True), LIMITS, Standing.ELSEWHERE, recipients=0) is verdicts.RECIPIENT_OK


def test_lmtp_delivers_here_and_nowhere_else() -> None:
    """RFC 2033 §1: LMTP is for final delivery, even from a trusted client."""
    assert judge(client(Role.LMTP, trusted=True), LIMITS, Standing.ELSEWHERE, recipients=0) is verdicts.NO_RELAY
    assert judge(client(Role.LMTP), LIMITS, Standing.HERE, recipients=0) is verdicts.RECIPIENT_OK


@pytest.mark.parametrize("trusted", [True, False])
def test_where_an_address_leads_decides(trusted: bool) -> None:
    """Here is accepted, unknown is 550 5.1.1 (F156), undecided is 451 and never a permission (I13)."""
    who = client(trusted=trusted)
    assert judge(who, LIMITS, Standing.HERE, recipients=0) is verdicts.RECIPIENT_OK
    assert judge(who, LIMITS, Standing.UNKNOWN, recipients=0) is verdicts.NO_SUCH_MAILBOX
    assert judge(who, LIMITS, Standing.UNDECIDED, recipients=0) is verdicts.UNDECIDED
    assert verdicts.UNDECIDED.is_transient


@pytest.mark.parametrize("standing", Standing)
def test_f083_recipients_are_bounded(standing: Standing) -> None:
    """RFC 5321 §4.5.3.1.10: 452 4.5.3 for the one above the limit, whoever he is."""
    assert judge(client(), LIMITS, standing, recipients=99) is not verdicts.TOO_MANY_RECIPIENTS
    assert judge(client(), LIMITS, standing, recipients=100) is verdicts.TOO_MANY_RECIPIENTS
    assert verdicts.TOO_MANY_RECIPIENTS.code == 452


def test_f083_a_hundred_recipients_are_allowed_by_default() -> None:
    """RFC 5321 §4.5.3.1.8: at least 100."""
    assert Limits().recipients >= 100


def test_f111_strangers_get_no_answers() -> None:
    """VRFY and EXPN tell nobody who is not trusted who lives here."""
    assert may_ask(client(trusted=True))
    assert not may_ask(client())
