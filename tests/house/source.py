"""The source as the house's rules see it: modules, kinds, imports, functions (words)."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCE: Final = ROOT / "src"

KINDS: Final = ("word", "grammar", "decision", "deed", "table")
_IN_PARENTHESES = re.compile(r"\(([^()]*)\)")


@dataclass(frozen=True)
class Import:
    """One import of ours: the module that is named, and the line."""

    module: str
    line: int


@dataclass(frozen=True)
class Function:
    """One function or method with its length from ``def`` to its last line."""

    name: str
    line: int
    length: int


@dataclass(frozen=True)
class Module:
    """One module of ``src/eilpost``."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def where(self) -> str:
        """The path as people write it."""
        return str(self.path.relative_to(ROOT))

    @property
    def is_package(self) -> bool:
        """True for ``__init__.py``."""
        return self.path.name == "__init__.py"

    @property
    def holds_code(self) -> bool:
        """False when there is nothing but a docstring and ``__future__``."""
        return any(not _is_preamble(node) for node in self.tree.body)

    @property
    def first_line(self) -> str:
        """The first line of the docstring."""
        return (ast.get_docstring(self.tree) or "").partition("\n")[0]

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds that the first line names in its last parentheses."""
        groups = _IN_PARENTHESES.findall(self.first_line)
        return frozenset(kind for kind in KINDS if groups and re.search(rf"\b{kind}s?\b", groups[-1]))

    def imports(self) -> Iterator[Import]:
        """What it imports of ours, anywhere in it."""
        for node in ast.walk(self.tree):
            match node:
                case ast.Import(names=names):
                    yield from (Import(each.name, node.lineno) for each in names if _is_ours(each.name))
                case ast.ImportFrom(module=str(module), names=names, level=0) if _is_ours(module):
                    for each in names:
                        full = f"{module}.{each.name}"
                        yield Import(full if full in modules() else module, node.lineno)
                case ast.ImportFrom(level=level) if level:
                    yield Import("eilpost.<relative>", node.lineno)

    def foreign_imports(self) -> Iterator[Import]:
        """What it imports of others: top-level names."""
        for node in ast.walk(self.tree):
            match node:
                case ast.Import(names=names):
                    yield from (Import(each.name.partition(".")[0], node.lineno) for each in names)
                case ast.ImportFrom(module=str(module), level=0):
                    yield Import(module.partition(".")[0], node.lineno)

    def functions(self) -> Iterator[Function]:
        """Every function and method, nested ones too."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield Function(node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1)


def _is_ours(module: str) -> bool:
    return module == "eilpost" or module.startswith("eilpost.")


def _is_preamble(node: ast.stmt) -> bool:
    match node:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
        case ast.ImportFrom(module="__future__"):
            return True
        case _:
            return False


@cache
def modules() -> dict[str, Module]:
    """All modules of the package by their dotted names."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text()
        found[name] = Module(name, path, text, ast.parse(text))
    return found


@cache
def committed() -> tuple[Path, ...]:
    """Every file that is, or would be, in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return tuple(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())
