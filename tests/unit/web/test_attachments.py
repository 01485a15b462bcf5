"""Attachments are saved, pictures are shown, and no name is syntax."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.inbox.mime import Part
from eilpost.web.attachments import disposition, file_name, headers


def part(kind: str, name: str = "") -> Part:
    return Part("2", kind, "", name, "attachment", "", "base64", 0, 0, 0)


@pytest.mark.parametrize(
    "kind", ["text/html", "image/svg+xml", "application/pdf", "text/javascript", "application/xhtml+xml"]
)
def test_f178_what_is_no_picture_is_saved(kind: str) -> None:
    """F178: HTML, SVG and all else are octets to be saved, in a sandbox, not to be guessed at."""
    made = headers(part(kind), save=False)
    assert made["Content-Type"] == "application/octet-stream"
    assert made["Content-Disposition"].startswith("attachment;")
    assert made["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in made["Content-Security-Policy"]


def test_a_picture_is_shown_unless_it_is_to_be_saved() -> None:
    """Raster pictures are shown; asked to, they are saved."""
    assert headers(part("image/png"), save=False)["Content-Type"] == "image/png"
    assert headers(part("image/png"), save=False)["Content-Disposition"].startswith("inline;")
    assert headers(part("image/png"), save=True)["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("given_name", "expected"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.exe", "a.exe"),
        ("..", "part-2.bin"),
        ("", "part-2.bin"),
        ("a.pdf", "a.pdf"),
    ],
)
def test_f178_a_name_has_no_path(given_name: str, expected: str) -> None:
    """F178: only what stands behind the last separator is a name."""
    assert file_name(part("application/pdf", given_name)) == expected


@given(st.text(max_size=300))
def test_f178_no_name_is_syntax(name: str) -> None:
    """RFC 6266 §4.3: whatever the name, the field stays one field with one quoted string."""
    made = disposition(name, save=True)
    assert made.isascii()
    assert made.isprintable()
    assert made.count('"') == 2
    assert made.count(";") == 2
