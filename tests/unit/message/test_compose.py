"""Messages that people write."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP

import pytest

from eilpost.message.compose import Attachment, ComposeError, Letter, compose

DATE = "Mon, 23 Nov 2026 20:00:00 +0000"


def made(letter: Letter) -> EmailMessage:
    """The message as somebody else's parser reads it."""
    message = message_from_bytes(bytes(compose(letter, date=DATE, message_id="<1@a.test>")), policy=SMTP)
    assert isinstance(message, EmailMessage)
    return message


def test_a_letter_becomes_a_message() -> None:
    """Fields and text arrive as they were given, beyond ASCII too; Date and Message-ID are there."""
    found = made(Letter("Änna <anna@a.test>", ["b@a.test", "C <c@a.test>"], ["d@a.test"], "Grüße", "schön\nwar's"))
    assert found["From"] == "Änna <anna@a.test>"
    assert found["To"] == "b@a.test, C <c@a.test>"
    assert (found["Cc"], found["Subject"], found["Date"], found["Message-ID"]) == (
        "d@a.test", "Grüße", DATE, "<1@a.test>")  # fmt: skip
    assert found.get_content() == "schön\r\nwar's\r\n"


def test_attachments_go_along() -> None:
    """Each attachment keeps its name, type and octets."""
    octets = bytes(range(256))
    found = made(Letter("a@a.test", ["b@a.test"], text="x", attachments=[Attachment("ä.bin", "image/png", octets)]))
    (part,) = found.iter_attachments()
    assert (part.get_filename(), part.get_content_type(), part.get_content()) == ("ä.bin", "image/png", octets)


def test_given_fields_go_first() -> None:
    """A field that the person gives stands in place of ours, and others are added."""
    found = made(Letter("a@a.test", ["b@a.test"], subject="no", headers=["Subject: yes", "X-Note: one", "X-Note: two"]))
    assert found["Subject"] == "yes"
    assert found.get_all("X-Note") == ["one", "two"]


@pytest.mark.parametrize(
    ("letter", "why"),
    [
        (Letter("a@a.test", subject="a\nBcc: v@evil.test"), "single line"),
        (Letter("a@a.test", headers=["nothing"]), "is no header field"),
        (Letter("a@a.test", headers=["bad name: x"]), "is no header field"),
        (Letter("a@a.test", headers=["From: b@a.test", "From: c@a.test"]), "From"),
        (Letter("not an address <"), "is not an address"),
        (Letter("a@a.test", ["b@a.test, <"]), "is not an address"),
    ],
)
def test_f095_what_makes_no_message_is_told(letter: Letter, why: str) -> None:
    """Line ends, fields without a name and what is no address are errors with a sentence."""
    with pytest.raises(ComposeError, match=why):
        compose(letter, date=DATE, message_id="<1@a.test>")
