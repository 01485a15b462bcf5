"""A caught message: what it holds, and what its assertions say when it is something else."""

from __future__ import annotations

from email.message import EmailMessage

import pytest

from eilpost.testing.caught import Message


def caught() -> Message:
    """A message with text, HTML and an attachment."""
    made = EmailMessage()
    made["From"] = "Anna <anna@a.example>"
    made["Subject"] = "Grüße"
    made.set_content("Hello.\nSee https://shop.example/order/7, please.\n")
    made.add_alternative('<p>Hello. <a href="https://shop.example/confirm?a=1&amp;b=2">Confirm</a></p>', subtype="html")
    made.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="bill.pdf")
    transcript = "S: 220 ready\nC: EHLO me\nS: 250 hello\nC: STARTTLS\nS: 220 go"
    return Message("1", "anna@a.example", ("b@b.example", "c@c.example"), made.as_bytes(), transcript=transcript)


def test_what_it_holds() -> None:
    """Subject, texts, links and attachments are decoded."""
    message = caught()
    assert message.subject == "Grüße"
    assert message.text == "Hello.\nSee https://shop.example/order/7, please.\n"
    assert "<p>Hello." in message.html
    assert message.links == ("https://shop.example/confirm?a=1&b=2", "https://shop.example/order/7")
    [attachment] = message.attachments
    assert (attachment.name, attachment.kind, attachment.content) == ("bill.pdf", "application/pdf", b"%PDF")
    assert str(message) == "from anna@a.example to b@b.example, c@c.example: 'Grüße'"


def test_what_it_does_not_hold_is_empty() -> None:
    """A message without anything has no text, no HTML, no links and no attachments."""
    message = Message("1", "", (), b"")
    assert (message.subject, message.text, message.html, message.links, message.attachments) == ("", "", "", (), ())
    assert str(message) == "from <> to : ''"


def test_assertions_that_hold() -> None:
    """What is so is not complained about."""
    message = caught()
    message.assert_envelope(sender="anna@a.example", recipients=["c@c.example", "b@b.example"])
    message.assert_header("Subject", "Grüße")
    message.assert_header("X-Nothing", None)
    message.assert_text("Hello.\r\nSee https://shop.example/order/7, please.")
    message.assert_contains("Hello", "Confirm")
    message.assert_link("https://shop.example/order/7")
    message.assert_attachment("bill.pdf", kind="application/pdf", content=b"%PDF")
    message.assert_transcript("C: EHLO", "C: STARTTLS")


@pytest.mark.parametrize(
    ("check", "complaint"),
    [
        (lambda m: m.assert_envelope(sender="x@x.example"), r"the sender .* differs:\n(.|\n)*-x@x.example\n\+a"),
        (lambda m: m.assert_envelope(recipients=["b@b.example"]), r"recipients (.|\n)* b@b.example\n\+c@c.example"),
        (lambda m: m.assert_header("Subject", "x"), r"Subject differs:(.|\n)*-x\n\+Grüße"),
        (lambda m: m.assert_header("X-Nothing", "x"), "there is no X-Nothing; there are: From, Subject"),
        (lambda m: m.assert_header("Subject", None), "Subject is there: Grüße"),
        (lambda m: m.assert_text("Hello.\nSee nothing."), r"the text differs:(.|\n)* Hello.\n-See nothing."),
        (lambda m: m.assert_contains("Goodbye"), r"'Goodbye' is not in the message:\n  \| Hello."),
        (lambda m: m.assert_link("https://x.example/"), r"no link leads to https://x.example/(.|\n)*order/7"),
        (lambda m: m.assert_attachment("x.pdf"), r"no attachment x.pdf; (.|\n)*\| bill.pdf \(application/pdf, 4"),
        (lambda m: m.assert_attachment("bill.pdf", kind="text/plain"), "the type of bill.pdf differs"),
        (lambda m: m.assert_attachment("bill.pdf", content=b"%PxF!"), "5 octets are wanted, 4 .* first at octet 2"),
        (lambda m: m.assert_transcript("C: STARTTLS", "C: EHLO"), "'C: EHLO' was not said, or not then"),
    ],
)  # fmt: skip
def test_assertions_that_do_not_hold_show_the_difference(check: object, complaint: str) -> None:
    """A failure names what was wanted and what was found."""
    assert callable(check)
    with pytest.raises(AssertionError, match=complaint):
        check(caught())
