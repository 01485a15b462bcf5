"""The structure of messages, hostile ones too."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.inbox import mime
from eilpost.inbox.digest import digest
from eilpost.inbox.mailboxes import mailboxes
from tests.unit.inbox.samples import message, mixed


def test_parts_are_found() -> None:
    """Each part has its path, kind, name and place (RFC 2045 §5.1, RFC 2231 §3 and §4)."""
    root = mime.parse(mixed())
    assert [(part.path, part.kind) for part in root.walk()] == [
        ("", "multipart/mixed"),
        ("1", "multipart/alternative"),
        ("1.1", "text/plain"),
        ("1.2", "text/html"),
        ("2", "image/png"),
        ("3", "application/pdf"),
    ]
    text, rich, picture, file = root.leaves()
    assert mime.text_of(mixed(), text) == "Grüße"
    assert mime.text_of(mixed(), rich) == "<p>Grüße <img src=cid:pic></p>"
    assert (picture.is_inline, picture.content_id) == (True, "pic")
    assert mime.decoded(mixed(), picture) == b"\x89PNG\r\n\x1a\n"
    assert (file.is_attachment, file.name, mime.decoded(mixed(), file)) == (True, "ä b.pdf", b"%PDF-1")


def test_a_plain_message_is_one_part() -> None:
    """Without MIME it is text, and its path is 1."""
    root = mime.parse(message())
    assert (root.path, root.kind, mime.text_of(message(), root)) == ("1", "text/plain", "some words\n")


@given(st.binary(max_size=300), st.binary(max_size=50))
def test_nothing_fails(octets: bytes, boundary: bytes) -> None:
    """Whatever comes has a structure within its octets, and a digest."""
    content = b"Content-Type: multipart/mixed; boundary=" + boundary + b"\r\n\r\n--" + boundary + b"\r\n" + octets
    for given_content in (octets, content):
        for part in mime.parse(given_content).walk():
            assert 0 <= part.head <= part.start <= part.end <= len(given_content)
            mime.decoded(given_content, part)
            mime.text_of(given_content, part)
        digest(given_content)
        mailboxes(octets)


@given(st.text(max_size=200))
def test_words_of_html_never_fail(rich: str) -> None:
    """Any text can be read as HTML."""
    assert "<script" not in mime.words_of(f"<script>{rich}")


def test_words_of_html() -> None:
    """What is shown is found, what is not shown is not."""
    rich = "<head><title>t</title></head><style>p{}</style><p>a<b>b</b>&amp;</p><SCRIPT>x</SCRIPT><p>c<scripty>"
    assert mime.words_of(rich).split() == ["a", "b", "&", "c"]


def test_f087_deep_nesting_is_opaque() -> None:
    """Ten thousand levels, and a hundred thousand parts, cost little and break nothing."""
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(10_000))
    wide = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 100_000
    started = time.perf_counter()
    assert len(list(mime.parse(deep).walk())) <= mime.MAX_DEPTH + 1
    assert len(list(mime.parse(wide).walk())) <= mime.MAX_PARTS + 1
    digest(deep)
    digest(wide)
    assert time.perf_counter() - started < 5


def test_hostile_html_is_read_in_linear_time() -> None:
    """Openings without ends do not make reading quadratic."""
    started = time.perf_counter()
    for piece in ("<script ", "<", "<p ", "&#", "<style", "<!--"):
        mime.words_of(piece * 10_000)
    assert time.perf_counter() - started < 2


def test_mailboxes_of_a_field() -> None:
    """Names, comments, groups, encoded words and quotes."""
    field = b'"Doe, J" <j@x.test>, =?utf-8?Q?=C3=84?= <a@x.test>, b@x.test (Bob), team: c@x.test, <@r:d@x.test>;, '
    assert [(each.name, each.address) for each in mailboxes(field)] == [
        ("Doe, J", "j@x.test"),
        ("Ä", "a@x.test"),
        ("Bob", "b@x.test"),
        ("", "c@x.test"),
        ("", "d@x.test"),
    ]


def test_a_digest_holds_no_controls() -> None:
    """What would steer a terminal, or turn the direction of writing, is replaced (F177)."""
    octets = (
        "Subject: a\u202eb\x1b[31m\x07\r\nFrom: \u202e <a@b>\r\nX-Tags: one, two/, one\r\n\r\n\x1b]0;x\x07".encode()
    )
    found = digest(octets)
    assert found.subject.isprintable()
    assert found.sender.name.isprintable()
    assert found.preview.isprintable()
    assert found.tags == ("one",)


@pytest.mark.parametrize("file", [b"", b"1\r\n2", b"1\r\n2\r\n", b"\r\n"])
def test_a_part_that_is_not_encoded_ends_before_its_delimiter(file: bytes) -> None:
    """The line end before the delimiter is the delimiter's (RFC 2046 §5.1.1); the one before that is the file's."""
    head = b"Content-Type: multipart/mixed; boundary=A\r\n\r\n"
    content = head + b"--A\r\n\r\nhi\r\n--A\r\nContent-Type: text/csv\r\n\r\n" + file + b"\r\n--A--\r\n"
    assert [mime.decoded(content, part) for part in mime.parse(content).leaves()] == [b"hi", file]
