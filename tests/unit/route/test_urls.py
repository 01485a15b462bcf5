"""The text form of next hops."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.mail.encryption import Encryption
from eilpost.mail.next_hop import Means, NextHop
from eilpost.route.urls import NextHopError, parse_deliver, parse_next_hop, parse_smarthost

HOPS = {
    "maildir": NextHop(Means.MAILDIR),
    "mx:Example.TEST": NextHop(Means.MX, "example.test"),
    "mx:[192.0.2.1]": NextHop(Means.MX, "[192.0.2.1]"),
    "smtp://relay.example.test:587": NextHop(Means.SMTP, "relay.example.test", 587),
    "smtp://relay.example.test": NextHop(Means.SMTP, "relay.example.test", 25),
    "smtp://192.0.2.1:2525/": NextHop(Means.SMTP, "192.0.2.1", 2525),
    "smtp://[2001:DB8::1]:25": NextHop(Means.SMTP, "2001:db8::1", 25),
    "smtps://relay.example.test": NextHop(Means.SMTP, "relay.example.test", 465, implicit=True),
    "smtp://relay.example.test:587?tls=verify": NextHop(Means.SMTP, "relay.example.test", 587, Encryption.VERIFY),
    "smtps://192.0.2.1?tls=required": NextHop(Means.SMTP, "192.0.2.1", 465, Encryption.REQUIRED, implicit=True),
    "lmtp://localhost": NextHop(Means.LMTP, "localhost", 24),
    "lmtp+unix:/run/dovecot/lmtp": NextHop(Means.LMTP, "/run/dovecot/lmtp"),
}

REFUSED = {
    "": "no next hop",
    "relay.example.test": "no next hop",
    "smtps://relay.example.test?tls=off": "from the first octet",
    "smtp://relay.example.test?tls=maybe": "unknown tls",
    "http://relay.example.test": "unknown scheme",
    "smtp://": "names no host",
    "smtp://anna:secret@relay.example.test": "is not written as smtp://host:port",
    "smtp://2001:db8::1:25": "brackets",
    "smtp://[2001:db8::g]:25": "no IPv6 address",
    "smtp://300.0.2.1": "no IPv4 address",
    "smtp://host:0": "port",
    "smtp://host:65536": "port",
    "smtp://-host": "names no host",
    "lmtp://host:25": "LMTP must not use port 25",
    "lmtp+unix:": "names no socket",
    "lmtp+unix:/a\0b": "names no socket",
    "lmtp+unix:/" + "x" * 107: "107 octets",
    "mx:a..b": "names no host",
}


@pytest.mark.parametrize("text", HOPS)
def test_a_next_hop_is_read_as_it_is_meant(text: str) -> None:
    """Each form yields its next hop, with the protocol's own port where none is given."""
    assert parse_next_hop(text) == HOPS[text]


@pytest.mark.parametrize("text", HOPS)
def test_what_lists_show_can_be_typed_again(text: str) -> None:
    """The text form of a next hop is read back as the same next hop."""
    assert parse_next_hop(str(HOPS[text])) == HOPS[text]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_next_hop_is_refused_with_its_reason(text: str) -> None:
    """The error names the text and what is wrong with it."""
    with pytest.raises(NextHopError, match=REFUSED[text]):
        parse_next_hop(text)


def test_a_domain_is_delivered_here_or_by_a_named_server() -> None:
    """A hosted domain's delivery is a Maildir, or a server that is named: never what DNS says."""
    assert parse_deliver("smtp://127.0.0.1:10025").means is Means.SMTP
    assert parse_deliver("maildir").means is Means.MAILDIR
    assert parse_deliver("lmtp://127.0.0.1:24").means is Means.LMTP
    with pytest.raises(NextHopError, match="does not deliver here"):
        parse_deliver("mx:example.test")


def test_a_smarthost_speaks_smtp() -> None:
    """A smarthost is an SMTP server."""
    assert parse_smarthost("smtp://host").port == 25
    with pytest.raises(NextHopError, match="no smarthost"):
        parse_smarthost("lmtp://host:24")


@given(st.text(max_size=80))
def test_any_text_is_a_next_hop_or_an_error(text: str) -> None:
    """Whatever is written, it is read back the same or refused with NextHopError."""
    try:
        hop = parse_next_hop(text)
    except NextHopError:
        return
    assert parse_next_hop(str(hop)) == hop
