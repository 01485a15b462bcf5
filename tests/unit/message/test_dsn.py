"""Delivery status notifications: RFC 3464, RFC 6522, RFC 6533."""

from __future__ import annotations

import dataclasses
import email
import email.policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.mail.address import Address
from eilpost.mail.status import Status, status
from eilpost.message import dsn
from eilpost.message.dsn import Action, DeliveryStatus, Multipart, RecipientStatus, Returned

DATE = "Mon, 23 Nov 2026 19:45:50 +0000"
BOB = RecipientStatus(
    final_recipient="rfc822;bob@example.org",
    action=Action.FAILED,
    status=status("5.1.1"),
    original_recipient="rfc822;team@example.test",
    remote_mta="mx.example.org",
    diagnostic="smtp; 550 5.1.1 no such user",
    last_attempt=DATE,
)
STATUS = DeliveryStatus("mx.example.test", (BOB,), envid="QQ 314", arrival=DATE)
ORIGINAL = b"From: anna@example.test\r\nSubject: Hi\r\n\r\nHello\r\n"


def message(made: Multipart) -> bytes:
    """The report as a message."""
    return f"Content-Type: {made.content_type}\r\nMIME-Version: 1.0\r\n\r\n".encode() + made.octets


def parsed(made: Multipart) -> EmailMessage:
    """The report as the standard library reads it."""
    found = email.message_from_bytes(message(made), policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def made(
    octets: bytes = ORIGINAL, *, whole: bool = True, text: str = "Sorry.\n", report: DeliveryStatus = STATUS
) -> Multipart:
    """A report about a message."""
    return dsn.multipart(text, report, Returned(octets, whole), token="t0")


def test_the_status_part_has_the_fields_of_the_standard() -> None:
    """RFC 3464 §2.2 and §2.3: fields of the message, an empty line, fields of each recipient."""
    assert dsn.encode_status(STATUS) == (
        b"Original-Envelope-Id: QQ 314\r\n"
        b"Reporting-MTA: dns; mx.example.test\r\n"
        b"Arrival-Date: Mon, 23 Nov 2026 19:45:50 +0000\r\n"
        b"\r\n"
        b"Original-Recipient: rfc822;team@example.test\r\n"
        b"Final-Recipient: rfc822;bob@example.org\r\n"
        b"Action: failed\r\n"
        b"Status: 5.1.1\r\n"
        b"Remote-MTA: dns; mx.example.org\r\n"
        b"Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"
        b"Last-Attempt-Date: Mon, 23 Nov 2026 19:45:50 +0000\r\n"
    )


def test_a_report_has_three_parts() -> None:
    """RFC 6522 §3: text, status, and the message."""
    report = parsed(made())

    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    assert [part.get_content_type() for part in report.iter_parts()] == [
        "text/plain",
        "message/delivery-status",
        "message/rfc822",
    ]
    assert not report.defects


def test_a_message_comes_back_as_it_was() -> None:
    """The returned message is byte for byte the one that was sent."""
    octets = b"From: a@x\r\n\r\n.\r\n..dots\r\n-- \r\nno line end"

    assert octets in made(octets).octets
    assert dsn.parse_report(message(made(octets))) is not None


@pytest.mark.parametrize(
    ("octets", "whole", "kind", "encoding", "is_8bit"),
    [
        (ORIGINAL, True, "message/rfc822", "7bit", False),
        (ORIGINAL, False, "text/rfc822-headers", "7bit", False),
        (ORIGINAL + b"\xff\r\n", True, "message/rfc822", "8bit", True),
        ("Subject: ü\r\n\r\n".encode(), True, "message/global", "quoted-printable", False),
        ("Subject: ü\r\n\r\n".encode(), False, "message/global-headers", "quoted-printable", False),
        (b"Subject: \xfc\r\n\r\n", False, "text/rfc822-headers", "quoted-printable", False),
        (ORIGINAL + b"a\x00b", True, "text/rfc822-headers", "7bit", False),
        (ORIGINAL + b"a\nb", True, "text/rfc822-headers", "7bit", False),
        (ORIGINAL + b"a\rb", True, "text/rfc822-headers", "7bit", False),
        (ORIGINAL + b"a" * 999, True, "text/rfc822-headers", "7bit", False),
        (b"Subject: " + b"a" * 999 + b"\r\n\r\n", False, "text/rfc822-headers", "base64", False),
        (b"Subject: \xc3\xbc" + b"a" * 999 + b"\r\n\r\n", False, "message/global-headers", "base64", False),
        (b"Subject: a\nb\r\n\r\n", True, "text/rfc822-headers", "base64", False),
        (b"", False, "text/rfc822-headers", "7bit", False),
    ],
)
def test_f163_what_comes_back_suits_every_server(
    octets: bytes, whole: bool, kind: str, encoding: str, is_8bit: bool
) -> None:
    """Binary content and long lines bring the header alone; what is beyond ASCII has its own types."""
    report = made(octets, whole=whole)

    part = report.octets.split(b"\r\n--=_t0_0\r\n")[-1]
    assert part.startswith(f"Content-Type: {kind}".encode())
    assert f"Content-Transfer-Encoding: {encoding}\r\n".encode() in part
    assert report.is_8bit is is_8bit
    assert b"\x00" not in report.octets
    assert all(len(line) <= 998 for line in report.octets.split(b"\r\n"))


def test_the_text_may_be_beyond_ascii() -> None:
    """UTF-8 for people goes as quoted-printable, so that seven bits are enough."""
    report = made(text="Grüße\n\n.\n" + "lang " * 300)

    assert not report.is_8bit
    assert report.octets.isascii()
    text = next(iter(parsed(report).iter_parts())).get_content()
    assert text.replace("\r\n", "\n").startswith("Grüße\n\n.\nlang lang")


def test_a_boundary_occurs_in_no_part() -> None:
    """RFC 2046 §5.1.1: a message that holds the boundary gets a report with another one."""
    octets = b"X: y\r\n\r\n--=_t0_0\r\n--=_t0_1--\r\n"

    assert 'boundary="=_t0_2"' in made(octets).content_type
    assert octets in made(octets).octets


def test_addresses_beyond_ascii_have_their_own_types() -> None:
    """RFC 6533 §3 and §4: utf-8 addresses stand in message/global-delivery-status."""
    bob = dataclasses.replace(BOB, final_recipient=dsn.typed_address(Address("böb", "example.org")))
    report = made(report=DeliveryStatus("mx.example.test", (bob,)))

    assert not report.is_8bit
    assert b"Content-Type: message/global-delivery-status\r\n" in report.octets
    assert b"Final-Recipient: utf-8;b=C3=B6b@example.org\r\n" in report.octets


def test_with_smtputf8_nothing_is_encoded() -> None:
    """RFC 6533 §4.5: a report that itself goes with SMTPUTF8 holds its parts as they are."""
    bob = dataclasses.replace(BOB, final_recipient="utf-8;böb@example.org")
    original = "Subject: ü\r\n\r\nü\r\n".encode()

    report = dsn.multipart("x", DeliveryStatus("mx", (bob,)), Returned(original, True), token="t", smtputf8=True)

    assert report.is_8bit
    assert original in report.octets
    assert "Final-Recipient: utf-8;böb@example.org\r\n".encode() in report.octets


def test_a_utf8_address_of_ascii_is_spelled_for_seven_bits() -> None:
    """RFC 6533 §3: in message/delivery-status a utf-8 address has its 7-bit form."""
    bob = dataclasses.replace(BOB, original_recipient="utf-8;a+b@x")

    octets = dsn.encode_status(DeliveryStatus("mx", (bob,)))

    assert b"Original-Recipient: utf-8;a\\x{2B}b@x\r\n" in octets
    found = dsn.decode_status(octets)
    assert found is not None
    assert found.recipients[0].original_recipient == "utf-8;a+b@x"


def test_f163_peers_cannot_write_fields() -> None:
    """Line ends, controls and floods in a peer's text stay in their field."""
    evil = dataclasses.replace(
        BOB,
        diagnostic="smtp; 550 no\r\nAction: delivered\r\n\r\nFinal-Recipient: rfc822;x@y\x1b[2J" + "a" * 100_000,
        remote_mta="mx\r\nStatus: 2.0.0",
        original_recipient="rfc822;a\r\nAction: delivered",
    )
    octets = dsn.encode_status(DeliveryStatus("mx", (evil, BOB), envid="a\r\nReporting-MTA: dns; evil"))

    found = dsn.decode_status(octets)
    assert found is not None
    assert found.reporting_mta == "mx"
    assert [item.action for item in found.recipients] == [Action.FAILED, Action.FAILED]
    assert len(octets) < 3000
    assert octets.isascii()


def test_our_own_words_have_our_own_type() -> None:
    """RFC 3464 §2.3.6: only a reply of SMTP has the type smtp."""
    local = dataclasses.replace(BOB, diagnostic="connect to mx.example.org[192.0.2.1]:25: timed out")

    assert b"Diagnostic-Code: x-eilpost; connect to mx.example.org[192.0.2.1]:25: timed out\r\n" in (
        dsn.encode_status(DeliveryStatus("mx", (local,)))
    )


def test_a_report_written_is_the_report_read() -> None:
    """What is written is read back: text, status and what was returned."""
    found = dsn.parse_report(message(made()))

    assert found is not None
    assert found.text == b"Sorry.\r\n"
    assert found.status == STATUS
    assert found.returned is not None
    assert found.returned.first(b"subject") == b"Hi"


def test_reports_of_others_are_read() -> None:
    """Odd spacing, case, comments in fields, unknown fields and encodings are read."""
    content = (
        b"content-type: MULTIPART/Report;\r\n\tboundary=xyz; Report-Type=\"Delivery-Status\"\r\n\r\npreamble\r\n"
        b"--xyz\r\n\r\nSorry\r\n--xyz\r\nContent-Type: message/delivery-status\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        b"reporting-mta:dns;mx.other.example\r\nX-Queue: 1\r\n\r\n\r\n\r\n"
        b"FINAL-RECIPIENT: RFC822 ;\r\n bob=40example.org\r\nAction: Failed (bad=20luck)\r\nStatus: 5.0.0 (unknown)\r\n"
        b"\r\nFinal-Recipient: utf-8; b\\x{F6}b@x\r\nAction: relayed\r\nStatus: 2.0.0\r\n"
        b"\r\nAction: failed\r\nStatus: 5.0.0\r\n"
        b"\r\n--xyz--\r\nepilogue"
    )  # fmt: skip

    found = dsn.parse_report(content)

    assert found is not None
    assert found.status == DeliveryStatus(
        "mx.other.example",
        (
            RecipientStatus("rfc822;bob@example.org", Action.FAILED, Status(5, 0, 0)),
            RecipientStatus("utf-8;böb@x", Action.RELAYED, Status(2, 0, 0)),
        ),
    )
    assert found.returned is None


_STATUS_IN_BROKEN_BASE64 = (
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n--x\r\n"
    b"Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: base64\r\n\r\n!\r\n--x--"
)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"From: a@x\r\n\r\nHello",
        b"Content-Type: multipart/report; report-type=disposition-notification; boundary=x\r\n\r\n--x--",
        b"Content-Type: multipart/report; report-type=delivery-status\r\n\r\n--x--",
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n--x\r\n--x",
        _STATUS_IN_BROKEN_BASE64,
        _STATUS_IN_BROKEN_BASE64.replace(b"!", b"a"),
        _STATUS_IN_BROKEN_BASE64.replace(
            b"base64\r\n\r\n!", b"7bit\r\n\r\nReporting-MTA: dns; a\r\n\r\nAction: failed"
        ),
    ],
)
def test_other_mail_is_no_report(content: bytes) -> None:
    """What is no delivery report, or holds no status, is None."""
    assert dsn.parse_report(content) is None


def test_f090_hostile_reports_are_bounded() -> None:
    """Thousands of parts, recipients and parameters cost little and give little."""
    head = b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n"
    group = b"\r\nFinal-Recipient: rfc822;a@x\r\nAction: failed\r\nStatus: 5.0.0\r\n"
    many = b"--x\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; a\r\n" + group * 20_000

    assert dsn.parse_report(head + b"--x\r\n" * 100_000) is None
    assert dsn.parse_report(b"Content-Type: multipart/report" + b"; a=b" * 100_000 + b"\r\n\r\n") is None
    found = dsn.parse_report(head + many)
    assert found is not None
    assert len(found.status.recipients) == dsn.MAX_RECIPIENTS


_TEXT = st.text(max_size=80)
_RECIPIENT = st.builds(
    RecipientStatus,
    final_recipient=st.sampled_from(["rfc822;a@x", "utf-8;ä@x"]),
    action=st.sampled_from(Action),
    status=st.builds(Status, st.sampled_from([2, 4, 5]), st.integers(0, 999), st.integers(0, 999)),
    original_recipient=st.one_of(st.just(""), _TEXT.map(lambda text: f"rfc822;{text}")),
    remote_mta=_TEXT,
    diagnostic=_TEXT,
)


@given(st.lists(_RECIPIENT, min_size=1, max_size=4).map(tuple), _TEXT, _TEXT, st.binary(max_size=200), st.booleans())
def test_every_report_is_read_back(
    recipients: tuple[RecipientStatus, ...], text: str, envid: str, octets: bytes, whole: bool
) -> None:
    """Whatever peers said, a report has its recipients, actions and statuses, in lines that servers take."""
    made = dsn.multipart(text, DeliveryStatus("mx", recipients, envid=envid), Returned(octets, whole), token="t")

    found = dsn.parse_report(message(made))

    assert found is not None
    assert [(r.final_recipient, r.action, r.status) for r in found.status.recipients] == [
        (r.final_recipient, r.action, r.status) for r in recipients
    ]
    assert b"\x00" not in made.octets
    assert made.octets.count(b"\r") == made.octets.count(b"\n") == made.octets.count(b"\r\n")
    assert made.is_8bit or made.octets.isascii()


@given(st.binary(max_size=300))
def test_reading_a_status_never_fails(octets: bytes) -> None:
    """Any octets are a status or None."""
    dsn.decode_status(octets)
