"""Who may wish what of the queue."""

from __future__ import annotations

from datetime import UTC, datetime

from eilpost.config.schema import Duration, Limits, Role
from eilpost.policy import wishes
from eilpost.policy.peer import identify, parse_networks

NETWORKS = parse_networks(["192.0.2.0/24"])
LIMITS = Limits()


def test_strangers_wish_nothing() -> None:
    """On mx only trusted clients are told of priorities and deadlines, RFC 6710 §5; nobody there has mail held."""
    assert wishes.offered(identify(Role.MX, "198.51.100.1", NETWORKS), LIMITS) == frozenset()
    trusted = wishes.offered(identify(Role.MX, "192.0.2.1", NETWORKS), LIMITS)
    assert trusted == {"DELIVERBY", "MT-PRIORITY", "ETRN"}
    assert wishes.offered(identify(Role.LMTP, "192.0.2.1", NETWORKS), LIMITS) == frozenset()


def test_rfc4865_users_may_have_mail_held() -> None:
    """FUTURERELEASE is for submission, and not offered where it is switched off."""
    user = identify(Role.SUBMISSION, "198.51.100.1", NETWORKS)
    assert "FUTURERELEASE" in wishes.offered(user, LIMITS)
    assert "FUTURERELEASE" not in wishes.offered(user, Limits(hold=Duration(0.0)))


def test_mail_is_held_for_seconds_or_until_a_moment() -> None:
    """HOLDFOR counts from now, HOLDUNTIL names a time; both end at the limit, and the past is now."""
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    assert wishes.release(60, 1000.0) == 1060.0
    assert wishes.release(moment, 1000.0) == moment.timestamp()
    assert not wishes.is_held_too_long(7 * 86_400, 1000.0, LIMITS)
    assert wishes.is_held_too_long(moment, 1000.0, LIMITS)
    assert not wishes.is_held_too_long(moment, moment.timestamp() + 5, LIMITS)
