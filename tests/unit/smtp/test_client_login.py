"""STARTTLS and AUTH at the client's machine: RFC 3207, RFC 4954, and the fault catalogue."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.mail.address import Address
from eilpost.mail.envelope import NULL_REVERSE_PATH, MailParameters, ReversePath
from eilpost.mail.reply import Reply, reply
from eilpost.smtp import login
from eilpost.smtp.client import ClientConnection
from eilpost.smtp.client_events import Answer, AuthChallenge, AuthDone, ClientEvent, Disconnected, Greeting
from eilpost.smtp.client_offer import NOTHING, parse_offer
from eilpost.smtp.commands import Verb
from eilpost.smtp.errors import LocalProtocolError, RemoteProtocolError
from eilpost.smtp.events import NEED_DATA, NeedData
from eilpost.smtp.extensions import STANDARD
from eilpost.smtp.phases import Phase
from eilpost.smtp.server import ServerConnection, ServerSettings

EHLO = b"250-mx.example\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n"
SENDER = ReversePath(Address("anna", "example.org"))


def events(machine: ClientConnection, octets: bytes) -> list[ClientEvent]:
    """Everything the machine says to these octets."""
    machine.receive_data(octets)
    found: list[ClientEvent] = []
    while not isinstance(event := machine.next_event(), NeedData):
        found.append(event)
    return found


def ready(ehlo: bytes = EHLO) -> ClientConnection:
    """A machine after its hello."""
    machine = ClientConnection()
    events(machine, b"220 mx\r\n")
    machine.hello("me.example")
    events(machine, ehlo)
    return machine


# --- STARTTLS


def test_starttls_forgets_what_the_server_said() -> None:
    """RFC 3207 §4.2: the offer is nothing until the next EHLO, and TLS is not begun twice."""
    machine = ready()
    assert machine.starttls() == b"STARTTLS\r\n"
    assert events(machine, b"220 2.0.0 Go\r\n") == [Answer(Verb.STARTTLS, reply(220, "2.0.0", "Go"))]
    assert machine.phase is Phase.HANDSHAKE
    with pytest.raises(LocalProtocolError):
        machine.hello("me.example")
    machine.secured()
    assert (machine.phase, machine.offer) == (Phase.HELLO, NOTHING)
    assert machine.hello("me.example") == b"EHLO me.example\r\n"
    events(machine, EHLO)
    with pytest.raises(LocalProtocolError, match="already"):
        machine.starttls()
    assert machine.auth("PLAIN") == b"AUTH PLAIN\r\n"


def test_a_refused_starttls_leaves_the_session_in_clear() -> None:
    """RFC 3207 §4: after 454 it is the client's choice what to do."""
    machine = ready()
    machine.starttls()
    events(machine, b"454 4.7.0 not now\r\n")
    assert machine.phase is Phase.READY
    assert "STARTTLS" in machine.offer
    with pytest.raises(LocalProtocolError, match="handshake"):
        machine.secured()


def test_f031_octets_behind_the_reply_are_an_attack() -> None:
    """RFC 3207 §6: what came in clear is not taken for words said over TLS, whenever it comes."""
    for cut in (3, 8, 20, 28):
        machine = ready()
        machine.starttls()
        octets = b"220 Go\r\n250 AUTH PLAIN\r\n"
        with pytest.raises(RemoteProtocolError, match=r"before TLS|answers nothing"):
            upgrade(machine, octets[:cut], octets[cut:])
    quiet = ready()
    quiet.starttls()
    upgrade(quiet, b"220 Go\r\n")
    assert quiet.phase is Phase.HELLO


def upgrade(machine: ClientConnection, *pieces: bytes) -> None:
    """Feeds the pieces, and lets TLS begin."""
    for piece in filter(None, pieces):
        machine.receive_data(piece)
        while machine.next_event() is not NEED_DATA:
            continue
    machine.secured()


def test_f031_nor_do_octets_survive_that_nobody_looked_at() -> None:
    """What was received and not yet read when TLS begins ends the session as well."""
    machine = ready()
    machine.starttls()
    events(machine, b"220 Go\r\n")
    machine.receive_data(b"250 x\r\n")
    with pytest.raises(RemoteProtocolError, match="before TLS"):
        machine.secured()


def test_starttls_needs_its_offer_and_its_turn() -> None:
    """RFC 3207 §4: announced, not in a transaction, and the last of its group."""
    with pytest.raises(LocalProtocolError, match="STARTTLS"):
        ready(b"250 mx\r\n").starttls()
    machine = ready()
    machine.mail(SENDER)
    events(machine, b"250 Ok\r\n")
    with pytest.raises(LocalProtocolError, match="order"):
        machine.starttls()
    machine = ready()
    machine.starttls()
    with pytest.raises(LocalProtocolError, match="await"):
        machine.noop()


# --- AUTH


def test_offers_of_mechanisms_are_read() -> None:
    """RFC 4954 §3, and the spelling from before it; a mechanism is listed once."""
    lines = "mx", "AUTH LOGIN scram-sha-256", "AUTH=LOGIN PLAIN", "SIZE=9", "X=1"
    assert parse_offer(Reply(250, None, lines)).mechanisms == ("LOGIN", "SCRAM-SHA-256", "PLAIN")
    assert parse_offer(Reply(250, None, ("mx", "auth=plain"))).mechanisms == ("PLAIN",)
    assert parse_offer(Reply(250, None, ("mx", "AUTH"))).mechanisms == ()


def test_a_login_with_an_initial_response() -> None:
    """RFC 4954 §4: base64 behind the mechanism, ``=`` for a response without octets."""
    machine = ready()
    assert machine.auth("PLAIN", b"\0anna\0secret") == b"AUTH PLAIN AGFubmEAc2VjcmV0\r\n"
    assert events(machine, b"235 2.7.0 Hello\r\n") == [AuthDone(reply(235, "2.7.0", "Hello"))]
    assert machine.phase is Phase.READY
    with pytest.raises(LocalProtocolError, match="login"):
        machine.auth("PLAIN", b"")
    assert ready().auth("PLAIN", b"") == b"AUTH PLAIN =\r\n"


def test_a_login_with_challenges() -> None:
    """RFC 4954 §4: each challenge is answered or cancelled; nothing else may be said meanwhile."""
    machine = ready()
    assert machine.auth("LOGIN") == b"AUTH LOGIN\r\n"
    with pytest.raises(LocalProtocolError):
        machine.auth_respond(b"too soon")
    assert events(machine, b"334 VXNlcg==\r\n") == [AuthChallenge(b"User")]
    for say in (machine.noop, machine.rset, lambda: machine.auth("LOGIN"), lambda: machine.mail(SENDER)):
        with pytest.raises(LocalProtocolError):
            say()
    assert machine.auth_respond(b"anna") == b"YW5uYQ==\r\n"
    assert events(machine, b"334 \r\n") == [AuthChallenge(b"")]
    assert machine.auth_respond(b"") == b"\r\n"
    assert events(machine, b"334\r\n") == [AuthChallenge(b"")]
    assert machine.auth_respond(None) == b"*\r\n"
    assert events(machine, b"501 5.7.0 cancelled\r\n") == [AuthDone(reply(501, "5.7.0", "cancelled"))]
    assert machine.auth("PLAIN") == b"AUTH PLAIN\r\n"


def test_421_in_a_login_ends_the_session() -> None:
    """RFC 5321 §3.8."""
    machine = ready()
    machine.auth("LOGIN")
    assert events(machine, b"421 4.7.0 Too many\r\n") == [AuthDone(reply(421, "4.7.0", "Too many"))]
    assert machine.phase is Phase.CLOSED


@pytest.mark.parametrize("octets", [b"334 User Name\r\n", b"354 YQ==\r\n", b"334 \xc3\xa4\r\n", b"334 YQ=\r\n"])
def test_a_challenge_that_is_none(octets: bytes) -> None:
    """RFC 4954 §4: a challenge is 334 and base64."""
    machine = ready()
    machine.auth("LOGIN")
    with pytest.raises(RemoteProtocolError):
        events(machine, octets)


def test_f147_challenges_may_be_long_and_other_replies_may_not() -> None:
    """RFC 4954 §4: 12,288 octets where a challenge is due."""
    challenge = base64.b64encode(b"x" * 9000)
    machine = ready()
    machine.auth("LOGIN")
    assert events(machine, b"334 " + challenge + b"\r\n") == [AuthChallenge(b"x" * 9000)]
    machine.auth_respond(b"")
    assert isinstance(events(machine, b"535 5.7.8 no\r\n")[0], AuthDone)
    machine.noop()
    with pytest.raises(RemoteProtocolError, match="longer"):
        events(machine, b"250 " + challenge + b"\r\n")


def test_an_initial_response_that_is_too_long() -> None:
    """RFC 4954 §4: AUTH keeps to the length of a command; the response then answers the first challenge."""
    for size in range(320, 420):
        octets = b"x" * size
        machine = ready()
        if login.fits("PLAIN", octets):
            assert len(machine.auth("PLAIN", octets)) <= 512
        else:
            with pytest.raises(LocalProtocolError, match="too long"):
                machine.auth("PLAIN", octets)
            assert machine.auth("PLAIN") == b"AUTH PLAIN\r\n"


def test_auth_needs_its_offer_and_its_turn() -> None:
    """RFC 4954 §4: an announced mechanism, not in a transaction."""
    with pytest.raises(LocalProtocolError, match="SCRAM-SHA-1"):
        ready().auth("SCRAM-SHA-1")
    machine = ready()
    machine.mail(SENDER)
    events(machine, b"250 Ok\r\n")
    with pytest.raises(LocalProtocolError, match="order"):
        machine.auth("PLAIN")


def test_mail_says_who_submitted_it() -> None:
    """RFC 4954 §5: xtext, or <>; only where AUTH is offered."""
    given_name = MailParameters(auth=ReversePath(Address("e=mc2", "example.test")))
    assert ready().mail(SENDER, given_name).endswith(b"> AUTH=e+3Dmc2@example.test\r\n")
    assert ready().mail(SENDER, MailParameters(auth=NULL_REVERSE_PATH)).endswith(b"> AUTH=<>\r\n")
    with pytest.raises(LocalProtocolError, match="AUTH"):
        ready(b"250 mx\r\n").mail(SENDER, given_name)


# --- both machines


def test_both_machines_agree() -> None:
    """TLS, a login with challenges, and a message whose sender is known: what one says the other understands."""
    plain = ServerSettings(extensions=STANDARD | {"STARTTLS"}, mechanisms=("LOGIN",))
    server, client = ServerConnection(plain), ClientConnection()
    client.receive_data(server.greet(reply(220, None, "mx")))
    assert isinstance(client.next_event(), Greeting)

    def ask(octets: bytes, answer: Reply | bytes | None) -> ClientEvent:
        server.receive_data(octets)
        assert not isinstance(server.next_event(), NeedData)
        match answer:
            case bytes():
                said = server.challenge(answer)
            case Reply():
                said = server.send(answer)
            case None:
                said = server.send(server.hello_reply("mx"))
        client.receive_data(said)
        event = client.next_event()
        assert not isinstance(event, NeedData | Disconnected)
        return event

    ask(client.hello("me.example"), None)
    ask(client.starttls(), reply(220, None, "Go"))
    server.secured(ServerSettings(mechanisms=("LOGIN",)))
    client.secured()
    ask(client.hello("me.example"), None)
    assert "STARTTLS" not in client.offer
    assert ask(client.auth("LOGIN"), b"name?") == AuthChallenge(b"name?")
    assert ask(client.auth_respond(b"anna"), b"\0\xff") == AuthChallenge(b"\0\xff")
    assert isinstance(ask(client.auth_respond(b""), reply(235, "2.7.0", "Ok")), AuthDone)
    ask(client.mail(SENDER, MailParameters(auth=SENDER)), reply(250, "2.1.0", "Ok"))
    assert client.phase is server.phase is Phase.TRANSACTION


@given(st.binary(max_size=100), st.lists(st.binary(max_size=80) | st.none(), max_size=4), st.integers(0, 150))
def test_replies_in_a_login_may_be_split_anywhere(challenge: bytes, responses: list[bytes | None], cut: int) -> None:
    """However the replies are cut, the events are the same."""
    whole, torn = ready(), ready()
    octets = b"334 " + base64.b64encode(challenge) + b"\r\n"
    pieces = [piece for piece in (octets[:cut], octets[cut:]) if piece]
    assert whole.auth("LOGIN") == torn.auth("LOGIN")
    for response in responses:
        assert [event for piece in pieces for event in events(torn, piece)] == events(whole, octets)
        assert whole.auth_respond(response) == torn.auth_respond(response)
