"""``eilpost user passwd --cram``, ``app-password`` and ``import``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eilpost.cli.exits import Exit
from eilpost.directory.last_use import LastUse
from eilpost.directory.passwords import is_app_password
from eilpost.directory.schemes import verify
from eilpost.directory.store import Store
from eilpost.mail.address import parse_address

pytestmark = pytest.mark.usefixtures("config_file")

ANNA = "anna@example.test"
SSHA = "{SSHA256}9N8zsKbygSkBAVkkm8C+LjZMG4z4lSPJiamiRpDTALe1axy+"  # "grün geheim"


def stored(tmp_path: Path, address: str) -> Any:
    """What the directory has of an account."""
    with Store(tmp_path / "var") as store:
        return store.user(parse_address(address))


def test_the_password_itself_is_kept_on_demand_alone(run: Any, tmp_path: Path) -> None:
    """--cram says so in a warning; the next passwd without it forgets it."""
    run("user", "add", ANNA, "--password-stdin", given="geheim\n")
    assert stored(tmp_path, ANNA).kept.secret == ""

    result = run("user", "passwd", ANNA, "--cram", "--password-stdin", given="geheim\n")
    assert "warning: the password of anna@example.test is kept as it is" in result.err
    assert stored(tmp_path, ANNA).kept.secret == "geheim"
    run("user", "passwd", ANNA, "--password-stdin", given="geheim\n")
    assert stored(tmp_path, ANNA).kept.secret == ""
    assert run("user", "passwd", ANNA, "--none", "--cram").code == Exit.USAGE


def test_an_app_password_is_made_listed_and_taken_away(run: Any, tmp_path: Path) -> None:
    """It is shown once, alone on standard output; the list says when and from where it was used."""
    run("user", "add", ANNA)
    password = run("user", "app-password", "add", ANNA, "phone").out.strip()
    assert is_app_password(password, stored(tmp_path, ANNA).app_passwords[0].hash)
    assert run("user", "app-password", "add", ANNA, "phone").code == Exit.CANTCREAT

    LastUse(tmp_path / "var").note(ANNA, "phone", 1.7e9, "192.0.2.1")
    (row,) = json.loads(run("user", "app-password", "list", ANNA, "--json").out)
    assert (row["name"], row["last_client"]) == ("phone", "192.0.2.1")
    assert row["last_used"].startswith("2023-11-14")
    assert password not in json.dumps(row)

    assert run("user", "app-password", "remove", ANNA, "phone").code == Exit.OK
    assert run("user", "app-password", "remove", ANNA, "phone").code == Exit.NOUSER
    assert json.loads(run("user", "app-password", "list", ANNA, "--json").out) == []


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 65])
def test_an_app_password_has_a_name_one_can_read(run: Any, name: str) -> None:
    """Anything else is refused in one sentence."""
    run("user", "add", ANNA)
    result = run("user", "app-password", "add", ANNA, name)
    assert (result.code, result.err.count("\n")) == (Exit.DATAERR, 1)


FILE = f"""# users
anna:{SSHA}:1000:1000::/home/anna:
bert@example.test:{{PLAIN}}geheim
carl@elsewhere.org:{SSHA}
dora:!
emil:{{NTLM}}00
:{SSHA}
fred
anna:{SSHA}
"""


def test_accounts_are_imported_with_their_hashes(run: Any, tmp_path: Path) -> None:
    """Who is skipped is listed with the line and the reason; plain passwords are hashed at once."""
    file = tmp_path / "users"
    file.write_text(FILE)
    dry = run("user", "import", str(file), "--domain", "example.test", "--dry-run")
    assert "would be imported" in dry.out
    assert stored(tmp_path, ANNA) is None

    result = run("user", "import", str(file), "--domain", "example.test", "--json")
    assert "2 accounts imported, 6 lines skipped" in result.err
    assert [(row["line"], row["why"][:24]) for row in json.loads(result.out)] == [
        (4, "elsewhere.org is no doma"),
        (5, "its password is locked, "),
        (6, "the scheme {NTLM} is not"),
        (7, "the name is no address: "),
        (8, "it has no password"),
        (9, "there is such an account"),
    ]
    assert stored(tmp_path, ANNA).kept.password == SSHA
    bert = stored(tmp_path, "bert@example.test").kept
    assert verify(bert.password, "geheim")
    assert bert.secret == ""
    assert "geheim" not in result.out + result.err


def test_an_import_replaces_only_when_told(run: Any, tmp_path: Path) -> None:
    """--replace gives an account the hash of the file."""
    file = tmp_path / "users"
    file.write_text(f"{ANNA}:{SSHA}\n")
    run("user", "add", ANNA)
    assert "1 lines skipped" in run("user", "import", str(file)).out
    assert "1 accounts imported" in run("user", "import", str(file), "--replace").out
    assert stored(tmp_path, ANNA).kept.password == SSHA


def test_names_without_a_domain_need_one(run: Any, tmp_path: Path) -> None:
    """Two domains and no --domain: nobody can know."""
    file = tmp_path / "users"
    file.write_text(f"anna:{SSHA}\n")
    assert "the name has no domain" in run("user", "import", str(file)).out
    assert run("user", "import", str(tmp_path / "none")).code == Exit.NOINPUT
