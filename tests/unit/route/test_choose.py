"""Which next hop a recipient has."""

from __future__ import annotations

import pytest

from eilpost.config.schema import Domain, Relay
from eilpost.mail.address import Address, parse_address
from eilpost.mail.next_hop import Means, NextHop
from eilpost.route.choose import choose, routes
from eilpost.route.urls import NextHopError

DOMAINS = (Domain("ours.test"), Domain("dove.test", deliver="lmtp+unix:/run/lmtp"))
BY_MX = routes(DOMAINS, Relay())
BY_SMARTHOST = routes(DOMAINS, Relay(smarthost="smtp://relay.test:587"))


def test_a_hosted_domain_is_delivered_as_its_row_says() -> None:
    """Maildir and LMTP domains have their own next hops, with and without a smarthost."""
    for table in (BY_MX, BY_SMARTHOST):
        assert choose(parse_address("anna@OURS.test"), table) == NextHop(Means.MAILDIR)
        assert choose(parse_address("anna@dove.test"), table) == NextHop(Means.LMTP, "/run/lmtp")


def test_other_domains_go_by_mx() -> None:
    """Without a smarthost the domain itself is the next hop."""
    assert choose(parse_address("bob@far.test"), BY_MX) == NextHop(Means.MX, "far.test")


def test_other_domains_go_to_the_smarthost() -> None:
    """With a smarthost all mail for others has one next hop."""
    assert choose(parse_address("bob@far.test"), BY_SMARTHOST) == NextHop(Means.SMTP, "relay.test", 587)


@pytest.mark.parametrize("domain", ["sub.ours.test", "ours.test.evil.test", "evilours.test"])
def test_f069_domains_match_whole(domain: str) -> None:
    """A domain that only begins or ends like ours is not at home here."""
    assert choose(Address("v", domain), BY_MX) == NextHop(Means.MX, domain)


@pytest.mark.parametrize("literal", ["[192.0.2.1]", "[IPv6:2001:db8::1]", "[127.0.0.1]"])
def test_f067_an_address_literal_is_never_at_home(literal: str) -> None:
    """A literal takes the road of the public Internet, where private addresses are refused."""
    assert choose(parse_address(f"v@{literal}"), BY_MX) == NextHop(Means.MX, literal)


def test_the_bare_postmaster_is_at_home() -> None:
    """RFC 5321 §4.5.1: postmaster without a domain is delivered here."""
    assert choose(Address("postmaster", ""), BY_MX) == NextHop(Means.MAILDIR)


def test_an_operators_reroute_comes_first() -> None:
    """A reroute overrides local domains and the smarthost alike."""
    hop = NextHop(Means.SMTP, "other.test", 25)
    assert choose(parse_address("anna@ours.test"), BY_SMARTHOST, "smtp://other.test") == hop


def test_settings_that_cannot_be_read_are_named() -> None:
    """A wrong deliver or smarthost is an error when the table is made."""
    with pytest.raises(NextHopError, match="does not deliver here"):
        routes((Domain("a.test", deliver="mx:b.test"),), Relay())
    with pytest.raises(NextHopError, match="no smarthost"):
        routes((), Relay(smarthost="lmtp://a:24"))
