"""The reference, the example file and the explanations."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from eilpost.config import reference
from eilpost.config.load import load
from eilpost.config.settings import SECTIONS, SETTINGS


def test_the_example_is_a_configuration(tmp_path: Path) -> None:
    """The printed file loads as it is."""
    file = tmp_path / "eilpost.toml"
    file.write_text(reference.example())

    assert load(file, {}).server.hostname == "mx.example.org"


def test_the_examples_comments_are_the_defaults(tmp_path: Path) -> None:
    """Taking the # from every setting changes nothing: what is shown is the default and it is read back."""
    plain = tmp_path / "plain.toml"
    plain.write_text(reference.example())
    lines = []
    for line in reference.example().splitlines():
        name = line.removeprefix("# ").partition(" = ")[0]
        is_setting = line.startswith("# ") and any(name in section.settings for section in SECTIONS.values())
        lines.append(line.removeprefix("# ") if is_setting else line)
    full = tmp_path / "full.toml"
    full.write_text("\n".join(lines))

    assert load(full, {}) == load(plain, {})


@pytest.mark.parametrize("key", SETTINGS)
def test_every_setting_is_in_the_reference(key: str) -> None:
    """Each setting has its row, and its shown default is TOML."""
    row = SETTINGS[key]

    assert f"| `{row.name}` |" in reference.render()
    assert row.key in reference.explain(row)
    assert row.sentence.endswith(".")
    if not row.required:
        tomllib.loads(f"x = {reference.show_value(row, row.default)}")
    if row.example:
        tomllib.loads(f"x = {row.example}")
