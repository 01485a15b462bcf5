"""The client's machine, alone and against the server's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.pop3.client import (
    MAX_LINE,
    Answered,
    Challenge,
    ClientConnection,
    ClientEvent,
    Closed,
    Content,
    ContentEnd,
    Greeting,
)
from eilpost.pop3.commands import Verb
from eilpost.pop3.errors import LocalProtocolError, RemoteProtocolError
from eilpost.pop3.events import NEED_DATA, NeedData
from eilpost.pop3.phases import Phase
from eilpost.pop3.replies import Answer


def greeted() -> ClientConnection:
    """A client that has heard the greeting."""
    client = ClientConnection()
    client.receive_data(b"+OK ready <1896.697170952@dbc.mtview.ca.us>\r\n")
    assert isinstance(client.next_event(), Greeting)
    return client


def logged_in() -> ClientConnection:
    """A client in its transaction."""
    client = greeted()
    client.command(Verb.USER, "anna")
    client.command(Verb.PASS, "one two")
    hear(client, b"+OK\r\n+OK\r\n")
    assert client.phase is Phase.TRANSACTION
    return client


def hear(client: ClientConnection, octets: bytes, step: int = 1 << 20) -> list[ClientEvent]:
    """All that the client makes of it."""
    found = []
    for at in range(0, len(octets), step):
        client.receive_data(octets[at : at + step])
        while not isinstance(event := client.next_event(), NeedData):
            found.append(event)
    return found


def test_a_dialogue() -> None:
    """Commands become octets and answers events, in order, also when they were pipelined."""
    client = logged_in()
    assert client.command(Verb.STAT) == b"STAT\r\n"
    assert client.command(Verb.RETR, "1") == b"RETR 1\r\n"
    assert client.command(Verb.DELE, "1") == b"DELE 1\r\n"
    assert hear(client, b"+OK 1 7\r\n+OK\r\n..a\r\n.\r\n-ERR [SYS/TEMP] busy\r\n") == [
        Answered(Verb.STAT, Answer(True, "1 7"), False),
        Answered(Verb.RETR, Answer(True, ""), True),
        Content(b".a\r\n"),
        ContentEnd(),
        Answered(Verb.DELE, Answer(False, "busy", "SYS/TEMP"), False),
    ]


def test_lists_with_and_without_a_number() -> None:
    """LIST of one message is answered in one line, of all in many."""
    client = logged_in()
    client.command(Verb.LIST)
    client.command(Verb.LIST, "2")
    assert hear(client, b"+OK\r\n1 7\r\n.\r\n+OK 2 9\r\n") == [
        Answered(Verb.LIST, Answer(True, ""), True), Content(b"1 7\r\n"), ContentEnd(),
        Answered(Verb.LIST, Answer(True, "2 9"), False),
    ]  # fmt: skip


def test_rfc5034_a_login() -> None:
    """AUTH carries an initial response, challenges are decoded, and a star cancels."""
    client = greeted()
    assert client.auth("PLAIN", b"") == b"AUTH PLAIN =\r\n"
    assert hear(client, b"+ YWJj\r\n") == [Challenge(b"abc")]
    assert client.auth_respond(b"x") == b"eA==\r\n"
    assert hear(client, b"+ \r\n") == [Challenge(b"")]
    assert client.auth_respond(None) == b"*\r\n"
    assert hear(client, b"-ERR cancelled\r\n") == [Answered(Verb.AUTH, Answer(False, "cancelled"), False)]


def test_f031_nothing_buffered_survives_tls() -> None:
    """More than the answer to STLS in clear is an attack, and the phase begins anew after TLS."""
    client = greeted()
    client.command(Verb.STLS)
    with pytest.raises(LocalProtocolError):
        client.command(Verb.CAPA)
    client.receive_data(b"+OK\r\n+OK injected\r\n")
    with pytest.raises(RemoteProtocolError):
        client.next_event()


def test_tls() -> None:
    """After the answer alone, TLS may begin, and then the login."""
    client = greeted()
    client.command(Verb.STLS)
    hear(client, b"+OK\r\n")
    assert client.phase is Phase.SECURING
    client.secured()
    assert client.command(Verb.USER, "anna")


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [(Verb.RETR, ("1",)), (Verb.PASS, ("x",)), (Verb.USER, ("a\r\nDELE 1",)), (Verb.USER, ("",)), (Verb.USER, ())],
)
def test_what_may_not_be_sent(verb: Verb, arguments: tuple[str, ...]) -> None:
    """A command out of order, or an argument with a line end, never goes out."""
    with pytest.raises(LocalProtocolError):
        greeted().command(verb, *arguments)


@pytest.mark.parametrize("octets", [b"HTTP/1.1 400\r\n", b"x" * (MAX_LINE + 1), b"+OKAY\r\n"])
def test_what_is_no_answer(octets: bytes) -> None:
    """What is neither +OK nor -ERR, or endless, ends the session (F147)."""
    client = ClientConnection()
    client.receive_data(octets)
    with pytest.raises(RemoteProtocolError):
        client.next_event()


def test_unasked_words() -> None:
    """A server that answers what nobody asked is not believed."""
    client = greeted()
    client.receive_data(b"+OK\r\n")
    with pytest.raises(RemoteProtocolError):
        client.next_event()


def test_the_end() -> None:
    """A close between answers is an event, one within an answer an error."""
    client = greeted()
    client.receive_data(b"")
    assert client.next_event() == Closed()
    client = logged_in()
    client.command(Verb.RETR, "1")
    hear(client, b"+OK\r\nhalf")
    client.receive_data(b"")
    with pytest.raises(RemoteProtocolError):
        client.next_event()


@given(st.lists(st.sampled_from([b"a", b".", b"\r\n", b"\n"])).map(b"".join), st.integers(1, 7))
def test_content_is_the_same_however_it_is_split(body: bytes, step: int) -> None:
    """The octets of a message and what follows it do not depend on the cuts."""
    wire = b"+OK\r\n" + (b"\r\n" + body + b"\r\n").replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n+OK\r\n"
    client = logged_in()
    client.command(Verb.RETR, "1")
    client.command(Verb.NOOP)
    events = hear(client, wire, step)
    assert b"".join(event.octets for event in events if isinstance(event, Content)) == body + b"\r\n"
    assert events[-1] == Answered(Verb.NOOP, Answer(True, ""), False)
    assert client.next_event() is NEED_DATA
