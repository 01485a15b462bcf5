"""``eilpost user`` and ``eilpost alias``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import argon2
import pytest

from eilpost.cli.exits import Exit
from eilpost.directory.store import Store
from eilpost.mail.address import parse_address

pytestmark = pytest.mark.usefixtures("config_file")

ANNA = "anna@example.test"


def test_an_account_is_added_and_listed(run: Any) -> None:
    """Without a terminal and without --password-stdin an account has no login."""
    assert run("user", "add", ANNA).out == f"{ANNA} added, without a password\n"
    rows = json.loads(run("user", "list", "--json").out)

    assert [(row["address"], row["login"]) for row in rows] == [(ANNA, False)]
    assert ANNA in run("user", "list", "--domain", "example.test").out


def test_a_password_comes_by_standard_input(run: Any, tmp_path: Path) -> None:
    """--password-stdin reads one line; the hash is Argon2id."""
    run("user", "add", ANNA, "--password-stdin", given="geheim\n")
    run("user", "passwd", ANNA, "--password-stdin", given="neu und lang\r\n")

    with Store(tmp_path / "var") as store:
        assert argon2.PasswordHasher().verify(store.password_hash(parse_address(ANNA)), "neu und lang")


def test_a_password_is_taken_away(run: Any) -> None:
    """--none leaves an account that nobody can log in to."""
    run("user", "add", ANNA, "--password-stdin", given="geheim\n")
    assert run("user", "passwd", ANNA, "--none").code == Exit.OK

    assert json.loads(run("user", "list", "--json").out)[0]["login"] is False


@pytest.mark.parametrize(
    ("arguments", "given", "code", "said"),
    [
        (("add", "anna@exmaple.test"), "", Exit.NOHOST, "the nearest that is one is example.test"),
        (("add", "anna@elsewhere.org"), "", Exit.NOHOST, "add it as a [[domain]]"),
        (("add", "anna"), "", Exit.DATAERR, "is no address"),
        (("add", "a\u200bnna@example.test"), "", Exit.DATAERR, "U+200B"),
        (("add", ANNA, "--password-stdin"), "", Exit.DATAERR, "it is empty"),
        (("passwd", ANNA), "", Exit.NOUSER, f"there is no account {ANNA}"),
        (("remove", ANNA, "--yes"), "", Exit.NOUSER, f"there is no account {ANNA}"),
        (("passwd", ANNA, "--none", "--password-stdin"), "", Exit.USAGE, "exclude each other"),
        (("list", "--domain", "elsewhere.org"), "", Exit.NOHOST, "no domain of this server"),
    ],
)
def test_what_cannot_be_is_told(run: Any, arguments: tuple[str, ...], given: str, code: Exit, said: str) -> None:
    """Each refusal is one sentence with the code of its kind."""
    result = run("user", *arguments, given=given)

    assert result.code == code
    assert said in result.err
    assert result.err.count("\n") == 1
    assert "\u200b" not in result.err


def test_an_account_is_made_once(run: Any) -> None:
    """The same address in another case is there already: EX_CANTCREAT."""
    run("user", "add", ANNA)
    result = run("user", "add", "ANNA@Example.Test")

    assert result.code == Exit.CANTCREAT
    assert result.err == f"eilpost: the account {ANNA} exists already\n"


def test_f190_a_lookalike_is_warned_of(run: Any) -> None:
    """A name of mixed scripts that looks like another is made, with a warning."""
    run("user", "add", ANNA)
    result = run("user", "add", "\u0430nna@example.test")

    assert result.code == Exit.OK
    assert "mixes letters of Cyrillic and Latin" in result.err
    assert "looks like the account 'anna'" in result.err


def test_removing_needs_a_yes(run: Any) -> None:
    """Where nobody can be asked nothing is removed without --yes; the mail stays and is named."""
    run("user", "add", ANNA)
    assert run("user", "remove", ANNA).code == Exit.USAGE
    assert len(json.loads(run("user", "list", "--json").out)) == 1

    result = run("user", "remove", ANNA, "--yes")
    assert result.code == Exit.OK
    assert "its mail stays below" in result.out
    assert json.loads(run("user", "list", "--json").out) == []


def test_removing_names_the_aliases_that_lead_there(run: Any) -> None:
    """An alias that would lead to nobody is warned of."""
    run("user", "add", ANNA)
    run("alias", "add", "sales@example.test", "anna")

    assert "the alias sales@example.test leads to" in run("user", "remove", ANNA, "--yes").err


def test_an_alias_is_added_shown_and_removed(run: Any) -> None:
    """Members without a domain are at the alias's own; the last member takes the alias with it."""
    run("user", "add", ANNA)
    made = run("alias", "add", "sales@example.test", "anna", "bert@elsewhere.org")
    assert made.out == "sales@example.test: anna@example.test, bert@elsewhere.org\n"
    assert made.err == ""

    assert run("alias", "show", "SALES@example.test").out == "anna@example.test\nbert@elsewhere.org\n"
    assert json.loads(run("alias", "list", "--json").out) == [
        {"alias": "sales@example.test", "members": ["anna@example.test", "bert@elsewhere.org"]}
    ]
    assert run("alias", "remove", "sales@example.test", "anna").out == "sales@example.test: bert@elsewhere.org\n"
    assert run("alias", "remove", "sales@example.test").out == "sales@example.test removed\n"
    assert run("alias", "show", "sales@example.test").code == Exit.NOUSER


@pytest.mark.parametrize("member", ["nobody", "sales"])
def test_a_member_that_is_nobody_is_warned_of(run: Any, member: str) -> None:
    """A member at home here without account or alias is warned of, so is an alias that is its only member."""
    assert "neither account nor alias" in run("alias", "add", "sales@example.test", member).err


def test_known_members_raise_no_warning(run: Any) -> None:
    """Accounts, sub-addresses, postmaster, other aliases and domains delivered elsewhere are fine."""
    run("user", "add", ANNA)
    run("alias", "add", "all@example.test", "anna")
    made = run("alias", "add", "anna@example.test", "anna", "anna+copy", "postmaster", "all", "x@bücher.example")

    assert made.code == Exit.OK
    assert made.err == ""


def test_an_alias_must_be_at_home(run: Any) -> None:
    """An alias at a domain that is not ours is refused with EX_NOHOST, a bad member with EX_DATAERR."""
    assert run("alias", "add", "sales@elsewhere.org", "anna").code == Exit.NOHOST
    assert run("alias", "add", "sales@example.test", "a b").code == Exit.DATAERR
