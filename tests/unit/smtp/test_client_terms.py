"""What is said to which server about which content."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from eilpost.mail.address import Address
from eilpost.mail.envelope import (
    NO_MAIL_PARAMETERS,
    NULL_REVERSE_PATH,
    Body,
    ByMode,
    DeliverBy,
    MailParameters,
    RcptParameters,
    Recipient,
    Ret,
    ReversePath,
    ValidSince,
)
from eilpost.mail.reply import Reply
from eilpost.smtp.client_offer import Offer, parse_offer
from eilpost.smtp.client_terms import Terms, Traits, Unsuitable, negotiate, suits, traits_of

PLAIN = Traits(size=100, has_8bit=False)
EIGHT = Traits(size=100, has_8bit=True)
BINARY = Traits(size=100, has_8bit=True, is_binary=True)
HEADER = Traits(size=100, has_8bit=True, has_8bit_header=True)
UTF8 = ReversePath(Address("bücher", "example.org"))


def offer(*keywords: str, size: int | None = None) -> Offer:
    """An offer of these keywords."""
    return Offer(keywords=frozenset(keywords), size=size)


@pytest.mark.parametrize(
    ("offered", "wanted", "traits", "body"),
    [
        ((), None, PLAIN, None),
        ((), Body.EIGHT_BIT, PLAIN, None),
        ((), Body.BINARY, PLAIN, None),
        (("8BITMIME",), None, EIGHT, Body.EIGHT_BIT),
        (("8BITMIME",), Body.SEVEN_BIT, PLAIN, Body.SEVEN_BIT),
        (("8BITMIME",), Body.SEVEN_BIT, EIGHT, Body.EIGHT_BIT),
        (("8BITMIME",), Body.BINARY, PLAIN, Body.EIGHT_BIT),
        (("8BITMIME", "BINARYMIME", "CHUNKING"), Body.BINARY, BINARY, Body.BINARY),
    ],
)
def test_body(offered: tuple[str, ...], wanted: Body | None, traits: Traits, body: Body | None) -> None:
    """BODY says what the content is, where the server knows the word."""
    terms = negotiate(offer(*offered), NULL_REVERSE_PATH, MailParameters(body=wanted), traits)
    assert isinstance(terms, Terms)
    assert terms.parameters.body is body


@pytest.mark.parametrize(
    ("offered", "reverse_path", "wanted", "traits", "code"),
    [
        (offer(), NULL_REVERSE_PATH, NO_MAIL_PARAMETERS, EIGHT, "5.6.3"),
        (offer("8BITMIME"), NULL_REVERSE_PATH, NO_MAIL_PARAMETERS, BINARY, "5.6.3"),
        (offer("8BITMIME", "BINARYMIME"), NULL_REVERSE_PATH, NO_MAIL_PARAMETERS, BINARY, "5.6.3"),
        (offer("SIZE", size=99), NULL_REVERSE_PATH, NO_MAIL_PARAMETERS, PLAIN, "5.3.4"),
        (offer("8BITMIME"), UTF8, NO_MAIL_PARAMETERS, PLAIN, "5.6.7"),
        (offer("8BITMIME"), NULL_REVERSE_PATH, MailParameters(smtputf8=True), HEADER, "5.6.7"),
    ],
)
def test_what_cannot_go(
    offered: Offer, reverse_path: ReversePath, wanted: MailParameters, traits: Traits, code: str
) -> None:
    """F104, F194: content that the server cannot take is refused, with the reason, and never altered."""
    found = negotiate(offered, reverse_path, wanted, traits)
    assert isinstance(found, Unsuitable)
    assert str(found.status) == code


def test_smtputf8_is_said_when_it_is_offered_and_matters() -> None:
    """SMTPUTF8 goes with addresses beyond ASCII, or when the sender said it; else the message goes without."""
    both = offer("8BITMIME", "SMTPUTF8")
    for reverse_path, wanted, utf8_recipients, expected in (
        (UTF8, NO_MAIL_PARAMETERS, False, True),
        (NULL_REVERSE_PATH, MailParameters(smtputf8=True), False, True),
        (NULL_REVERSE_PATH, NO_MAIL_PARAMETERS, True, True),
        (NULL_REVERSE_PATH, NO_MAIL_PARAMETERS, False, False),
    ):
        terms = negotiate(both, reverse_path, wanted, PLAIN, utf8_recipients=utf8_recipients)
        assert isinstance(terms, Terms)
        assert terms.parameters.smtputf8 is expected
    terms = negotiate(offer("8BITMIME"), NULL_REVERSE_PATH, MailParameters(smtputf8=True), EIGHT)
    assert isinstance(terms, Terms)
    assert not terms.parameters.smtputf8
    assert suits(both, Recipient(Address("bücher", "b.example"))) is None
    assert suits(offer(), Recipient(Address("bob", "b.example"))) is None
    assert suits(offer(), Recipient(Address("bücher", "b.example"))) is not None


def test_size_and_dsn() -> None:
    """SIZE, RET and ENVID are said to servers that offered them."""
    wanted = MailParameters(ret=Ret.FULL, envid="x")
    terms = negotiate(offer("SIZE", "DSN", size=100), NULL_REVERSE_PATH, wanted, PLAIN)
    assert terms == Terms(MailParameters(size=100, ret=Ret.FULL, envid="x"), by_chunks=False, dsn=True)
    assert negotiate(offer(), NULL_REVERSE_PATH, wanted, PLAIN) == Terms(NO_MAIL_PARAMETERS, by_chunks=False, dsn=False)


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"", Traits(0, has_8bit=False)),
        (b"A: b\r\n\r\nc\r\n", Traits(11, has_8bit=False)),
        (b"A: b\r\n\r\n\xc3\xbc\r\n", Traits(12, has_8bit=True)),
        (b"A: \xc3\xbc\r\n\r\nc\r\n", Traits(12, has_8bit=True, has_8bit_header=True)),
        (b"A: \xc3\xbc\r\n", Traits(7, has_8bit=True, has_8bit_header=True)),
        (b"A: b\n", Traits(5, has_8bit=False, is_binary=True)),
        (b"A: \0\r\n", Traits(6, has_8bit=False, is_binary=True)),
    ],
)
def test_traits(octets: bytes, expected: Traits) -> None:
    """Content shows what it is."""
    assert traits_of(octets) == expected


def test_offers_are_read() -> None:
    """Keywords in any case, arguments, LIMITS; what breaks the form offers nothing."""
    lines = ("mx.example hello you", "pipelining", "SIZE 1000", "Limits RCPTMAX=5 MAILMAX=0 RCPTDOMAINMAX=2 X", "", "?",
             "AUTH=PLAIN", "AUTH PLAIN LOGIN")  # fmt: skip
    found = parse_offer(Reply(250, None, lines))
    assert found.name == "mx.example"
    assert found.keywords == {"PIPELINING", "SIZE", "LIMITS", "AUTH"}
    assert found.arguments["AUTH"] == ("PLAIN", "LOGIN")
    assert (found.size, found.rcpt_max, found.rcpt_domain_max, found.mail_max) == (1000, 5, 2, None)
    for words in ("SIZE", "SIZE 0", "SIZE much"):
        assert parse_offer(Reply(250, None, ("mx", words))).size is None
    assert parse_offer(Reply(250, None, ("",))).name == ""


def test_wishes_are_passed_on_to_whom_they_mean_something() -> None:
    """RFC 6710 §4.4, RFC 2852 §4.1.4, RFC 3865 §3: a server is told what it knows, and nothing else."""
    wanted = MailParameters(priority=3, deliver_by=DeliverBy(60, ByMode.NOTIFY), solicit=("net.example:ADV",))
    terms = negotiate(offer("MT-PRIORITY", "DELIVERBY", "NO-SOLICITING"), NULL_REVERSE_PATH, wanted, PLAIN)
    assert isinstance(terms, Terms)
    assert terms.parameters == wanted
    terms = negotiate(offer(), NULL_REVERSE_PATH, wanted, PLAIN)
    assert isinstance(terms, Terms)
    assert terms.parameters == MailParameters()


@pytest.mark.parametrize(
    ("keyword", "wanted", "code"),
    [
        ("DELIVERBY", MailParameters(deliver_by=DeliverBy(60, ByMode.RETURN)), "5.3.3"),
        ("REQUIRETLS", MailParameters(require_tls=True), "5.7.30"),
    ],
)
def test_what_must_be_kept_goes_only_to_who_keeps_it(keyword: str, wanted: MailParameters, code: str) -> None:
    """RFC 2852 §4.1.4.2 and RFC 8689 §4.2.1: a server that promises nothing is not given the message."""
    refused = negotiate(offer(), NULL_REVERSE_PATH, wanted, PLAIN)
    assert isinstance(refused, Unsuitable)
    assert str(refused.status) == code
    assert isinstance(negotiate(offer(keyword), NULL_REVERSE_PATH, wanted, PLAIN), Terms)


def test_rfc4954_nobody_vouches_for_a_claimed_submitter() -> None:
    """RFC 4954 §5: who asks for logins is told AUTH=<> of a message that came with AUTH=; others are told nothing."""
    wanted = MailParameters(auth=ReversePath(Address("anna", "a.example")))
    terms = negotiate(offer("AUTH"), NULL_REVERSE_PATH, wanted, PLAIN)
    assert isinstance(terms, Terms)
    assert terms.parameters.auth == NULL_REVERSE_PATH
    terms = negotiate(offer(), NULL_REVERSE_PATH, wanted, PLAIN)
    assert isinstance(terms, Terms)
    assert terms.parameters.auth is None


@pytest.mark.parametrize("may_continue", [False, True])
def test_rfc7293_an_old_owner_is_asked_after_or_let_go(may_continue: bool) -> None:
    """RFC 7293 §5.2: RRVS goes to who offers it; without it the recipient fails, unless C let it go on."""
    since = ValidSince(datetime(2020, 1, 1, tzinfo=UTC), may_continue)
    asked = RcptParameters(orcpt="rfc822;bob@b.example", valid_since=since)
    recipient = Recipient(Address("bob", "b.example"), asked)
    assert suits(offer("RRVS"), recipient) is None
    refused = suits(offer("DSN"), recipient)
    assert refused is None if may_continue else str(refused and refused.status) == "5.7.19"
    said = {
        keywords: terms.recipient_parameters(asked)
        for keywords in ((), ("DSN",), ("RRVS",), ("DSN", "RRVS"))
        if isinstance(terms := negotiate(offer(*keywords), NULL_REVERSE_PATH, MailParameters(), PLAIN), Terms)
    }
    assert said == {
        (): RcptParameters(),
        ("DSN",): RcptParameters(orcpt=asked.orcpt),
        ("RRVS",): RcptParameters(valid_since=since),
        ("DSN", "RRVS"): asked,
    }
