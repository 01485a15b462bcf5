"""Next hops as text."""

from __future__ import annotations

import pytest

from eilpost.mail.next_hop import Means, NextHop


@pytest.mark.parametrize(
    ("hop", "text"),
    [
        (NextHop(Means.MAILDIR), "maildir"),
        (NextHop(Means.MX, "example.org"), "mx:example.org"),
        (NextHop(Means.SMTP, "relay.example.org", 587), "smtp://relay.example.org:587"),
        (NextHop(Means.SMTP, "2001:db8::1", 25), "smtp://[2001:db8::1]:25"),
        (NextHop(Means.LMTP, "127.0.0.1", 24), "lmtp://127.0.0.1:24"),
        (NextHop(Means.LMTP, "/run/dovecot/lmtp"), "lmtp+unix:/run/dovecot/lmtp"),
    ],
)
def test_a_next_hop_has_a_text(hop: NextHop, text: str) -> None:
    """A next hop is written as operators write it."""
    assert str(hop) == text


def test_equal_next_hops_share() -> None:
    """Equal next hops are one key: they share connections and concurrency."""
    assert len({NextHop(Means.MX, "example.org"), NextHop(Means.MX, "example.org"), NextHop(Means.MAILDIR)}) == 2
