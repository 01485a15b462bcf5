"""The pytest plugin: ``smtp_inbox`` is a running inbox; nothing is loaded until a test asks for it (a deed)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from eilpost.testing.smtp_inbox import SmtpInbox

_MARKER = "smtp_inbox(tls, implicit_tls, accounts, login_required, hostname): how this test's smtp_inbox is to be"


def pytest_configure(config: pytest.Config) -> None:
    """The marker is known."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def smtp_inbox(request: pytest.FixtureRequest) -> Iterator[SmtpInbox]:
    """A developer's inbox on a free port, for this test alone: send to ``host`` and ``port``, look at ``messages``.

    ``@pytest.mark.smtp_inbox(tls=True, accounts={"anna": "secret"})`` says how it is to be.
    """
    from eilpost.testing.smtp_inbox import SmtpInbox

    marker = request.node.get_closest_marker("smtp_inbox")
    with SmtpInbox(**(marker.kwargs if marker is not None else {})) as inbox:
        yield inbox


@pytest.fixture
def smtp_inbox_factory() -> Iterator[Callable[..., SmtpInbox]]:
    """Makes as many inboxes as a test needs, each with the arguments of ``SmtpInbox``."""
    from eilpost.testing.smtp_inbox import SmtpInbox

    with ExitStack() as stack:

        def make(**parameters: Any) -> SmtpInbox:
            return stack.enter_context(SmtpInbox(**parameters))

        yield make
