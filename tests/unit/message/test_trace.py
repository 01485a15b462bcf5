"""Trace fields: RFC 5321 §4.4, RFC 3848, RFC 9228."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.mail.address import Address, parse_address
from eilpost.mail.envelope import NULL_REVERSE_PATH, ReversePath
from eilpost.message import trace
from eilpost.message.header import scan
from eilpost.message.trace import Hop

DATE = "Mon, 23 Nov 2026 19:45:50 +0000"
ANNA = parse_address("anna@example.test")


def hop(helo: str = "client.example", peer: str = "192.0.2.1", **more: object) -> Hop:
    """A hop with what a test does not care about filled in."""
    facts: dict[str, object] = {"by": "mx.example.test", "protocol": "ESMTP", "id": "m1", "date": DATE} | more
    return Hop(helo=helo, peer=peer, **facts)  # type: ignore[arg-type]


def test_received_tells_the_hop() -> None:
    """From, by, with, id and for stand in the order of RFC 5321 §4.4."""
    assert trace.received(hop(recipient=ANNA)).decode() == (
        "Received: from client.example ([192.0.2.1])\r\n"
        "\tby mx.example.test with ESMTP id m1\r\n"
        f"\tfor <anna@example.test>; {DATE}\r\n"
    )


def test_received_tells_the_name_and_the_way() -> None:
    """The verified name stands before the address; IPv6 has its tag; ``via`` comes before ``with``."""
    assert trace.received(hop(peer="2001:db8::1", name="host.example", via="TCP")).decode() == (
        "Received: from client.example (host.example [IPv6:2001:db8::1])\r\n"
        f"\tby mx.example.test via TCP with ESMTP id m1; {DATE}\r\n"
    )


def test_a_unix_socket_has_no_address() -> None:
    """Without an IP address there is no comment."""
    assert trace.received(hop(helo="", peer="")).startswith(b"Received: from unknown\r\n\tby ")


def test_an_address_beyond_ascii_stands_only_in_utf8_mail() -> None:
    """RFC 6531 §3.7.3: ``for`` may be UTF-8 when the protocol is UTF8SMTP."""
    recipient = Address("änna", "example.test")

    assert b"for" not in trace.received(hop(recipient=recipient))
    assert "for <änna@example.test>".encode() in trace.received(hop(recipient=recipient, protocol="UTF8SMTPS"))


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({"extended": False}, "SMTP"),
        ({"extended": True}, "ESMTP"),
        ({"extended": True, "tls": True}, "ESMTPS"),
        ({"extended": True, "login": True}, "ESMTPA"),
        ({"extended": True, "tls": True, "login": True}, "ESMTPSA"),
        ({"extended": True, "lmtp": True}, "LMTP"),
        ({"extended": True, "lmtp": True, "tls": True, "login": True}, "LMTPSA"),
        ({"extended": True, "utf8": True}, "UTF8SMTP"),
        ({"extended": True, "utf8": True, "tls": True, "login": True}, "UTF8SMTPSA"),
        ({"extended": True, "utf8": True, "lmtp": True}, "UTF8LMTP"),
        ({"extended": False, "tls": True}, "SMTP"),
    ],
)
def test_protocols_have_registered_names(facts: dict[str, bool], name: str) -> None:
    """RFC 3848 and RFC 6531 §4.3 name the protocols."""
    assert trace.protocol(**facts) == name


@pytest.mark.parametrize("text", ["x\r\n\tby evil", "a(b", "a)b", "a;b", "n\x00", "ä", "a b", "\\", '"'])
def test_f095_names_cannot_leave_their_place(text: str) -> None:
    """HELO and DNS names are cut to an alphabet that ends no field and opens no comment."""
    field = trace.received(hop(helo=text, name=text)).decode("ascii")

    assert field.count("\r\n") == 2
    assert field.count("(") == field.count(")") == field.count(";") == 1
    assert "evil" not in field or "?evil" in field


@given(
    st.text(max_size=600),
    st.text(max_size=600),
    st.sampled_from([None, ANNA, Address("ä b", "x"), Address('"\\', "x")]),
)
def test_f095_received_is_always_one_field(helo: str, name: str, recipient: Address | None) -> None:
    """Whatever a peer calls itself, ``Received`` is one field of lines below 998 octets."""
    octets = trace.received(hop(helo=helo, name=name, recipient=recipient, protocol="UTF8SMTP"))

    header = scan(octets + b"\r\n")
    assert header.count(b"received") == 1
    assert len(list(header.fields())) == 1
    assert header.octets == octets
    assert all(len(line) < 998 for line in octets.split(b"\r\n"))


def test_usual_lines_keep_to_78_characters() -> None:
    """RFC 5322 §2.1.1: lines are folded where that helps."""
    longest = hop(
        id="m" * 40, helo="a" * 40 + ".example", name="b" * 40 + ".example", recipient=Address("c" * 40, "example.test")
    )

    assert all(len(line) <= 78 for line in trace.received(longest).split(b"\r\n"))


def test_final_delivery_has_its_fields() -> None:
    """Return-Path tells the reverse-path, Delivered-To the mailbox."""
    assert trace.return_path(NULL_REVERSE_PATH) == b"Return-Path: <>\r\n"
    assert trace.return_path(ReversePath(ANNA)) == b"Return-Path: <anna@example.test>\r\n"
    assert trace.delivered_to(ANNA) == b"Delivered-To: anna@example.test\r\n"


def test_f160_loops_show() -> None:
    """Hops are counted, and a mailbox finds its own mark in any case."""
    header = scan(b"Delivered-To: <ANNA@Example.test>\r\nReceived: a\r\n b\r\nreceived: c\r\n\r\nReceived: body\r\n")

    assert trace.hops(header) == 2
    assert trace.was_delivered_to(header, ANNA)
    assert not trace.was_delivered_to(header, Address("bob", "example.test"))


def test_f100_foreign_return_paths_are_found() -> None:
    """Return-Path fields that others wrote are named, to be left out at final delivery."""
    content = b"Received: x\r\nReturn-Path: <evil@example>\r\nFrom: a\r\nRETURN-PATH: <>\r\n\r\n"

    spans = trace.foreign_return_paths(scan(content))

    assert [content[start:end] for start, end in spans] == [
        b"Return-Path: <evil@example>\r\n",
        b"RETURN-PATH: <>\r\n",
    ]


@pytest.mark.parametrize(
    ("openssl", "registered"),
    [
        ("TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"),
        ("ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
        ("ECDHE-RSA-AES256-SHA", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
        ("ECDHE-ECDSA-AES256-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"),
        ("x;y (z)", "x?y??z?"),
    ],
)
def test_ciphers_have_their_registered_names(openssl: str, registered: str) -> None:
    """RFC 8314 §7.4: the tls clause names the cipher as IANA's table does."""
    assert trace.cipher_name(openssl) == registered
