"""Filters of the templates."""

from __future__ import annotations

import pytest

from eilpost.inbox.contract import Mailbox
from eilpost.web.render import clock, environment, full, person, size, stamp


@pytest.mark.parametrize(
    ("octets", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1 KB"), (1536, "1.5 KB"), (25_000_000, "25 MB")]
)
def test_sizes_are_said_as_people_do(octets: int, text: str) -> None:
    """Decimal units, one digit, no needless zero."""
    assert size(octets) == text


def test_times_are_told_in_utc() -> None:
    """Both forms of a time are UTC: the browser knows the reader's zone."""
    assert stamp(0) == "1970-01-01T00:00:00+00:00"
    assert clock(0) == "1970-01-01 00:00:00 UTC"


def test_people_have_names_or_addresses() -> None:
    """A name where there is one."""
    assert person(Mailbox("Anna", "a@b")) == "Anna"
    assert person(Mailbox("", "a@b")) == "a@b"
    assert full(Mailbox("Anna", "a@b")) == "Anna <a@b>"


def test_f188_text_is_no_template() -> None:
    """F188: what strangers wrote is escaped, and never looked at as a template."""
    made = environment().from_string("{{ text }}").render(text="{{ 7*7 }}<b>{% raw %}")
    assert made == "{{ 7*7 }}&lt;b&gt;{% raw %}"
