"""Verbs and parameters of the later extensions, at both machines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.mail.address import Address
from eilpost.mail.envelope import ByMode, DeliverBy, MailParameters, RcptParameters, ReversePath, ValidSince
from eilpost.mail.reply import Reply, reply
from eilpost.smtp import replies
from eilpost.smtp.claims import ATTRIBUTES, Claims, Missing, parse_claims, write_claims
from eilpost.smtp.client import ClientConnection
from eilpost.smtp.client_offer import NOTHING
from eilpost.smtp.commands import COMMANDS, Verb
from eilpost.smtp.errors import LocalProtocolError
from eilpost.smtp.events import NEED_DATA, Etrn, Event, Hello, Mail, NeedData, Rcpt, Refused, XClient, XForward
from eilpost.smtp.extensions import ALL, ParameterError
from eilpost.smtp.grammar import SyntaxRefusal
from eilpost.smtp.help import help_reply
from eilpost.smtp.phases import Phase
from eilpost.smtp.server import ServerConnection, ServerSettings
from eilpost.smtp.wishes import parse_moment, write_moment

EVERYTHING = ServerSettings(
    extensions=ALL,
    hold=86_400,
    deliver_by=60,
    priorities="MIXER",
    solicitations=("net.example:ADV",),
    mechanisms=("PLAIN",),
)
SENDER = ReversePath(Address("anna", "example.org"))
BOB = Address("bob", "example.org")
NOON = datetime(2030, 6, 1, 12, 0, tzinfo=UTC)


class Pair:
    """A client's machine and a server's that talk, the server to everybody's liking."""

    def __init__(self, settings: ServerSettings = EVERYTHING) -> None:
        self.server, self.client = ServerConnection(settings), ClientConnection()
        self._hear(self.server.greet(reply(220, None, "mx")))
        self.ask(self.client.hello("me.example"))

    def ask(self, octets: bytes, answer: Reply | None = None) -> Event:
        """What the server understood; it answers as it must, or so."""
        self.server.receive_data(octets)
        event = self.server.next_event()
        assert not isinstance(event, NeedData)
        own = self.server.hello_reply("mx") if isinstance(event, Hello) else replies.OK
        self._hear(self.server.send(event.reply if isinstance(event, Refused) else answer or own))
        return event

    def _hear(self, octets: bytes) -> None:
        self.client.receive_data(octets)
        assert not isinstance(self.client.next_event(), NeedData)


def server_says(line: str, settings: ServerSettings = EVERYTHING) -> str:
    """The head of the grammar's answer to a line after EHLO; empty when it is an event."""
    pair = Pair(settings)
    pair.server.receive_data(line.encode() + b"\r\n")
    event = pair.server.next_event()
    return f"{event.reply.code} {event.reply.status}" if isinstance(event, Refused) else ""


# --- what is offered


def test_the_lines_of_ehlo() -> None:
    """Each keyword has the arguments of its standard."""
    lines = EVERYTHING.keywords(now=1_900_000_000)
    assert {
        "SEND",
        "SOML",
        "SAML",
        "ETRN",
        "DELIVERBY 60",
        "MT-PRIORITY MIXER",
        "NO-SOLICITING net.example:ADV",
        "REQUIRETLS",
        "RRVS",
        "FUTURERELEASE 86400 2030-03-18T17:46:40Z",
        "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT",
        "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE",
    } <= set(lines)
    bare = ServerSettings(extensions=frozenset({"DELIVERBY", "MT-PRIORITY", "NO-SOLICITING", "FUTURERELEASE"}), hold=9)
    assert bare.keywords() == ("DELIVERBY", "MT-PRIORITY", "NO-SOLICITING", "FUTURERELEASE 9 9999-12-31T23:59:59Z")


@pytest.mark.parametrize(
    "line",
    [
        "SEND FROM:<a@b.test>",
        "SOML FROM:<a@b.test>",
        "SAML FROM:<a@b.test>",
        "ETRN b.test",
        "XCLIENT NAME=x",
        "XFORWARD NAME=x",
        "BURL imap://x LAST",
        "TURN",
        "ATRN",
    ],
)
def test_f059_what_is_not_offered_is_502(line: str) -> None:
    """RFC 5321 §4.2.4: a known verb that is not offered; BURL (RFC 4468) never is."""
    assert server_says(line, ServerSettings()) == "502 5.5.1"


@pytest.mark.parametrize(
    "parameter",
    ["HOLDFOR=1", "HOLDUNTIL=2030-06-01T12:00:00Z", "BY=9;N", "MT-PRIORITY=1", "REQUIRETLS", "SOLICIT=a:b", "AUTH=<>"],
)
def test_f055_parameters_need_their_extension(parameter: str) -> None:
    """RFC 5321 §4.1.1.11: 555 where it is not offered."""
    assert server_says(f"MAIL FROM:<a@b.test> {parameter}", ServerSettings()) == "555 5.5.4"
    assert server_says(f"MAIL FROM:<a@b.test> {parameter}") == ("501 5.5.4" if parameter == "BY=9;R" else "")


# --- verbs


@pytest.mark.parametrize("verb", [Verb.SEND, Verb.SOML, Verb.SAML])
def test_send_soml_saml_begin_a_transaction(verb: Verb) -> None:
    """RFC 821 §3.4: they are as MAIL, and the event tells which it was."""
    pair = Pair()
    assert pair.ask(pair.client.mail(SENDER, verb=verb)) == Mail(SENDER, MailParameters(), verb)
    assert pair.client.phase is pair.server.phase is Phase.TRANSACTION
    assert isinstance(pair.ask(pair.client.rcpt(BOB)), Rcpt)
    pair.ask(pair.client.rset())
    pair.server.receive_data(verb.value.lower().encode() + b" from:<>\r\n")
    assert isinstance(event := pair.server.next_event(), Mail)
    assert event.verb is verb
    with pytest.raises(LocalProtocolError, match=verb.value):
        Pair(ServerSettings()).client.mail(SENDER, verb=verb)


@pytest.mark.parametrize(
    ("name", "event"),
    [("Example.TEST", Etrn("example.test")), ("@b.test", Etrn("b.test", "@")), ("#queue_1", Etrn("queue_1", "#"))],
)
def test_etrn(name: str, event: Etrn) -> None:
    """RFC 1985 §5: a domain, with its subdomains, or the name of a queue."""
    pair = Pair()
    assert pair.ask(pair.client.etrn(name), reply(250, "2.0.0", "Queuing")) == event
    with pytest.raises(LocalProtocolError):
        pair.client.etrn("a b")
    with pytest.raises(LocalProtocolError, match="ETRN"):
        Pair(ServerSettings()).client.etrn(name)


@pytest.mark.parametrize("name", ["", "a..b", "@", "#", "a' OR '1'='1", "#a;b", "$x"])
def test_f059_etrn_names_what_can_be_named(name: str) -> None:
    """RFC 1985 §5.3: 501 for everything else."""
    assert server_says(f"ETRN {name}") == "501 5.5.4"


def test_xclient_begins_the_session_again() -> None:
    """XCLIENT_README: a 220, and the session is the other client's: EHLO is due, and no login holds."""
    pair = Pair()
    pair.ask(pair.client.auth("PLAIN", b"x"), reply(235, "2.7.0", "Ok"))
    claims = Claims(
        name="spike.example", addr="2001:db8::1", port="25", proto="ESMTP", helo="a b+c=d", login=Missing.UNAVAILABLE
    )
    said = pair.client.xclient(claims)
    assert said == (
        b"XCLIENT NAME=spike.example ADDR=IPV6:2001:db8::1 PORT=25 PROTO=ESMTP HELO=a+20b+2Bc+3Dd "
        b"LOGIN=[UNAVAILABLE]\r\n"
    )
    assert pair.ask(said, reply(220, None, "mx")) == XClient(claims)
    assert pair.client.phase is pair.server.phase is Phase.HELLO
    assert pair.client.offer == NOTHING
    pair.server.receive_data(b"MAIL FROM:<>\r\n")
    assert pair.server.next_event() == Refused(b"MAIL FROM:<>", replies.OUT_OF_ORDER)
    pair.server.send(replies.OUT_OF_ORDER)
    pair.ask(pair.client.hello("me.example"))
    pair.ask(pair.client.auth("PLAIN", b"x"), reply(235, "2.7.0", "Ok"))


def test_xforward_tells_and_changes_nothing() -> None:
    """XFORWARD_README: the reply is a 250, and the transaction is as it was."""
    pair = Pair()
    claims = Claims(name=Missing.TEMPORARILY, addr="192.0.2.1", ident="4711", source="REMOTE")
    assert pair.ask(pair.client.xforward(claims)) == XForward(claims)
    assert pair.client.phase is pair.server.phase is Phase.READY
    for say in (pair.client.xforward, pair.client.xclient):
        with pytest.raises(LocalProtocolError):
            say(Claims(login="x", ident="y"))
    for say in (Pair(ServerSettings()).client.xforward, Pair(ServerSettings()).client.xclient):
        with pytest.raises(LocalProtocolError, match="offer"):
            say(claims)


@pytest.mark.parametrize(
    "argument",
    [
        "NAME",
        "NAME=",
        "IDENT=1",
        "NAME=a NAME=b",
        "ADDR=1.2.3",
        "ADDR=IPV6:1.2.3.4",
        "PORT=-1",
        "PORT=65536",
        "PROTO=HTTP",
        "HELO=+00",
        "HELO=+ZZ",
        "HELO=+FF",
        "X=1",
        "HELO=" + "x" * 256,
    ],
)
def test_f059_broken_claims(argument: str) -> None:
    """501, and nothing is believed."""
    assert server_says(f"XCLIENT {argument}") == "501 5.5.4"


@pytest.mark.parametrize("line", ["ETRN b.test", "XCLIENT NAME=x", "XFORWARD NAME=x", "SEND FROM:<>"])
def test_f049_not_in_a_transaction_nor_before_ehlo(line: str) -> None:
    """A transaction is not interrupted, and nothing is agreed on before EHLO."""
    pair = Pair()
    pair.ask(pair.client.mail(SENDER))
    pair.server.receive_data(line.encode() + b"\r\n")
    event = pair.server.next_event()
    assert isinstance(event, Refused)
    assert event.reply == replies.OUT_OF_ORDER
    bare = ServerConnection(EVERYTHING)
    bare.greet(reply(220, None, "mx"))
    bare.receive_data(line.encode() + b"\r\n")
    assert isinstance(refused := bare.next_event(), Refused)
    assert refused.reply == replies.OUT_OF_ORDER


def test_helo_agrees_on_no_extension() -> None:
    """RFC 5321 §4.1.4: after HELO these are 503; SEND, older than EHLO, is not."""
    for line, refused in (
        (b"ETRN b.test", True),
        (b"XCLIENT NAME=x", True),
        (b"XFORWARD NAME=x", True),
        (b"SEND FROM:<>", False),
    ):
        server = ServerConnection(EVERYTHING)
        server.greet(reply(220, None, "mx"))
        server.receive_data(b"HELO x\r\n" + line + b"\r\n")
        assert isinstance(server.next_event(), Hello)
        server.send(server.hello_reply("mx"))
        assert isinstance(server.next_event(), Refused) is refused


# --- parameters


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (MailParameters(hold=3600), "HOLDFOR=3600"),
        (MailParameters(hold=NOON), "HOLDUNTIL=2030-06-01T12:00:00Z"),
        (MailParameters(deliver_by=DeliverBy(120, ByMode.RETURN, trace=True)), "BY=120;RT"),
        (MailParameters(deliver_by=DeliverBy(-5, ByMode.NOTIFY)), "BY=-5;N"),
        (MailParameters(priority=-9), "MT-PRIORITY=-9"),
        (MailParameters(priority=0), "MT-PRIORITY=0"),
        (MailParameters(require_tls=True), "REQUIRETLS"),
        (
            MailParameters(solicit=("net.example:ADV", "org.example:ADV:ADLT")),
            "SOLICIT=net.example:ADV,org.example:ADV:ADLT",
        ),
    ],
)
def test_wishes_of_mail(parameters: MailParameters, said: str) -> None:
    """RFC 4865, 2852, 6710, 8689, 3865: what the client says is what the server understands."""
    pair = Pair()
    octets = pair.client.mail(SENDER, parameters)
    assert octets == f"MAIL FROM:<anna@example.org> {said}\r\n".encode()
    assert pair.ask(octets) == Mail(SENDER, parameters)
    with pytest.raises(LocalProtocolError, match="offer"):
        Pair(ServerSettings()).client.mail(SENDER, parameters)


@pytest.mark.parametrize(
    "parameter",
    [
        "HOLDFOR",
        "HOLDFOR=",
        "HOLDFOR=-1",
        "HOLDFOR=1234567890",
        "HOLDFOR=86401",
        "HOLDUNTIL=tomorrow",
        "HOLDUNTIL=2030-06-01",
        "HOLDUNTIL=2030-06-01T12:00:00",
        "HOLDUNTIL=2030-13-01T12:00:00Z",
        "HOLDFOR=1 HOLDUNTIL=2030-06-01T12:00:00Z",
        "BY=1",
        "BY=1;X",
        "BY=0;R",
        "BY=-1;R",
        "BY=59;R",
        "BY=1234567890;N",
        "MT-PRIORITY=10",
        "MT-PRIORITY",
        "MT-PRIORITY=--1",
        "MT-PRIORITY=+1",
        "REQUIRETLS=1",
        "SOLICIT=",
        "SOLICIT=a,,b",
        "SOLICIT=a:",
        "SOLICIT=" + "a" * 1001,
    ],
)
def test_f055_broken_wishes(parameter: str) -> None:
    """RFC 5321 §4.1.1.11: 501 5.5.4, also for what exceeds the limits that EHLO announced."""
    assert server_says(f"MAIL FROM:<a@b.test> {parameter}") == "501 5.5.4"


@pytest.mark.parametrize(
    ("since", "said"),
    [(ValidSince(NOON), "2030-06-01T12:00:00Z"), (ValidSince(NOON, may_continue=True), "2030-06-01T12:00:00Z;C")],
)
def test_rrvs(since: ValidSince, said: str) -> None:
    """RFC 7293 §5.1: since when the mailbox must have had its owner."""
    pair = Pair()
    pair.ask(pair.client.mail(SENDER))
    octets = pair.client.rcpt(BOB, RcptParameters(valid_since=since))
    assert octets == f"RCPT TO:<bob@example.org> RRVS={said}\r\n".encode()
    assert isinstance(event := pair.ask(octets), Rcpt)
    assert event.parameters.valid_since == since
    with pytest.raises(LocalProtocolError, match="zone"):
        pair.client.rcpt(BOB, RcptParameters(valid_since=ValidSince(datetime(2030, 6, 1))))  # noqa: DTZ001
    pair.server.receive_data(b"RCPT TO:<a@b.test> RRVS=2030-06-01T12:00:00Z;X\r\n")
    assert isinstance(refused := pair.server.next_event(), Refused)
    assert str(refused.reply).startswith("501 5.5.4")


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])))
def test_moments_survive_the_wire(moment: datetime) -> None:
    """RFC 3339 §5.6: to the second, whatever the zone."""
    try:
        text = write_moment(moment)
    except OverflowError:  # the first hours of the year 1, east of Greenwich
        return
    assert parse_moment(text) == moment.replace(microsecond=0)
    assert parse_moment(text.lower().replace("z", ".123456789z")).replace(microsecond=0) == moment.replace(
        microsecond=0
    )


@given(st.text(max_size=60), st.sampled_from([Verb.XCLIENT, Verb.XFORWARD]))
def test_any_claim_is_read_or_refused(text: str, verb: Verb) -> None:
    """Nothing but SyntaxRefusal comes out; what is read is what was said."""
    for attribute in ATTRIBUTES[verb]:
        try:
            found = parse_claims(verb, f"{attribute}={text}")
        except SyntaxRefusal:
            continue
        assert parse_claims(verb, write_claims(verb, found).partition(" ")[2]) == found


def test_claims_that_cannot_be_said() -> None:
    """A control character would end the line, and XFORWARD knows no login."""
    for verb, claims in (
        (Verb.XCLIENT, Claims(helo="a\r\nQUIT")),
        (Verb.XFORWARD, Claims(login="x")),
        (Verb.XCLIENT, Claims(addr="x")),
    ):
        with pytest.raises(ParameterError):
            write_claims(verb, claims)


# --- HELP


def test_help_tells_what_is_offered_here() -> None:
    """RFC 5321 §4.1.1.8: the list, one command, or 504; what is not offered is not explained."""
    server = Pair().server
    listed = server.help_reply("").lines[1].split()
    assert set(listed) == set(COMMANDS) - {"LHLO"}
    assert set(Pair(ServerSettings()).server.help_reply("").lines[1].split()) == {
        "HELO",
        "EHLO",
        "MAIL",
        "RCPT",
        "DATA",
        "BDAT",
        "RSET",
        "NOOP",
        "QUIT",
        "VRFY",
        "EXPN",
        "HELP",
    }
    assert server.help_reply("etrn").lines[2] == "RFC 1985 section 5"
    assert Pair(ServerSettings()).server.help_reply("ETRN").code == 504
    for row in COMMANDS.values():
        assert help_reply(row.verb.value, COMMANDS).lines[0] == row.syntax
    assert all(line.isascii() for verb in ("", *COMMANDS) for line in help_reply(verb, COMMANDS).lines)


def test_nothing_is_left_over() -> None:
    """After each exchange both machines wait."""
    pair = Pair()
    pair.ask(pair.client.noop())
    assert pair.server.next_event() is pair.client.next_event() is NEED_DATA
