"""What is written beside the code says what the code says."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Final

import pytest

from eilpost.cli.main import NOUNS
from eilpost.config.settings import SETTINGS
from eilpost.control.operations import OPERATIONS
from eilpost.journal import EVENTS
from eilpost.smtp.commands import COMMANDS
from eilpost.smtp.extensions import EXTENSIONS
from tests.house.source import ROOT, committed

PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())
REFERENCE: Final = ROOT / "docs/reference"
# Put together, so that this file does not hold what it looks for.
FORBIDDEN_WORDS: Final = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
MACHINE_PATHS: Final = re.compile(r"(?<![\w.])/(?:wo" + r"rk|ro" + r"ot|ho" + r"me/\w+)/")
REGISTRY_HOSTS: Final = re.compile(
    r"(?:py" + r"pi|python" + r"hosted|npm" + r"js|deb" + r"ian)\.(?:org|com)\b", re.IGNORECASE
)
UNREAD: Final = frozenset({".png", ".ico", ".woff2"})


def renderer() -> ModuleType:
    """``docs/render.py`` as a module."""
    spec = spec_from_file_location("render", ROOT / "docs/render.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_current() -> None:
    """The rendered reference is what the tables render to now."""
    assert renderer().stale() == [], "say: make reference"


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("settings", [f"| `{row.name}` |" for row in SETTINGS.values()]),
        ("commands", [f"| `{row.syntax}` |" for row in COMMANDS.values()]),
        ("extensions", [f"| `{row.keyword}` |" for row in EXTENSIONS.values()]),
        ("journal", [f"## {event.event}" for event in EVENTS]),
        ("journal", [f"| `{field.name}` |" for event in EVENTS for field in fields(event)]),
        ("operations", [f"| `{name}` |" for name in OPERATIONS]),
        ("command-line", [f"## `eilpost {noun}`" for noun in NOUNS]),
    ],
)
def test_every_row_has_its_line_in_the_reference(page: str, words: list[str]) -> None:
    """Settings, commands, extensions, events, their fields and the command line are all in the reference."""
    text = (REFERENCE / f"{page}.md").read_text()
    assert not [word for word in words if word not in text]


def test_every_dependency_says_why() -> None:
    """docs/reference/dependencies.md has one line for each dependency that pyproject names, and for no other."""
    groups = [PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"].values()]
    groups += PROJECT["project"].get("optional-dependencies", {}).values()
    wanted = {re.split(r"[\s<>=!~;\[]", line)[0] for group in groups for line in group}
    explained = re.findall(r"^\| `([^`]+)` \|", (REFERENCE / "dependencies.md").read_text(), re.MULTILINE)
    assert sorted(explained) == sorted(wanted)


@pytest.mark.parametrize("name", ["run", "build", "dev", "docs"])
def test_the_lock_has_hashes_and_no_hosts(name: str) -> None:
    """Every pinned package has its hashes; no line names an index, a host or a path."""
    text = (ROOT / f"requirements/{name}.txt").read_text()
    pins = [line for line in text.splitlines() if re.match(r"[a-zA-Z]", line)]
    assert pins
    assert all(re.match(r"[a-z0-9-]+==\S+( ; .+)? \\$", line) for line in pins)
    assert not re.search(r"://|--index|--find-links|--extra", text)


def test_the_lock_holds_every_dependency() -> None:
    """What pyproject asks for is pinned."""
    text = (ROOT / "requirements/run.txt").read_text()
    wanted = [re.split(r"[\s<>=!~;\[]", line)[0] for line in PROJECT["project"]["dependencies"]]
    assert not [name for name in wanted if not re.search(rf"^{name}==", text, re.MULTILINE)]


def test_news_fragments_are_valid() -> None:
    """A fragment is ISSUE.TYPE.md or +word.TYPE.md, with a type that towncrier knows, and says something."""
    types = {each["directory"] for each in PROJECT["tool"]["towncrier"]["type"]}
    fragments = [path for path in (ROOT / "changelog.d").iterdir() if path.name not in {".gitignore", "README.md"}]
    for path in fragments:
        assert re.fullmatch(rf"(?:\d+|\+[\w-]+)\.(?:{'|'.join(types)})(?:\.\d+)?\.md", path.name), path.name
        assert path.read_text().strip(), path.name


def test_nothing_is_left_for_later() -> None:
    """No word of work put off, no path of one machine, no host of a package registry is in the repository."""
    found = []
    for path in committed():
        if path.suffix in UNREAD or path.name == "LICENSE":
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            hit = FORBIDDEN_WORDS.search(line) or MACHINE_PATHS.search(line) or REGISTRY_HOSTS.search(line)
            if hit:
                found.append(f"{path.relative_to(ROOT)}:{number} {hit[0]}")
    assert not found, "\n".join(found)


def test_decisions_are_numbered_and_listed() -> None:
    """Each decision paper has the next number and stands in the index."""
    papers = sorted(path.name for path in (ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert [int(name[:4]) for name in papers] == list(range(1, len(papers) + 1))
    index = (ROOT / "docs/decisions/index.md").read_text()
    assert not [name for name in papers if name.removesuffix(".md") not in index]


def test_the_protocol_library_needs_the_standard_library_alone() -> None:
    """``import eilpost.smtp`` with all its modules loads nothing of others."""
    names = sorted(f"eilpost.smtp.{path.stem}" for path in (ROOT / "src/eilpost/smtp").glob("[a-z]*.py"))
    program = (
        "import importlib, sys\n"
        f"for name in {['eilpost.smtp', *names]!r}: importlib.import_module(name)\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(*sorted(loaded - set(sys.stdlib_module_names) - set(sys.argv[1:])))"
    )
    before = subprocess.run(
        [sys.executable, "-c", "import sys; print(*{name.partition('.')[0] for name in sys.modules})"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    loaded = subprocess.run([sys.executable, "-c", program, *before], capture_output=True, text=True, check=True).stdout
    assert loaded.split() == ["eilpost"]
