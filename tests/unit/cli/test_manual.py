"""The manual, from the tree of commands."""

from __future__ import annotations

import shutil
import subprocess

import click
import pytest

from eilpost.cli.manual import entries, man_page, markdown
from eilpost.cli.options import example


@click.group(epilog=example("tool do it"))
def tool() -> None:
    """A tool."""


@tool.command(name="do", epilog=example("tool do it --fast", "tool do that"))
@click.argument("what")
@click.option("--fast", is_flag=True, help="Do it | at once.")
def act(what: str, fast: bool) -> None:
    """Do a thing.

    .It is done - at
    once with C:\\path.
    """


def test_the_tree_is_walked() -> None:
    """Each command has its path, usage, paragraphs, options and examples."""
    top, inner = entries(tool, "tool")

    assert top.path == "tool"
    assert inner.usage == "tool do [OPTIONS] WHAT"
    assert inner.text == ("Do a thing.", ".It is done - at once with C:\\path.")
    assert ("--fast", "Do it | at once.") in inner.options
    assert inner.examples == ("tool do it --fast", "tool do that")


def test_markdown_holds_every_command() -> None:
    """The page has a heading a command; a bar in a cell is escaped."""
    page = markdown(tool)

    assert "## `eilpost do`\n" in page
    assert "Do it \\| at once." in page
    assert "| 78 | `EX_CONFIG` | the configuration is wrong |" in page


def test_roff_is_escaped() -> None:
    """A text cannot become a request of troff, and hyphens stay hyphens."""
    page = man_page(tool, "1.0")

    assert "\\&.It is done \\- at once with C:\\epath." in page
    assert ".SS eilpost do [OPTIONS] WHAT" in page


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
def test_man_finds_nothing_wrong() -> None:
    """The formatter takes the page without a warning."""
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", "-"],
        input=man_page(tool, "1.0"), capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert done.stderr == ""
