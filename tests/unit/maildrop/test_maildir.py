"""Writing into Maildirs."""

from __future__ import annotations

import errno
import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from eilpost.maildrop.maildir import (
    MaildirRefused,
    NotStored,
    Parcel,
    Settled,
    Stored,
    abandon,
    append,
    begin,
    finish,
    open_maildir,
    opened,
)


def deliver(*parcels: Parcel) -> list[Stored | NotStored]:
    """A batch, from the first step to the last."""
    with opened(Settled()) as open_one:
        begin(parcels, open_one)
        finish(parcels)
    return [parcel.result() for parcel in parcels]


def files(maildir: Path) -> dict[str, bytes]:
    """Everything that lies in tmp, new and cur, by its relative path."""
    found = (path for part in ("tmp", "new", "cur") for path in (maildir / part).iterdir())
    return {str(path.relative_to(maildir)): path.read_bytes() for path in found}


def descriptors() -> int:
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A Maildir that is not made yet, two levels below what is there."""
    return tmp_path / "mail" / "example.test" / "anna"


@pytest.fixture
def file_size_limit() -> Iterator[int]:
    """No file of this process may grow beyond so many octets: the disk is full, as far as it can tell."""
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield 4096
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_message_lies_in_new_and_nowhere_else(home: Path) -> None:
    """A delivery makes the Maildir, for its owner alone, and one file in ``new`` with the octets as given."""
    before = descriptors()
    (result,) = deliver(Parcel(str(home), "one", (b"head\r\n", b"body\r\n")))
    assert result == Stored("one,S=12")
    assert files(home) == {"new/one,S=12": b"head\r\nbody\r\n"}
    for directory in (home.parent.parent, home.parent, home, home / "tmp", home / "new", home / "cur"):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "new" / "one,S=12").stat().st_mode) == 0o600
    assert descriptors() == before


def test_a_batch_goes_to_many_maildirs(home: Path) -> None:
    """Each letter of a batch has its own result, in order."""
    other = home.with_name("bob")
    results = deliver(*(Parcel(str(path), f"m{n}", (b"%d" % n,)) for n, path in enumerate((home, other, home))))
    assert results == [Stored("m0,S=1"), Stored("m1,S=1"), Stored("m2,S=1")]
    assert files(home) == {"new/m0,S=1": b"0", "new/m2,S=1": b"2"}
    assert files(other) == {"new/m1,S=1": b"1"}


def test_a_maildir_that_lacks_a_part_is_mended(home: Path) -> None:
    """What is missing of an existing Maildir is made."""
    (home / "cur").mkdir(parents=True)
    assert deliver(Parcel(str(home), "one", (b"x",))) == [Stored("one,S=1")]


def test_f166_a_name_that_is_taken_is_left_alone(home: Path) -> None:
    """A file that somebody else has in ``tmp`` is neither written to nor removed."""
    open_maildir(str(home), settle=True).close()
    (home / "tmp" / "one").write_bytes(b"theirs")
    (result,) = deliver(Parcel(str(home), "one", (b"ours",)))
    assert isinstance(result, NotStored)
    assert result.number == errno.EEXIST
    assert files(home) == {"tmp/one": b"theirs"}


@pytest.mark.parametrize("part", ["", "tmp", "new", "cur"])
def test_f167_symbolic_links_are_refused(home: Path, tmp_path: Path, part: str) -> None:
    """A Maildir, or a part of it, that is a symbolic link gets no mail, and neither does what it leads to."""
    target = tmp_path / "elsewhere"
    for name in ("tmp", "new", "cur"):
        (target / name).mkdir(parents=True)
    link = home / part if part else home
    if part:
        open_maildir(str(home), settle=False).close()
        link.rmdir()
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target / part if part else target)
    (result,) = deliver(Parcel(str(home), "one", (b"x",)))
    assert isinstance(result, NotStored)
    assert "is a symbolic link" in result.why
    assert files(target) == {}


def test_f167_a_dangling_link_is_refused(home: Path) -> None:
    """A link to nowhere is not followed to make something there."""
    home.parent.mkdir(parents=True)
    home.symlink_to(home.parent / "nowhere")
    with pytest.raises(MaildirRefused):
        open_maildir(str(home), settle=True)
    assert not (home.parent / "nowhere").exists()


def test_f167_a_file_in_place_of_a_directory_is_refused(home: Path) -> None:
    """A plain file is no Maildir."""
    home.parent.mkdir(parents=True)
    home.write_bytes(b"")
    assert isinstance(deliver(Parcel(str(home), "one", (b"x",)))[0], NotStored)


def test_f167_a_maildir_that_everybody_may_write_to_is_refused(home: Path) -> None:
    """Where everybody may plant files, no mail is delivered."""
    open_maildir(str(home), settle=True).close()
    (home / "new").chmod(0o777)
    before = descriptors()
    (result,) = deliver(Parcel(str(home), "one", (b"x",)))
    assert isinstance(result, NotStored)
    assert "everybody" in result.why
    assert descriptors() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to be root to give a directory away")
def test_f167_a_maildir_of_another_user_is_refused(home: Path) -> None:
    """A directory that belongs to somebody else gets no mail."""
    open_maildir(str(home), settle=True).close()
    os.chown(home / "tmp", 12345, -1)
    (result,) = deliver(Parcel(str(home), "one", (b"x",)))
    assert isinstance(result, NotStored)
    assert result.number == errno.EPERM


def test_f175_a_full_disk_leaves_nothing_behind(home: Path, file_size_limit: int) -> None:
    """When there is no room, the unfinished file goes, and the others of the batch are delivered."""
    before = descriptors()
    results = deliver(Parcel(str(home), "big", (b"x" * (file_size_limit + 1),)), Parcel(str(home), "small", (b"y",)))
    assert isinstance(results[0], NotStored)
    assert results[0].number == errno.EFBIG
    assert results[1] == Stored("small,S=1")
    assert files(home) == {"new/small,S=1": b"y"}
    assert descriptors() == before


def test_f175_a_full_disk_while_content_arrives(home: Path, file_size_limit: int) -> None:
    """Content that comes piece by piece and does not fit is taken back."""
    parcel = Parcel(str(home), "big", (b"x" * file_size_limit,))
    with opened(Settled()) as open_one:
        begin([parcel], open_one)
        append([parcel], b"more")
        append([parcel], b"and more")
        finish([parcel])
    assert isinstance(parcel.result(), NotStored)
    assert files(home) == {}


def test_content_piece_by_piece(home: Path) -> None:
    """Pieces are appended in order, and the name has the whole size."""
    parcel = Parcel(str(home), "one")
    with opened(Settled()) as open_one:
        begin([parcel], open_one)
        for piece in (b"a" * 100_000, b"", b"b"):
            append([parcel], piece)
        assert files(home) == {"tmp/one": b"a" * 100_000 + b"b"}
        finish([parcel])
    assert files(home) == {"new/one,S=100001": b"a" * 100_000 + b"b"}


def test_what_is_abandoned_is_gone(home: Path) -> None:
    """A message whose content ended early leaves no trace."""
    parcel = Parcel(str(home), "one", (b"x",))
    with opened(Settled()) as open_one:
        begin([parcel], open_one)
        abandon([parcel])
    assert files(home) == {}
    assert isinstance(parcel.result(), NotStored)


def test_a_removed_maildir_is_made_again(home: Path) -> None:
    """A Maildir that went away since the last delivery is made once more."""
    settled = Settled(limit=1)
    for path in (home, home.with_name("bob")):
        with opened(settled) as open_one:
            open_one(str(path))
        assert str(path) in settled
    assert str(home) not in settled
    for part in ("tmp", "new", "cur"):
        (home / part).rmdir()
    home.rmdir()
    assert deliver(Parcel(str(home), "one", (b"x",))) == [Stored("one,S=1")]
