"""The server's machine, by dialogue and by property."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.pop3 import events as ev
from eilpost.pop3 import replies
from eilpost.pop3.capabilities import CAPABILITIES
from eilpost.pop3.commands import COMMANDS, Verb
from eilpost.pop3.errors import LocalProtocolError
from eilpost.pop3.events import NEED_DATA, Event
from eilpost.pop3.phases import PHASES, Phase, follow
from eilpost.pop3.replies import Answer, encode, err, ok
from eilpost.pop3.server import ALL, MAX_RESPONSE, ServerConnection, ServerSettings

SETTINGS = ServerSettings(mechanisms=("PLAIN", "SCRAM-SHA-256"), apop=True, line=255)


def greeted(settings: ServerSettings = SETTINGS) -> ServerConnection:
    """A machine that has said its first words."""
    machine = ServerConnection(settings)
    machine.greet(ok("POP3 ready"))
    return machine


def answer(machine: ServerConnection, event: Event) -> bytes:
    """Says yes to whatever is asked."""
    match event:
        case ev.Refused(answer=words):
            return machine.send(words)
        case ev.Capa() | ev.ListMechanisms() | ev.Retr() | ev.Top() | ev.Lang(tag=""):
            return machine.send_lines(ok(), ())
        case ev.List(number=0) | ev.Uidl(number=0):
            return machine.send_lines(ok(), ("1 2",))
        case ev.Auth(initial=None):
            return machine.challenge(b"")
        case ev.AuthResponse(octets=None):
            return machine.send(replies.CANCELLED)
        case _:
            return machine.send(ok())


def run(machine: ServerConnection, octets: bytes, *, step: int = 1 << 20) -> tuple[list[Event], bytes]:
    """Feeds it in steps; its events, and what it said."""
    found: list[Event] = []
    said = b""
    for at in range(0, len(octets), step):
        machine.receive_data(octets[at : at + step])
        while True:
            event = machine.next_event()
            if event is NEED_DATA or isinstance(event, ev.Disconnected):
                break
            assert not isinstance(event, ev.NeedData)
            found.append(event)
            said += answer(machine, event)
    return found, said


def logged_in() -> ServerConnection:
    """A machine in its transaction."""
    machine = greeted()
    run(machine, b"USER anna\r\nPASS secret\r\n")
    assert machine.phase is Phase.TRANSACTION
    return machine


def test_user_and_pass() -> None:
    """USER names the account and PASS brings the password, spaces included (RFC 1939 §7)."""
    events, said = run(greeted(), b"user anna@example.test\r\nPASS one two \r\n")
    assert events == [ev.User("anna@example.test"), ev.Pass("anna@example.test", "one two ")]
    assert said == b"+OK\r\n+OK\r\n"


def test_f120_pass_before_the_answer_to_user() -> None:
    """A pipelined PASS is read after USER was answered, and judged then."""
    machine = greeted()
    machine.receive_data(b"USER anna\r\nPASS secret\r\n")
    assert machine.next_event() == ev.User("anna")
    with pytest.raises(LocalProtocolError):
        machine.next_event()
    machine.send(err("no"))
    event = machine.next_event()
    assert event == ev.Refused("PASS", replies.OUT_OF_ORDER)


def test_pass_comes_right_after_user() -> None:
    """After a wrong password, USER comes first again (RFC 1939 §7)."""
    machine = greeted()
    machine.receive_data(b"USER anna\r\nPASS x\r\nPASS y\r\n")
    machine.next_event()
    machine.send(ok())
    machine.next_event()
    machine.send(replies.FAILED)
    assert machine.phase is Phase.AUTHORIZATION
    assert machine.next_event() == ev.Refused("PASS", replies.OUT_OF_ORDER)


@pytest.mark.parametrize("phase", list(PHASES))
def test_every_command_in_every_phase(phase: Phase) -> None:
    """A command without a row in its phase is refused; a command with one becomes an event."""
    for verb in Verb:
        row = COMMANDS[verb.value]
        words = {Verb.APOP: "anna " + "0" * 32, Verb.AUTH: "PLAIN AGEAYg==", Verb.TOP: "1 0"}
        argument = words.get(verb, "1" if row.least else "")
        machine = logged_in() if phase is Phase.TRANSACTION else greeted()
        if phase is Phase.NAMED:
            run(machine, b"USER anna\r\n")
        if phase not in (Phase.AUTHORIZATION, Phase.NAMED, Phase.TRANSACTION):
            continue
        machine.receive_data(f"{verb.value} {argument}".strip().encode() + b"\r\n")
        event = machine.next_event()
        assert isinstance(event, ev.Refused) is (verb not in PHASES[phase]), (phase, verb, event)


def test_quit_tells_whether_it_deletes() -> None:
    """Only a QUIT after the login deletes (RFC 1939 §6)."""
    assert run(greeted(), b"QUIT\r\n")[0] == [ev.Quit(False)]
    machine = logged_in()
    assert run(machine, b"QUIT\r\nSTAT\r\n")[0] == [ev.Quit(True)]
    assert machine.phase is Phase.CLOSED


@pytest.mark.parametrize("line", ["TOP 1 -1", "TOP -1 1", "TOP 0 1", "RETR 0", "LIST -1", "DELE x", "RETR 99999999999",
                                  "UIDL ١", "RETR +1"])  # fmt: skip
def test_f174_numbers_that_are_none(line: str) -> None:
    """A number is digits, a message's is at least 1, and no number is endless."""
    assert run(logged_in(), f"{line}\r\n".encode())[0] == [ev.Refused(line.partition(" ")[0], replies.BAD_NUMBER)]


@pytest.mark.parametrize("line", ["STAT 1", "TOP 1", "RETR", "APOP anna", "USER", "AUTH PLAIN a b", "NOOP x"])
def test_arguments_are_counted(line: str) -> None:
    """Too many arguments, or too few, are wrong."""
    machine = greeted() if line.partition(" ")[0] in ("APOP", "USER", "AUTH") else logged_in()
    assert run(machine, f"{line}\r\n".encode())[0] == [ev.Refused(line.partition(" ")[0], replies.BAD_ARGUMENTS)]


def test_apop() -> None:
    """APOP brings a name and a digest; a digest of another form is refused."""
    digest = "C4C9334bac560ecc979e58001b3e22fb"
    events, _ = run(greeted(), f"APOP mrose {digest}\r\n".encode())
    assert events == [ev.Apop("mrose", digest.lower().encode())]
    assert run(greeted(), b"APOP mrose xyz\r\n")[0] == [ev.Refused("APOP", replies.BAD_DIGEST)]
    assert run(greeted(ServerSettings()), f"APOP a {digest}\r\n".encode())[0] == [ev.Refused("APOP", replies.NEEDS_TLS)]


def test_rfc5034_initial_response() -> None:
    """AUTH takes an initial response; ``=`` is an empty one."""
    assert run(greeted(), b"AUTH plain AGEAYg==\r\n")[0] == [ev.Auth("PLAIN", b"\0a\0b")]
    assert run(greeted(), b"AUTH PLAIN =\r\n")[0] == [ev.Auth("PLAIN", b"")]


def test_rfc5034_challenges() -> None:
    """Without one the server challenges, and the next lines are responses until an answer ends it."""
    machine = greeted()
    events, said = run(machine, b"AUTH PLAIN\r\nAGEAYg==\r\n")
    assert events == [ev.Auth("PLAIN", None), ev.AuthResponse(b"\0a\0b")]
    assert said == b"+ \r\n+OK\r\n"
    assert machine.phase is Phase.TRANSACTION


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (b"*", ev.AuthResponse(None)),
        (b"", ev.AuthResponse(b"")),
        (b"no base64!", ev.Refused("AUTH", replies.BAD_BASE64)),
        (b"QUI=T", ev.Refused("AUTH", replies.BAD_BASE64)),
    ],
)
def test_f060_responses(line: bytes, event: Event) -> None:
    """A login is cancelled with a star, an empty line is an empty response, bad base64 ends the exchange."""
    machine = greeted()
    assert run(machine, b"AUTH PLAIN\r\n" + line + b"\r\n")[0][1] == event
    if line:
        assert run(machine, b"NOOP\r\nCAPA\r\n")[0][1] == ev.Capa()


def test_f046_long_lines_of_a_login() -> None:
    """A login's lines may have 12,288 octets, a command's no more than its limit."""
    text = base64.b64encode(b"x" * 9000)
    assert run(greeted(), b"AUTH PLAIN " + text + b"\r\n")[0] == [ev.Auth("PLAIN", b"x" * 9000)]
    assert run(greeted(), b"AUTH PLAIN\r\n" + text + b"\r\n")[0][1] == ev.AuthResponse(b"x" * 9000)
    longer = b"A" * (MAX_RESPONSE + 4)
    assert run(greeted(), b"AUTH PLAIN\r\n" + longer + b"\r\n")[0][1] == ev.Refused("", replies.LINE_TOO_LONG)
    assert run(greeted(), b"USER " + longer[:3000] + b"\r\n")[0] == [ev.Refused("", replies.LINE_TOO_LONG)]
    assert run(greeted(), b"USER " + longer + b"\r\n")[0] == [ev.Refused("", replies.ENDLESS_LINE, fatal=True)]


def test_f046_an_endless_line_is_cut() -> None:
    """A line without an end is thrown away for a while, and then its sender is."""
    machine = greeted()
    assert run(machine, b"x" * 4000, step=100)[0] == []
    assert run(machine, b"x" * 400, step=100)[0] == [ev.Refused("", replies.ENDLESS_LINE, fatal=True)]
    assert machine.phase is Phase.CLOSED


def test_f029_nothing_buffered_survives_tls() -> None:
    """A command behind STLS ends the session; what comes before the handshake's end is forgotten."""
    machine = greeted()
    events, _ = run(machine, b"STLS\r\nUSER anna\r\n")
    assert events == [ev.Refused("STLS", replies.EARLY_TALKER, fatal=True)]
    assert machine.phase is Phase.CLOSED


def test_f032_tls_forgets() -> None:
    """After TLS the session begins anew with the settings of a secured connection (RFC 2595 §4)."""
    machine = greeted()
    run(machine, b"USER anna\r\n")
    assert run(machine, b"STLS\r\n")[0] == [ev.StartTls()]
    assert machine.phase is Phase.SECURING
    machine.receive_data(b"PASS x\r\n")
    assert machine.next_event() is NEED_DATA
    machine.secured(ServerSettings(offered=ALL - {"STLS"}))
    assert run(machine, b"PASS secret\r\n")[0] == [ev.Refused("PASS", replies.OUT_OF_ORDER)]
    assert run(machine, b"STLS\r\n")[0] == [ev.Refused("STLS", replies.NOT_OFFERED)]


def test_f043_no_password_without_tls() -> None:
    """Where the settings say so, no login is offered before TLS, and the peer is told why."""
    plain = ServerSettings(offered=ALL - {"USER"})
    assert "USER" not in plain.lines(logged_in=False)
    assert run(greeted(plain), b"USER anna\r\nAUTH PLAIN\r\n")[0] == [
        ev.Refused("USER", replies.NEEDS_TLS),
        ev.Refused("AUTH", replies.NEEDS_TLS),
    ]


def test_rfc6856_no_tls_after_utf8() -> None:
    """STLS behind UTF8 is an error (RFC 6856 §2.1)."""
    assert run(greeted(), b"UTF8\r\nSTLS\r\n")[0] == [ev.Utf8(), ev.Refused("STLS", replies.NO_TLS_AFTER_UTF8)]


@pytest.mark.parametrize("line", [b"NOOP\n", b"NO\rOP\r\n", b"NO\0OP\r\n", b"\xff\r\n", b"USER \x1b[0m\r\n"])
def test_f057_control_characters(line: bytes) -> None:
    """A line ends in CR LF, is UTF-8, and holds no control characters."""
    events, _ = run(greeted(), line)
    assert [event.answer for event in events if isinstance(event, ev.Refused)] == [replies.NOT_A_COMMAND]


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1\r\nHost: x\r\n", b"EHLO me\r\n"])
def test_f027_another_protocol(line: bytes) -> None:
    """Who speaks another protocol is cut off at its first line."""
    assert len(run(greeted(), line)[0]) == 1


def test_capabilities() -> None:
    """CAPA lists what the settings offer, and after the login no login any more (RFC 2449 §5)."""
    settings = ServerSettings(mechanisms=("PLAIN",), login_delay=60, expire=30)
    before = settings.lines(logged_in=False)
    assert {"USER", "SASL PLAIN", "STLS", "TOP", "UIDL", "EXPIRE 30", "LOGIN-DELAY 60", "UTF8 USER"} <= set(before)
    assert "IMPLEMENTATION Eilpost" not in before
    after = settings.lines(logged_in=True)
    assert "IMPLEMENTATION Eilpost" in after
    assert not {"USER", "STLS", "SASL PLAIN"} & set(after)
    assert {line.split()[0] for line in before + after} == CAPABILITIES.keys()


def test_codes_in_brackets() -> None:
    """An extended response code stands in brackets in front (RFC 2449 §8, RFC 3206); control characters go nowhere."""
    assert encode(replies.IN_USE).startswith(b"-ERR [IN-USE] ")
    assert encode(err("a\r\n+OK")) == b"-ERR a??+OK\r\n"
    assert len(encode(ok("x" * 1000))) == 512


def test_secrets_are_not_shown() -> None:
    """No event prints a password, a digest or a response (F119)."""
    shown = repr(
        [ev.Pass("a", "hunter2"), ev.Apop("a", b"hunter2"), ev.Auth("PLAIN", b"hunter2"), ev.AuthResponse(b"hunter2")]
    )
    assert "hunter2" not in shown
    assert "hunter2" not in repr(run(greeted(), b"AUTH PLAIN !hunter2\r\nhunter2 hunter2\r\n")[0][0])


def test_answers_of_many_lines() -> None:
    """The content of a message has its dots and its end mark."""
    machine = logged_in()
    machine.receive_data(b"RETR 1\r\n")
    assert machine.next_event() == ev.Retr(1)
    with pytest.raises(LocalProtocolError):
        machine.send(ok())
    assert machine.begin(ok("2 octets")) + machine.content(b".\r") + machine.content(b"\n") + machine.end() == (
        b"+OK 2 octets\r\n..\r\n.\r\n"
    )


def test_a_whole_message_is_one_answer() -> None:
    """First line, content and end mark at once; a refusal, or an answer of one line, has no content."""
    machine = logged_in()
    machine.receive_data(b"RETR 1\r\nNOOP\r\n")
    assert machine.next_event() == ev.Retr(1)
    assert machine.whole(ok("3 octets"), b".\r\n") == b"+OK 3 octets\r\n..\r\n.\r\n"
    machine.next_event()
    with pytest.raises(LocalProtocolError):
        machine.whole(ok(), b"x")


LINES = st.sampled_from(
    [b"USER anna\r\n", b"PASS secret\r\n", b"AUTH PLAIN\r\n", b"AGEAYg==\r\n", b"*\r\n", b"STLS\r\n", b"CAPA\r\n",
     b"RETR 1\r\n", b"LIST\r\n", b"QUIT\r\n", b"\n", b"\r", b"\xff\0", b"x" * 300, b"TOP 1 0\r\n", b"AUTH\r\n",
     b"APOP a " + b"0" * 32 + b"\r\n", b"UTF8\r\n", b"LANG de\r\n"]
)  # fmt: skip


@given(st.lists(LINES | st.binary(max_size=20), max_size=12).map(b"".join), st.integers(1, 9))
def test_the_events_are_the_same_however_the_input_is_split(octets: bytes, step: int) -> None:
    """Splitting the input anywhere gives the same events; what lies behind STLS is the one exception."""
    octets = octets.replace(b"STLS", b"NOOP")
    assert run(greeted(), octets)[0] == run(greeted(), octets, step=step)[0]


@given(st.lists(st.tuples(st.sampled_from(list(Verb)), st.booleans()), max_size=20))
def test_the_table_leads_only_to_phases_with_rows(walk: list[tuple[Verb, bool]]) -> None:
    """However answers fall, a session stands in a phase that the table knows."""
    phase = Phase.AUTHORIZATION
    for verb, positive in walk:
        if verb in PHASES[phase]:
            phase = follow(phase, verb, ok=positive)
    assert phase in PHASES


def test_words_of_ours_are_one_line() -> None:
    """Every fixed answer fits into the 512 octets of RFC 1939 §3 and is ASCII."""
    fixed: list[Any] = [each for each in vars(replies).values() if isinstance(each, Answer)]
    assert len(fixed) > 20
    assert all(encode(each).endswith(b"\r\n") and len(encode(each)) < 512 for each in fixed)


@pytest.mark.parametrize("length", [250, 253, 254, 4079, 4080, 4081, 9000])
@pytest.mark.parametrize("beginning", [b"USER ", b"AUTH PLAIN "])
def test_f046_long_lines_are_the_same_however_they_are_split(beginning: bytes, length: int) -> None:
    """How long a line is, and not how it came, decides whether its sender is cut."""
    octets = beginning + b"A" * (length - len(beginning)) + b"\r\nCAPA\r\n"
    assert run(greeted(), octets) == run(greeted(), octets, step=1) == run(greeted(), octets, step=100)
