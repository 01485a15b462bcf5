"""The client's machine."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eilpost.mail.address import Address
from eilpost.mail.envelope import NULL_REVERSE_PATH, Body, MailParameters, Notify, RcptParameters, Ret, ReversePath
from eilpost.mail.reply import Reply
from eilpost.mail.status import Status
from eilpost.smtp.client import ClientConnection
from eilpost.smtp.client_events import Answer, ClientEvent, Dismissal, Greeting
from eilpost.smtp.commands import Dialect, Verb
from eilpost.smtp.content import DotReader
from eilpost.smtp.errors import LocalProtocolError, RemoteProtocolError
from eilpost.smtp.events import NEED_DATA, Disconnected
from eilpost.smtp.phases import Phase

ANNA = Address("anna", "example.org")
BOB = Address("bob", "example.org")
SENDER = ReversePath(ANNA)
EHLO = (
    b"250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-BINARYMIME\r\n"
    b"250-SMTPUTF8\r\n250-DSN\r\n250 CHUNKING\r\n"
)


def events(machine: ClientConnection, octets: bytes) -> list[ClientEvent]:
    """Everything the machine says to these octets."""
    machine.receive_data(octets)
    found: list[ClientEvent] = []
    while True:
        event = machine.next_event()
        if event is NEED_DATA:
            return found
        assert not isinstance(event, type(NEED_DATA))
        found.append(event)
        if isinstance(event, Disconnected):
            return found


def codes(machine: ClientConnection, octets: bytes) -> list[int]:
    """The reply codes among the events."""
    return [event.reply.code for event in events(machine, octets) if not isinstance(event, Disconnected)]


def ready(ehlo: bytes = EHLO, dialect: Dialect = Dialect.SMTP) -> ClientConnection:
    """A machine after its hello."""
    machine = ClientConnection(dialect)
    events(machine, b"220 mx.example.org ESMTP\r\n")
    machine.hello("client.example.org")
    events(machine, ehlo)
    return machine


def in_content(recipients: int = 1) -> ClientConnection:
    """A machine after 354."""
    machine = ready()
    machine.mail(SENDER)
    for _ in range(recipients):
        machine.rcpt(BOB)
    machine.data()
    events(machine, b"250 Ok\r\n" + b"250 Ok\r\n" * recipients + b"354 Go\r\n")
    return machine


def test_a_whole_transaction() -> None:
    """A transaction goes through the phases and says what RFC 5321 wants."""
    machine = ClientConnection()
    assert machine.phase is Phase.GREETING
    assert events(machine, b"220 hi\r\n") == [Greeting(reply=_reply(220, "hi"))]
    assert machine.hello("me.example") == b"EHLO me.example\r\n"
    assert codes(machine, EHLO) == [250]
    assert machine.offer.size == 1000
    assert machine.mail(SENDER) == b"MAIL FROM:<anna@example.org>\r\n"
    assert machine.rcpt(BOB) == b"RCPT TO:<bob@example.org>\r\n"
    assert machine.data() == b"DATA\r\n"
    assert codes(machine, b"250 Ok\r\n250 Ok\r\n354 Go\r\n") == [250, 250, 354]
    assert machine.content(b"Subject: x\r\n\r\n.hidden\r\n") == b"Subject: x\r\n\r\n..hidden\r\n"
    assert machine.end_content() == b".\r\n"
    [answer] = events(machine, b"250 2.0.0 queued as 1\r\n")
    assert isinstance(answer, Answer)
    assert (answer.verb, answer.reply.status, answer.reply.text) == (
        Verb.CONTENT_END, Status(2, 0, 0), "queued as 1",
    )  # fmt: skip
    assert machine.phase is Phase.READY
    assert machine.quit() == b"QUIT\r\n"
    assert codes(machine, b"221 Bye\r\n") == [221]
    assert machine.phase is Phase.CLOSED


def _reply(code: int, text: str) -> Reply:
    return Reply(code, None, (text,))


def test_parameters_are_written_as_their_rfcs_say() -> None:
    """MAIL and RCPT carry all parameters, in xtext where it is due."""
    machine = ready()
    wishes = MailParameters(size=7, body=Body.EIGHT_BIT, smtputf8=True, ret=Ret.HEADERS, envid="a+b=c d")
    assert machine.mail(NULL_REVERSE_PATH, wishes) == (
        b"MAIL FROM:<> SIZE=7 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb+3Dc+20d\r\n"
    )
    asked = RcptParameters(notify=frozenset({Notify.DELAY, Notify.SUCCESS}), orcpt="rfc822;a+b@example.org")
    assert machine.rcpt(Address("bücher", "example.org"), asked) == (
        "RCPT TO:<bücher@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@example.org\r\n".encode()
    )
    utf8 = RcptParameters(orcpt="utf-8;b\\ü+@example.org")
    assert machine.rcpt(BOB, utf8) == b"RCPT TO:<bob@example.org> ORCPT=utf-8;b\\x{5C}\\x{FC}\\x{2B}@example.org\r\n"


def test_parameters_need_an_offer() -> None:
    """What the server did not offer is never sent."""
    machine = ready(b"250 plain\r\n")
    for wishes in (
        MailParameters(size=1),
        MailParameters(body=Body.EIGHT_BIT),
        MailParameters(smtputf8=True),
        MailParameters(ret=Ret.FULL),
    ):
        with pytest.raises(LocalProtocolError, match="does not offer"):
            machine.mail(SENDER, wishes)
    with pytest.raises(LocalProtocolError, match="does not offer"):
        machine.rcpt(BOB, RcptParameters(notify=frozenset({Notify.NEVER})))
    machine.mail(SENDER)
    events(machine, b"250 Ok\r\n")
    machine.rcpt(BOB)
    events(machine, b"250 Ok\r\n")
    with pytest.raises(LocalProtocolError, match="CHUNKING"):
        machine.bdat(b"x", last=True)


@pytest.mark.parametrize(
    "address",
    [
        Address("a", "b.example>\r\nRSET\r\n"),
        Address("a", "b.example> SIZE=0"),
        Address("a", "b.example\nx"),
        Address("a\r\nRSET", "b.example"),
        Address("a\x00", "b.example"),
        Address("a\udc80", "b.example"),
        Address("ü", "b.example"),
        Address("a", "bücher.example"),
        Address("a", ""),
    ],
)
def test_f153_no_address_breaks_out_of_its_line(address: Address) -> None:
    """An address with line ends, brackets or octets that were not agreed on never reaches the wire."""
    machine = ready()
    with pytest.raises(LocalProtocolError):
        machine.mail(ReversePath(address))
    machine.mail(SENDER)
    with pytest.raises(LocalProtocolError):
        machine.rcpt(address)


def test_no_argument_breaks_out_of_its_line() -> None:
    """Names and topics with line ends are refused before they are sent."""
    machine = ready()
    for say in (machine.hello, machine.helo, machine.verify, machine.expand, machine.help):
        with pytest.raises(LocalProtocolError):
            say("x\r\nQUIT")
    said = machine.mail(SENDER, MailParameters(envid="a\r\nb"))
    assert said == b"MAIL FROM:<anna@example.org> ENVID=a+0D+0Ab\r\n"


@given(st.text(), st.text(), st.text(), st.text())
def test_every_command_is_one_line(local_part: str, domain: str, envid: str, orcpt: str) -> None:
    """Whatever the values, a command is one line, or is not sent."""
    machine = ready()
    for say in (
        lambda: machine.mail(ReversePath(Address(local_part, domain)), MailParameters(envid=envid, smtputf8=True)),
        lambda: machine.rcpt(Address(local_part, "b.example"), RcptParameters(orcpt=f"utf-8;{orcpt}")),
        lambda: machine.rcpt(Address(local_part, domain), RcptParameters(orcpt=f"{envid};{orcpt}")),
    ):
        try:
            said = say()
        except LocalProtocolError:
            continue
        assert said.endswith(b"\r\n")
        assert said.count(b"\n") == said.count(b"\r") == 1
        assert b"\0" not in said


def test_without_pipelining_one_at_a_time() -> None:
    """A server without PIPELINING gets a command only when it has answered the one before."""
    machine = ready(b"250 plain\r\n")
    machine.mail(SENDER)
    with pytest.raises(LocalProtocolError, match="await"):
        machine.rcpt(BOB)
    events(machine, b"250 Ok\r\n")
    machine.rcpt(BOB)


def test_rfc2920_some_commands_end_a_group() -> None:
    """Nothing follows DATA, QUIT, NOOP, VRFY, EXPN, HELP or a hello before its answer."""
    for last in ("data", "quit", "noop", "help"):
        machine = ready()
        machine.mail(SENDER)
        machine.rcpt(BOB)
        getattr(machine, last)()
        with pytest.raises(LocalProtocolError):
            machine.rset()


def test_rfc2920_a_group_may_begin_with_the_end_of_the_content() -> None:
    """The next transaction may be sent with the end of the content before it."""
    machine = in_content()
    machine.content(b"x\r\n")
    machine.end_content()
    machine.mail(SENDER)
    machine.rcpt(BOB)
    assert codes(machine, b"250 Ok\r\n250 Ok\r\n550 no\r\n") == [250, 250, 550]
    assert machine.phase is Phase.TRANSACTION


def test_out_of_order_is_refused() -> None:
    """The client refuses to break the phase table."""
    machine = ClientConnection()
    for say in (machine.data, machine.quit, machine.rset, lambda: machine.hello("x")):
        with pytest.raises(LocalProtocolError):
            say()
    machine = ready()
    for say in (machine.data, machine.end_content, lambda: machine.rcpt(BOB), lambda: machine.content(b"x")):
        with pytest.raises(LocalProtocolError):
            say()
    machine.mail(SENDER)
    for say in (machine.data, lambda: machine.mail(SENDER), lambda: machine.bdat(b"", last=False)):
        with pytest.raises(LocalProtocolError):
            say()


def test_a_refused_mail_leaves_the_session_ready() -> None:
    """After MAIL was refused, the group's other answers change nothing."""
    machine = ready()
    machine.mail(SENDER)
    machine.rcpt(BOB)
    machine.data()
    assert codes(machine, b"451 later\r\n503 no\r\n503 no\r\n") == [451, 503, 503]
    assert machine.phase is Phase.READY
    machine.mail(SENDER)


def test_rfc2920_354_without_recipients_is_ended_by_a_dot() -> None:
    """When DATA is taken though no recipient was, only the end may be sent."""
    machine = ready()
    machine.mail(SENDER)
    machine.rcpt(BOB)
    machine.data()
    assert codes(machine, b"250 Ok\r\n550 no\r\n354 go\r\n") == [250, 550, 354]
    with pytest.raises(LocalProtocolError, match="no recipient"):
        machine.content(b"secret\r\n")
    assert machine.end_content() == b".\r\n"
    assert codes(machine, b"554 no recipients\r\n") == [554]
    assert machine.phase is Phase.READY


def test_rcpts_are_numbered() -> None:
    """An answer to RCPT names which recipient it is for."""
    machine = ready()
    machine.mail(SENDER)
    machine.rcpt(ANNA)
    machine.rcpt(BOB)
    found = events(machine, b"250 Ok\r\n550 5.1.1 no\r\n250 2.1.5 yes\r\n")
    assert [(e.recipient, e.reply.code) for e in found if isinstance(e, Answer)] == [(-1, 250), (0, 550), (1, 250)]


@pytest.mark.parametrize("octets", [b"421 bye\r\n", b"421-4.3.2 shutting\r\n421 4.3.2 down\r\n"])
def test_f145_421_ends_the_session_at_any_time(octets: bytes) -> None:
    """421 answers anything, and nothing at all, and ends the session."""
    machine = ready()
    [dismissal] = events(machine, octets)
    assert isinstance(dismissal, Dismissal)
    assert machine.phase is Phase.CLOSED
    machine = ready()
    machine.mail(SENDER)
    machine.rcpt(BOB)
    [answer] = events(machine, octets + b"250 ignored\r\n")
    assert isinstance(answer, Answer)
    assert answer.verb is Verb.MAIL
    with pytest.raises(LocalProtocolError):
        machine.rset()


def test_f144_nothing_after_the_end_matters() -> None:
    """What comes behind 221 is ignored, and a later end of the stream is only that."""
    machine = ready()
    machine.quit()
    assert codes(machine, b"221 bye\r\nrubbish\r\n") == [221]
    assert events(machine, b"") == [Disconnected()]


@pytest.mark.parametrize(
    "octets",
    [
        b"250 not 354\r\n",
        b"199 no\r\n",
        b"999 no\r\n",
        b"600 no\r\n",
        b"abc\r\n",
        b"\r\n",
        b"25\r\n",
        b"354go\r\n",
        b"354\tgo\r\n",
        b"354-a\r\n250 b\r\n",
        b"354 a\n",
        b"354 a\rb\r\n",
        b"354 a\0b\r\n",
        b"354 " + b"a" * 1_000_000,
        b"354 " + b"a" * 3000 + b"\r\n",
        b"354-\r\n" * 101,
        b"354-" + b"354-" + b"a" * 2000 + b"\r\n" * 40,
    ],
)
def test_f146_f147_what_is_no_reply_ends_the_conversation(octets: bytes) -> None:
    """Broken, endless and unfit replies are RemoteProtocolErrors, again and again."""
    machine = ready()
    machine.mail(SENDER)
    machine.rcpt(BOB)
    machine.data()
    events(machine, b"250 Ok\r\n250 Ok\r\n")
    for _ in range(2):
        with pytest.raises(RemoteProtocolError):
            events(machine, octets)
    with pytest.raises(LocalProtocolError):
        machine.quit()


@pytest.mark.parametrize("octets", [b"354 go\r\n", b"100 hm\r\n"])
def test_f146_only_data_is_answered_by_354(octets: bytes) -> None:
    """An intermediate reply to MAIL is a protocol error."""
    machine = ready()
    machine.mail(SENDER)
    with pytest.raises(RemoteProtocolError):
        events(machine, octets)


def test_a_reply_to_nothing_is_an_error() -> None:
    """A server that talks without being asked has lost the thread."""
    machine = ready()
    with pytest.raises(RemoteProtocolError, match="answers nothing"):
        events(machine, b"250 and another thing\r\n")


def test_an_early_refusal_of_the_content_ends_the_session() -> None:
    """552 in the middle of the content answers it; nothing more can be said."""
    machine = in_content()
    machine.content(b"x\r\n")
    [answer] = events(machine, b"552 5.3.4 enough\r\n")
    assert isinstance(answer, Answer)
    assert (answer.verb, answer.reply.code) == (Verb.CONTENT_END, 552)
    with pytest.raises(LocalProtocolError):
        machine.end_content()


@pytest.mark.parametrize(
    ("octets", "lines", "status"),
    [
        (b"250\r\n", ("",), None),
        (b"250 \r\n", ("",), None),
        (b"250 2.1.0 Ok\r\n", ("Ok",), Status(2, 1, 0)),
        (b"250-2.1.0 a\r\n250 2.1.0 b\r\n", ("a", "b"), Status(2, 1, 0)),
        (b"250-2.1.0 a\r\n250 b\r\n", ("a", "b"), Status(2, 1, 0)),
        (b"250 2.1.0\r\n", ("",), Status(2, 1, 0)),
        (b"550 2.1.0 odd\r\n", ("2.1.0 odd",), None),
        (b"250 2.1.0.9 address\r\n", ("2.1.0.9 address",), None),
        (b"250 \xff\xc3\xbc\r\n", ("\ufffdü",), None),
    ],
)
def test_replies_are_understood(octets: bytes, lines: tuple[str, ...], status: Status | None) -> None:
    """Texts and enhanced codes are told apart."""
    machine = ready()
    machine.mail(SENDER)
    [answer] = events(machine, octets)
    assert isinstance(answer, Answer)
    assert (answer.reply.lines, answer.reply.status) == (lines, status)


def test_a_greeting_that_refuses_closes_the_session() -> None:
    """After 554 instead of 220 nothing may be said."""
    machine = ClientConnection()
    [greeting] = events(machine, b"554 5.3.2 no mail here\r\n")
    assert isinstance(greeting, Greeting)
    assert greeting.reply.status == Status(5, 3, 2)
    with pytest.raises(LocalProtocolError):
        machine.hello("x")


def test_helo_follows_a_refused_ehlo() -> None:
    """After 502 to EHLO the client may say HELO, and is offered nothing."""
    machine = ClientConnection()
    events(machine, b"220 old\r\n")
    machine.hello("x")
    events(machine, b"502 what?\r\n")
    assert machine.helo("x") == b"HELO x\r\n"
    events(machine, b"250 fine\r\n")
    assert machine.phase is Phase.READY
    assert not machine.offer.keywords


def test_rfc2033_one_reply_a_recipient() -> None:
    """In LMTP each accepted recipient has its own reply after the content."""
    machine = ready(dialect=Dialect.LMTP)
    machine.mail(SENDER)
    for address in (ANNA, BOB, ANNA):
        machine.rcpt(address)
    machine.data()
    events(machine, b"250 Ok\r\n250 Ok\r\n550 no\r\n250 Ok\r\n354 go\r\n")
    machine.content(b"x\r\n")
    machine.end_content()
    first = events(machine, b"250 Ok\r\n")
    assert machine.awaiting is Verb.CONTENT_END
    second = events(machine, b"452 full\r\n")
    assert [e.recipient for e in first + second if isinstance(e, Answer)] == [0, 2]
    assert machine.phase is Phase.READY


def test_rfc2033_354_without_recipients_is_an_error() -> None:
    """An LMTP server may not take content for nobody."""
    machine = ready(dialect=Dialect.LMTP)
    machine.mail(SENDER)
    machine.rcpt(BOB)
    machine.data()
    with pytest.raises(RemoteProtocolError):
        events(machine, b"250 Ok\r\n550 no\r\n354 go\r\n")


def test_rfc2033_chunks_await_each_other() -> None:
    """In LMTP the last chunk is sent when the one before is answered."""
    machine = ready(dialect=Dialect.LMTP)
    machine.mail(SENDER)
    machine.rcpt(BOB)
    machine.bdat(b"x", last=False)
    with pytest.raises(LocalProtocolError):
        machine.bdat(b"y", last=True)


def test_rfc3030_chunks() -> None:
    """Content goes by BDAT unaltered; after a refused chunk only RSET helps."""
    machine = ready()
    machine.mail(SENDER, MailParameters(body=Body.BINARY))
    machine.rcpt(BOB)
    with pytest.raises(LocalProtocolError, match="BDAT"):
        machine.data()
    assert machine.bdat(b".\n\0", last=False) == b"BDAT 3\r\n.\n\0"
    assert machine.bdat(b"", last=True) == b"BDAT 0 LAST\r\n"
    assert codes(machine, b"250 Ok\r\n250 Ok\r\n250 3\r\n250 all\r\n") == [250] * 4
    assert machine.phase is Phase.READY
    machine.mail(SENDER)
    machine.rcpt(BOB)
    machine.bdat(b"x", last=False)
    assert codes(machine, b"250 Ok\r\n250 Ok\r\n552 no\r\n") == [250, 250, 552]
    with pytest.raises(LocalProtocolError):
        machine.bdat(b"x", last=True)
    machine.rset()
    assert codes(machine, b"250 Ok\r\n") == [250]
    assert machine.phase is Phase.READY


@pytest.mark.parametrize("content", [b"a\nb\r\n", b"a\rb\r\n", b"a\0\r\n", b"\n.\r\n", b"\r\n\n", b"\r.\r\n", b"a\r"])
def test_f153_bare_line_ends_are_not_sent_out(content: bytes) -> None:
    """DATA content with a bare CR, a bare LF or a NUL never reaches the wire whole, however it is cut."""
    for cut in range(len(content)):
        machine = in_content()
        with pytest.raises(LocalProtocolError):
            _say_content(machine, content[:cut], content[cut:])


def _say_content(machine: ClientConnection, *pieces: bytes) -> bytes:
    return b"".join([*map(machine.content, pieces), machine.end_content()])


LINES = st.lists(st.sampled_from([b"", b".", b"..", b".x", b"x", b"x.", b"x" * 70])).map(b"\r\n".join)


@given(LINES, st.lists(st.integers(min_value=1, max_value=9)))
def test_f013_dots_are_doubled_once_wherever_content_is_cut(content: bytes, cuts: list[int]) -> None:
    """A receiver gets back what was given, plus the CRLF that the last line lacks."""
    machine = in_content()
    wire = _say_content(machine, *_cut(content, cuts))
    piece = DotReader().read(wire)
    assert (piece.ended, piece.consumed) == (True, len(wire))
    assert piece.octets == (content if content.endswith(b"\r\n") or not content else content + b"\r\n")


TRANSCRIPT = (
    b"250 Ok\r\n550-5.1.1 no\r\n550 5.1.1 such\r\n250\r\n354 go\r\n",
    b"250-a\r\n250-b\r\n250 c\r\n",
    b"450 4.2.0 later\r\n503 a\r\n503 b\r\n503 c\r\n",
    b"250 Ok\r\n421 4.3.2 bye\r\nignored\r\n",
    b"250 Ok\r\n250-x\r\n251 y\r\n",
    b"250 Ok\r\n250 Ok\n",
    b"250 Ok\r\n" + b"2" * 5000,
)


def _observe(pieces: list[bytes]) -> list[object]:
    machine = ready()
    machine.mail(SENDER)
    machine.rcpt(ANNA)
    machine.rcpt(BOB)
    machine.data()
    seen: list[object] = []
    try:
        for piece in [*filter(None, pieces), b""]:
            machine.receive_data(piece)
            while (event := machine.next_event()) is not NEED_DATA and not isinstance(event, Disconnected):
                seen.append(event)
    except RemoteProtocolError as error:
        seen.append(str(error))
    return seen


@given(st.sampled_from(TRANSCRIPT), st.lists(st.integers(min_value=1, max_value=12)))
@settings(deadline=None)
def test_splitting_the_input_changes_nothing(transcript: bytes, cuts: list[int]) -> None:
    """However the input is split, the events and the error are the same."""
    assert _observe(_cut(transcript, cuts)) == _observe([transcript])


def _cut(octets: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(octets[:size])
        octets = octets[size:]
    return [*pieces, octets]


@given(st.binary(max_size=200), st.integers(min_value=0, max_value=200))
def test_rubbish_raises_nothing_else(octets: bytes, cut: int) -> None:
    """No input causes another exception than RemoteProtocolError."""
    _observe([octets[:cut], octets[cut:]])
