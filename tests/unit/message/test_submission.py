"""Repairs at submission: RFC 6409 §8, RFC 5321 §7.2, RFC 5322 §3.6.2."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.message.header import scan, without
from eilpost.message.submission import Trouble, count_mailboxes, message_id, repairs, troubles

DATE = "Mon, 23 Nov 2026 19:45:50 +0000"
ID = "<token@mx.example.test>"


def mended(content: bytes) -> bytes:
    """The content after its repairs."""
    found = repairs(scan(content), date=DATE, message_id=ID)
    return found.prefix + without(content, found.cuts)


def test_a_complete_message_stays_as_it_is() -> None:
    """Nothing is touched when nothing is missing."""
    content = b"From: a@x\r\nDate: today\r\nMessage-Id: <1@x>\r\n\r\nBcc: body\r\n"

    assert mended(content) == content
    assert troubles(scan(content)) == ()


def test_missing_fields_are_put_in_front() -> None:
    """RFC 6409 §8.2 and §8.3: Date and Message-ID are added."""
    assert mended(b"From: a@x\r\n\r\nHello\r\n") == (
        b"Date: Mon, 23 Nov 2026 19:45:50 +0000\r\nMessage-ID: <token@mx.example.test>\r\nFrom: a@x\r\n\r\nHello\r\n"
    )


def test_f100_bcc_goes() -> None:
    """RFC 5321 §7.2: blind copies stay blind, in any case and however folded."""
    content = b"Date: d\r\nBCC: s@x,\r\n t@x\r\nMessage-ID: <1@x>\r\nResent-Bcc : u@x\r\nbcc:\r\nFrom: a@x\r\n\r\n"

    assert mended(content) == b"Date: d\r\nMessage-ID: <1@x>\r\nFrom: a@x\r\n\r\n"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (b"To: b@x\r\n", (Trouble.NO_FROM,)),
        (b"From: a@x\r\nFROM: b@x\r\n", (Trouble.SEVERAL_FROM,)),
        (b"From: \r\n", (Trouble.EMPTY_FROM,)),
        (b"From: ,\r\n", (Trouble.EMPTY_FROM,)),
        (b"From: a@x, b@x\r\n", (Trouble.NO_SENDER,)),
        (b"From: a@x,\r\n b@x\r\nSender: a@x\r\n", ()),
        (b"From: a@x\r\nSender: a@x\r\nSender: b@x\r\n", (Trouble.SEVERAL_SENDERS,)),
        (b'From: "Doe, J." <a@x>\r\n', ()),
        (b"From: J. (Doe, the) <a@x>\r\n", ()),
        (b"From: <@r,@s:a@x>\r\n", ()),
    ],
)
def test_f094_troubles_with_the_author_are_told(fields: bytes, expected: tuple[Trouble, ...]) -> None:
    """RFC 5322 §3.6.2: one From; several authors need one Sender. Policy decides what follows."""
    assert troubles(scan(fields + b"\r\n")) == expected


@given(st.text(st.sampled_from('a@x,<>()"\\ :;'), max_size=60))
def test_counting_never_fails(value: str) -> None:
    """Any value names some number of mailboxes, at most one more than it has commas."""
    assert 0 <= count_mailboxes(value.encode()) <= value.count(",") + 1


def test_a_message_id_has_brackets() -> None:
    """RFC 5322 §3.6.4."""
    assert message_id("token", "mx.example.test") == ID
