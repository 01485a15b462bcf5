"""Whether settings make sense together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from eilpost.config.check import FileFact, check
from eilpost.config.problem import Severity, show_path
from eilpost.config.schema import (
    Config,
    Delivery,
    Domain,
    Duration,
    Limits,
    Listen,
    Oauth,
    Queue,
    Relay,
    Role,
    Server,
    Size,
    Tls,
)

GOOD = Config(
    Server("mx.example.test"), listen=(Listen(Role.MX, "0.0.0.0:25"),), domain=(Domain("example.test"),)
)  # fmt: skip


def findings(files: dict[str, FileFact] | None = None, **changes: Any) -> list[tuple[str, str]]:
    """Severity and key of each finding about a good configuration with changes."""
    found = check(replace(GOOD, **changes), files or {})
    return [(finding.severity.value, show_path(finding.path)) for finding in found]


def test_a_good_configuration_has_no_findings() -> None:
    """The defaults with a host name, a listener and a domain are right."""
    assert findings() == []


@pytest.mark.parametrize(
    ("networks", "severity"),
    [
        (("0.0.0.0/0",), "error"),
        (("::/0",), "error"),
        (("0.0.0.0/1", "128.0.0.0/1"), "error"),
        (("::ffff:0.0.0.0/96",), "error"),
        (("10.0.0.0/7",), "warning"),
        (("2000::/3",), "warning"),
    ],
)
def test_f071_an_open_relay_is_an_error(networks: tuple[str, ...], severity: str) -> None:
    """Everybody as a trusted network, in whatever spelling, is an open relay; very wide ones are warned of."""
    assert findings(relay=Relay(networks)) == [(severity, "relay.networks")]


def test_ordinary_networks_are_fine() -> None:
    """Private networks of both families are nobody's concern."""
    assert findings(relay=Relay(("10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32", "::ffff:10.0.0.0/104"))) == []


@pytest.mark.parametrize(
    ("one", "other", "collide"),
    [
        ("127.0.0.1:25", "127.0.0.1:25", True),
        ("0.0.0.0:25", "127.0.0.1:25", True),
        ("[::]:25", "[::1]:25", True),
        ("0.0.0.0:25", "[::]:25", False),
        ("127.0.0.1:25", "127.0.0.1:26", False),
        ("127.0.0.1:0", "127.0.0.1:0", False),
        ("unix:/a", "unix:/a", True),
        ("unix:/a", "unix:/b", False),
    ],
)
def test_two_listeners_cannot_share_an_address(one: str, other: str, collide: bool) -> None:
    """The same address twice, or under a wildcard of its family, is an error at the second."""
    found = findings(listen=(Listen(Role.MX, one), Listen(Role.SUBMISSION, other)))

    assert found == ([("error", "listen[2].address")] if collide else [])


def test_a_domain_twice_is_an_error() -> None:
    """A domain named twice is an error at the second."""
    found = findings(domain=(Domain("a.test"), Domain("b.test"), Domain("a.test")))

    assert found == [("error", "domain[3].name")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("192.0.2.1", [("error", "server.hostname")]),
        ("localhost", [("warning", "server.hostname")]),
        ("mail", [("warning", "server.hostname")]),
        ("host.localdomain", [("warning", "server.hostname")]),
        ("mx.example.org", []),
    ],
)
def test_the_host_name_is_plausible(name: str, expected: list[tuple[str, str]]) -> None:
    """An address is no host name, and a name that nobody can look up is warned of."""
    assert findings(server=Server(name)) == expected


def test_what_the_standard_wants_is_warned_of() -> None:
    """Limits below RFC 5321's minima are warned of."""
    limits = Limits(recipients=99, message_size=Size(300_000), command_deadline=Duration(10.0))
    found = findings(limits=limits, delivery=Delivery(end_timeout=Duration(60.0)))

    assert found == [
        ("warning", "limits.recipients"), ("warning", "limits.command_deadline"), ("warning", "delivery.end_timeout"),
    ]  # fmt: skip


def test_a_queue_that_never_tries_is_an_error() -> None:
    """An empty schedule is an error; one that ends before its first wait is warned of."""
    assert findings(queue=Queue(retry=())) == [("error", "queue.retry")]
    assert findings(queue=Queue(expire=Duration(60.0), delay_warning=Duration(0))) == [("warning", "queue.expire")]


def test_a_smarthost_that_is_this_server_is_a_loop() -> None:
    """Mail for others must not lead back here."""
    assert findings(relay=Relay(smarthost="smtp://127.0.0.1:25/")) == [("error", "relay.smarthost")]
    assert findings(relay=Relay(smarthost="smtp://127.0.0.1:26")) == []


def test_rfc2033_section_5_lmtp_is_not_spoken_on_port_25() -> None:
    """LMTP on port 25 is an error."""
    assert findings(listen=(Listen(Role.LMTP, "127.0.0.1:25"),)) == [("error", "listen[1].address")]


def test_certificate_and_key_come_together() -> None:
    """One without the other, or a missing file, is an error."""
    files = {"/c": FileFact(True, 0o644), "/k": FileFact(False)}

    assert findings(files, tls=Tls("/c", "")) == [("error", "tls.key")]
    assert findings(files, tls=Tls("/c", "/k")) == [("error", "tls.key")]


def test_a_catch_all_nearly_at_home_is_a_slip() -> None:
    """A catch-all at a domain that is one letter off is warned of; one elsewhere is meant."""
    assert findings(domain=(Domain("example.test", catch_all="a@exmple.test"),)) == [("warning", "domain[1].catch_all")]
    assert findings(domain=(Domain("example.test", catch_all="a@elsewhere.org"),)) == []


def test_nothing_to_do_is_warned_of() -> None:
    """No listener, or no domain for one, is hardly meant."""
    assert findings(listen=(), domain=()) == [("warning", "listen")]
    assert findings(domain=()) == [("warning", "domain")]


def test_errors_and_warnings_are_told_apart() -> None:
    """A finding is an error unless it says otherwise."""
    assert all(finding.severity is Severity.WARNING for finding in check(replace(GOOD, listen=()), {}))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, []),
        ({"user": ""}, [("error", "relay.user")]),
        ({"smarthost": ""}, [("error", "relay.user")]),
        ({"password_file": ""}, [("error", "relay.password_file")]),
        ({"token_file": "/t"}, [("error", "relay.password_file")]),
        ({"password_file": "/gone"}, [("error", "relay.password_file")]),
        ({"password_file": "/open"}, [("warning", "relay.password_file")]),
        ({"smarthost": "smtp://relay.test:587"}, [("warning", "relay.smarthost")]),
    ],
)
def test_f119_a_login_at_the_smarthost(given: dict[str, Any], found: list[tuple[str, str]]) -> None:
    """A secret is somebody's, lies where others cannot read it, and goes to a verified server."""
    relay = Relay(smarthost="smtps://relay.test", user="anna", password_file="/p")
    files = {
        "/p": FileFact(True, 0o600), "/t": FileFact(True, 0o600), "/gone": FileFact(False),
        "/open": FileFact(True, 0o644),
    }  # fmt: skip
    assert findings(files, relay=replace(relay, **given)) == found


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"introspection": "https://id.test/i"}, []),
        ({"introspection": "http://127.0.0.1:8080/i"}, []),
        ({"introspection": "http://127.0.0.1.evil.test/i"}, [("error", "oauth.introspection")]),
        ({"introspection": "http://id.test/i"}, [("error", "oauth.introspection")]),
        ({"jwks": "https://id.test/k"}, [("warning", "oauth.audience")]),
        ({"jwks": "https://id.test/k", "issuer": "i", "audience": "a"}, []),
    ],
)
def test_an_authority_of_tokens(given: dict[str, Any], found: list[tuple[str, str]]) -> None:
    """Tokens go to an encrypted place, and are meant for us."""
    assert findings(oauth=Oauth(**given)) == found
