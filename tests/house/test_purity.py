"""Words, grammars and decisions never wait, look at a clock, or touch the world."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

import pytest

from tests.house.source import Module, modules

PURE_ROOMS: Final = ("mail", "journal", "smtp", "pop3", "sasl", "message", "trust", "policy", "route", "report")
PURE_MODULES: Final = ("config.schema", "queue.retry", "queue.concurrency", "deliver.meaning", "logs.render")
FORBIDDEN_IMPORTS: Final = frozenset(
    {"socket", "ssl", "asyncio", "os", "pathlib", "time", "random", "secrets", "logging", "threading",
     "concurrent", "multiprocessing", "select", "selectors", "shutil", "signal", "subprocess",
     "tempfile", "urllib.request", "uuid", "uvloop", "dns"}
)  # fmt: skip
FORBIDDEN_CALLS: Final = frozenset(
    {"open", "print", "input", "now", "utcnow", "today", "formatdate", "localtime", "make_msgid", "getrandbits"}
)


def must_be_pure(module: Module) -> bool:
    """By its place in the house, or by what its first line says."""
    inner = module.name.removeprefix("eilpost.")
    return (
        inner.partition(".")[0] in PURE_ROOMS
        or inner in PURE_MODULES
        or inner.rpartition(".")[0] in PURE_MODULES
        or (bool(module.kinds) and "deed" not in module.kinds)
    )


def impurities(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Each place that waits or touches the world. A Protocol may *describe* what waits."""
    described = {id(method) for node in ast.walk(tree) if _is_protocol(node) for method in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, f"imports {each.name}") for each in names if _is_forbidden(each.name))
            case ast.ImportFrom(module=str(module)) if _is_forbidden(module):
                yield node.lineno, f"imports {module}"
            case ast.AsyncFunctionDef() if id(node) not in described:
                yield node.lineno, f"async def {node.name}"
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in FORBIDDEN_CALLS:
                yield node.lineno, f"calls {name}"
            case ast.Global() | ast.Await():
                yield node.lineno, type(node).__name__.lower()


def _is_protocol(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(base) for base in node.bases)


def _is_forbidden(module: str) -> bool:
    return module in FORBIDDEN_IMPORTS or module.partition(".")[0] in FORBIDDEN_IMPORTS


def test_the_first_line_names_the_kind() -> None:
    """A module's first line says in parentheses which of the four kinds it is."""
    found = [
        f"{module.where}:1 names no kind: {module.first_line!r}"
        for module in modules().values()
        if module.holds_code and not module.is_package and not module.kinds
    ]
    assert not found, "\n".join(found)


def test_pure_modules_are_pure() -> None:
    """Words, grammars and decisions hold nothing that waits, and no clock, dice, file or log."""
    found = [
        f"{module.where}:{line} {what}"
        for module in modules().values()
        if must_be_pure(module)
        for line, what in impurities(module.tree)
    ]
    assert not found, "\n".join(found)


def test_pure_rooms_hold_no_deeds() -> None:
    """A room of words, grammars or decisions has no deed in it."""
    assert not [each.where for each in modules().values() if must_be_pure(each) and "deed" in each.kinds]


def test_nothing_mutable_lies_at_module_level() -> None:
    """Modules and classes hold no empty container waiting to be filled, and no function says ``global``."""
    found = [
        f"{module.where}:{line} {what}" for module in modules().values() for line, what in _loose_state(module.tree)
    ]
    assert not found, "\n".join(found)


def _loose_state(tree: ast.Module) -> Iterator[tuple[int, str]]:
    bodies = [tree.body, *(node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]
    for statement in (statement for body in bodies for statement in body):
        match statement:
            case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
                if ast.unparse(value) in {"[]", "{}", "set()", "dict()", "list()", "deque()", "bytearray()"}:
                    yield statement.lineno, "an empty container"
            case _:
                continue
    yield from ((node.lineno, "global") for node in ast.walk(tree) if isinstance(node, ast.Global))


def test_nobody_dispatches_by_a_made_up_name() -> None:
    """No ``getattr`` with a name that is put together, no ``eval``, no ``exec``, no pickle."""
    found = []
    for module in modules().values():
        calls = [node for node in ast.walk(module.tree) if isinstance(node, ast.Call) and _is_dispatch(node)]
        found += [f"{module.where}:{node.lineno} {ast.unparse(node)}" for node in calls]
        found += [
            f"{module.where}:{each.line} {each.module}" for each in module.foreign_imports() if each.module in UNSAFE
        ]
    assert not found, "\n".join(found)


UNSAFE: Final = frozenset({"pickle", "marshal", "shelve"})


def _is_dispatch(call: ast.Call) -> bool:
    match call:
        case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.JoinedStr() | ast.BinOp(), *_]):
            return True
        case ast.Call(func=ast.Name(id="eval" | "exec" | "__import__")):
            return True
        case _:
            return False


@pytest.mark.parametrize(
    "source",
    ["import time", "from os import path", "async def f(): ...", "import datetime; datetime.datetime.now()",
     "def f(): return open('x')", "import asyncio.events"],
)  # fmt: skip
def test_the_rule_sees_impurity(source: str) -> None:
    """The rule itself finds each way to touch the world."""
    assert list(impurities(ast.parse(source)))


def test_the_rule_lets_a_contract_describe_waiting() -> None:
    """A Protocol's async methods are a description, not a deed."""
    assert not list(impurities(ast.parse("class A(Protocol):\n    async def b(self) -> None: ...")))
