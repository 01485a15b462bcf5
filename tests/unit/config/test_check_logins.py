"""Whether the settings of logins make sense."""

from __future__ import annotations

from typing import Any

import pytest

from eilpost.config.check import FileFact
from eilpost.config.schema import DIRECTORY_KINDS, SASL_MECHANISMS, Auth, Directory, Sender
from eilpost.directory.open_sources import open_sources
from eilpost.sasl.mechanisms import MECHANISMS
from tests.unit.config.test_check import findings

PRIVATE = {"/users": FileFact(True, 0o640)}


@pytest.mark.parametrize(
    ("settings", "files", "found"),
    [
        ({"kind": "passwd"}, {}, [("error", "directory.file")]),
        ({"kind": "passwd", "file": "/users"}, {"/users": FileFact(False)}, [("error", "directory.file")]),
        ({"kind": "passwd", "file": "/users"}, {"/users": FileFact(True, 0o644)}, [("warning", "directory.file")]),
        ({"kind": "passwd", "file": "/users"}, PRIVATE, []),
        ({"kind": "sql"}, {}, [("error", "directory.file")]),
        ({"kind": "sql", "database": "dbname=mail"}, {}, []),
        ({"kind": "sql", "file": "/users", "query": "SELECT 1"}, PRIVATE, [("error", "directory.query")]),
        (
            {"kind": "dovecot", "socket": "/s"},
            {"/s": FileFact(False)},
            [("warning", "directory.socket"), ("warning", "auth.mechanisms")],
        ),
    ],
)
def test_a_directory_that_cannot_be_asked_is_found(
    settings: dict[str, Any], files: dict[str, FileFact], found: list[tuple[str, str]]
) -> None:
    """Before the first user is told that their password is wrong."""
    assert findings(files, directory=Directory(**settings)) == found


@pytest.mark.parametrize("address", ["nobody", "@", "a@b@c", "@exa mple"])
def test_a_sender_is_an_address_or_a_domain(address: str) -> None:
    """What [[sender]] grants can be a sender's address."""
    assert findings(sender=(Sender("a@b.test", ("x@y.test", "@y.test", address)),)) == [
        ("error", "sender[1].addresses")
    ]


def test_login_on_mx_is_warned_of() -> None:
    """F118: users belong on submission."""
    assert findings(auth=Auth(on_mx=True)) == [("warning", "auth.on_mx")]


def test_the_settings_know_the_mechanisms_and_directories() -> None:
    """Their choices are the tables of those who do the work."""
    assert set(SASL_MECHANISMS) == set(MECHANISMS)
    assert set(Auth().mechanisms) <= set(MECHANISMS)
    assert set(DIRECTORY_KINDS) == set(open_sources.__globals__["_OPEN"])
