"""From what a program has to what is sent."""

from __future__ import annotations

from email.message import EmailMessage, Message

import pytest

from eilpost.client.prepare import Given, prepare
from eilpost.client.receipt import MessageError
from eilpost.mail.address import Address
from eilpost.mail.envelope import Recipient

HEADER = "From: anna@a.example\nTo: bob@b.example\n"


def people(given: Given) -> tuple[str, list[str]]:
    """Who sends to whom."""
    parcel = prepare(given, None, None)
    return str(parcel.reverse_path), [str(recipient.address) for recipient in parcel.recipients]


@pytest.mark.parametrize(
    ("header", "sender", "recipients"),
    [
        (HEADER, "<anna@a.example>", ["bob@b.example"]),
        ("Sender: s@a.example\n" + HEADER, "<s@a.example>", ["bob@b.example"]),
        (HEADER + "Cc: c@c.example, Group: d@d.example, e@e.example;\nBCC: f@f.example\n", "<anna@a.example>",
         ["bob@b.example", "c@c.example", "d@d.example", "e@e.example", "f@f.example"]),
        (HEADER + "To: bob@b.example, x@x.example\n", "<anna@a.example>", ["bob@b.example", "x@x.example"]),
        ("Resent-Date: now\nResent-From: r@r.example\nResent-To: t@t.example\n" + HEADER, "<r@r.example>",
         ["t@t.example"]),
        ('From: "a b"@a.example\nTo: (comment) <bob@b.example>\n', '<"a b"@a.example>', ["bob@b.example"]),
    ],
)  # fmt: skip
def test_the_header_names_the_envelope(header: str, sender: str, recipients: list[str]) -> None:
    """Sender before From, all recipients once, the Resent fields where there are any."""
    assert people(header + "\nbody\n") == (sender, recipients)
    assert people((header + "\nbody\n").encode()) == (sender, recipients)


def test_what_is_given_counts_more_than_the_header() -> None:
    """Sender and recipients may be given in every form."""
    address = Address("c", "c.example")
    for recipients in ("c@c.example", address, ["<c@c.example>"], [address], [Recipient(address)]):
        parcel = prepare(HEADER + "\nx", address, recipients)  # type: ignore[arg-type]
        assert (parcel.reverse_path.mailbox, parcel.recipients) == (address, (Recipient(address),))
    for null in ("", "<>"):
        assert prepare(HEADER + "\nx", null, None).reverse_path.is_null


def test_rfc5322_resent_twice_is_not_guessed() -> None:
    """Of two Resent blocks none is chosen silently."""
    with pytest.raises(MessageError, match="more than once"):
        people("Resent-Date: a\nResent-Date: b\n" + HEADER + "\nx")


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (b"A: b\n\nx\n", b"A: b\r\n\r\nx\r\n"),
        ("A: b\n\nx\r\ny\rz\n", b"A: b\r\n\r\nx\r\ny\r\nz\r\n"),
        (b"A: b\r\n\r\nx\ny\r\n", b"A: b\r\n\r\nx\ny\r\n"),
        (b"Bcc: x@x.example,\r\n y@y.example\r\nA: b\r\nBcc:z\r\n\r\nBcc: stays\r\n", b"A: b\r\n\r\nBcc: stays\r\n"),
        (b"A: b\r\nresent-bcc : z\r\n", b"A: b\r\n"),
        (b"A: b\r\nBcc: z", b"A: b\r\n"),
        (b"A: Bcc\r\n\r\nx", b"A: Bcc\r\n\r\nx"),
    ],
)
def test_octets(given: bytes | str, sent: bytes) -> None:
    """Octets go as they are, but for Bcc, and for a Unix file's line ends."""
    assert prepare(given, "", ["a@a.example"]).octets == sent


def test_mixed_line_ends_are_binary() -> None:
    """Octets with bare line ends go only where binary content goes."""
    assert prepare(b"A: b\r\n\r\nx\ny\r\n", "", ["a@a.example"]).traits.is_binary


def test_message_objects() -> None:
    """Objects are written with CRLF and without Bcc, and stay as they were."""
    made = EmailMessage()
    made["From"], made["To"], made["Bcc"], made["Subject"] = "a@a.example", "b@b.example", "c@c.example", "grüße"
    made.set_content("From here\n")
    parcel = prepare(made, None, None)
    assert parcel.octets is not None
    assert b"Bcc" not in parcel.octets
    assert parcel.octets.endswith(b"\r\nFrom here\r\n")
    assert b"=?utf-8?" in parcel.octets
    assert not parcel.parameters.smtputf8
    assert len(parcel.recipients) == 2
    assert made["Bcc"] == "c@c.example"
    old = Message()
    old["From"], old["To"] = "a@a.example", "b@b.example"
    old.set_payload("From here")
    assert prepare(old, None, None).octets == b"From: a@a.example\r\nTo: b@b.example\r\n\r\nFrom here\r\n"


def test_an_address_beyond_ascii_asks_for_smtputf8() -> None:
    """Such a message is written in UTF-8 (RFC 6532 §3.2) and says so (RFC 6531 §3.4)."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "a@a.example", "bücher@b.example", "grüße"
    made.set_content("x\n")
    parcel = prepare(made, None, None)
    assert parcel.octets is not None
    assert "Subject: grüße\r\n".encode() in parcel.octets
    assert parcel.parameters.smtputf8


def test_f072_encoded_words_are_no_addresses() -> None:
    """An encoded word in the place of an address is not decoded into one."""
    with pytest.raises(MessageError):
        people("From: a@a.example\nTo: =?utf-8?q?v=40evil.example?=\n\nx")
