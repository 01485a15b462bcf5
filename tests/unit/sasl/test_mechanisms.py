"""Both sides of each mechanism against each other."""

from __future__ import annotations

import base64
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eilpost.sasl.mechanisms import DEFAULT, MECHANISMS, Wants, offer
from eilpost.sasl.prepare import saslprep, user_name
from eilpost.sasl.words import (
    Challenge,
    CheckPassword,
    CheckToken,
    Credentials,
    Failure,
    FindSecret,
    Granted,
    Reason,
    Response,
    ScramKeys,
    Secret,
    Success,
)
from tests.unit.sasl.both import (
    ACCOUNT,
    CREDENTIALS,
    PASSWORD,
    TOKEN,
    Directory,
    Exchange,
    advance,
    client_terms,
    run,
    server_terms,
)

ALL: Final = tuple(MECHANISMS)
OF_PASSWORDS: Final = tuple(name for name, row in MECHANISMS.items() if row.wants is Wants.PASSWORD)
OF_TOKENS: Final = ("OAUTHBEARER", "XOAUTH2")
LOGGED_IN: Final = Success(ACCOUNT)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("initial", [True, False])
def test_who_knows_the_secret_is_in(name: str, initial: bool) -> None:
    """The right credentials log in, with an initial response and without, and the client is content."""
    done = run(name, CREDENTIALS[name], initial=initial)
    assert (done.server, done.client, done.complete) == (LOGGED_IN, None, True)


@pytest.mark.parametrize("name", OF_PASSWORDS)
def test_a_wrong_password_is_not(name: str) -> None:
    """A wrong password ends with CREDENTIALS."""
    assert run(name, Credentials(ACCOUNT, "wrong")).server == Failure(Reason.CREDENTIALS)


@pytest.mark.parametrize("name", OF_PASSWORDS)
def test_f110_nobody_is_refused_as_everybody(name: str) -> None:
    """A user who does not exist takes the same steps to the same failure."""
    known, unknown = run(name, Credentials(ACCOUNT, "wrong")), run(name, Credentials("nobody@example.test", "wrong"))
    assert known.server == unknown.server == Failure(Reason.CREDENTIALS)
    assert len(known.said) == len(unknown.said)


def test_f110_scram_for_nobody_has_a_salt_that_stays() -> None:
    """Asked twice for a user who does not exist, SCRAM tells the same salt and iterations."""
    said = [run("SCRAM-SHA-256", Credentials("nobody@example.test", "x")).said[1].split(b",")[1:] for _ in range(2)]
    assert said[0] == said[1]


@pytest.mark.parametrize("name", OF_TOKENS)
def test_a_wrong_token_is_told_why(name: str) -> None:
    """A token that is not accepted brings the reason as JSON, one more message of the client, and the failure."""
    done = run(name, Credentials(ACCOUNT, token="stale"), ours=server_terms(scope="mail", discovery="https://id.test"))
    assert done.server == Failure(Reason.CREDENTIALS)
    assert b'"scope":"mail"' in done.said[1]
    assert len(done.said) == 3


@pytest.mark.parametrize("name", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS"])
def test_f114_nobody_acts_as_somebody_else(name: str) -> None:
    """The authorization identity of another is refused like a wrong password; one's own is not."""
    other = run(name, Credentials(ACCOUNT, PASSWORD, authorize="bert@example.test"))
    assert isinstance(other.server, Failure)
    assert other.server.reason is Reason.CREDENTIALS
    assert run(name, Credentials(ACCOUNT, PASSWORD, authorize=ACCOUNT)).server == LOGGED_IN


def test_f114_external_asks_who_may_be_whom() -> None:
    """A certificate is asked for the name that its holder wants to have."""
    assert run("EXTERNAL", Credentials(ACCOUNT)).server == LOGGED_IN
    assert run("EXTERNAL", Credentials("bert@example.test")).server == Failure(Reason.CREDENTIALS)


def test_external_without_a_certificate() -> None:
    """Without a verified certificate nobody is logged in, and the directory is not asked."""
    directory = Directory()
    done = run("EXTERNAL", Credentials(""), directory, ours=server_terms(certificate=None))
    assert isinstance(done.server, Failure)
    assert not directory.asked


@pytest.mark.parametrize(
    "name",
    ["admin\0x", " admin", "admin ", "ａｄｍｉｎ", "ﬁona", "ad\u200dmin", "ad\u202emin", "ad min", "\t", "", "x" * 321],
)
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2"])
def test_f113_names_that_look_like_others(mechanism: str, name: str) -> None:
    """NUL, blanks, what is invisible, compatibility characters and 64 kB are nobody's name: it fails unasked."""
    messages: dict[str, list[bytes]] = {
        "PLAIN": [b"\0" + name.encode() + b"\0secret"],
        "LOGIN": [name.encode(), b"secret"],
        "CRAM-MD5": [name.encode() + b" " + b"0" * 32],
        "SCRAM-SHA-256": [b"n,,n=" + name.encode() + b",r=nonce"],
        "OAUTHBEARER": [b"n,a=" + name.encode() + b",\x01auth=Bearer x\x01\x01"],
        "XOAUTH2": [b"user=" + name.encode() + b"\x01auth=Bearer x\x01\x01"],
    }
    if (mechanism, name) == ("XOAUTH2", ""):
        return  # no name is the token's own
    directory = Directory()
    server = MECHANISMS[mechanism].server(None, server_terms())
    step = advance(server, None, directory)
    for message in messages[mechanism]:
        assert isinstance(step, Challenge)
        step = advance(server, message, directory)
    assert isinstance(step, Failure)
    assert step.reason in (Reason.MALFORMED, Reason.CREDENTIALS)
    assert not directory.asked


@pytest.mark.parametrize("name", ALL)
def test_f119_nothing_secret_is_shown(name: str) -> None:
    """Neither what is asked and answered nor what is said shows a password, a token or a proof when it is printed."""
    directory, credentials = Directory(password="hunter2hunter2"), Credentials(ACCOUNT, "hunter2hunter2", TOKEN)
    shown = repr(credentials)
    client = MECHANISMS[name].client(credentials, client_terms())
    shown += repr(next(client))
    run(name, credentials, directory)
    shown += "".join(repr(ask) + repr(directory.answer(ask)) for ask in list(directory.asked))
    shown += repr(Challenge(b"hunter2")) + repr(Response(b"hunter2")) + repr(server_terms()) + repr(client_terms())
    assert not [secret for secret in ("hunter2", TOKEN, "Nonce", "stored_key", "server_key") if secret in shown]


@pytest.mark.parametrize("name", ALL)
def test_a_directory_that_cannot_answer(name: str) -> None:
    """A failure of the directory is the exchange's failure, and is not told as a wrong password."""

    class Busy(Directory):
        def answer(self, ask: object) -> Failure:
            return Failure(Reason.UNAVAILABLE)

    assert run(name, CREDENTIALS[name], Busy()).server == Failure(Reason.UNAVAILABLE)


@pytest.mark.parametrize("name", ALL)
def test_a_directory_that_answers_another_question(name: str) -> None:
    """An answer of another kind logs nobody in."""

    class Confused(Directory):
        def answer(self, ask: object) -> Granted | ScramKeys | Secret:
            wants_secret = isinstance(ask, FindSecret)
            return Granted(ACCOUNT) if wants_secret else Secret(ACCOUNT, PASSWORD.encode())

    assert isinstance(run(name, CREDENTIALS[name], Confused()).server, Failure)


@pytest.mark.parametrize("name", ALL)
def test_a_client_without_what_it_needs(name: str) -> None:
    """A client that has no credentials of the kind says so, and sends nothing."""
    credentials = Credentials("anna\0x" if name == "EXTERNAL" else "")
    done = run(name, credentials)
    assert done.client is not None
    assert done.client.reason is Reason.UNFIT
    assert not done.said


@pytest.mark.parametrize("name", ALL)
def test_a_server_that_asks_for_more(name: str) -> None:
    """After its last message a client has nothing more to say."""
    client, server = MECHANISMS[name].client(CREDENTIALS[name], client_terms()), MECHANISMS[name]
    response = next(client)
    wire = server.server(response.octets, server_terms())
    step = advance(wire, None, Directory())
    while isinstance(step, Challenge):
        response = client.send(step.octets)
        assert response.octets is not None
        step = advance(wire, response.octets, Directory())
    assert response.complete
    if name in OF_TOKENS:
        client.send(b"{}")
    with pytest.raises(StopIteration) as stop:
        client.send(b"more")
    assert isinstance(stop.value.value, Failure)


# ------------------------------------------------------------------------------------------------- any user, any text

WIRE_SAFE: Final = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


@pytest.mark.parametrize("name", OF_PASSWORDS)
@settings(max_examples=40, deadline=None)
@given(user=st.text(WIRE_SAFE, min_size=1, max_size=60), password=st.text(WIRE_SAFE, min_size=1, max_size=80))
def test_any_user_with_any_password(name: str, user: str, password: str) -> None:
    """Whoever can have an account logs in with the right password; all others are refused, and nothing breaks."""
    spelled = user_name(user.encode())
    possible = spelled is not None
    if name.startswith("SCRAM"):
        possible = possible and saslprep(password) is not None and saslprep(user) is not None
        spelled = user_name((saslprep(user) or "").encode()) if possible else None
        possible = spelled is not None
    done = run(name, Credentials(user, password), Directory(spelled or "nobody", password))
    assert (done.server == LOGGED_IN) is possible


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=60, deadline=None)
@given(
    number=st.integers(0, 5),
    place=st.integers(0, 200),
    change=st.sampled_from([b"", b",", b"=", b"\0", b"\x01", b"\xff", b"A", b"r=x,", b" ", b"m=x,"]),
    cut=st.integers(0, 3),
)
def test_a_changed_message_fails_cleanly(name: str, number: int, place: int, change: bytes, cut: int) -> None:
    """Whatever is changed on the way, both sides end with a value; nobody but anna is ever logged in."""

    def tamper(count: int, octets: bytes) -> bytes:
        return octets[:place] + change + octets[place + cut :] if count == number else octets

    done = run(name, CREDENTIALS[name], tamper=tamper)
    assert isinstance(done.server, Success | Failure)
    if isinstance(done.server, Success):
        assert done.server == LOGGED_IN


@pytest.mark.parametrize("name", [name for name in ALL if name.startswith("SCRAM")])
@settings(max_examples=60, deadline=None)
@given(number=st.integers(0, 3), place=st.integers(0, 200), flip=st.integers(1, 255))
def test_a_changed_octet_of_scram_is_found(name: str, number: int, place: int, flip: int) -> None:
    """SCRAM signs the whole dialogue: one changed octet, and no client believes the server or no server the client."""

    def tamper(count: int, octets: bytes) -> bytes:
        if count != number:
            return octets
        at = place % len(octets)
        return octets[:at] + bytes([octets[at] ^ flip]) + octets[at + 1 :]

    done = run(name, CREDENTIALS[name], tamper=tamper)
    assert not _believes(done)


def _believes(done: Exchange) -> bool:
    return done.server == LOGGED_IN and done.client is None and done.complete


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=60, deadline=None)
@given(messages=st.lists(st.binary(max_size=80), max_size=5))
def test_a_server_takes_any_octets(name: str, messages: list[bytes]) -> None:
    """Octets that were never a message end an exchange, and nobody is logged in."""
    directory = Directory(name="never")
    server = MECHANISMS[name].server(None, server_terms(certificate=None))
    step = advance(server, None, directory)
    for octets in messages:
        if not isinstance(step, Challenge):
            break
        step = advance(server, octets, directory)
    assert not isinstance(step, Success)


# ------------------------------------------------------------------------------------------------------- the table


def test_the_table_prefers_what_hides_the_password() -> None:
    """Bindings come first, plain text last."""
    assert ALL[0] == "SCRAM-SHA-256-PLUS"
    assert ALL[-2:] == ("PLAIN", "LOGIN")
    assert "CRAM-MD5" not in DEFAULT


def test_f118_what_is_offered_without_tls() -> None:
    """Without TLS no mechanism that shows a secret is announced, unless a setting says so."""
    assert offer(ALL, secured=False) == ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5")
    assert "PLAIN" in offer(ALL, secured=False, plain_text=True)
    assert offer(ALL, secured=True, bindings=True, certificate=True) == ALL
    assert "EXTERNAL" not in offer(ALL, secured=True, bindings=True)


def test_limits_of_plain() -> None:
    """RFC 4616 §2: three parts, of which the password may not hold NUL; each has its limit."""
    for message in (b"", b"\0", b"a\0b", b"\0a\0", b"\0\0p", b"\0a\0b\0c", b"\0\xff\0p", b"\0a\0" + b"x" * 1025):
        assert isinstance(advance(MECHANISMS["PLAIN"].server(message, server_terms()), None, Directory()), Failure)
    longest = CheckPassword("a", "x" * 1024)
    directory = Directory("a", "x" * 1024)
    assert advance(MECHANISMS["PLAIN"].server(b"\0a\0" + b"x" * 1024, server_terms()), None, directory) == LOGGED_IN
    assert directory.asked == [longest]


def test_rfc6750_a_token_is_b64token() -> None:
    """What is no token of RFC 6750 §2.1, or is longer than ours may be, is not sent to the authority."""
    for token in ("a b", "", "a\x01b", "ä", "x" * 8193):
        directory = Directory()
        message = f"n,,\x01auth=Bearer {token}\x01\x01".encode()
        step = advance(MECHANISMS["OAUTHBEARER"].server(message, server_terms()), None, directory)
        assert isinstance(step, Failure)
        assert not directory.asked


def test_two_tokens_are_none() -> None:
    """Two auth pairs are refused: which one would be checked?"""
    message = b"n,,\x01auth=Bearer a\x01auth=Bearer b\x01\x01"
    assert isinstance(advance(MECHANISMS["OAUTHBEARER"].server(message, server_terms()), None, Directory()), Failure)


def test_login_takes_the_name_with_the_command() -> None:
    """``AUTH LOGIN <name>`` is taken, as many clients send it."""
    server = MECHANISMS["LOGIN"].server(ACCOUNT.encode(), server_terms())
    assert advance(server, None, Directory()) == Challenge(base64.b64decode("UGFzc3dvcmQ6"))
    assert advance(server, PASSWORD.encode(), Directory()) == LOGGED_IN


def test_rfc4954_no_initial_response_where_the_server_speaks_first() -> None:
    """CRAM-MD5 has no initial response (RFC 4954 §4)."""
    step = advance(MECHANISMS["CRAM-MD5"].server(b"", server_terms()), None, Directory())
    assert isinstance(step, Failure)
    assert step.reason is Reason.MALFORMED


def test_xoauth2_may_come_without_a_name() -> None:
    """An empty user is whoever the token says."""
    directory = Directory()
    message = f"user=\x01auth=Bearer {TOKEN}\x01\x01".encode()
    assert advance(MECHANISMS["XOAUTH2"].server(message, server_terms()), None, directory) == LOGGED_IN
    assert directory.asked == [CheckToken("", TOKEN)]
