"""Tables, JSON and escapes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.cli.output import Column, aligned, cell, escape, show

HOSTILE = "a\x1b[31m\u202eb\r\n\u200bc\x9b"


def test_f155_what_steers_a_terminal_is_spelled_out() -> None:
    """Escape sequences, bidi marks, line ends and zero-width signs of a peer are shown, never sent."""
    assert escape(HOSTILE) == "a\\x1b[31m\\u202eb\\x0d\\x0a\\u200bc\\x9b"


def test_people_keep_their_letters() -> None:
    """Letters of any script stay as they are."""
    assert escape("Jürgen 田中") == "Jürgen 田中"


@given(st.text())
def test_escaped_text_is_one_printable_line(text: str) -> None:
    """Whatever the text, what is shown is printable, or marks that combine."""
    assert "\n" not in escape(text)
    assert all(char >= " " and char != "\x7f" for char in escape(text))


def test_cells_are_words() -> None:
    """Nothing is a dash, truth a word, lists have commas."""
    assert [cell(None), cell(True), cell(False), cell(["a", "b"]), cell(3)] == ["-", "yes", "no", "a, b", "3"]


def test_columns_are_aligned_by_what_is_seen() -> None:
    """Wide letters take two places, combining ones none."""
    lines = list(aligned([["A", "N"], ["田中", "7"], ["u\u0308", "10"]], [False, True]))

    assert lines == ["A      N", "田中   7", "u\u0308     10"]


COLUMNS = [Column("Name", "name"), Column("Count", "count", right=True)]


def test_a_list_in_a_pipe_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    """A table in a pipe has a heading and columns two blanks apart."""
    show([{"name": "anna", "count": 3}, {"name": "x\x1b", "count": 10}], COLUMNS, as_json=False)

    assert capsys.readouterr().out == "NAME   COUNT\nanna       3\nx\\x1b     10\n"


def test_a_list_in_json_is_one_array(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON holds the values as they are, with hostile characters escaped by JSON itself; empty is []."""
    show([{"name": HOSTILE, "count": 3}], COLUMNS, as_json=True)
    text = capsys.readouterr().out
    assert json.loads(text) == [{"name": HOSTILE, "count": 3}]
    assert text.isascii()
    assert "\x1b" not in text

    show([], COLUMNS, as_json=True, nothing="nothing here")
    captured = capsys.readouterr()
    assert json.loads(captured.out) == []
    assert captured.err == ""


def test_an_empty_list_says_so_beside(capsys: pytest.CaptureFixture[str]) -> None:
    """A person is told that there is nothing, on standard error."""
    show([], COLUMNS, as_json=False, nothing="nothing here")
    captured = capsys.readouterr()

    assert captured.out == ""
    assert captured.err == "nothing here\n"


def test_a_terminal_gets_a_drawn_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the table is drawn; markup in values is text, and NO_COLOR leaves no colours."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    show([{"name": "[red]anna[/red]", "count": 3}], COLUMNS, as_json=False)
    out = capsys.readouterr().out

    assert "[red]anna[/red]" in out
    assert "─" in out
    assert "\x1b[3" not in out
