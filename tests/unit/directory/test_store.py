"""Accounts and aliases on disk."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from eilpost.directory.kept import AppPassword, Kept, User
from eilpost.directory.last_use import LastUse
from eilpost.directory.store import MIGRATIONS, AccountExists, DirectoryError, NotFound, Store
from eilpost.mail.address import Address, parse_address

ANNA = parse_address("Anna@example.test")
BERT = parse_address("bert@example.test")
SALES = parse_address("sales@example.test")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty directory."""
    with Store(tmp_path / "var") as opened:
        yield opened


def test_an_account_is_found_in_any_case_and_shown_as_made(store: Store) -> None:
    """Local parts are compared without ASCII case and displayed as they were created (F191)."""
    store.add_account(ANNA, "", 1.5)
    found = store.account(parse_address("ANNA@example.test"))

    assert found.address == ANNA
    assert found.created == 1.5
    assert not found.can_log_in
    with pytest.raises(AccountExists, match=r"Anna@example\.test exists"):
        store.add_account(parse_address("aNNa@example.test"), "", 2.0)


def test_accounts_are_listed_in_order(store: Store) -> None:
    """A list is sorted by domain and name, and may be of one domain."""
    for address in (BERT, ANNA, parse_address("x@a.test")):
        store.add_account(address, "", 0.0)

    assert [str(account.address) for account in store.accounts()] == [
        "x@a.test",
        "Anna@example.test",
        "bert@example.test",
    ]
    assert [str(account.address) for account in store.accounts("a.test")] == ["x@a.test"]


def test_a_password_is_changed_and_taken_away(store: Store) -> None:
    """An account has one password or none."""
    store.add_account(ANNA, "hash", 0.0)
    store.set_password(ANNA, "other")
    assert store.password_hash(parse_address("anna@example.test")) == "other"

    store.set_password(ANNA, "")
    assert not store.account(ANNA).can_log_in


def test_what_is_not_there_is_told(store: Store) -> None:
    """Every change of an account or alias that is missing is NotFound."""
    for act in (
        lambda: store.account(ANNA),
        lambda: store.password_hash(ANNA),
        lambda: store.set_password(ANNA, "x"),
        lambda: store.remove_account(ANNA),
        lambda: store.alias(ANNA),
        lambda: store.remove_alias(ANNA),
    ):
        with pytest.raises(NotFound, match=r"Anna@example\.test"):
            act()


def test_an_alias_keeps_its_members_in_order(store: Store) -> None:
    """Members are added behind those that are there, each once."""
    store.add_alias(SALES, [BERT, ANNA])
    store.add_alias(parse_address("SALES@example.test"), [BERT, parse_address('"c d"@elsewhere.test')])

    assert list(map(str, store.alias(SALES).members)) == [
        "bert@example.test", "Anna@example.test", '"c d"@elsewhere.test',
    ]  # fmt: skip
    assert store.aliases_with(parse_address("BERT@example.test")) == [store.alias(SALES)]


def test_an_alias_loses_members_or_goes(store: Store) -> None:
    """Some members go, and with the last one the alias; a stranger among them changes nothing."""
    store.add_alias(SALES, [ANNA, BERT])
    with pytest.raises(NotFound, match="no member"):
        store.remove_alias(SALES, [ANNA, parse_address("nobody@example.test")])
    assert len(store.alias(SALES).members) == 2

    store.remove_alias(SALES, [ANNA])
    assert store.alias(SALES).members == (BERT,)
    store.remove_alias(SALES)
    assert store.aliases() == []


def test_f079_names_are_values_never_sql(store: Store) -> None:
    """A local part full of SQL is a name like any other."""
    evil = Address("x'); DROP TABLE accounts;--", "example.test")
    store.add_account(evil, "", 0.0)

    assert store.accounts()[0].address == evil


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Password hashes are readable by nobody else."""
    with Store(tmp_path) as opened:
        assert stat.S_IMODE(opened.path.stat().st_mode) == 0o600


def test_changes_survive_and_are_synced(tmp_path: Path) -> None:
    """The next one to open it finds what was made; the journal is a WAL."""
    with Store(tmp_path) as opened:
        opened.add_account(ANNA, "", 0.0)
        assert opened._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert opened._connection.execute("PRAGMA synchronous").fetchone() == (2,)

    with Store(tmp_path) as again:
        assert again.account(ANNA).address == ANNA


def test_two_may_have_it_open(tmp_path: Path) -> None:
    """What one has made the other sees at once."""
    with Store(tmp_path) as one, Store(tmp_path) as other:
        one.add_account(ANNA, "", 0.0)
        other.add_account(BERT, "", 0.0)

        assert len(one.accounts()) == 2


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    """A file of a later version is left alone, and the error tells the mend."""
    with Store(tmp_path) as opened:
        opened._connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")

    with pytest.raises(DirectoryError, match="newer Eilpost"):
        Store(tmp_path)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    """What is no database is an error that names the file."""
    (tmp_path / "directory.db").write_bytes(b"this is not a database, it only has its name" * 100)

    with pytest.raises(DirectoryError, match=r"directory\.db: file is not a database"):
        Store(tmp_path)


def test_a_locked_file_is_told(tmp_path: Path) -> None:
    """A writer that never ends makes an error, not a hang."""
    with Store(tmp_path) as opened:
        blocker = sqlite3.connect(opened.path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        opened._connection.execute("PRAGMA busy_timeout = 10")
        with pytest.raises(DirectoryError, match="locked"):
            opened.add_account(ANNA, "", 0.0)
        blocker.close()


def test_a_damaged_member_is_told(tmp_path: Path) -> None:
    """A member that is no address is an error that names the file, not a fault of the program."""
    with Store(tmp_path) as opened:
        opened.add_alias(SALES, [ANNA])
        opened._connection.execute("UPDATE alias_members SET member = 'rubbish'")
        with pytest.raises(DirectoryError, match=r"directory\.db: an address needs"):
            opened.aliases()


def test_a_password_is_kept_with_its_keys_and_forgotten_with_them(store: Store) -> None:
    """SCRAM's keys and the secret go when the password changes: nobody logs in by an old one."""
    store.add_user(ANNA, Kept("hash", "k256", "k1", "secret"), 0.0)
    found = store.user(parse_address("ANNA@example.test"))
    assert found == User(str(ANNA), Kept("hash", "k256", "k1", "secret"))
    assert "secret" not in repr(found)

    store.set_password(ANNA, "new")
    assert store.user(ANNA) == User(str(ANNA), Kept("new"))
    assert store.user(BERT) is None


def test_a_renewed_hash_never_undoes_a_change(store: Store) -> None:
    """A newer form of the password is written only over the one it was made from."""
    store.add_account(ANNA, "old", 0.0)
    assert store.renew(ANNA, "old", Kept("newer"))
    assert not store.renew(ANNA, "old", Kept("too late"))
    assert store.password_hash(ANNA) == "newer"


def test_app_passwords_have_names_and_go_with_their_account(store: Store) -> None:
    """Each name is given once; a removed account leaves none to its successor."""
    store.add_account(ANNA, "", 0.0)
    store.add_app_password(ANNA, AppPassword("phone", "h", 1.0))
    with pytest.raises(AccountExists, match="'phone' already"):
        store.add_app_password(ANNA, AppPassword("phone", "h", 1.0))
    with pytest.raises(NotFound):
        store.add_app_password(BERT, AppPassword("phone", "h", 1.0))
    assert [app.name for app in store.app_passwords(ANNA)] == ["phone"]

    store.remove_account(ANNA)
    store.add_account(ANNA, "", 2.0)
    assert store.app_passwords(ANNA) == []
    with pytest.raises(NotFound, match="no app password 'phone'"):
        store.remove_app_password(ANNA, "phone")


def test_a_file_of_the_first_release_is_brought_up_to_date(tmp_path: Path) -> None:
    """Accounts with their passwords live on through the new columns."""
    data = tmp_path / "var"
    data.mkdir()
    with sqlite3.connect(data / "directory.db") as old:
        for statement in MIGRATIONS[0]:
            old.execute(statement)
        old.execute("INSERT INTO accounts VALUES ('example.test', 'anna', 'Anna', 'hash', 1.0)")
        old.execute("PRAGMA user_version = 1")
    old.close()

    with Store(data) as opened:
        assert opened.user(ANNA) == User("Anna@example.test", Kept("hash"))


def test_last_use_is_noted_beside_the_accounts(tmp_path: Path) -> None:
    """Time and client by app password; the pepper is made once."""
    uses = LastUse(tmp_path)
    uses.note("a@x", "phone", 5.0, "192.0.2.1")
    uses.note("a@x", "phone", 6.0, "192.0.2.2")
    assert LastUse(tmp_path).of("a@x") == {"phone": (6.0, "192.0.2.2")}
    assert LastUse(tmp_path).pepper() == uses.pepper()

    uses.forget("a@x", "phone")
    assert uses.of("a@x") == {}
