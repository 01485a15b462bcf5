"""Which recipients an operator's filter means."""

from __future__ import annotations

import pytest

from eilpost.mail.address import AddressError
from eilpost.queue.filter import check, matches
from eilpost.spool.contract import Filter, State
from tests.unit.queue.test_verdict import NOW, message, recipient

MEANT = [
    Filter(),
    Filter(messages=("m", "other")),
    Filter(to="@there.test"),
    Filter(to="@THERE.test"),
    Filter(to="u0@There.Test"),
    Filter(sender="a@here.test"),
    Filter(older=3600.0),
    Filter(state=State.ACTIVE),
    Filter(("m",), "@there.test", "@here.test", 60.0, State.ACTIVE),
]
NOT_MEANT = [
    Filter(messages=("other",)),
    Filter(to="@elsewhere.test"),
    Filter(to="U0@there.test"),
    Filter(sender="<>"),
    Filter(older=3601.0),
    Filter(state=State.HELD),
    Filter(("m",), "@there.test", "@elsewhere.test"),
]


@pytest.mark.parametrize("wanted", MEANT)
def test_meant(wanted: Filter) -> None:
    """A filter means what agrees with all of its fields; an empty field asks nothing."""
    assert matches(wanted, message(3600.0), recipient(), State.ACTIVE, NOW)


@pytest.mark.parametrize("wanted", NOT_MEANT)
def test_not_meant(wanted: Filter) -> None:
    """One field that disagrees is enough; local parts are compared as they are written (RFC 5321 §2.4)."""
    assert not matches(wanted, message(3600.0), recipient(), State.ACTIVE, NOW)


def test_reports_have_the_null_reverse_path() -> None:
    """``<>`` means mail without a sender, and no address does."""
    report = message(sender=None)
    assert matches(Filter(sender="<>"), report, recipient(), State.ACTIVE, NOW)
    assert not matches(Filter(sender="@here.test"), report, recipient(), State.ACTIVE, NOW)


def test_nonsense_is_refused() -> None:
    """A filter that names no address is an error, not an empty result."""
    for wanted in (Filter(to="nonsense"), Filter(sender="@-"), Filter(to="<>@")):
        with pytest.raises(AddressError):
            check(wanted)
    for wanted in MEANT:
        check(wanted)
