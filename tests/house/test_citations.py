"""The standards that are cited are the standards that are listed, and what is kept is tested."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.house.source import ROOT, SOURCE, committed

CITATION: Final = re.compile(r"\bRFCs?\s+(\d{3,5})((?:(?:,| and|, and| or)\s+\d{4}\b(?!\s*§?\s*octets))*)")
NAMED: Final = re.compile(r"_rfc_?(\d{3,5})")
LISTED: Final = tomllib.loads((ROOT / "docs/rfc.toml").read_text())["rfc"]
SUPPORT: Final = frozenset({"yes", "partial", "planned", "no"})


def citations(text: str) -> Iterable[int]:
    """The numbers in ``RFC 5321 §4.4``, in ``RFC 6152 and 3030`` and in ``test_rfc5321_section_4_4``."""
    yield from map(int, NAMED.findall(text))
    for first, more in CITATION.findall(text):
        yield from map(int, [first, *re.findall(r"\d+", more)])


def cited(paths: Iterable[Path]) -> dict[int, list[str]]:
    """Which standards are cited, and where."""
    found = defaultdict(list)
    for path in paths:
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            for rfc in citations(line):
                found[rfc].append(f"{path.relative_to(ROOT)}:{number}")
    return found


IN_CODE: Final = cited(SOURCE.rglob("*.py"))
IN_TESTS: Final = cited(
    path
    for path in committed()
    if path.is_relative_to(ROOT / "tests") and path.suffix in {".py", ".dialog"} and path.parent.name != "house"
)


def test_every_cited_standard_is_listed() -> None:
    """What the code cites has its row in docs/rfc.toml."""
    listed = {row["number"] for row in LISTED}
    assert not {rfc: places for rfc, places in IN_CODE.items() if rfc not in listed}


def test_what_is_kept_is_cited_by_code() -> None:
    """A standard that is kept is cited where it is obeyed."""
    assert not [row for row in LISTED if row["support"] in {"yes", "partial"} and row["number"] not in IN_CODE]


def test_what_is_kept_is_cited_by_a_test() -> None:
    """A standard that is kept is cited by a test."""
    missing = {row["number"]: IN_CODE[row["number"]] for row in LISTED if row["support"] in {"yes", "partial"}}
    assert not {rfc: places for rfc, places in missing.items() if rfc not in IN_TESTS}


def test_the_list_is_in_order() -> None:
    """The list is sorted, each standard stands once, and its support is one of four words."""
    numbers = [row["number"] for row in LISTED]
    assert numbers == sorted(set(numbers))
    assert {row["support"] for row in LISTED} <= SUPPORT


def test_the_rule_sees_lists() -> None:
    """Several standards in one citation are seen."""
    assert list(citations("RFC 6152 and 3030 for BODY; RFC 3461–3464, RFC 5321 §4.5.3")) == [6152, 3030, 3461, 5321]
    assert list(citations("def test_rfc8265_section_4_2()")) == [8265]
