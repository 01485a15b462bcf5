"""Dialogues are read strictly, joined into writes, and judged line by line."""

from __future__ import annotations

import pytest

from eilpost.config.schema import Role
from eilpost.testing.dialog import (
    CloseOurs,
    Demand,
    DialogueError,
    ExpectClose,
    ExpectReply,
    Ground,
    Mismatch,
    Send,
    parse,
    play,
)
from eilpost.testing.dialog_machine import run_on_machine

GOOD = """\
# Why it matters,
# in two lines.
role: submission
setting: limits.recipients = 3

S: 220 ...
C: NOOP
C x2: NOOP
S x3: 250 2.0.0 Ok
C: QUIT
S: 221 2.0.0 ...
S: (closed)
"""


def test_a_file_is_read_into_directives_and_steps() -> None:
    """Comments before the first step are the reason; directives and steps are understood."""
    dialogue = parse(GOOD, "good")
    assert dialogue.why == "Why it matters, in two lines."
    assert dialogue.role is Role.SUBMISSION
    assert dialogue.settings == {"limits.recipients": 3}
    assert dialogue.steps[1] == Send(7, b"NOOP\r\nNOOP\r\nNOOP\r\n")
    assert dialogue.steps[-1] == ExpectClose(12)


def test_octets_are_sent_as_they_stand() -> None:
    """Escapes name octets, and no line end is added."""
    assert parse(r"C|: a\r\n\x00\\n").steps == (Send(1, b"a\r\n\x00\\n"),)


def test_our_side_can_be_closed() -> None:
    """A client that hangs up is part of the language."""
    assert parse("C: (closed)").steps == (CloseOurs(1),)


def test_a_whole_reply_is_named_by_its_code_and_words() -> None:
    """S* names a code and the words that begin its lines."""
    assert parse("S*: 250 SIZE DSN").steps == (ExpectReply(1, "250", ("SIZE", "DSN")),)


def test_the_ground_can_be_chosen() -> None:
    """A dialogue whose answers are policy's runs only over a socket."""
    assert parse("on: socket").ground is Ground.SOCKET


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("hello", "neither a step nor a directive"),
        ("role: king", "role"),
        ("setting: limits", "section.key"),
        ("C*: x", "there is no"),
        ("S~: (", "no regular expression"),
        ("trusted: maybe", "trusted"),
    ],
)
def test_what_is_no_dialogue_is_refused_with_its_line(text: str, word: str) -> None:
    """An error names the file, the line and what is wrong."""
    with pytest.raises(DialogueError, match=word) as caught:
        parse(text, "bad")
    assert str(caught.value).startswith("bad:1:")


@pytest.mark.parametrize("split", [False, True])
def test_a_dialogue_that_fits_passes(split: bool) -> None:
    """The bare machine plays the good dialogue, whole and octet by octet."""
    run_on_machine(parse(GOOD), split=split)


@pytest.mark.parametrize(
    ("steps", "word"),
    [
        ("S: 221 ...", "expected: 221"),
        ("S: 220 ...\nS: 250 Ok", "silence"),
        ("S: 220 ...\nS: (closed)", "silence"),
        ("S: 220 ...\nC: NOOP", "nothing more is said"),
        ("S: 220 ...\nC: EHLO a\nS*: 250 TELEPATHY", "without TELEPATHY"),
        ("S: 220 ...\nC: EHLO\nS*: 250", "501"),
        ("S: 220 ...\nC: QUIT\nS: 221 ...\nS: 250 ...", "the connection is closed"),
    ],
)
def test_a_server_that_says_something_else_is_caught(steps: str, word: str) -> None:
    """A mismatch shows what was expected, what came and where."""
    with pytest.raises(Mismatch, match=word):
        run_on_machine(parse(steps))


def test_accepted_content_comes_back() -> None:
    """The driver returns what was accepted, dots removed."""
    start = "S: 220 ...\nC: EHLO a\nS*: 250\nC: MAIL FROM:<>\nS: 250 ...\n"
    text = start + "C: RCPT TO:<a@b>\nS: 250 ...\nC: DATA\nS: 354 ...\nC: ..a\nC: .\nS: 250 ..."
    assert run_on_machine(parse(text), split=True) == [b".a\r\n"]


def test_a_login_is_an_exchange_whose_password_stands_elsewhere() -> None:
    """C$ does what the mechanism wants, up to the reply that ends it."""
    player = play(parse("C$: LOGIN anna\nS: 235 ...", "login"), passwords={"anna": "secret"})
    assert next(player) == b"AUTH LOGIN\r\n"
    assert next(player) is Demand.LINE
    assert player.send(b"334 VXNlcm5hbWU6\r\n") == b"YW5uYQ==\r\n"
    assert next(player) is Demand.LINE
    assert player.send(b"334 UGFzc3dvcmQ6\r\n") == b"c2VjcmV0\r\n"
    assert next(player) is Demand.LINE
    assert player.send(b"235 2.7.0 yes\r\n") is Demand.REST


def test_a_login_without_its_password_is_an_error() -> None:
    """Whoever plays a dialogue must bring the passwords."""
    with pytest.raises(DialogueError, match="no password is given for anna"):
        next(play(parse("C$: PLAIN anna", "login")))


def test_a_login_that_is_refused_at_once_is_a_mismatch() -> None:
    """A reply where a challenge should be shows the line."""
    player = play(parse("C$: LOGIN anna", "login"), passwords={"anna": "secret"})
    next(player)
    next(player)
    with pytest.raises(Mismatch, match="login:1: expected: a challenge"):
        player.send(b"504 5.5.4 no\r\n")


def test_tls_is_a_demand() -> None:
    """(tls) goes on encrypted, as the last line agreed."""
    assert list(play(parse("C: STARTTLS\nC: (tls)", "tls"))) == [b"STARTTLS\r\n", Demand.ENCRYPT, Demand.REST]
