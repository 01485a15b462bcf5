"""Asks DNS, of a real server on loopback that misbehaves on request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from eilpost.config.schema import Dns, Duration
from eilpost.mail.answer import Found, Mx, NoData, NoSuchDomain, Trouble
from eilpost.net.dns import Resolver
from eilpost.testing.dns_server import DnsServer, Fault

ZONE = """
    far.test.         60 IN MX 20 B.far.test.
    far.test.         60 IN MX 10 a.far.test.
    null.test.        60 IN MX 0 .
    a.far.test.       60 IN A 192.0.2.1
    a.far.test.       60 IN A 192.0.2.2
    a.far.test.       60 IN AAAA 2001:db8:0::1
    alias.test.       60 IN CNAME far.test.
    lost.test.        60 IN CNAME nowhere.test.
    *.wild.test.      60 IN A 192.0.2.3
    1.2.0.192.in-addr.arpa. 60 IN PTR mx.Far.test.
    slow.test.        60 IN A 192.0.2.4
    servfail.test.    60 IN A 192.0.2.4
    refused.test.     60 IN A 192.0.2.4
    big.test.         60 IN A 192.0.2.4
    toobig.test.      60 IN A 192.0.2.4
    forged.test.      60 IN A 192.0.2.4
    forgedonly.test.  60 IN A 192.0.2.4
    garbage.test.     60 IN A 192.0.2.4
    late.test.        60 IN A 192.0.2.4
"""
FAULTS = {
    "slow.test": Fault.SILENCE,
    "servfail.test": Fault.SERVFAIL,
    "refused.test": Fault.REFUSED,
    "big.test": Fault.TRUNCATED,
    "toobig.test": Fault.TRUNCATED_ALWAYS,
    "forged.test": Fault.WRONG_ID,
    "forgedonly.test": Fault.WRONG_ID_ONLY,
    "garbage.test": Fault.GARBAGE,
    "late.test": Fault.LATE,
}


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    """A DNS server with the zone and the faults above."""
    async with DnsServer(ZONE, FAULTS) as running:
        yield running


@pytest.fixture
async def resolver(server: DnsServer) -> AsyncIterator[Resolver]:
    """A resolver that asks it, with little patience."""
    asking = Resolver(Dns(servers=(server.address,), timeout=Duration(0.6)))
    yield asking
    await asking.close()


async def test_records_of_all_types_are_read(resolver: Resolver) -> None:
    """MX, A, AAAA and PTR become our values: lower case, no final dot, canonical addresses."""
    mx = await resolver.mx("far.test")
    assert isinstance(mx, Found)
    assert sorted(mx.records, key=lambda record: record.preference) == [Mx(10, "a.far.test"), Mx(20, "b.far.test")]
    ipv4 = await resolver.ipv4("a.far.test")
    assert isinstance(ipv4, Found)
    assert set(ipv4.records) == {"192.0.2.1", "192.0.2.2"}
    assert await resolver.ipv6("a.far.test") == Found(("2001:db8::1",), 60.0)
    assert await resolver.names("192.0.2.1") == Found(("mx.far.test",), 60.0)


async def test_f138_a_null_mx_has_an_empty_exchange(resolver: Resolver) -> None:
    """RFC 7505: the root as exchange is told as an empty name."""
    assert await resolver.mx("null.test") == Found((Mx(0, ""),), 60.0)


async def test_f139_an_alias_is_followed(resolver: Resolver) -> None:
    """RFC 5321 §5.1: the name that a CNAME leads to is looked up as if it were the first."""
    assert isinstance(await resolver.mx("alias.test"), Found)
    assert await resolver.mx("lost.test") == NoSuchDomain(30.0)


async def test_f140_the_two_ways_of_saying_no(resolver: Resolver) -> None:
    """A name that does not exist and one without such records are told apart, with the SOA's time."""
    assert await resolver.mx("gone.test") == NoSuchDomain(30.0)
    assert await resolver.mx("a.far.test") == NoData(30.0)
    assert await resolver.ipv4("test") == NoData(30.0)


@pytest.mark.parametrize("name", ["a..test", "x" * 64 + ".test", ".".join(["abcdefgh"] * 40)])
async def test_f132_what_cannot_be_asked_does_not_exist(resolver: Resolver, name: str) -> None:
    """A name that DNS cannot hold is no such domain, without a question."""
    assert isinstance(await resolver.mx(name), NoSuchDomain)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("servfail.test", "SERVFAIL"),
        ("refused.test", "REFUSED"),
        ("toobig.test", ""),
        ("slow.test", ""),
        ("forgedonly.test", ""),
        ("garbage.test", ""),
    ],
)
async def test_f140_no_answer_that_counts_is_trouble(resolver: Resolver, name: str, why: str) -> None:
    """SERVFAIL, REFUSED, silence, truncation without end, a wrong id and garbage conclude nothing."""
    answer = await resolver.ipv4(name)
    assert isinstance(answer, Trouble)
    assert answer.why
    assert why in answer.why


async def test_f140_a_truncated_answer_is_asked_for_by_tcp(resolver: Resolver, server: DnsServer) -> None:
    """What does not fit into a datagram comes by TCP."""
    assert await resolver.ipv4("big.test") == Found(("192.0.2.4",), 60.0)
    assert server.by_tcp == 1


@pytest.mark.parametrize("name", ["forged.test", "late.test"])
async def test_f140_a_forged_answer_does_not_end_the_wait(resolver: Resolver, name: str) -> None:
    """An answer with a wrong id is passed over, and the right one behind it or later is taken."""
    assert await resolver.ipv4(name) == Found(("192.0.2.4",), 60.0)


async def test_f140_another_server_answers_for_a_broken_one(server: DnsServer) -> None:
    """With two servers, the second one answers when the first refuses."""
    async with DnsServer("", {".": Fault.REFUSED}) as broken:
        resolver = Resolver(Dns(servers=(broken.address, server.address), timeout=Duration(2.0)))
        assert await resolver.ipv4("x.wild.test") == Found(("192.0.2.3",), 60.0)


async def test_answers_are_remembered(resolver: Resolver, server: DnsServer) -> None:
    """Equal questions at once, and again later, reach the server once."""
    await asyncio.gather(*(resolver.ipv4("x.wild.test") for _ in range(20)))
    await resolver.ipv4("x.wild.test")
    await resolver.mx("gone.test")
    await resolver.mx("gone.test")
    assert server.asked == ["A x.wild.test", "MX gone.test"]


async def test_a_server_may_be_given_by_name(server: DnsServer) -> None:
    """A resolver that is named is found by the system's means."""
    port = server.address.rpartition(":")[2]
    resolver = Resolver(Dns(servers=(f"localhost:{port}",), timeout=Duration(3.0)))
    assert await resolver.ipv4("x.wild.test") == Found(("192.0.2.3",), 60.0)


async def test_a_server_that_is_not_there_is_trouble() -> None:
    """A refused datagram or a name that nobody has is trouble and no exception."""
    async with DnsServer("") as stopped:
        address = stopped.address
    for server in (address, "no.such.resolver.invalid"):
        resolver = Resolver(Dns(servers=(server,), timeout=Duration(0.3)))
        assert isinstance(await resolver.mx("far.test"), Trouble)
