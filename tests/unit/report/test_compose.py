"""Reports as messages: RFC 3464, RFC 3834, and a text that a person understands."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.mail.address import Address, parse_address
from eilpost.mail.envelope import NULL_REVERSE_PATH, Body, MailParameters, RcptParameters, Recipient, ReversePath
from eilpost.mail.outcome import Fate, Outcome
from eilpost.mail.status import status
from eilpost.message import dates, dsn
from eilpost.report.compose import compose
from eilpost.report.notices import RETURN_LIMIT, Kind, MessageFacts, Notice, RecipientFacts

ANNA = parse_address("anna@example.test")
RECEIVED = 1_764_000_000.0
DAY = 86400.0
CONTENT = b"Message-ID: <original@example.test>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nFrom: a@x\r\n\r\nHello\r\n"


def recipient(
    address: str = "bob@example.org",
    fate: Fate = Fate.FAILED,
    code: str = "5.1.1",
    diagnostic: str = "smtp; 550 5.1.1 unknown user",
    remote: str | None = "mx.example.org",
    given: Address | None = None,
    orcpt: str | None = None,
) -> RecipientFacts:
    """One recipient after an attempt."""
    mailbox = parse_address(address)
    outcome = Outcome(mailbox, fate, status(code), diagnostic, remote, RECEIVED + 5 * DAY)
    return RecipientFacts(
        0, Recipient(mailbox, RcptParameters(orcpt=orcpt), given), outcome, 70, RECEIVED + 6 * DAY
    )  # fmt: skip


def notice(
    *recipients: RecipientFacts,
    kind: Kind = Kind.FAILED,
    sender: Address = ANNA,
    envid: str | None = None,
    size: int = len(CONTENT),
) -> Notice:
    """A notice to Anna."""
    parameters = MailParameters(envid=envid)
    return Notice(kind, MessageFacts("m1", ReversePath(sender), parameters, RECEIVED, size), recipients)


def octets_of(notice: Notice, content: bytes = CONTENT) -> bytes:
    """The report as octets."""
    return compose(notice, hostname="mx.example.test", now=RECEIVED + 5 * DAY, token="t0", content=content)[1]


def report(notice: Notice, content: bytes = CONTENT) -> EmailMessage:
    """The report as the standard library reads it."""
    found = email.message_from_bytes(octets_of(notice, content), policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    assert not found.defects
    return found


def text(notice: Notice, content: bytes = CONTENT) -> str:
    """What the person reads, on one line so that wrapping does not matter."""
    return " ".join(next(iter(report(notice, content).iter_parts())).get_content().split())


def test_a_report_is_marked_as_one() -> None:
    """Its header says who wrote it, to whom, that no answer is wanted, and what it belongs to."""
    found = report(notice(recipient()))

    assert str(found["From"]) == "Mail delivery system <mailer-daemon@mx.example.test>"
    assert str(found["To"]) == "anna@example.test"
    assert str(found["Subject"]) == "Not delivered: your message to bob@example.org"
    assert str(found["Date"]) == dates.format(RECEIVED + 5 * DAY)
    assert str(found["Message-ID"]) == "<t0@mx.example.test>"
    assert str(found["In-Reply-To"]) == str(found["References"]) == "<original@example.test>"
    assert str(found["Auto-Submitted"]) == "auto-replied"
    assert found.get_content_type() == "multipart/report"


def test_f158_a_report_has_the_null_reverse_path() -> None:
    """RFC 3461 §6.1: the report goes from ``<>`` to the reverse-path, and asks for nothing."""
    envelope, _ = compose(notice(recipient()), hostname="mx", now=0.0, token="t", content=CONTENT)

    assert envelope.reverse_path is NULL_REVERSE_PATH
    assert envelope.recipients == (Recipient(ANNA),)
    assert envelope.parameters == MailParameters(body=Body.SEVEN_BIT)


def test_f158_nothing_is_composed_to_nobody() -> None:
    """To report to the null reverse-path is a bug of the caller."""
    facts = MessageFacts("m1", NULL_REVERSE_PATH, MailParameters(), RECEIVED, 0)

    with pytest.raises(ValueError, match="null reverse-path"):
        compose(Notice(Kind.FAILED, facts, (recipient(),)), hostname="mx", now=0.0, token="t", content=b"")


def test_a_failure_is_told_in_plain_words() -> None:
    """What happened, to whom, why, in the peer's words, what to do, what follows, which message."""
    words = text(notice(recipient(), envid="QQ 1"))

    assert words.startswith(
        "Your message could not be delivered to: bob@example.org Why: no such mailbox (status 5.1.1)."
    )
    assert 'mx.example.org said: "550 5.1.1 unknown user"' in words
    assert "What you can do: Check the part of the address before the @ for a typing error" in words
    assert "We will not try again" in words
    assert "subject Grüße accepted Mon, 24 Nov 2025 16:00:00 +0000 known as m1 envelope QQ 1" in words
    assert words.endswith("The mail system at mx.example.test")


def test_an_expired_message_tells_how_long_was_tried() -> None:
    """After days of trying, days and attempts are told; our own words are no peer's."""
    words = text(notice(recipient(fate=Fate.EXPIRED, code="4.4.1", diagnostic="timed out", remote=None)))
    again = text(notice(recipient(fate=Fate.EXPIRED, code="5.4.7", diagnostic="timed out", remote=None)))

    assert "could not be delivered within 5 days, in 70 attempts (status 5.4.7)." in again
    assert "could not be delivered within 5 days, in 70 attempts; the last time: no answer from the host" in words
    assert "(status 5.4.7)" in words
    assert 'In detail: "timed out"' in words


def test_a_delay_says_that_nothing_need_be_done() -> None:
    """The reader learns that we go on, until when, and that it is only a warning."""
    waiting = notice(recipient(fate=Fate.DEFERRED, code="4.2.2", diagnostic="smtp; 452 full"), kind=Kind.DELAYED)

    assert "need not send it again" in text(waiting)
    assert f"We go on trying until {dates.format(RECEIVED + 6 * DAY)}." in text(waiting)
    assert b"Action: delayed\r\nStatus: 4.2.2\r\n" in octets_of(waiting)
    assert b"Will-Retry-Until: " in octets_of(waiting)
    assert str(report(waiting)["Subject"]) == "Delayed: your message to bob@example.org"


@pytest.mark.parametrize(
    ("kind", "fate", "news"),
    [
        (Kind.DELIVERED, Fate.DELIVERED, "Your message has been delivered to: bob@example.org"),
        (Kind.RELAYED, Fate.RELAYED, "Your message has been passed on to the mail server of: bob@example.org"),
    ],
)
def test_good_news_is_short(kind: Kind, fate: Fate, news: str) -> None:
    """A success says what was done and that no more comes; it holds no reason and no advice."""
    good = notice(recipient(fate=fate, code="2.0.0", diagnostic="smtp; 250 Ok"), kind=kind)

    assert text(good).startswith(news)
    assert "Why" not in text(good)
    assert f"Action: {kind.value}\r\nStatus: 2.0.0\r\n".encode() in octets_of(good)
    assert "text/rfc822-headers" in [part.get_content_type() for part in report(good).iter_parts()]


def test_the_machine_reads_the_same() -> None:
    """The status part has ENVID, ORCPT and every recipient."""
    found = dsn.parse_report(
        octets_of(
            notice(
                recipient(orcpt="rfc822;team@example.test"),
                recipient("carl@example.org", Fate.EXPIRED, "4.4.1", "timed out", None),
                envid="QQ 1",
            )
        )
    )

    assert found is not None
    assert (found.status.reporting_mta, found.status.envid) == ("mx.example.test", "QQ 1")
    assert found.status.arrival == dates.format(RECEIVED)
    bob, carl = found.status.recipients
    assert (bob.original_recipient, bob.final_recipient) == ("rfc822;team@example.test", "rfc822;bob@example.org")
    assert (bob.diagnostic, bob.remote_mta) == ("smtp; 550 5.1.1 unknown user", "mx.example.org")
    assert (str(carl.status), carl.diagnostic, carl.remote_mta) == ("5.4.7", "x-eilpost; timed out", "")
    assert carl.last_attempt == dates.format(RECEIVED + 5 * DAY)


def test_an_alias_is_named_as_it_was_written_to() -> None:
    """The sender finds the address that they used, in the subject and in the text."""
    through = notice(recipient(given=parse_address("team@example.test")), recipient("x@example.org"))

    assert "team@example.test (which leads to bob@example.org)" in text(through)
    assert str(report(through)["Subject"]) == "Not delivered: your message to team@example.test and 1 other"


def test_many_recipients_are_counted() -> None:
    """The text names fifty; the part for machines names all."""
    many = notice(*[recipient(f"r{number}@example.org") for number in range(60)])

    assert "and to 10 others, who stand in the part of this report for machines." in text(many)
    assert octets_of(many).count(b"Final-Recipient:") == 60
    assert text(many).count("What you can do") == 1


@pytest.mark.parametrize(
    ("size", "content", "kind"),
    [
        (len(CONTENT), CONTENT, "message/rfc822"),
        (10_000_000, (CONTENT + b"x" * RETURN_LIMIT)[:RETURN_LIMIT], "text/rfc822-headers"),
        (len(CONTENT) + 1, CONTENT, "text/rfc822-headers"),
    ],
)
def test_f159_big_messages_do_not_come_back(size: int, content: bytes, kind: str) -> None:
    """A small message comes back whole, a big one by its header."""
    big = notice(recipient(), size=size)

    assert list(report(big, content).iter_parts())[2].get_content_type() == kind
    assert len(octets_of(big, content)) < 10_000


def test_f159_a_big_header_is_cut_at_a_line() -> None:
    """Of a header above the limit whole lines come back."""
    content = b"".join(b"X-%d: value\r\n" % number for number in range(10_000))

    octets = octets_of(notice(recipient(), size=len(content)), content[:RETURN_LIMIT])

    assert RETURN_LIMIT - 100 < len(octets) < RETURN_LIMIT + 3000
    assert octets.rpartition(b"\r\n--")[0].endswith(b": value\r\n")


def test_f155_a_peer_cannot_colour_the_report() -> None:
    """Escape sequences, line ends and bidirectional controls of a peer are shown as marks."""
    evil = recipient(diagnostic="smtp; 550 \x1b[31m\u202eno\r\n\r\nAction: delivered", remote="mx\x1b]0;x")
    octets = octets_of(notice(evil))

    assert b"\x1b" not in octets
    assert "\u202e" not in text(notice(evil))
    assert b"\r\nAction: delivered" not in octets


def test_f163_f194_addresses_beyond_ascii_are_reported() -> None:
    """RFC 6533: a UTF-8 reverse-path needs SMTPUTF8, a UTF-8 recipient its own types."""
    envelope, octets = compose(
        notice(recipient("böb@example.org"), sender=Address("ännä", "example.test")),
        hostname="mx", now=RECEIVED, token="t", content=CONTENT,
    )  # fmt: skip

    assert envelope.parameters == MailParameters(body=Body.EIGHT_BIT, smtputf8=True)
    assert "To: <ännä@example.test>\r\n".encode() in octets
    assert "Final-Recipient: utf-8;böb@example.org\r\n".encode() in octets


@pytest.mark.parametrize(
    "message_id", [b"no brackets", b"<a b>", b"<" + b"a" * 300 + b">", b"<>", b"<a@b> <c@d>", b"<\xe4@b>"]
)
def test_a_strange_message_id_is_not_repeated(message_id: bytes) -> None:
    """What is no Message-ID does not come into our header."""
    found = report(notice(recipient()), b"Message-ID: " + message_id + b"\r\n\r\n")

    assert found["In-Reply-To"] is None
    assert found["References"] is None


@given(
    content=st.binary(max_size=300),
    diagnostic=st.text(max_size=200),
    remote=st.none() | st.text(max_size=50),
    kind=st.sampled_from(Kind),
    fate=st.sampled_from(Fate),
    orcpt=st.none() | st.text(max_size=40),
)
def test_every_report_is_a_message(
    content: bytes, diagnostic: str, remote: str | None, kind: Kind, fate: Fate, orcpt: str | None
) -> None:
    """Whatever peer and sender wrote, a report can be sent, read, and says what happened."""
    told = notice(recipient(fate=fate, diagnostic=diagnostic, remote=remote, orcpt=orcpt), kind=kind, size=len(content))

    envelope, octets = compose(told, hostname="mx.example.test", now=RECEIVED, token="t", content=content)

    found = dsn.parse_report(octets)
    assert found is not None
    assert [item.action.value for item in found.status.recipients] == [kind.value]
    assert octets.count(b"\r") == octets.count(b"\n") == octets.count(b"\r\n")
    assert all(len(line) <= 998 for line in octets.split(b"\r\n"))
    assert b"\x00" not in octets
    assert octets.isascii() or envelope.parameters.body is Body.EIGHT_BIT


def test_rfc8689_a_report_is_as_secret_as_its_message() -> None:
    """RFC 8689 §5: a report of a message that must stay encrypted demands the same, and returns its header alone."""
    told = notice(recipient())
    told = replace(told, message=replace(told.message, parameters=MailParameters(require_tls=True)))
    envelope, octets = compose(told, hostname="mx.example", now=0.0, token="t", content=CONTENT)
    assert envelope.parameters.require_tls
    assert b"text/rfc822-headers" in octets
