"""The table of replies and their octets."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.mail.reply import Reply, reply
from eilpost.mail.status import Status
from eilpost.smtp import replies

TABLE = {name: value for name, value in vars(replies).items() if isinstance(value, Reply)}


@pytest.mark.parametrize("name", TABLE)
def test_every_reply_agrees_with_itself(name: str) -> None:
    """Code and status have the same class, the text is ASCII, and it fits one line."""
    answer = TABLE[name]

    assert answer.status is None or answer.status.klass == answer.code // 100
    assert answer.status is None or answer.status.meaning
    assert all(re.fullmatch("[ -~]+", line) for line in answer.lines)
    assert len(replies.encode(answer)) <= replies.MAX_REPLY_LINE


@pytest.mark.parametrize(
    ("answer", "enhanced", "expected"),
    [
        (reply(250, "2.0.0", "Ok"), True, b"250 2.0.0 Ok\r\n"),
        (reply(250, "2.0.0", "Ok"), False, b"250 Ok\r\n"),
        (reply(354, None, "Go"), True, b"354 Go\r\n"),
        (reply(250, None, "mx", "SIZE 1", "DSN"), True, b"250-mx\r\n250-SIZE 1\r\n250 DSN\r\n"),
        (reply(550, "5.1.1", "no", "never"), True, b"550-5.1.1 no\r\n550 5.1.1 never\r\n"),
        (Reply(250, None, ()), True, b"250 \r\n"),
    ],
)
def test_a_reply_becomes_octets(answer: Reply, enhanced: bool, expected: bytes) -> None:
    """RFC 5321 §4.2.1 and RFC 2034 §4: code, hyphen or blank, status on every line, CR LF."""
    assert replies.encode(answer, enhanced=enhanced) == expected


def test_f082_foreign_text_cannot_make_a_line() -> None:
    """Line ends, escapes and characters beyond ASCII in a reply become question marks."""
    assert replies.encode(reply(550, "5.1.1", "a\r\n250 \x1bä")) == b"550 5.1.1 a??250 ??\r\n"


@given(
    st.integers(200, 599),
    st.none() | st.just(Status(5, 7, 28)),
    st.lists(st.text(max_size=700), max_size=4).map(tuple),
    st.booleans(),
)
def test_reply_lines_are_bounded(code: int, status: Status | None, lines: tuple[str, ...], enhanced: bool) -> None:
    """RFC 5321 §4.5.3.1.5: every line has at most 512 octets, one code, and one CR LF at its end."""
    octets = replies.encode(Reply(code, status, lines), enhanced=enhanced)

    *written, rest = octets.split(b"\r\n")
    assert rest == b""
    assert len(written) == max(1, len(lines))
    assert all(len(line) + 2 <= 512 and line.startswith(b"%d" % code) for line in written)
    assert [line[3:4] for line in written] == [b"-"] * (len(written) - 1) + [b" "]
    assert b"\r" not in b"".join(written)
    assert b"\n" not in b"".join(written)


def test_parameter_replies_name_the_trouble() -> None:
    """RFC 5321 §4.1.1.11: unknown is 555, a bad value 501."""
    assert str(replies.unknown_parameter("FOO")) == "555 5.5.4 Parameter not known: FOO"
    assert str(replies.bad_parameter("SIZE takes a number")) == "501 5.5.4 SIZE takes a number"


def test_a_reply_may_be_utf8_when_the_command_asks_for_it() -> None:
    """With SMTPUTF8 a reply names mailboxes beyond ASCII, RFC 6531 §3.7.4.2, and still no controls."""
    answer = reply(250, "2.1.5", "<jürgen@example.test>", "a\x85b\u2028")
    assert replies.encode_utf8(answer) == "250-2.1.5 <jürgen@example.test>\r\n250 2.1.5 a?b?\r\n".encode()


@given(st.text(max_size=600))
def test_a_reply_in_utf8_is_whole_characters_within_the_line(text: str) -> None:
    """However long, a line keeps RFC 5321 §4.5.3.1.5's limit and is UTF-8."""
    octets = replies.encode_utf8(reply(250, "2.1.5", text))
    assert len(octets) <= replies.MAX_REPLY_LINE
    assert octets.count(b"\n") == 1
    octets.decode()
