"""Reading Maildirs: one session at a time, names that stay, sizes that are right."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eilpost.maildrop import sizes
from eilpost.maildrop.drop import DropError, InUse, Item, Vanished
from eilpost.maildrop.drops import MaildirDrop, MaildirDrops
from eilpost.maildrop.file_name import read_name, uidl
from eilpost.maildrop.maildir import MaildirRefused
from eilpost.maildrop.snapshot import BLOCK, open_snapshot

OURS = "17000000{:02d}.M1P2Q3Rabcdef012345.mx.example.test"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty Maildir."""
    path = tmp_path / "anna"
    open_snapshot(str(path)).close()
    return path


def put(home: Path, name: str, octets: bytes = b"Subject: x\r\n\r\nx\r\n", part: str = "new") -> Path:
    """A message in the Maildir."""
    path = home / part / name
    path.write_bytes(octets)
    return path


async def text(drop: MaildirDrop, number: int) -> bytes:
    """A whole message."""
    return b"".join([piece async for piece in drop.read(number)])


def test_f173_one_session_at_a_time(home: Path) -> None:
    """A second session finds the mailbox in use, and the next one after it does not."""
    first = open_snapshot(str(home))
    with pytest.raises(InUse):
        open_snapshot(str(home))
    first.close()
    first.close()
    open_snapshot(str(home)).close()


def test_f173_the_lock_ends_with_its_process(home: Path) -> None:
    """A process that dies leaves no lock behind."""
    script = (
        "import os, sys; from eilpost.maildrop.snapshot import open_snapshot;"
        "open_snapshot(sys.argv[1]); os.write(1, b'x'); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(home)], capture_output=True)
    assert done.stdout == b"x"
    open_snapshot(str(home)).close()


def test_f174_uidls_are_stable(home: Path) -> None:
    """Neither flags nor a move to cur nor a restored copy changes a message's name."""
    put(home, OURS.format(1) + ",S=17")
    first = open_snapshot(str(home))
    items = first.items
    first.close()
    os.rename(home / "new" / (OURS.format(1) + ",S=17"), home / "cur" / (OURS.format(1) + ",S=17,W=17:2,S"))
    again = open_snapshot(str(home))
    assert again.items == items == (Item(OURS.format(1), 17),)
    again.close()


def test_f174_uidls_are_unique(home: Path) -> None:
    """Long names, names beyond ASCII and names that differ only behind the comma have different UIDLs."""
    names = ["x" * 90, "x" * 91, "ü.1.x", "1.a.h,U=1", "1.a.h,U=2", "1.a.h"]
    for name in names:
        put(home, name)
    snapshot = open_snapshot(str(home))
    found = [item.uidl for item in snapshot.items]
    assert len(set(found)) == len(names)
    assert all(0 < len(each) <= 70 and each.isascii() and each.isprintable() for each in found)
    snapshot.close()


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        (OURS.format(1) + ",S=12", 12),
        (OURS.format(1) + ",S=12,W=13:2,S", 13),
        ("1.V2.other,S=12", -1),
        ("1.V2.other,S=12,W=13", 13),
        ("1.V2.other,XW=13", -1),
        ("1.V2.other:2,W=13", -1),
        ("1.V2.other", -1),
    ],
)
def test_sizes_in_names(name: str, wire: int) -> None:
    """W= is believed of everybody, S= of ourselves alone."""
    assert read_name(name).wire == wire


def test_uidl_keeps_short_names() -> None:
    """A name that RFC 1939 allows is the UIDL itself."""
    assert uidl("1.a.host") == "1.a.host"


async def test_sizes_are_counted_once(home: Path) -> None:
    """A size that no name tells is counted with CR LF as line ends, and remembered beside the mailbox."""
    path = put(home, "1.V2.other", b"Subject: x\n\nx\r\n", "cur")
    snapshot = open_snapshot(str(home))
    assert snapshot.items[0].octets == 17
    snapshot.close()
    assert "17 1.V2.other" in (home / sizes.FILE_NAME).read_text()
    path.write_bytes(b"now another size")
    again = open_snapshot(str(home))
    assert again.items[0].octets == 17
    again.close()


@pytest.mark.parametrize("octets", [b"", b"nonsense\n", b"eilpost-sizes 1\n12", b"eilpost-sizes 1\nx y\n", b"\xff\xfe"])
def test_an_odd_index_is_not_used(home: Path, octets: bytes) -> None:
    """A broken index costs the time to count again, nothing else."""
    put(home, "1.V2.other", b"a\n")
    (home / sizes.FILE_NAME).write_bytes(octets)
    snapshot = open_snapshot(str(home))
    assert snapshot.items[0].octets == 3
    snapshot.close()


async def test_what_is_read(home: Path) -> None:
    """Messages come oldest first with CR LF as line ends, in blocks, as many octets as their sizes say."""
    big = b"line\n" * (BLOCK // 2)
    put(home, "2.V2.other", big)
    put(home, OURS.format(0) + ",S=17")
    put(home, "1.V2.other", b"a\nb\r\n")
    put(home, ".hidden")
    drop = await MaildirDrops(lambda _: str(home)).open("anna")
    assert [await text(drop, number) for number in range(3)] == [
        b"a\r\nb\r\n", big.replace(b"\n", b"\r\n"), b"Subject: x\r\n\r\nx\r\n",
    ]  # fmt: skip
    assert [item.octets for item in drop.items] == [6, len(big) * 6 // 5, 17]
    await drop.close()


async def test_messages_in_their_order(home: Path) -> None:
    """Many small messages read one after the other are each what they are, and again when asked for again."""
    for number in range(40):
        put(home, f"{number + 10}.a.h", b"number %d\n" % number * 50 * (number % 7))
    drop = await MaildirDrops(lambda _: str(home)).open("anna")
    for number in (*range(40), 3, 4, 39, 0, 1, 1):
        assert await text(drop, number) == b"number %d\r\n" % number * 50 * (number % 7)
    await drop.close()


async def test_f173_new_mail_does_not_change_the_session(home: Path) -> None:
    """What is delivered meanwhile is there in the next session."""
    put(home, "1.a.h")
    drops = MaildirDrops(lambda _: str(home))
    drop = await drops.open("anna")
    put(home, "2.a.h")
    assert len(drop.items) == 1
    await drop.close()
    drop = await drops.open("anna")
    assert len(drop.items) == 2
    await drop.close()


async def test_f173_messages_that_move_or_vanish(home: Path) -> None:
    """A message that another program flagged is still found; one that it deleted is told to be gone."""
    put(home, "1.a.h", b"one\r\n")
    gone = put(home, "2.a.h")
    drop = await MaildirDrops(lambda _: str(home)).open("anna")
    os.rename(home / "new" / "1.a.h", home / "cur" / "1.a.h:2,S")
    gone.unlink()
    assert await text(drop, 0) == b"one\r\n"
    with pytest.raises(Vanished):
        await text(drop, 1)
    assert await drop.delete([0, 1]) == 0
    assert not list((home / "cur").iterdir())
    await drop.close()


async def test_deletions_that_fail_are_counted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be deleted is told."""
    put(home, "1.a.h")
    (home / "new" / "1.a.h").unlink()
    (home / "new" / "1.a.h").write_text("x")
    drop = await MaildirDrops(lambda _: str(home)).open("anna")
    (home / "new" / "1.a.h").unlink()
    (home / "new" / "1.a.h").mkdir()
    assert await drop.delete([0]) == 1
    await drop.close()


def test_f167_no_symbolic_links(tmp_path: Path, home: Path) -> None:
    """A Maildir that is a link is refused, and a message that is one is not there."""
    os.symlink("/etc/passwd", home / "new" / "1.a.h")
    (home / "new" / "2.a.h").mkdir()
    snapshot = open_snapshot(str(home))
    assert not snapshot.items
    snapshot.close()
    os.symlink(home, tmp_path / "link")
    with pytest.raises(MaildirRefused):
        open_snapshot(str(tmp_path / "link"))


async def test_no_mailbox(tmp_path: Path) -> None:
    """An account without a place for its mail is an error with words, one that got no mail yet has an empty mailbox."""
    with pytest.raises(DropError):
        await MaildirDrops(lambda _: None).open("nobody")
    drop = await MaildirDrops(lambda _: str(tmp_path / "mail" / "new-account")).open("anna")
    assert not drop.items
    await drop.close()


async def test_no_descriptor_stays_open(home: Path) -> None:
    """Sessions, read to the end or not, give back all they opened."""
    put(home, "1.a.h", b"x\n" * BLOCK)
    drops = MaildirDrops(lambda _: str(home))
    await (await drops.open("anna")).close()
    before = len(os.listdir("/proc/self/fd"))
    drop = await drops.open("anna")
    reading = drop.read(0)
    await anext(reading)
    await reading.aclose()  # type: ignore[attr-defined]
    await drop.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_many_messages_open_fast(home: Path) -> None:
    """Ten thousand messages open in a tenth of the time that a hundred thousand may take."""
    for number in range(10_000):
        (home / "new" / f"{number}.V1.other").touch()
    open_snapshot(str(home)).close()
    begin = time.perf_counter()
    snapshot = open_snapshot(str(home))
    assert time.perf_counter() - begin < 1  # ten times the aim: other work goes on here
    assert len(snapshot.items) == 10_000
    snapshot.close()
