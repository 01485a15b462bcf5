"""Journal events as lines."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.journal import EVENTS, Accepted, Attempted, CommandRefused, Event, Level, LinesLost, Warned
from eilpost.logs.render import MAX_VALUE, as_json, key_value, quoted

WHEN = "2026-11-23T19:45:50.123Z"
_PAIR = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ "=\\]+)')  # as readers of logfmt split a line
HOSTILE = st.text(
    st.characters() | st.sampled_from(list('\r\n\t\x00\x07\x1b\x7f\x85\u2028\u202e\u2066\ufeff\ud800"\\= ä漢'))
)

_VALUES = {"str": HOSTILE, "int": st.integers(0), "float": st.floats(), "float | None": st.none() | st.floats(),
           "bool": st.booleans()}  # fmt: skip
EVENT = st.one_of(
    *[
        st.builds(kind, **{item.name: _VALUES[str(item.type)] for item in dataclasses.fields(kind)})
        for kind in EVENTS
    ]
)  # fmt: skip


def test_accepted_mail_is_one_line() -> None:
    """Time, event, then the fields in order; an empty optional field is left out."""
    event = Accepted("s1", "m1", "mx", "192.0.2.1", "client.example", "<>", 1, 4096)

    assert key_value(event, WHEN) == (
        f"{WHEN} accepted session=s1 message=m1 role=mx peer=192.0.2.1 helo=client.example "
        "reverse_path=<> recipients=1 size=4096"
    )


def test_values_that_are_not_plain_are_quoted() -> None:
    """Blanks, quotes, equals signs and emptiness are quoted as logfmt quotes them."""
    event = Attempted("m1", "b@x", "relayed", "2.0.0", "mx:x", "", 1, 0.5, 'smtp; 250 "Ok" a=b\\', None)

    assert key_value(event, WHEN) == (
        f"{WHEN} attempted message=m1 recipient=b@x fate=relayed status=2.0.0 next_hop=mx:x "
        'remote="" attempt=1 delay=0.500 diagnostic="smtp; 250 \\"Ok\\" a=b\\\\"'
    )


def test_f186_a_peer_cannot_write_lines() -> None:
    """Line ends, escapes and bidirectional controls in a peer's text are spelled out."""
    event = CommandRefused(
        "s1", "mx", "192.0.2.1", "x\r\n2026 accepted", "RCPT\x1b[2J", "550 \u202egnp\u2066\x85\U000e0001"
    )

    line = key_value(event, WHEN)

    assert 'helo="x\\r\\n2026 accepted"' in line
    assert 'command="RCPT\\x1b[2J"' in line
    assert 'reply="550 \\u202egnp\\u2066\\x85\\U000e0001"' in line
    assert "reverse_path" not in line


def test_json_is_ascii_with_the_level() -> None:
    """The JSON form has time, event and level first, and the same fields."""
    event = Warned("dö\x7f\x1b", "")

    line = as_json(event, WHEN)

    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == {"time": WHEN, "event": "warning", "level": "warning", "what": "dö\x7f\x1b"}


def test_an_event_with_one_field_has_its_field() -> None:
    """One field is a field as well."""
    assert key_value(LinesLost(7), WHEN) == f"{WHEN} lines-lost count=7"
    assert json.loads(as_json(LinesLost(7), WHEN))["count"] == 7


@pytest.mark.parametrize("size", [MAX_VALUE, MAX_VALUE + 1, 1_000_000])
def test_a_value_has_a_limit(size: int) -> None:
    """A line stays readable, whatever a peer wrote."""
    event = Warned("a" * size, "b" * size)

    assert len(key_value(event, WHEN)) < 2 * MAX_VALUE + 100
    assert len(as_json(event, WHEN)) < 2 * MAX_VALUE + 100


@pytest.mark.parametrize("kind", EVENTS)
def test_no_event_hides_a_field(kind: type[Event]) -> None:
    """No field is called as what every JSON line has, and names need no quotes."""
    names = {item.name for item in dataclasses.fields(kind)}

    assert not names & {"time", "event", "level"}
    assert all(re.fullmatch("[a-z_]+", name) for name in names)
    assert re.fullmatch("[a-z-]+", kind.event)
    assert kind.level in Level


@given(EVENT)
def test_every_event_is_one_line_of_key_value(event: Event) -> None:
    """Whatever an event holds, its line prints, and splits into its own keys in order."""
    line = key_value(event, WHEN)

    assert line.isprintable()
    assert re.fullmatch(rf"{WHEN} {event.event}( {_PAIR.pattern})*", line)
    keys = [found[1] for found in _PAIR.finditer(line)]
    names = [item.name for item in dataclasses.fields(event)]
    assert keys == [name for name in names if name in keys]


@given(EVENT)
def test_every_event_is_one_line_of_json(event: Event) -> None:
    """Whatever an event holds, its JSON is one object in ASCII that gives its texts back."""
    line = as_json(event, WHEN)

    assert line.isascii()
    assert line.isprintable()
    found = json.loads(line)
    for item in dataclasses.fields(event):
        value = getattr(event, item.name)
        if isinstance(value, str) and len(value) <= MAX_VALUE and item.name in found:
            assert found[item.name] == value


@given(HOSTILE)
def test_quoted_text_says_everything(text: str) -> None:
    """Escapes can be undone: two texts never look the same."""
    inner = quoted(text)[1:-1]

    def char(found: re.Match[str]) -> str:
        code = found[1]
        return chr(int(code[1:], 16)) if code[0] in "xuU" else {"n": "\n", "r": "\r", "t": "\t"}.get(code, code)

    assert re.sub(r"\\(x..|u....|U........|.)", char, inner) == text
