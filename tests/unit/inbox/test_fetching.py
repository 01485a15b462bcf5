"""The inbox by POP3, read with the standard library's client."""

from __future__ import annotations

import asyncio
import poplib

import pytest

from eilpost.inbox.contract import Sorting
from eilpost.inbox.fetching import Fetching
from eilpost.inbox.store import Inbox
from tests.unit.inbox.samples import arrival, message


async def test_any_login_reads_and_deletes() -> None:
    """LIST, UIDL, RETR, TOP and DELE work; only QUIT deletes; what was read is read."""
    async with Inbox() as inbox, Fetching(inbox, "127.0.0.1", 0, {}) as fetching:
        for number in range(3):
            await inbox.take(arrival(), message(f"s{number}", ".dot\r\nline 2"))

        def session(delete: int, *, leave: bool) -> tuple[list[bytes], list[bytes], int]:
            client = poplib.POP3("127.0.0.1", fetching.port, timeout=5)
            client.user("anybody")
            client.pass_("anything")
            assert "UIDL" in client.capa()
            count = client.stat()[0]
            assert len(client.uidl()[1]) == len(client.list()[1]) == count
            whole, top = client.retr(1)[1], client.top(2, 1)[1]
            client.dele(delete)
            if leave:
                client.quit()
            else:
                client.close()
            return whole, top, count

        whole, top, count = await asyncio.to_thread(session, 2, leave=False)
        assert count == 3
        assert whole[-2:] == [b".dot", b"line 2"]
        assert top[-1] == b".dot"
        _, _, count = await asyncio.to_thread(session, 2, leave=True)
        assert count == 3
        listing = await inbox.newest()
        assert [(each.subject, each.is_read) for each in listing.messages] == [("s2", False), ("s0", True)]


async def test_a_login_sees_its_mailbox() -> None:
    """With mailboxes by login a name sees its own; with given accounts others are refused."""
    async with Inbox(sorting=Sorting.LOGIN) as inbox, Fetching(inbox, "127.0.0.1", 0, {"team": "x"}) as fetching:
        await inbox.take(arrival(login="team"), message())
        await inbox.take(arrival(login="other"), message())

        def count(name: str) -> int:
            client = poplib.POP3("127.0.0.1", fetching.port, timeout=5)
            try:
                client.user(name)
                client.pass_("x")
                return client.stat()[0]
            finally:
                client.close()

        assert await asyncio.to_thread(count, "team") == 1
        with pytest.raises(poplib.error_proto, match="AUTH"):
            await asyncio.to_thread(count, "other")
