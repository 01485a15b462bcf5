"""Which hosts take a domain's mail, in which order."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.mail.answer import Answer, Found, Mx, NoData, NoSuchDomain, Trouble
from eilpost.mail.next_hop import Host, Unroutable
from eilpost.route import mx
from eilpost.route.mx import Addresses, Exchange, Self, exchanges, hosts, is_private, literal_host

NONE: Answer[str] = NoData()
US = Self(frozenset({"mx.ours.test"}), frozenset({"198.51.100.9"}))


def in_turn() -> Callable[[], float]:
    """Random numbers that leave the order as it is."""
    numbers = iter(range(10_000))
    return lambda: float(next(numbers))


def records(*pairs: tuple[int, str]) -> Found[Mx]:
    """An answer with these MX records."""
    return Found(tuple(Mx(preference, name) for preference, name in pairs))


def names(answer: Answer[Mx], ourselves: Self = US) -> list[str]:
    """The exchanges in their order."""
    found = exchanges("far.test", answer, in_turn(), ourselves)
    assert not isinstance(found, Unroutable), found
    return [item.name for item in found]


def refusal(found: object) -> str:
    """The status of an answer that names no host."""
    assert isinstance(found, Unroutable), found
    return str(found.status)


def at(*addresses: str, preference: int = 10, name: str = "a.test") -> Addresses:
    """An exchange with these addresses."""
    v4 = tuple(text for text in addresses if ":" not in text)
    v6 = tuple(text for text in addresses if ":" in text)
    return Addresses(Exchange(preference, name), Found(v4) if v4 else NONE, Found(v6) if v6 else NONE)


def test_lower_preference_comes_first() -> None:
    """RFC 5321 §5.1: exchanges are tried in the order of their preference."""
    assert names(records((20, "b.test"), (10, "a.test"), (30, "c.test"))) == ["a.test", "b.test", "c.test"]


@given(st.permutations(range(6)))
def test_f139_equal_preferences_come_in_random_order(order: list[int]) -> None:
    """RFC 5321 §5.1: the random numbers alone decide among equals."""
    draws = iter(map(float, order))
    answer = records(*((10, f"{number}.test") for number in range(6)))
    found = exchanges("far.test", answer, lambda: next(draws))
    assert not isinstance(found, Unroutable)
    assert [item.name for item in found] == [f"{order.index(rank)}.test" for rank in range(6)]


def test_f139_hosts_are_capped() -> None:
    """Of 300 exchanges only the best few are looked up."""
    found = names(records(*((number, f"{number}.test") for number in range(300))))
    assert found == [f"{number}.test" for number in range(mx.MAX_EXCHANGES)]


def test_an_exchange_counts_once() -> None:
    """A name with two preferences stands where the better one puts it."""
    assert names(records((20, "a.test"), (10, "a.test"), (15, "b.test"))) == ["a.test", "b.test"]


def test_a_domain_without_mx_is_its_own_exchange() -> None:
    """RFC 5321 §5.1: the implicit MX."""
    assert exchanges("far.test", NoData(), in_turn()) == (Exchange(0, "far.test"),)


@pytest.mark.parametrize("preference", [0, 10])
def test_f138_null_mx_fails_at_once(preference: int) -> None:
    """RFC 7505 §4.1: a domain whose only exchange is the root takes no mail, 5.1.10."""
    assert refusal(exchanges("far.test", records((preference, "")), in_turn())) == "5.1.10"


def test_f138_a_null_mx_beside_others_is_no_null_mx() -> None:
    """RFC 7505 §3: a null MX stands alone; among others it is passed over."""
    assert names(records((0, ""), (10, "a.test"))) == ["a.test"]


def test_f139_an_exchange_that_is_an_ip_address_is_passed_over() -> None:
    """An MX record holds a name; one with an address is skipped, and alone it leads nowhere."""
    assert names(records((5, "192.0.2.1"), (5, "2001:db8::1"), (10, "a.test"))) == ["a.test"]
    assert refusal(exchanges("far.test", records((5, "192.0.2.1")), in_turn())) == "5.4.4"


def test_f136_our_own_name_and_what_is_not_better_is_dropped() -> None:
    """RFC 5321 §5.1: only exchanges better than ourselves stay."""
    answer = records((10, "a.test"), (20, "mx.ours.test"), (20, "b.test"), (30, "c.test"))
    assert names(answer) == ["a.test"]


def test_f136_being_the_best_exchange_ourselves_is_a_loop() -> None:
    """RFC 5321 §5.1: with nobody better than ourselves left it is a loop, 5.4.6."""
    answer = records((10, "mx.ours.test"), (20, "b.test"))
    assert refusal(exchanges("far.test", answer, in_turn(), US)) == "5.4.6"


def test_f136_our_own_address_under_another_name_is_ourselves() -> None:
    """An exchange with one of our addresses drops itself and those not better."""
    found = [
        at("192.0.2.1", preference=10),
        at("192.0.2.2", "198.51.100.9", preference=20),
        at("192.0.2.3", preference=20),
    ]
    assert hosts("far.test", found, 25, ourselves=US) == (Host("a.test", "192.0.2.1", 25),)
    assert refusal(hosts("far.test", found[1:], 25, ourselves=US)) == "5.4.6"


def test_f140_a_domain_that_does_not_exist_fails() -> None:
    """NXDOMAIN is final: 5.1.2."""
    assert refusal(exchanges("far.test", NoSuchDomain(), in_turn())) == "5.1.2"


def test_f140_trouble_with_the_mx_records_defers() -> None:
    """SERVFAIL, REFUSED and timeouts conclude nothing: 4.4.3, and never the implicit MX."""
    assert refusal(exchanges("far.test", Trouble("SERVFAIL"), in_turn())) == "4.4.3"


def test_f140_trouble_with_every_host_defers() -> None:
    """While one address record could not be looked up, mail without another host waits."""
    broken = Addresses(Exchange(10, "a.test"), Trouble("timeout"), NONE)
    assert refusal(hosts("far.test", [broken], 25)) == "4.4.3"
    assert refusal(hosts("far.test", [at("10.0.0.1"), broken], 25)) == "4.4.3"


def test_f140_trouble_with_one_host_leaves_the_others() -> None:
    """A host that cannot be looked up is passed over when there is another one."""
    broken = Addresses(Exchange(10, "a.test"), Trouble("timeout"), Trouble("timeout"))
    assert hosts("far.test", [broken, at("192.0.2.1", name="b.test")], 25) == (Host("b.test", "192.0.2.1", 25),)


@pytest.mark.parametrize("answer", [NoData(), NoSuchDomain()])
def test_f140_no_address_anywhere_fails(answer: Answer[str]) -> None:
    """RFC 5321 §5.1, RFC 3463 §3.5: certainty that there is no address is unable to route, 5.4.4."""
    nowhere = Addresses(Exchange(10, "a.test"), answer, answer)
    assert refusal(hosts("far.test", [nowhere], 25)) == "5.4.4"


PRIVATE = [
    "127.0.0.1", "0.0.0.0", "10.1.2.3", "172.31.255.255", "192.168.0.1", "169.254.169.254", "100.64.0.1",
    "224.0.0.1", "255.255.255.255", "192.0.0.8", "198.19.0.1",
    "::1", "::", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "fec0::1", "100::1", "2001:0:1::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::10.0.0.1", "64:ff9b::a00:1", "64:ff9b::7f00:1", "64:ff9b:1::1",
    "2002:7f00:1::1", "2002:a00:1::", "2002:c0a8:1::1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "192.0.2.1", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101",
    "2002:101:101::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_f136_private_addresses_are_refused(address: str) -> None:
    """Loopback, private and other special space (RFC 6890), also inside IPv6, takes no public domain's mail."""
    assert is_private(address)
    assert refusal(hosts("far.test", [at(address)], 25)) == "5.4.4"
    assert hosts("far.test", [at(address)], 2525, private=True) == (Host("a.test", address, 2525),)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_taken(address: str) -> None:
    """An address of the public Internet is used, embedded or not."""
    assert hosts("far.test", [at(address)], 25) == (Host("a.test", address, 25),)


def test_f137_private_addresses_among_public_ones_are_left_out() -> None:
    """The addresses that were checked are those that are handed on; a private one is not among them."""
    assert hosts("far.test", [at("192.168.1.1", "192.0.2.1", "::1")], 25) == (Host("a.test", "192.0.2.1", 25),)


@pytest.mark.parametrize(
    ("prefer_ipv6", "expected"),
    [
        (True, ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "192.0.2.3"]),
        (False, ["192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2", "192.0.2.3"]),
    ],
)
def test_address_families_take_turns(prefer_ipv6: bool, expected: list[str]) -> None:
    """The preferred family begins; the other one follows at once as its fallback."""
    found = hosts(
        "far.test",
        [at("192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2")],
        25,
        prefer_ipv6=prefer_ipv6,
    )
    assert not isinstance(found, Unroutable)
    assert [host.address for host in found] == expected


def test_f139_addresses_are_capped() -> None:
    """One host gives a few addresses, all hosts together some more."""
    many = tuple(f"192.0.2.{number}" for number in range(1, 200))
    found = hosts("far.test", [at(*many, name=f"{number}.test") for number in range(9)], 25)
    assert not isinstance(found, Unroutable)
    assert len(found) == mx.MAX_HOSTS
    assert sum(host.name == "0.test" for host in found) == mx.MAX_ADDRESSES


def test_f141_a_wildcard_that_leads_to_ourselves_is_a_loop() -> None:
    """A resolver that answers every name with our address makes a loop, not a delivery."""
    assert refusal(hosts("far.test", [at("198.51.100.9", preference=0)], 25, ourselves=US)) == "5.4.6"


def test_f067_literals_follow_the_same_rules() -> None:
    """A literal is connected to unless it is private or ourselves."""
    assert literal_host("[192.0.2.1]", 25) == Host("[192.0.2.1]", "192.0.2.1", 25)
    assert literal_host("[IPv6:2001:db8::1]", 25) == Host("[IPv6:2001:db8::1]", "2001:db8::1", 25)
    assert refusal(literal_host("[127.0.0.1]", 25)) == "5.4.4"
    assert refusal(literal_host("[IPv6:::1]", 25)) == "5.4.4"
    assert literal_host("[127.0.0.1]", 25, private=True) == Host("[127.0.0.1]", "127.0.0.1", 25)
    assert refusal(literal_host("[198.51.100.9]", 25, ourselves=US)) == "5.4.6"
