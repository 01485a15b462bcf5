"""From a next hop to the addresses to connect to."""

from __future__ import annotations

import pytest

from eilpost.config.schema import Delivery
from eilpost.mail.next_hop import Host, Means, NextHop, Unroutable
from eilpost.net.hosts import Hosts
from eilpost.route.mx import Self
from eilpost.testing.resolver import FixedResolver

US = Self(frozenset({"mx.ours.test"}), frozenset({"198.51.100.9"}))


def names() -> FixedResolver:
    """A small Internet."""
    return FixedResolver(
        exchanges={
            "far.test": [(20, "b.far.test"), (10, "a.far.test")],
            "inside.test": [(10, "inside.far.test")],
            "ours-too.test": [(10, "mx.ours.test")],
            "half.test": [(10, "broken.test"), (20, "b.far.test")],
            "none.test": [(0, "")],
        },
        addresses={
            "a.far.test": ["192.0.2.1", "2001:db8::1"],
            "b.far.test": ["192.0.2.2"],
            "inside.far.test": ["10.0.0.1"],
            "bare.test": ["192.0.2.3"],
            "relay.test": ["10.0.0.2"],
        },
        broken=frozenset({"broken.test"}),
    )


async def ask(next_hop: NextHop, delivery: Delivery | None = None) -> tuple[Host, ...] | Unroutable:
    """The hosts of a next hop, without the system's names."""
    wanted = Hosts(names(), delivery or Delivery(), ourselves=US, system_names=False, draw=lambda: 0.5)
    return await wanted.hosts(next_hop)


async def test_a_domains_exchanges_are_listed_in_order() -> None:
    """MX records, then addresses of both families, become one list with the configured port."""
    assert await ask(NextHop(Means.MX, "far.test"), Delivery(port=2525)) == (
        Host("a.far.test", "2001:db8::1", 2525),
        Host("a.far.test", "192.0.2.1", 2525),
        Host("b.far.test", "192.0.2.2", 2525),
    )


async def test_f137_each_name_is_looked_up_once() -> None:
    """One answer is checked and handed on: a second, different one is never asked for."""
    resolver = names()
    await Hosts(resolver, Delivery(), system_names=False).hosts(NextHop(Means.MX, "far.test"))
    assert len(resolver.asked) == len(set(resolver.asked)) == 5


async def test_a_domain_without_mx_takes_mail_itself() -> None:
    """RFC 5321 §5.1: the implicit MX."""
    assert await ask(NextHop(Means.MX, "bare.test")) == (Host("bare.test", "192.0.2.3", 25),)


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("gone.test", "5.1.2"),
        ("none.test", "5.1.10"),
        ("broken.test", "4.4.3"),
        ("inside.test", "5.4.4"),
        ("ours-too.test", "5.4.6"),
        ("[127.0.0.1]", "5.4.4"),
        ("[198.51.100.9]", "5.4.6"),
    ],
)
async def test_f136_f138_f140_where_no_mail_goes(domain: str, expected: str) -> None:
    """Each reason for which a domain has no host has its status."""
    found = await ask(NextHop(Means.MX, domain))
    assert isinstance(found, Unroutable)
    assert str(found.status) == expected


async def test_f140_a_broken_host_is_passed_over() -> None:
    """While one exchange cannot be looked up, mail goes to the next one."""
    assert await ask(NextHop(Means.MX, "half.test")) == (Host("b.far.test", "192.0.2.2", 25),)


async def test_private_addresses_when_the_operator_wants_them() -> None:
    """``delivery.private_addresses`` lifts the rule, for names and literals."""
    wanted = Delivery(private_addresses=True)
    assert await ask(NextHop(Means.MX, "inside.test"), wanted) == (Host("inside.far.test", "10.0.0.1", 25),)
    assert await ask(NextHop(Means.MX, "[127.0.0.1]"), wanted) == (Host("[127.0.0.1]", "127.0.0.1", 25),)


async def test_a_host_that_the_operator_names_may_be_private() -> None:
    """A smarthost or LMTP server is used wherever it is, by name, address or socket."""
    assert await ask(NextHop(Means.SMTP, "relay.test", 587)) == (Host("relay.test", "10.0.0.2", 587),)
    assert await ask(NextHop(Means.LMTP, "127.0.0.1", 24)) == (Host("127.0.0.1", "127.0.0.1", 24),)
    assert await ask(NextHop(Means.LMTP, "/run/lmtp")) == (Host("/run/lmtp", "/run/lmtp", 0),)


@pytest.mark.parametrize("host", ["gone.test", "broken.test"])
async def test_a_host_that_the_operator_names_is_never_a_reason_to_fail(host: str) -> None:
    """When the smarthost's name is wrong, mail waits until the operator mends it (P9)."""
    found = await ask(NextHop(Means.SMTP, host, 25))
    assert isinstance(found, Unroutable)
    assert str(found.status) == "4.4.4"


async def test_the_systems_names_are_known() -> None:
    """RFC 6761 §6.3: localhost is asked of the system and not of DNS; so is every given name unless DNS is set."""
    resolver = FixedResolver()
    found = await Hosts(resolver, Delivery(prefer_ipv6=False)).hosts(NextHop(Means.SMTP, "localhost", 25))
    assert not isinstance(found, Unroutable)
    assert found[0] == Host("localhost", "127.0.0.1", 25)
    assert resolver.asked == []


async def test_a_name_that_the_system_does_not_know_waits() -> None:
    """The system's no is no reason to fail either."""
    hosts = Hosts(FixedResolver(), Delivery())
    found = await hosts.hosts(NextHop(Means.SMTP, "a..b", 25))
    await hosts.close()
    assert isinstance(found, Unroutable)
    assert str(found.status) == "4.4.4"
