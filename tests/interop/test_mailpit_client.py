"""A program written for Mailpit's API, with its client library from PyPI, runs unchanged against ``eilpost dev``."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator
from email.message import EmailMessage
from typing import Any

import pytest
import pytest_asyncio

from tests.peers.dev import Dev, eilpost_dev
from tests.peers.tools import scratch

mailpit = pytest.importorskip("mailpit.client.api", reason="mailpit-api-client is not installed")

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def dev() -> AsyncIterator[Dev]:
    """The process that stands in Mailpit's place."""
    with scratch("mailpit") as directory:
        async with eilpost_dev(directory) as running:
            yield running


def letter(subject: str) -> EmailMessage:
    """With a copy, HTML and a file; the client wants a Delivered-To."""
    made = EmailMessage()
    made["From"], made["To"], made["Cc"] = "Shop <shop@a.test>", "Anna <anna@b.test>", "carl@b.test"
    made["Subject"], made["Message-ID"], made["Delivered-To"] = subject, f"<{subject}@a.test>", "anna@b.test"
    made["Date"] = "Tue, 24 Nov 2026 12:00:00 +0100"
    made.set_content("Hello\n")
    made.add_alternative("<p>Hello</p>\n", subtype="html")
    made.add_attachment("number\n1\n", subtype="csv", filename="orders.csv")
    return made


def their_program(dev: Dev) -> dict[str, Any]:
    """Sends, lists, reads, marks and deletes, as a test suite for Mailpit does; what it saw."""
    api = mailpit.API(dev.page, timeout=30)
    api.delete_messages([])
    with smtplib.SMTP(dev.host, dev.port, timeout=30) as client:
        for subject in ("first", "second"):
            client.send_message(letter(subject))
    listed = api.get_messages()
    newest = listed.messages[0]
    message = api.get_message(newest.id)
    [file] = message.attachments
    seen = {
        "total": listed.total,
        "subjects": [each.subject for each in api.get_messages(limit=1, start=1).messages],
        "newest": (newest.message_id, newest.read, newest.from_.address, newest.attachments),
        "message": (message.subject, message.from_.name, [each.address for each in message.to + message.cc]),
        "bodies": (message.text.strip(), message.html.strip(), message.date.isoformat()),
        "file": (file.file_name, api.get_message_attachment(newest.id, file.part_id).splitlines()),
        "headers": api.get_message_headers(newest.id).message_id,
    }
    api.put_messages([newest.id], "Read", False)
    seen["unread"] = api.get_messages().unread
    api.delete_messages([newest.id])
    seen["left"] = [each.subject for each in api.get_messages().messages]
    return seen


async def test_mailpit_api_client(dev: Dev) -> None:
    """Every call of the library answers what it says of Mailpit."""
    assert await asyncio.to_thread(their_program, dev) == {
        "total": 2,
        "subjects": ["first"],
        "newest": ("second@a.test", False, "shop@a.test", 1),
        "message": ("second", "Shop", ["anna@b.test", "carl@b.test"]),
        "bodies": ("Hello", "<p>Hello</p>", "2026-11-24T11:00:00+00:00"),
        "file": ("orders.csv", ["number", "1"]),
        "headers": ["<second@a.test>"],
        "unread": 2,
        "left": ["first"],
    }


async def test_its_unittest_helpers(dev: Dev) -> None:
    """The library's own TestCase finds a message by its id."""
    helpers = pytest.importorskip("mailpit.testing.unittest")

    def received() -> None:
        with smtplib.SMTP(dev.host, dev.port, timeout=30) as client:
            client.send_message(letter("third"))
        case: Any = type("Case", (helpers.EMailTestCase,), {"api_url": dev.page, "runTest": lambda self: None})
        case.setUpClass()
        case().assertMessageReceived("third@a.test")

    await asyncio.to_thread(received)
