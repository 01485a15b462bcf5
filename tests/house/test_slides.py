"""The page of the founding document names tests that exist, and every line of it has one."""

from __future__ import annotations

import re
from typing import Final

from tests.house.source import ROOT

PAGE: Final = (ROOT / "docs/reference/slides.md").read_text()
CITED: Final = re.compile(r"`(tests/[^`]+)`")


def test_every_line_of_the_slides_has_a_test() -> None:
    """A row of the page's tables ends with the test that proves it."""
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "proved by" not in line]
    assert len(rows) > 30
    assert [row for row in rows if not CITED.search(row.rsplit("|", 2)[1])] == []


def test_the_tests_that_the_page_names_exist() -> None:
    """What proves a line is there."""
    assert [path for path in CITED.findall(PAGE) if not (ROOT / path).exists()] == []
