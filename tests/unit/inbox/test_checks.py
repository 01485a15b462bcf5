"""What is odd about a message is seen."""

from __future__ import annotations

import pytest

from eilpost.inbox.checks import LOOKS, Level, links_of, reports, see
from eilpost.inbox.contract import Kept, Mailbox, Summary, Via

GOOD = (
    b"From: Anna <anna@example.test>\r\nTo: berta@example.test\r\nSubject: Hello\r\n"
    b"Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n"
    b"Message-ID: <1@example.test>\r\n\r\nHello Berta.\r\n"
)


def kept(**changes: object) -> Kept:
    given = {
        "id": "a", "number": 1, "received": 0.0, "size": 10, "subject": "Hello",
        "sender": Mailbox("Anna", "anna@example.test"),
        "to": (Mailbox("", "berta@example.test"),), "cc": (), "reply_to": (), "date": "", "message_id": "",
        "reverse_path": "anna@example.test", "recipients": ("berta@example.test",), "attachments": 0, "is_read": False,
        "tags": (), "mailboxes": ("",), "preview": "",
    } | changes  # fmt: skip
    return Kept(Summary(**given), Via(), "")  # type: ignore[arg-type]


def said(content: bytes, name: str, **changes: object) -> str:
    """What one look says."""
    report = next(each for each in reports(see(kept(**changes), content)) if each.look.name == name)
    return " ".join(finding.text for finding in report.findings)


def html(rich: str) -> bytes:
    return (
        GOOD.partition(b"\r\n\r\n")[0] + b"\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + rich.encode() + b"\r\n"
    )


def test_a_plain_good_message_has_nothing_to_mend() -> None:
    """No look warns of a message as it should be."""
    assert {report.level for report in reports(see(kept(), GOOD))} <= {Level.FINE, Level.NOTE}
    assert len(reports(see(kept(), GOOD))) == len(LOOKS)


def test_rfc5322_section_3_6_required_fields_are_missed() -> None:
    """RFC 5322 §3.6: From and Date must be there; singular fields once."""
    assert "no From" in said(b"Subject: x\r\n\r\n", "Header")
    assert "no Date" in said(b"Subject: x\r\n\r\n", "Header")
    assert "Subject is there 2 times" in said(b"Subject: x\r\n" + GOOD, "Header")


@pytest.mark.parametrize(
    ("anchor", "words"),
    [
        ('<a href="https://evil.example/x">https://bank.example/</a>', "looks like phishing"),
        ('<a href="">x</a>', "leads nowhere"),
        ('<a href="https://shop.example/{{token}}">x</a>', "placeholder"),
        ('<a href="http://shop.example/">x</a>', "not encrypted"),
        ('<a href="/cart">x</a>', "relative"),
        ('<a href="javascript:x">x</a>', "removed by mail clients"),
    ],
)
def test_bad_links_are_told(anchor: str, words: str) -> None:
    """Each way a link can be wrong is named."""
    assert words in said(html(anchor), "Links")


def test_good_links_are_fine() -> None:
    """A link that shows the host it leads to, or words, is fine."""
    for anchor in (
        '<a href="https://www.shop.example/a">shop.example</a>',
        '<a href="https://shop.example">Shop now</a>',
    ):
        assert said(html(anchor), "Links") == "Nothing to say."
    assert [link.url for link in links_of("", "see https://a.example/x and http://b.example")] == [
        "https://a.example/x",
        "http://b.example",
    ]


def test_pictures_and_pixels_are_told() -> None:
    """A picture without alt text, one that is not there, and one that counts readers."""
    found = said(
        html('<img src="cid:none" alt="x"><img src="https://a.example/p.gif" width="1" height="1">'), "Pictures"
    )
    assert "does not have" in found
    assert "no alt text" in found
    assert "one pixel" in found


def test_html_without_text_is_told() -> None:
    """Readers without HTML get something to read."""
    assert "no plain text" in said(html("<p>Hello</p>"), "Text")


def test_long_lines_and_big_html_are_told() -> None:
    """RFC 5322 §2.1.1: a line of more than 998 octets; more HTML than Gmail shows."""
    assert "A line has 1200 octets" in said(GOOD + b"x" * 1200 + b"\r\n", "Size")
    assert "Gmail cuts it off" in said(html("<p>" + "x\r\n" * 60_000), "Size")


def test_css_that_clients_do_not_know_is_told() -> None:
    """Flexible boxes, forms, fonts: with the clients' names."""
    found = said(html('<div style="display:flex"><form></form><style>@font-face{}</style></div>'), "Mail clients")
    assert "flex" in found
    assert "<form>" in found
    assert "@font-face" in found


def test_envelope_and_header_are_compared() -> None:
    """Another domain in the reverse-path, and blind copies, are named."""
    found = said(
        GOOD, "Envelope", reverse_path="bounce@elsewhere.example", recipients=("berta@example.test", "eve@example.test")
    )
    assert "will not align" in found
    assert "eve@example.test" in found


def test_bulk_mail_without_a_way_out_is_told() -> None:
    """Mail of a list needs List-Unsubscribe."""
    assert "List-Unsubscribe" in said(b"List-ID: <a.example>\r\n" + GOOD, "Filters")


def test_a_signature_is_named() -> None:
    """DKIM: domain and selector."""
    assert "by a.example, selector s1" in said(b"DKIM-Signature: v=1; d=a.example; s=s1; b=x\r\n" + GOOD, "Signatures")
