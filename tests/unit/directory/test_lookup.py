"""Who lives here, for a server that runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from eilpost.directory.alias_file import AliasFile
from eilpost.directory.lookup import LOOK_EVERY, Directory
from eilpost.directory.store import DirectoryError, Store
from eilpost.mail.address import Address, parse_address
from eilpost.route.expand import Known

ANNA = parse_address("Anna@example.test")
BERT = parse_address("bert@example.test")
SALES = parse_address("sales@example.test")


class Clock:
    """Time that only a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """What commands change."""
    with Store(tmp_path) as opened:
        yield opened


@pytest.fixture
def directory(tmp_path: Path, store: Store, clock: Clock) -> Iterator[Directory]:
    """What the server asks; Anna was there before it started."""
    store.add_account(ANNA, "", 1.0)
    opened = Directory(tmp_path, clock=clock)
    yield opened
    opened.close()


def settle(directory: Directory) -> None:
    """Waits for new dictionaries that are on their way."""
    if directory._reloading is not None:
        directory._reloading.join()


def test_accounts_and_aliases_are_known(directory: Directory, store: Store) -> None:
    """An account is told as it is spelt, an alias by its members, and a name may be both."""
    store.add_alias(SALES, [ANNA, BERT])
    store.add_alias(ANNA, [ANNA, BERT])

    assert directory.known(SALES) == Known(None, (ANNA, BERT))
    settle(directory)
    assert directory.known(parse_address("aNNa@example.test")) == Known(ANNA, (ANNA, BERT))
    assert directory.known(BERT) is None
    assert directory.known(parse_address("anna@other.test")) is None


def test_a_new_account_counts_at_once(directory: Directory, store: Store) -> None:
    """Nobody is told "unknown" who was added a moment ago, though the clock has not moved."""
    assert directory.known(BERT) is None
    store.add_account(BERT, "", 2.0)

    assert directory.known(BERT) == Known(BERT)
    account = directory.account(BERT)
    assert account is not None
    assert account.created == 2.0


def test_a_removed_account_goes_with_the_next_look(directory: Directory, store: Store, clock: Clock) -> None:
    """What is found in memory may be as old as one look, and no older."""
    store.remove_account(ANNA)
    assert directory.known(ANNA) == Known(ANNA)

    clock.now += LOOK_EVERY
    directory.known(ANNA)
    settle(directory)
    assert directory.known(ANNA) is None


def test_changes_after_changes_are_seen(directory: Directory, store: Store, clock: Clock) -> None:
    """Each change leads to new dictionaries, not only the first."""
    for number in range(5):
        address = parse_address(f"user{number}@example.test")
        store.add_account(address, "", 0.0)
        assert directory.known(address) == Known(address)
        settle(directory)
        assert directory.account(address) is not None


def test_f191_names_in_either_normal_form_are_one(directory: Directory, store: Store) -> None:
    """A composed and a decomposed letter find the same account."""
    store.add_account(Address("j\u00fcrgen", "example.test"), "", 0.0)

    found = directory.known(Address("Ju\u0308rgen", "example.test"))
    assert found is not None
    assert found.account == Address("j\u00fcrgen", "example.test")


def test_a_file_that_breaks_is_told(directory: Directory, tmp_path: Path) -> None:
    """A closed or broken database is DirectoryError, which is a reason to defer and never to refuse."""
    directory.close()
    with pytest.raises(DirectoryError):
        directory.known(BERT)


def alias_file(tmp_path: Path, text: str) -> tuple[Path, AliasFile, list[str]]:
    path = tmp_path / "aliases"
    path.write_text(text)
    warnings: list[str] = []
    return path, AliasFile(path, warnings.append), warnings


def test_the_alias_file_is_asked_too(tmp_path: Path, clock: Clock) -> None:
    """A bare name holds at every domain, one with a domain before it; the command's aliases come first."""
    _, file, warnings = alias_file(tmp_path, "Root: anna\nroot@b.test: bert@c.test\nsales: nobody\n")
    with Store(tmp_path) as store:
        store.add_alias(SALES, [ANNA])
    directory = Directory(tmp_path, file, clock=clock)

    assert directory.known(parse_address("rOOt@a.test")) == Known(None, (parse_address("anna@a.test"),))
    assert directory.known(parse_address("root@b.test")) == Known(None, (parse_address("bert@c.test"),))
    assert directory.known(SALES) == Known(None, (ANNA,))
    assert warnings == []
    directory.close()


def test_a_changed_alias_file_counts_at_once(tmp_path: Path) -> None:
    """The file is read again when it has changed."""
    path, file, _ = alias_file(tmp_path, "root: anna\n")
    path.write_text("root: anna, bert\n")

    found = file.find(parse_address("root@example.test"))
    assert found is not None
    assert len(found.members) == 2


def test_a_broken_alias_file_leaves_the_last_one_in_force(tmp_path: Path) -> None:
    """What cannot be read, or is gone, is warned of once and changes nothing."""
    path, file, warnings = alias_file(tmp_path, "root: anna\n")
    root = parse_address("root@example.test")
    path.write_text("root: |/bin/sh -c evil\n")
    assert file.find(root) == file.find(root) is not None
    path.unlink()
    assert file.find(root) == file.find(root) is not None

    assert len(warnings) == 2
    assert "line 1" in warnings[0]
    assert "No such file" in warnings[1]


def test_a_new_account_is_never_overlooked(tmp_path: Path) -> None:
    """Whenever the dictionaries are swapped: an account that was made before the question is found."""
    moments = count()
    with Store(tmp_path) as store, contextlib.closing(Directory(tmp_path, clock=lambda: float(next(moments)))) as found:
        for number in range(150):
            address = parse_address(f"user{number}@example.test")
            store.add_account(address, "", 0.0)
            assert found.account(address) is not None
            assert found.known(address) is not None
