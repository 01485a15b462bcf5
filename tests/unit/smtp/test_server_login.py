"""STARTTLS and AUTH at the server's machine: RFC 3207, RFC 4954, and the fault catalogue."""

from __future__ import annotations

import base64
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.mail.address import Address
from eilpost.mail.envelope import NULL_REVERSE_PATH, ReversePath
from eilpost.mail.reply import Reply, reply
from eilpost.smtp import replies
from eilpost.smtp.commands import Dialect
from eilpost.smtp.errors import LocalProtocolError
from eilpost.smtp.events import (
    NEED_DATA,
    Auth,
    AuthResponse,
    Content,
    ContentEnd,
    Data,
    Event,
    Hello,
    Mail,
    NeedData,
    Noop,
    Refused,
    StartTls,
)
from eilpost.smtp.extensions import STANDARD
from eilpost.smtp.login import MAX_LINE
from eilpost.smtp.phases import Phase
from eilpost.smtp.server import ServerConnection, ServerSettings

OPEN = ServerSettings(extensions=STANDARD | {"STARTTLS"}, mechanisms=("PLAIN", "LOGIN"), line=1024, message_size=40)
OVER_TLS = ServerSettings(mechanisms=("PLAIN",), line=1024)
PLAIN_RESPONSE = base64.b64encode(b"\0anna\0secret")
PASSWORD_LINE = base64.b64encode(b"my secret word")


class Talk:
    """A machine, and a session that lets ``secret`` log in and asks two questions of everybody else."""

    def __init__(self, settings: ServerSettings = OPEN, over_tls: ServerSettings = OVER_TLS) -> None:
        self.machine = ServerConnection(settings)
        self.machine.greet(reply(220, None, "mx"))
        self.over_tls = over_tls
        self.events: list[Event] = []
        self.said: list[str] = []

    def feed(self, octets: bytes) -> Talk:
        """Gives the machine octets and answers all it has to say."""
        machine = self.machine
        if octets:  # an empty string would be the end
            machine.receive_data(octets)
        while machine.phase is not Phase.CLOSED and not isinstance(event := machine.next_event(), NeedData):
            self._note(event)
            if isinstance(event, Content):
                continue
            answer = self._answer(event).decode()
            self.said += [line[:9] if line[4:5].isdigit() else line[:3] for line in answer.splitlines()]
            if machine.phase is Phase.HANDSHAKE:
                machine.secured(self.over_tls)
        return self

    def _note(self, event: Event) -> None:
        last = self.events[-1] if self.events else None
        if isinstance(event, Content) and isinstance(last, Content):
            self.events[-1] = Content(last.octets + event.octets)
        else:
            self.events.append(event)

    def _answer(self, event: Event) -> bytes:
        machine = self.machine
        match event:
            case Auth(initial=None):
                return machine.challenge(b"who?")
            case AuthResponse(octets=None):
                return machine.send(replies.AUTH_CANCELLED)
            case Auth(initial=bytes(octets)) | AuthResponse(octets=bytes(octets)):
                if octets == b"again":
                    return machine.challenge(b"")
                return machine.send(replies.AUTH_OK if b"secret" in octets else replies.AUTH_FAILED)
            case _:
                return machine.send(self._reply(event))

    def _reply(self, event: Event) -> Reply:
        match event:
            case Refused(reply=words) | ContentEnd(refusal=Reply() as words):
                return words
            case Hello():
                return self.machine.hello_reply("mx")
            case StartTls():
                return replies.READY_FOR_TLS
            case Data():
                return replies.SEND_CONTENT
            case _:
                return replies.OK

    @property
    def last(self) -> Event:
        """The last event."""
        return self.events[-1]


def ready(settings: ServerSettings = OPEN, octets: bytes = b"") -> Talk:
    """After EHLO, and these octets; what was said before them is forgotten."""
    talk = Talk(settings)
    talk.feed(b"LHLO me\r\n" if settings.dialect is Dialect.LMTP else b"EHLO me\r\n")
    talk.said.clear()
    talk.events.clear()
    return talk.feed(octets)


# --- what is offered


def test_ehlo_announces_tls_and_the_mechanisms() -> None:
    """RFC 3207 §2 and RFC 4954 §3: a keyword each; the spelling from before RFC 4954 by setting."""
    assert {"STARTTLS", "AUTH PLAIN LOGIN"} <= set(OPEN.keywords())
    assert not [line for line in OPEN.keywords() if line.startswith("AUTH=")]
    old = ServerSettings(mechanisms=("PLAIN", "LOGIN"), old_auth=True).keywords()
    assert old[-1] == "AUTH=PLAIN LOGIN"
    assert "AUTH PLAIN LOGIN" in old
    assert not [line for line in ServerSettings(old_auth=True).keywords() if line.startswith(("AUTH", "STARTTLS"))]


def test_what_is_not_offered_is_502() -> None:
    """RFC 5321 §4.2.4: a listener without TLS and logins says so; F118 relies on it."""
    talk = ready(ServerSettings(), b"STARTTLS\r\nAUTH PLAIN\r\nNOOP\r\n")
    assert talk.said == ["502 5.5.1", "502 5.5.1", "250 2.0.0"]


def test_auth_may_be_understood_and_not_announced() -> None:
    """The extension without mechanisms lets the session answer 538, and EHLO is silent."""
    settings = ServerSettings(extensions=STANDARD | {"AUTH"})
    assert not [line for line in settings.keywords() if line.startswith("AUTH")]
    assert ready(settings, b"AUTH PLAIN " + PLAIN_RESPONSE + b"\r\n").events == [Auth("PLAIN", b"\0anna\0secret")]


def test_before_ehlo_and_after_helo_neither_may_come() -> None:
    """RFC 5321 §4.1.4: HELO agrees on no extension."""
    lines = b"STARTTLS\r\n", b"AUTH PLAIN\r\n"
    for before in (b"", b"HELO me\r\n"):
        talk = Talk()
        for line in (before, *lines):
            talk.feed(line)
        assert talk.said[-2:] == ["503 5.5.1", "503 5.5.1"]


@pytest.mark.parametrize("before", [b"MAIL FROM:<>\r\n", b"MAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\n",
                                    b"MAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nBDAT 1\r\nx"])  # fmt: skip
def test_f034_f060_neither_may_come_in_a_transaction(before: bytes) -> None:
    """RFC 3207 §4 and RFC 4954 §4: 503, and the transaction stays."""
    talk = ready(OPEN, before)
    talk.feed(b"AUTH PLAIN " + PLAIN_RESPONSE + b"\r\n").feed(b"STARTTLS\r\n").feed(b"NOOP\r\n")
    assert talk.said[-3:] == ["503 5.5.1", "503 5.5.1", "250 2.0.0"]


def test_lmtp_has_both() -> None:
    """RFC 2033 says nothing against them."""
    settings = ServerSettings(dialect=Dialect.LMTP, extensions=STANDARD | {"STARTTLS"}, mechanisms=("PLAIN",))
    talk = ready(settings, b"AUTH PLAIN " + PLAIN_RESPONSE + b"\r\n").feed(b"STARTTLS\r\n")
    assert talk.said == ["235 2.7.0", "220 2.0.0"]


# --- STARTTLS


def test_starttls_stops_the_machine_until_the_handshake_is_done() -> None:
    """RFC 3207 §4: after 220 come TLS's octets, which are none of the machine's."""
    machine = ready().machine
    machine.receive_data(b"STARTTLS\r\n")
    assert machine.next_event() == StartTls()
    assert machine.send(replies.READY_FOR_TLS) == b"220 2.0.0 Ready to start TLS\r\n"
    assert machine.phase is Phase.HANDSHAKE
    machine.receive_data(b"MAIL FROM:<evil@x.test>\r\n")
    assert machine.next_event() is NEED_DATA
    machine.secured(OVER_TLS)
    assert (machine.phase, machine.buffered, machine.next_event()) == (Phase.HELLO, 0, NEED_DATA)


def test_a_refused_starttls_changes_nothing() -> None:
    """RFC 3207 §4: 454, and the session goes on in clear."""
    machine = ready().machine
    machine.receive_data(b"STARTTLS\r\n")
    machine.next_event()
    machine.send(replies.NO_TLS)
    assert machine.phase is Phase.READY
    machine.receive_data(b"NOOP\r\n")
    assert machine.next_event() == Noop()
    with pytest.raises(LocalProtocolError):
        machine.secured(OVER_TLS)


def test_f029_octets_behind_starttls_end_the_session() -> None:
    """RFC 3207 §6: what anybody may have put in must not survive into TLS."""
    talk = ready(OPEN, b"STARTTLS\r\nMAIL FROM:<evil@x.test>\r\n")
    assert talk.events == [Refused(b"STARTTLS", replies.EARLY_TALKER, fatal=True)]
    assert (talk.machine.phase, talk.machine.buffered) == (Phase.CLOSED, 0)


@pytest.mark.parametrize("before", [b"", b"MAIL FROM:<>\r\n"])
def test_f029_even_where_starttls_may_not_come(before: bytes) -> None:
    """What follows was sent for a session over TLS, and is not obeyed in clear."""
    talk = ready(OPEN, before).feed(b"STARTTLS\r\nRSET\r\n")
    assert talk.said[-1] == "554 5.5.0"


def test_f030_octets_between_reply_and_handshake_are_dropped() -> None:
    """The machine's own buffer is empty when TLS begins, whatever the transport did."""
    machine = ready().machine
    machine.receive_data(b"STARTTLS\r\n")
    machine.next_event()
    machine.send(replies.READY_FOR_TLS)
    machine.receive_data(b"EHLO evil\r\nMAIL FROM:<evil@x.test>\r\n")
    machine.secured(OVER_TLS)
    machine.receive_data(b"EHLO honest\r\n")
    assert isinstance(event := machine.next_event(), Hello)
    assert event.name == "honest"


def test_f032_all_is_forgotten_over_tls() -> None:
    """RFC 3207 §4.2: the greeting, the login, the extensions; a new EHLO is due."""
    talk = ready(OPEN, b"AUTH PLAIN " + PLAIN_RESPONSE + b"\r\nSTARTTLS\r\n")
    assert talk.said == ["235 2.7.0", "220 2.0.0"]
    talk.feed(b"MAIL FROM:<>\r\nAUTH PLAIN\r\n")
    assert talk.said[2:] == ["503 5.5.1", "503 5.5.1"]
    talk.feed(b"EHLO me\r\nAUTH PLAIN " + PLAIN_RESPONSE + b"\r\n")
    assert talk.said[-1] == "235 2.7.0"


def test_f033_tls_within_tls() -> None:
    """RFC 3207 §4.2: not announced, and 503, even if the settings were not changed."""
    for over_tls in (OVER_TLS, OPEN):
        talk = Talk(OPEN, over_tls).feed(b"EHLO me\r\n").feed(b"STARTTLS\r\n").feed(b"EHLO me\r\nSTARTTLS\r\n")
        assert talk.said[-1] == "503 5.5.1"
        assert "STARTTLS" not in talk.machine.hello_reply("mx").lines


def test_starttls_has_no_argument() -> None:
    """RFC 3207 §4: 501."""
    assert ready(OPEN, b"STARTTLS now\r\n").said == ["501 5.5.4"]


# --- AUTH


def test_an_initial_response() -> None:
    """RFC 4954 §4: decoded; ``=`` is one without octets, and none is none."""
    talk = ready(OPEN, b"auth plain " + PLAIN_RESPONSE + b"\r\n")
    assert (talk.events, talk.said) == ([Auth("PLAIN", b"\0anna\0secret")], ["235 2.7.0"])
    assert ready(OPEN, b"AUTH EXTERNAL =\r\n").events == [Auth("EXTERNAL", b"")]
    assert ready(OPEN, b"AUTH LOGIN\r\n").events == [Auth("LOGIN", None)]
    assert ready(OPEN, b"AUTH LOGIN \r\n").events == [Auth("LOGIN", None)]


def test_challenges_and_responses() -> None:
    """RFC 4954 §4: 334 and base64, until a reply decides."""
    machine = ready().machine
    machine.receive_data(b"AUTH LOGIN\r\nYW5uYQ==\r\n\r\nNOOP\r\n")
    assert machine.next_event() == Auth("LOGIN", None)
    assert machine.challenge(b"User Name\0") == b"334 VXNlciBOYW1lAA==\r\n"
    assert machine.phase is Phase.EXCHANGE
    assert machine.next_event() == AuthResponse(b"anna")
    assert machine.challenge(b"") == b"334 \r\n"
    assert machine.next_event() == AuthResponse(b"")
    assert machine.send(replies.AUTH_FAILED).startswith(b"535 5.7.8 ")
    assert machine.phase is Phase.READY
    assert machine.next_event() == Noop()
    with pytest.raises(LocalProtocolError):
        machine.challenge(b"")


def test_f060_a_cancelled_exchange() -> None:
    """RFC 4954 §4: ``*`` is due a 501; a challenge would be our mistake."""
    machine = ready().machine
    machine.receive_data(b"AUTH LOGIN\r\n*\r\n")
    machine.next_event()
    machine.challenge(b"")
    assert machine.next_event() == AuthResponse(None)
    with pytest.raises(LocalProtocolError):
        machine.challenge(b"")
    assert machine.send(replies.AUTH_CANCELLED).startswith(b"501 5.7.0 ")
    assert machine.phase is Phase.READY


def test_f060_auth_comes_once() -> None:
    """RFC 4954 §4: 503 after a success; after a failure it may be tried again."""
    line = b"AUTH PLAIN " + PLAIN_RESPONSE + b"\r\n"
    talk = ready(OPEN, b"AUTH PLAIN AGFubmEAeA==\r\n" + line + line + b"RSET\r\nEHLO me\r\n" + line)
    assert [talk.said[at] for at in (0, 1, 2, -1)] == ["535 5.7.8", "235 2.7.0", "503 5.5.1", "503 5.5.1"]


@pytest.mark.parametrize("response", [b"=", b"====", b"YQ=", b"YQ==YQ==", b"Y Q==", b"Y\xc3\xa4==", b"**", b" *",
                                      b"\0", b"YWJj\r", b"-_-_"])  # fmt: skip
def test_f060_bad_base64_ends_the_exchange(response: bytes) -> None:
    """RFC 4954 §4: 501 5.5.2, and commands are commands again; nothing of the response is told."""
    talk = ready(OPEN, b"AUTH LOGIN\r\n" + response + b"\r\nNOOP\r\n")
    assert talk.events == [Auth("LOGIN", None), Refused(b"AUTH", replies.BAD_BASE64), Noop()]


@pytest.mark.parametrize("argument", [b"PLAIN YQ=", b"PLAIN ==", b"PLAIN Y\xc3\xa4", b"PLAIN a b", b"PLAIN *"])
def test_f060_a_bad_initial_response(argument: bytes) -> None:
    """RFC 4954 §4: 501 5.5.2 without an event; the line that is told holds the mechanism alone."""
    talk = ready(OPEN, b"AUTH " + argument + b"\r\nNOOP\r\n")
    assert talk.events == [Refused(b"AUTH PLAIN", replies.BAD_BASE64), Noop()]


@pytest.mark.parametrize("mechanism", [b"PL@IN", b"A" * 21, b"\xc3\xa4"])
def test_a_mechanism_has_a_name(mechanism: bytes) -> None:
    """RFC 4422 §3.1: up to 20 capitals, digits, hyphens and underscores."""
    assert ready(OPEN, b"AUTH " + mechanism + b"\r\n").said == ["501 5.5.4"]
    assert ready(OPEN, b"AUTH\r\n").said == ["501 5.5.4"]


def test_a_bare_lf_ends_no_response() -> None:
    """RFC 5321 §2.3.8 holds in the exchange as well."""
    talk = ready(OPEN, b"AUTH LOGIN\r\nYQ==\nMAIL FROM:<>\r\n")
    assert talk.last == Refused(b"(not shown)", replies.BARE_LINE_END, fatal=True)


@pytest.mark.parametrize("cut", [1, 300, 20_000])
def test_f046_responses_may_be_long(cut: int) -> None:
    """RFC 4954 §4: 12,288 octets, in the exchange and behind AUTH; more are 500 5.5.6."""
    longest = base64.b64encode(b"secret" * 1530)
    line = longest + b"A" * ((MAX_LINE - 1 - len(longest)) // 4 * 4)
    for start, octets in ((b"AUTH LOGIN\r\n", line), (b"", b"AUTH PLAIN " + longest)):
        talk = ready(OPEN, start)
        whole = octets + b"\r\nNOOP\r\n"
        for at in range(0, len(whole), cut):
            talk.feed(whole[at : at + cut])
        assert talk.said[-2:] == ["235 2.7.0", "250 2.0.0"]

    for start, octets in ((b"AUTH LOGIN\r\n", b"A" * MAX_LINE), (b"", b"AUTH PLAIN " + b"A" * MAX_LINE)):
        talk = ready(OPEN, start)
        whole = octets + b"\r\nNOOP\r\n"
        for at in range(0, len(whole), cut):
            talk.feed(whole[at : at + cut])
        assert talk.said[-2:] == ["500 5.5.6", "250 2.0.0"]
        assert isinstance(refused := talk.events[-2], Refused)
        assert refused.line in (b"AUTH", b"AUTH PLAIN")


def test_f046_other_lines_stay_short() -> None:
    """The long line is AUTH's own, where it is offered."""
    assert ready(OPEN, b"NOOP " + b"A" * 1200 + b"\r\n").said == ["500 5.5.2"]
    assert ready(ServerSettings(line=1024), b"AUTH PLAIN " + b"A" * 1200 + b"\r\n").said == ["500 5.5.6"]
    talk = ready(OPEN, b"AUTH LOGIN\r\n" + b"A" * 1200 + b"\r\nNOOP " + b"A" * 1200 + b"\r\n")
    assert talk.said == ["334", "535 5.7.8", "500 5.5.2"]


def test_f119_no_secret_is_told() -> None:
    """Neither an event's repr nor the line of a refusal holds what may be a password."""
    talk = ready(OPEN, b"AUTH PLAIN " + PLAIN_RESPONSE + b"\r\nAUTH LOGIN\r\nAUTH PLAIN " + PLAIN_RESPONSE + b"\r\n")
    talk.feed(PASSWORD_LINE + b"\r\n" + PASSWORD_LINE + b" \0\r\nNOOP \0\r\n" + PASSWORD_LINE * 40 + b"\r\n")
    for settings in (ServerSettings(), OPEN):
        blind = ready(settings, b"AUTH " + PLAIN_RESPONSE + b"\r\n" + PASSWORD_LINE + b"\r\n")
        talk.events += [*blind.events, *ready(settings, b"\0AUTH\r\n").events]
    responses = [Auth("PLAIN", b"secret"), AuthResponse(b"secret")]
    for event in [*talk.events, *responses]:
        assert "secret" not in repr(event)
        assert PLAIN_RESPONSE.decode() not in repr(event)
        assert PASSWORD_LINE.decode() not in repr(event)
    assert Refused(b"NOOP \0", replies.NOT_A_COMMAND) in talk.events


def test_mail_says_who_submitted_it() -> None:
    """RFC 4954 §5: xtext of a mailbox, or <>; where AUTH is not offered it is unknown."""
    talk = ready(OPEN, b"MAIL FROM:<a@b.test> AUTH=e+3Dmc2@example.test\r\nRSET\r\nMAIL FROM:<a@b.test> AUTH=<>\r\n")
    assert isinstance(first := talk.events[0], Mail)
    assert isinstance(last := talk.last, Mail)
    assert first.parameters.auth == ReversePath(Address("e=mc2", "example.test"))
    assert last.parameters.auth == NULL_REVERSE_PATH
    assert ready(OPEN, b"MAIL FROM:<a@b.test> AUTH=anna\r\nMAIL FROM:<> AUTH\r\n").said == ["501 5.5.4"] * 2
    assert ready(ServerSettings(), b"MAIL FROM:<a@b.test> AUTH=<>\r\n").said == ["555 5.5.4"]


# --- properties

LINES = (
    b"EHLO me", b"HELO me", b"AUTH LOGIN", b"AUTH PLAIN " + PLAIN_RESPONSE, b"AUTH PLAIN", b"AUTH PLAIN =", b"auth x y",
    b"*", b"YWdhaW4=", b"YQ==", b"", b"=", b"c2VjcmV0", b"STARTTLS", b"starttls x", b"MAIL FROM:<a@b.test> AUTH=<>",
    b"RCPT TO:<c@d.test>", b"RSET", b"NOOP", b"QUIT", b"A" * 1200, b"A" * 12_286, b"A" * 12_288,
    b"AUTH PLAIN " + b"A" * 800, b"AUTH PLAIN " + b"A" * 13_000, b"DATA", b"\0", b"BDAT 3\r\nabc",
)  # fmt: skip
GROUPS = st.lists(
    st.one_of(st.sampled_from(LINES).map(lambda line: line + b"\r\n"), st.binary(max_size=4)), max_size=12
).map(b"".join)
# How the input is cut behind these is the cut that counts (F016, F029).
LAST_IN_GROUP = re.compile(rb"(?i)(data|starttls)[^\n]*\n")


@given(st.booleans(), GROUPS, st.lists(st.integers(1, 700), min_size=1, max_size=8))
def test_f015_logins_may_be_split_anywhere(greeted: bool, octets: bytes, sizes: list[int]) -> None:
    """However the input is cut, the events and replies are the same, and nothing raises."""
    octets = b"EHLO me\r\n" * greeted + octets
    whole, torn = Talk(), Talk()
    edges = [0, *(found.end() for found in LAST_IN_GROUP.finditer(octets)), len(octets)]
    for start, end in pairwise(edges):
        group = octets[start:end]
        whole.feed(group)
        at, turn = 0, 0
        while at < len(group):
            size = sizes[turn % len(sizes)]
            torn.feed(group[at : at + size])
            at, turn = at + size, turn + 1
    assert whole.events == torn.events
    assert whole.said == torn.said
    assert whole.machine.phase is torn.machine.phase


@given(GROUPS)
def test_a_login_needs_its_order(octets: bytes) -> None:
    """A response comes only after a challenge, and after a success no AUTH before TLS."""
    talk = Talk().feed(b"EHLO me\r\n" + octets)
    logged_in = False
    for before, event in pairwise(talk.events):
        if isinstance(event, AuthResponse):
            assert isinstance(before, Auth | AuthResponse)
        if isinstance(event, Auth):
            assert not logged_in
        if isinstance(event, Auth | AuthResponse):
            answered = event.initial if isinstance(event, Auth) else event.octets
            logged_in = answered is not None and b"secret" in answered
        elif isinstance(event, StartTls):
            logged_in = False
