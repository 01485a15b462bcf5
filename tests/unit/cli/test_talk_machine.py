"""A dialogue by hand: what is typed and what is heard, without terminal and socket."""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.cli.talk_machine import Mode, Talk
from eilpost.cli.talk_record import Recorder
from eilpost.cli.talk_words import Action, Ask, Protocol, Send, Show, Upgrade
from eilpost.sasl.words import ClientTerms
from eilpost.testing.dialog import LogIn, parse

EHLO = b"250-mx.example.test greets anna\r\n250-AUTH PLAIN LOGIN CRAM-MD5\r\n250 STARTTLS\r\n"


class Scene:
    """A talk, and all that came of it."""

    def __init__(self, greeting: bytes = b"220 mx.example.test ESMTP\r\n", *, secured: bool = False) -> None:
        self.recorder = Recorder("mx.example.test:25", 25)
        self.talk = Talk(None, self.recorder, lambda: ClientTerms("0" * 24), secured=secured)
        self.actions: list[Action] = []
        self.hear(greeting)

    def type(self, line: str) -> bytes:
        """A line of the person; what goes to the server."""
        return self._did(self.talk.typed(line))

    def answer(self, text: str | None) -> bytes:
        return self._did(self.talk.answered(text))

    def hear(self, octets: bytes) -> bytes:
        return self._did(self.talk.received(octets))

    def _did(self, actions: list[Action]) -> bytes:
        self.actions += actions
        return b"".join(action.octets for action in actions if isinstance(action, Send))

    @property
    def shown(self) -> str:
        return "\n".join(f"{a.side}: {a.text}" for a in self.actions if isinstance(a, Show))

    @property
    def asked(self) -> Action:
        return self.actions[-1]


def test_a_line_goes_to_the_server_as_it_stands() -> None:
    """What people type is not mended, and its reply is waited for."""
    scene = Scene()
    assert not scene.talk.is_waiting
    assert scene.type("mail from: a@b") == b"mail from: a@b\r\n"
    assert scene.talk.is_waiting
    scene.hear(b"250 2.1.0 ok\r\n")
    assert not scene.talk.is_waiting
    assert "S: 250 2.1.0 ok" in scene.shown


def test_a_reply_of_many_lines_is_one_reply() -> None:
    """Only the last line ends the waiting."""
    scene = Scene()
    scene.type("ehlo anna")
    scene.hear(EHLO[:40])
    assert scene.talk.is_waiting
    scene.hear(EHLO[40:])
    assert not scene.talk.is_waiting
    assert scene.talk.offers["AUTH"] == "PLAIN LOGIN CRAM-MD5"


def test_the_content_gets_its_dots_and_ends() -> None:
    """A line that begins with a dot gets another one, RFC 5321 §4.5.2; a dot alone ends the content."""
    scene = Scene()
    scene.type("data")
    scene.hear(b"354 go ahead\r\n")
    assert scene.talk.mode is Mode.CONTENT
    assert scene.type("..") == b"...\r\n"
    assert scene.type(".hidden") == b"..hidden\r\n"
    assert scene.type("starttls") == b"starttls\r\n"
    assert not scene.talk.is_waiting
    assert scene.type(".") == b".\r\n"
    assert scene.talk.is_waiting
    scene.hear(b"250 2.0.0 ok\r\n")
    assert scene.talk.mode is Mode.COMMAND


def test_a_refused_data_begins_no_content() -> None:
    """Without 354 the next line is a command."""
    scene = Scene()
    scene.type("data")
    scene.hear(b"554 5.5.1 No valid recipients\r\n")
    assert scene.talk.mode is Mode.COMMAND


def test_a_chunk_takes_its_octets() -> None:
    """BDAT's chunk ends by its size, RFC 3030 §2, and no line may be longer than what is left."""
    scene = Scene()
    scene.type("bdat 7 last")
    assert scene.type("too long") == b""
    assert scene.type("short") == b"short\r\n"
    assert scene.talk.mode is Mode.COMMAND
    assert scene.talk.is_waiting


def test_lmtp_answers_for_each_recipient() -> None:
    """After the dot as many replies are due as recipients were accepted, RFC 2033 §4.2."""
    scene = Scene(b"220 mx.example.test LMTP\r\n")
    for line in ("mail from:<>", "rcpt to:<a@b>", "rcpt to:<c@d>"):
        scene.type(line)
        scene.hear(b"250 ok\r\n")
    scene.type("data")
    scene.hear(b"354 go\r\n")
    scene.type(".")
    scene.hear(b"250 ok\r\n")
    assert scene.talk.is_waiting
    scene.hear(b"452 full\r\n")
    assert not scene.talk.is_waiting


def test_starttls_goes_on_in_tls_and_forgets_what_was_offered() -> None:
    """After the 220 the connection is upgraded and all knowledge of the server is gone, RFC 3207 §4.2."""
    scene = Scene()
    scene.type("ehlo anna")
    scene.hear(EHLO)
    assert scene.type("starttls") == b"STARTTLS\r\n"
    scene.hear(b"220 2.0.0 go ahead\r\n")
    assert scene.asked == Upgrade()
    assert not scene.talk.offers


@pytest.mark.parametrize("behind", [b"250 injected", b"250 injected\r\n"])
def test_f030_what_stands_behind_the_220_ends_the_talk(behind: bytes) -> None:
    """A server whose plain text came with its yes to TLS cannot be trusted."""
    scene = Scene()
    scene.type("starttls")
    scene.hear(b"220 2.0.0 go ahead\r\n" + behind)
    assert scene.talk.mode is Mode.CLOSED
    assert Upgrade() not in scene.actions


def test_auth_login_does_the_encoding() -> None:
    """Name and password are asked for, sent in base64, and neither shown nor recorded."""
    scene = Scene()
    assert scene.type("auth login") == b""
    assert scene.asked == Ask("User name")
    scene.answer("anna@example.test")
    assert scene.asked == Ask("Password", secret=True)
    assert scene.answer("geheim") == b"AUTH LOGIN\r\n"
    assert scene.hear(b"334 VXNlcm5hbWU6\r\n") == b64encode(b"anna@example.test") + b"\r\n"
    assert "that is: Username:" in scene.shown
    assert scene.hear(b"334 UGFzc3dvcmQ6\r\n") == b64encode(b"geheim") + b"\r\n"
    scene.hear(b"235 2.7.0 yes\r\n")
    for text in (scene.shown, scene.recorder.text()):
        assert "geheim" not in text
        assert b64encode(b"geheim").decode() not in text
    assert "without TLS" in scene.shown
    assert parse(scene.recorder.text()).steps[-2] == LogIn(5, "LOGIN", "anna@example.test")


def test_auth_plain_has_an_initial_response() -> None:
    """The response goes with the command, RFC 4954 §4."""
    scene = Scene(secured=True)
    scene.type("auth plain anna")
    sent = scene.answer("geheim")
    assert b64decode(sent.split()[2]) == b"\0anna\0geheim"
    assert "without TLS" not in scene.shown


def test_auth_alone_takes_the_best_that_is_safe() -> None:
    """In the clear no mechanism is chosen that shows the password."""
    scene = Scene()
    scene.type("ehlo anna")
    scene.hear(EHLO)
    scene.type("auth")
    scene.answer("anna")
    assert scene.answer("geheim") == b"AUTH CRAM-MD5\r\n"
    nothing = Scene()
    nothing.type("ehlo anna")
    nothing.hear(b"250-mx\r\n250 AUTH PLAIN\r\n")
    nothing.type("auth")
    assert "no mechanism fits; the server offers PLAIN" in nothing.shown


def test_a_bad_challenge_cancels_the_login() -> None:
    """What is no base64 is answered by an asterisk, RFC 4954 §4."""
    scene = Scene()
    scene.type("auth cram-md5 anna")
    scene.answer("geheim")
    assert scene.hear(b"334 ???\r\n") == b"*\r\n"
    scene.hear(b"501 5.7.0 cancelled\r\n")
    assert scene.type("noop") == b"NOOP\r\n".lower()


def test_a_success_that_comes_too_soon_is_told() -> None:
    """A server that says yes without its proof gets no trust."""
    scene = Scene()
    scene.type("auth scram-sha-256 anna")
    scene.answer("geheim")
    scene.hear(b"235 2.7.0 yes\r\n")
    assert "impostor" in scene.shown


def test_a_login_by_hand_is_possible_and_leaves_nothing() -> None:
    """After a backslash nothing is done for the person, and the responses are still not recorded."""
    scene = Scene()
    assert scene.type("\\auth login") == b"auth login\r\n"
    scene.hear(b"334 VXNlcm5hbWU6\r\n")
    assert not scene.talk.may_remember("Z2VoZWlt")
    assert scene.type("Z2VoZWlt") == b"Z2VoZWlt\r\n"
    scene.hear(b"334 UGFzc3dvcmQ6\r\n")
    scene.type("Z2VoZWlt")
    scene.hear(b"235 yes\r\n")
    assert "Z2VoZWlt" not in scene.shown
    assert "Z2VoZWlt" not in scene.recorder.text()


@pytest.mark.parametrize("line", ["\\auth plain AGEAZ2VoZWlt", "pass geheim", "\\pass geheim", "apop anna 0123"])
def test_a_secret_in_a_line_is_not_kept(line: str) -> None:
    """A secret typed with its command is neither shown, recorded nor put into the history."""
    scene = Scene(b"+OK ready\r\n" if "auth" not in line else b"220 mx\r\n")
    assert scene.type(line)
    assert not scene.talk.may_remember(line)
    secret = line.rpartition(" ")[2]
    assert secret not in scene.shown
    assert secret not in scene.recorder.text()


def test_pop3_is_recognised_and_its_lists_end_with_a_dot() -> None:
    """A list goes on to its dot, a refusal is one line."""
    scene = Scene(b"+OK <1.2@mx.example.test>\r\n")
    assert scene.talk.protocol is Protocol.POP3
    scene.type("list")
    scene.hear(b"+OK 2\r\n1 100\r\n")
    assert scene.talk.is_waiting
    scene.hear(b"2 200\r\n.\r\n")
    assert not scene.talk.is_waiting
    scene.type("list 1")
    scene.hear(b"+OK 1 100\r\n")
    assert not scene.talk.is_waiting
    scene.type("retr 9")
    scene.hear(b"-ERR none\r\n")
    assert not scene.talk.is_waiting


def test_pop3_asks_for_the_password_and_digests_it() -> None:
    """PASS asks without echo; APOP computes RFC 1939 §7's digest."""
    scene = Scene(b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n")
    scene.type("user anna")
    scene.hear(b"+OK\r\n")
    scene.type("pass")
    assert scene.asked == Ask("Password", secret=True)
    assert scene.answer("geheim") == b"PASS geheim\r\n"
    scene.hear(b"-ERR no\r\n")
    scene.type("apop mrose")
    assert scene.answer("tanstaaf") == b"APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n"
    assert "C$: PASS anna" in scene.recorder.text()
    assert "C$: APOP mrose" in scene.recorder.text()


def test_pop3_starttls_is_stls() -> None:
    """Either word goes on in TLS, RFC 2595 §4."""
    scene = Scene(b"+OK ready\r\n")
    assert scene.type("starttls") == b"STLS\r\n"
    scene.hear(b"+OK\r\n")
    assert scene.asked == Upgrade()


def test_each_reply_is_explained() -> None:
    """? says what the last reply means, and ? WORD what a word does."""
    scene = Scene()
    scene.type("rcpt to:<x@example.test>")
    scene.hear(b"550 5.1.1 no\r\n")
    scene.type("?")
    assert "550: no; refused: the mailbox does not exist" in scene.shown
    assert "no such mailbox" in scene.shown
    for word, meaning in (("mail", "Begins a transaction"), ("size", "RFC 1870"), ("354", "send the content"),
                          ("4.2.2", "the mailbox is full"), ("in-use", "another session")):  # fmt: skip
        scene.type(f"? {word}")
        assert meaning in scene.shown
    scene.type("? nonsense")
    assert "nothing is known of nonsense" in scene.shown


def test_help_comes_before_the_first_reply_is_asked_about() -> None:
    """?? tells the words of ours."""
    scene = Scene()
    scene.type("??")
    assert "sends the line without any help" in scene.shown


def test_who_does_not_want_to_log_in_says_so() -> None:
    """The end of input at a question cancels it."""
    scene = Scene()
    scene.type("auth login")
    assert scene.answer(None) == b""
    assert "cancelled" in scene.shown


def test_the_server_closes() -> None:
    """What is recorded says so, and nothing is waited for."""
    scene = Scene()
    scene.type("quit")
    scene.hear(b"221 2.0.0 Bye\r\n")
    scene.hear(b"")
    assert scene.talk.mode is Mode.CLOSED
    assert scene.recorder.text().splitlines()[-2:] == ["S: 221 2.0.0 ...", "S: (closed)"]


@given(st.binary(max_size=200), st.lists(st.text(max_size=20), max_size=8))
def test_whatever_a_server_says_nothing_breaks(said: bytes, lines: list[str]) -> None:
    """Neither lines nor octets raise, and what is recorded is a dialogue or nothing that was sent."""
    scene = Scene(b"220 mx\r\n")
    for line in lines:
        scene.type(line)
        scene.hear(said)
    parse(scene.recorder.text())


@given(st.integers(1, len(EHLO) - 1))
def test_how_a_reply_is_cut_does_not_matter(at: int) -> None:
    """A reply in two pieces is the same reply."""
    whole, cut = Scene(), Scene()
    for scene, pieces in ((whole, [EHLO]), (cut, [EHLO[:at], EHLO[at:]])):
        scene.type("ehlo anna")
        for piece in pieces:
            scene.hear(piece)
    assert whole.shown == cut.shown
    assert whole.recorder.text() == cut.recorder.text()
