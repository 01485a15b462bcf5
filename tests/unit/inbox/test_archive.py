"""Messages come from files and go to files, unchanged."""

from __future__ import annotations

import contextlib
import mailbox as python_mailbox
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.inbox.archive import arrival_of, canonical, mbox_entry, mbox_messages
from eilpost.inbox.contract import InboxError, Sorting
from eilpost.inbox.digest import digest
from eilpost.inbox.rows import fresh
from eilpost.inbox.store import Inbox
from eilpost.inbox.transfer import Form, export, import_path
from tests.unit.inbox.samples import arrival, message, mixed

TRICKY = message("tricky", "From here on\r\n>From there\r\n>>From afar\r\n\r\nFrom the end")


@given(st.lists(st.sampled_from([b"From ", b">", b"\r\n", b"x", b"\r\n\r\n", b"Subject: a\r\n"]), max_size=30))
def test_an_mbox_gives_back_what_was_put_in(pieces: list[bytes]) -> None:
    """Quoting is undone exactly, whatever stands at the beginning of lines."""
    content = canonical(b"Subject: x\r\n\r\n" + b"".join(pieces) + b"end")
    summary = fresh(arrival(), digest(content), len(content), 1, "id", 1, Sorting.NONE).summary
    mbox = 2 * mbox_entry(summary, content)
    assert list(mbox_messages(mbox.splitlines(keepends=True))) == [content, content]


@pytest.mark.parametrize(
    ("given_octets", "made"), [(b"a\nb", b"a\r\nb\r\n"), (b"a\r\n", b"a\r\n"), (b"a\rb\n", b"a\r\nb\r\n"), (b"", b"")]
)
def test_lines_end_in_crlf(given_octets: bytes, made: bytes) -> None:
    """Every line end is made CR LF, and the last line gets one."""
    assert canonical(given_octets) == made


def test_an_imported_message_tells_how_it_arrived() -> None:
    """Trace fields first, else the header."""
    traced = b"Return-Path: <a@x.test>\r\nDelivered-To: me@x.test\r\n" + message()
    assert (arrival_of(traced, 5.0).reverse_path, arrival_of(traced, 5.0).recipients) == ("a@x.test", ("me@x.test",))
    known = arrival_of(message(), 5.0)
    assert (known.reverse_path, known.recipients, known.received) == ("anna@example.test", ("bob@example.test",), 5.0)


@pytest.mark.parametrize("form", list(Form))
async def test_what_is_exported_can_be_imported(tmp_path: Path, form: Form) -> None:
    """All three forms, there and back, with every octet."""
    contents = [TRICKY, mixed(), message()]
    async with Inbox() as inbox:
        for content in contents:
            await inbox.take(arrival(), content)
        assert await export(inbox, tmp_path / "out", form) == 3
    async with Inbox() as again:
        assert await import_path(again, tmp_path / "out") == 3
        found = [await again.content(each.id) for each in await again.after(0)]
    assert sorted(found) == sorted(contents)


async def test_python_reads_what_is_exported(tmp_path: Path) -> None:
    """The standard library's mbox and Maildir agree."""
    async with Inbox() as inbox:
        await inbox.take(arrival(is_read=True), TRICKY)
        await export(inbox, tmp_path / "m.mbox", Form.MBOX)
        await export(inbox, tmp_path / "md", Form.MAILDIR)
    with contextlib.closing(python_mailbox.mbox(tmp_path / "m.mbox")) as mbox:
        assert [each["Subject"] for each in mbox] == ["tricky"]
    (only,) = python_mailbox.Maildir(tmp_path / "md")
    assert isinstance(only, python_mailbox.MaildirMessage)
    assert (only["Subject"], only.get_flags()) == ("tricky", "S")


async def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """An export to a file that is there, and an import of nothing, say what to do."""
    (tmp_path / "there").write_text("x")
    async with Inbox() as inbox:
        await inbox.take(arrival(), message())
        with pytest.raises(InboxError, match="not there yet"):
            await export(inbox, tmp_path / "there", Form.MBOX)
        with pytest.raises(InboxError, match="name a file"):
            await import_path(inbox, tmp_path / "nothing")


async def test_f073_names_of_files_are_ours(tmp_path: Path) -> None:
    """No Message-ID, subject or address leads an export out of its directory."""
    async with Inbox() as inbox:
        hostile = message("../../x").replace(b"<1@", b"<../../../../tmp/x@")
        await inbox.take(arrival("../../y@x.test", sender="../../z@x.test"), hostile)
        await export(inbox, tmp_path / "out", Form.EML)
    (only,) = (tmp_path / "out").iterdir()
    assert only.name.startswith("00000001-")
