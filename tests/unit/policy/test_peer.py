"""Who a client is, and how long it may stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.config.schema import Limits, Role
from eilpost.policy import verdicts
from eilpost.policy.facts import Client
from eilpost.policy.peer import (
    CROWDED,
    HURRY,
    Conduct,
    admit,
    conduct,
    identify,
    identify_local,
    parse_networks,
    patience,
)

NETWORKS = parse_networks(["10.0.0.0/8", "2001:db8:1::/48", "192.0.2.7"])
STRANGER = Client(Role.MX, "203.0.113.9", "203.0.113.9", False)
TRUSTED = Client(Role.MX, "10.0.0.1", "10.0.0.1", True)


@pytest.mark.parametrize(
    ("address", "canonical", "key", "trusted"),
    [
        ("10.1.2.3", "10.1.2.3", "10.1.2.3", True),
        ("192.0.2.7", "192.0.2.7", "192.0.2.7", True),
        ("192.0.2.8", "192.0.2.8", "192.0.2.8", False),
        ("2001:DB8:1::5", "2001:db8:1::5", "2001:db8:1::/64", True),
        ("2001:db8:2::5", "2001:db8:2::5", "2001:db8:2::/64", False),
        ("fe80::1%eth0", "fe80::1", "fe80::/64", False),
        pytest.param("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.1", True, id="f071"),
        pytest.param("::ffff:203.0.113.9", "203.0.113.9", "203.0.113.9", False, id="f071-stranger"),
        pytest.param("::10.0.0.1", "::a00:1", "::/64", False, id="f071-compatible"),
    ],
)
def test_f071_a_client_has_one_address(address: str, canonical: str, key: str, trusted: bool) -> None:
    """Addresses are compared in canonical form; an IPv4 address in IPv6 clothes is an IPv4 address."""
    assert identify(Role.MX, address, NETWORKS) == Client(Role.MX, canonical, key, trusted)


@given(st.ip_addresses(v=6, network="2001:db8:7:7::/64"))
def test_f135_a_64_is_one_client(address: object) -> None:
    """Whoever has a /64 has as many addresses as they like, and one allowance."""
    assert identify(Role.MX, str(address), ()).key == "2001:db8:7:7::/64"


def test_nobody_is_trusted_by_default() -> None:
    """Without networks not even this machine may relay."""
    assert not identify(Role.MX, "127.0.0.1", ()).trusted
    assert not identify(Role.MX, "::1", ()).trusted


def test_networks_must_be_networks() -> None:
    """What is none is named; host bits do not matter."""
    assert str(parse_networks(["10.1.2.3/8"])[0]) == "10.0.0.0/8"
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/33"):
        parse_networks(["10.0.0.0/33"])


def test_who_comes_by_a_unix_socket_is_trusted() -> None:
    """The socket's mode let him in; his name goes with him."""
    client = identify_local(Role.SUBMISSION, "anna")
    assert (client.address, client.trusted, client.account) == ("", True, "anna")


def test_f121_connections_in_all_are_bounded() -> None:
    """The limit itself is allowed, the next one is told 421 4.3.2, trusted or not."""
    limits = Limits(connections=3)
    assert admit(STRANGER, limits, in_all=3, of_client=1) is None
    assert admit(STRANGER, limits, in_all=4, of_client=1) is verdicts.BUSY
    assert admit(TRUSTED, limits, in_all=4, of_client=1) is verdicts.BUSY


def test_f122_connections_of_one_client_are_bounded() -> None:
    """421 4.7.0 for strangers; trusted clients are free of it."""
    limits = Limits(connections_per_client=2)
    assert admit(STRANGER, limits, in_all=3, of_client=2) is None
    assert admit(STRANGER, limits, in_all=3, of_client=3) is verdicts.TOO_MANY_CONNECTIONS
    assert admit(TRUSTED, limits, in_all=3, of_client=3) is None


def test_f123_a_crowd_makes_impatient() -> None:
    """RFC 5321 §4.5.3.2.7: five minutes; less from the part of all connections on that makes a crowd."""
    limits = Limits(connections=100)
    crowd = int(CROWDED * limits.connections)
    assert patience(limits, in_all=crowd - 1) == limits.command_deadline == 300
    assert patience(limits, in_all=crowd) == limits.command_deadline * HURRY


@pytest.mark.parametrize(
    ("errors", "junk", "expected"),
    [
        (0, 0, Conduct.GO_ON),
        (10, 100, Conduct.GO_ON),
        pytest.param(11, 0, Conduct.SLOWLY, id="f047-slower"),
        pytest.param(20, 0, Conduct.SLOWLY, id="f047-last"),
        pytest.param(21, 0, Conduct.TOO_MANY_ERRORS, id="f047-f112-enough"),
        pytest.param(0, 101, Conduct.TOO_MUCH_JUNK, id="f048"),
        pytest.param(11, 101, Conduct.TOO_MUCH_JUNK, id="junk-ends-before-errors-slow"),
    ],
)
def test_f047_f048_conduct(errors: int, junk: int, expected: Conduct) -> None:
    """Errors are slowed down, then ended; commands without effect are ended."""
    assert conduct(Limits(), errors=errors, junk=junk) is expected
