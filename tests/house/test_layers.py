"""Imports go downward, and nowhere else."""

from __future__ import annotations

from typing import Final

import pytest

from tests.house.source import Module, modules

# From the top. Who stands on a line imports only from lines below it; rooms on one line do not know each other.
LAYERS: Final = (
    ("cli", "__main__"),
    ("web",),  # `eilpost dev` starts the page
    ("system",),
    ("control",),
    ("queue", "inbox"),
    ("receive", "deliver", "retrieve", "compat"),
    ("client", "server"),
    ("net", "spool", "maildrop", "directory", "config", "logs"),
    ("policy", "route", "report"),
    ("trust",),
    ("smtp", "pop3", "sasl", "message"),
    ("journal", "config.schema"),
    ("mail",),
)
HEIGHT: Final = {room: -number for number, line in enumerate(LAYERS) for room in line}
FACE: Final = frozenset({"eilpost"})  # what users import; it may know everybody, nobody may know it


def room(module: str) -> str:
    """The room that a module belongs to."""
    inner = module.removeprefix("eilpost.")
    parts = inner.split(".")
    pair = ".".join(parts[:2])
    return pair if pair in HEIGHT else parts[0]


def complaint(module: Module, target: str) -> str:
    """Why this import is not allowed; empty when it is."""
    here, there = room(module.name), room(target)
    if target in FACE or target == "eilpost.<relative>":
        return "inner modules import neither eilpost itself nor by relative names"
    if module.name in FACE or here == there:
        return ""
    if there == "testing":
        return "nothing imports testing"
    if here == "testing":
        return "" if HEIGHT[there] < HEIGHT["system"] else "testing stands below system"
    if {here, there} == {"config", "config.schema"} and here == "config":
        return ""
    if HEIGHT[there] == HEIGHT[here]:
        return f"{here} and {there} stand on one line"
    return "" if HEIGHT[there] < HEIGHT[here] else f"{here} stands below {there}"


def test_every_module_has_a_room() -> None:
    """A module stands in one of the rooms of the house, or is its face."""
    known = FACE | HEIGHT.keys() | {"testing"}
    assert not [module.where for name, module in modules().items() if room(name) not in known]


def test_imports_go_downward() -> None:
    """A room knows the rooms below it and no others."""
    found = [
        f"{module.where}:{each.line} imports {each.module}: {why}"
        for module in modules().values()
        for each in module.imports()
        if (why := complaint(module, each.module))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("importer", "target", "allowed"),
    [
        ("eilpost.queue.manager", "eilpost.spool.contract", True),
        ("eilpost.spool.writer", "eilpost.queue.manager", False),
        ("eilpost.spool.writer", "eilpost.directory.store", False),
        ("eilpost.config.load", "eilpost.config.schema", True),
        ("eilpost.config.schema", "eilpost.config.load", False),
        ("eilpost.config.schema.users", "eilpost.config.load", False),
        ("eilpost.mail.address", "eilpost.journal", False),
        ("eilpost.mail.address", "eilpost", False),
        ("eilpost.cli.main", "eilpost.testing.clock", False),
        ("eilpost.testing.clock", "eilpost.net.clock", True),
        ("eilpost.testing.clock", "eilpost.system", False),
    ],
)
def test_the_rule_sees(importer: str, target: str, allowed: bool) -> None:
    """The rule itself tells downward from upward, sideward and inward."""
    module = modules()["eilpost"]
    assert (complaint(Module(importer, module.path, "", module.tree), target) == "") is allowed
