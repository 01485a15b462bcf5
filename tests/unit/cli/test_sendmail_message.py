"""From what a program writes to sendmail to a message for the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.cli.sendmail_message import content, header_recipients, with_author
from eilpost.mail.address import parse_address

ROOT = parse_address("root@a.test")


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"A: b\n\ntext\n", b"A: b\r\n\r\ntext\r\n"),
        (b"A: b\r\n\r\ntext\r\n", b"A: b\r\n\r\ntext\r\n"),
        (b"10%\r20%\rdone\n", b"10%\r\n20%\r\ndone\r\n"),
        (b"no end", b"no end\r\n"),
        (b"From anna Mon Nov 23\nA: b\n", b"A: b\r\n"),
        (b"", b""),
    ],
)
def test_lines_become_those_of_mail(octets: bytes, expected: bytes) -> None:
    """LF, CR LF and a bare CR end a line; the last line is ended; a mailbox file's first line goes."""
    assert content(octets, ignore_dots=True) == expected


@pytest.mark.parametrize(
    ("octets", "expected"),
    [(b"a\n.\nb\n", b"a\r\n"), (b".\nb\n", b""), (b"a\n.", b"a\r\n"), (b"a\n.b\n..\n", b"a\r\n.b\r\n..\r\n")],
)
def test_a_dot_alone_ends_the_message_unless_it_is_to_be_ignored(octets: bytes, expected: bytes) -> None:
    """Without ``-i`` what stands behind a lone dot is not sent."""
    assert content(octets, ignore_dots=False) == expected
    assert content(octets, ignore_dots=True) == content(octets + b"\n" * (octets[-1:] != b"\n"), ignore_dots=True)


@pytest.mark.parametrize(
    ("octets", "name", "expected"),
    [
        (b"FROM : x@b.test\r\n\r\n", "Root", b"FROM : x@b.test\r\n\r\n"),
        (b"To: x\r\n\r\nFrom: y\r\n", "", b"From: root@a.test\r\nTo: x\r\n\r\nFrom: y\r\n"),
        (b"To: x\r\n", "Charlie Root", b"From: Charlie Root <root@a.test>\r\nTo: x\r\n"),
        (b"To: x\r\n", 'R. "X"', b'From: "R. \\"X\\"" <root@a.test>\r\nTo: x\r\n'),
        (b"To: x\r\n", "Jörg", b"From: =?utf-8?B?SsO2cmc=?= <root@a.test>\r\nTo: x\r\n"),
        (b"just text\r\n", "", b"From: root@a.test\r\n\r\njust text\r\n"),
        (b"\r\ntext\r\n", "", b"From: root@a.test\r\n\r\ntext\r\n"),
        (b"", "", b"From: root@a.test\r\n\r\n"),
    ],
)
def test_a_message_has_an_author(octets: bytes, name: str, expected: bytes) -> None:
    """Without a From field the sender is the author; without a header there is one; what is there stays."""
    assert with_author(octets, ROOT, name) == expected


def test_f095_a_name_cannot_end_its_field() -> None:
    """Line ends in a full name do not make another field."""
    octets = with_author(b"To: x\r\n", ROOT, "Evil\r\nBcc: v@evil.test")
    assert b"\r\nBcc" not in octets


def test_recipients_of_the_header() -> None:
    """To, Cc and Bcc are looked at wherever they stand in the header, and nothing else is."""
    octets = b"To: a, B <b@a.test>\r\nX: to: c\r\nBcc: d@a.test,\r\n e@a.test\r\ncc: f\r\n\r\nTo: g\r\n"
    assert header_recipients(octets) == ["a", "b@a.test", "f", "d@a.test", "e@a.test"]


@given(st.binary(max_size=80), st.booleans())
def test_any_octets_become_lines_of_mail(octets: bytes, ignore_dots: bool) -> None:
    """Whatever is written, the message has no bare CR or LF and ends with its last line."""
    message = content(octets, ignore_dots=ignore_dots)
    assert b"\r" not in message.replace(b"\r\n", b"")
    assert b"\n" not in message.replace(b"\r\n", b"")
    assert message in (b"",) or message.endswith(b"\r\n")
