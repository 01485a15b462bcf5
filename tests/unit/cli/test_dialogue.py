"""A dialogue as people read it."""

from __future__ import annotations

import pytest

from eilpost.cli.dialogue import CODES, explained, shown
from eilpost.smtp.commands import COMMANDS


def test_f155_a_line_is_harmless() -> None:
    """What would steer a terminal is spelled out."""
    assert shown("S", b"250 \x1b[31mred\xff") == "S: 250 \\x1b[31mred\ufffd"


@pytest.mark.parametrize(
    ("side", "line", "expected"),
    [
        ("C", b"mail FROM:<a@b.test>", "Begins a transaction; <> is the null reverse-path. (RFC 5321 §4.1.1.2)"),
        ("C", b".", "The content ends here. (RFC 5321 §4.1.1.4)"),
        ("C", b"(12 octets of content)", ""),
        ("S", b"220 hello", "yes; the server is ready"),
        ("S", b"250-PIPELINING", "an extension, RFC 2920"),
        ("S", b"250 SIZE 1000", "an extension, RFC 1870"),
        ("S", b"250-mx.example.test greets", ""),
        ("S", b"250 2.1.5 ok", "yes; done; the recipient's address is valid"),
        (
            "S",
            b"550 5.1.1 unknown",
            "no; refused: the mailbox does not exist, or may not be used by you; no such mailbox",
        ),
        ("S", b"451 later", "not now, try again; a local error; try again later"),
        ("S", b"354 go", "go on; send the content now, end it with a dot"),
        ("S", b"299 odd", "yes"),
        ("S", b"HTTP/1.1 400", "this is no reply of SMTP"),
        ("S", b"", "this is no reply of SMTP"),
    ],
)
def test_lines_are_explained_from_the_tables(side: str, line: bytes, expected: str) -> None:
    """RFC 5321 §4.2.3, RFC 7504: commands, extensions, codes and enhanced codes have their meaning."""
    assert explained(side, line) == expected


def test_every_verb_is_explained() -> None:
    """No row of the table of commands is without words."""
    assert all(explained("C", verb.encode()) for verb in COMMANDS)
    assert all(200 <= code < 600 for code in CODES)
