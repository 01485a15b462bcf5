"""The long tail stays short: that is where mail servers rot."""

from __future__ import annotations

import statistics
from typing import Final

from tests.house.source import modules

MODULE_LINES: Final = 500
FUNCTION_LINES: Final = 50
MEDIAN_LINES: Final = 10


def test_a_module_fits_in_the_head() -> None:
    """A module has at most 500 lines."""
    lengths = {module.where: len(module.text.splitlines()) for module in modules().values()}
    assert not {where: length for where, length in lengths.items() if length > MODULE_LINES}


def test_a_function_fits_on_the_screen() -> None:
    """A function has at most 50 lines."""
    found = [
        f"{module.where}:{function.line} {function.name}: {function.length} lines"
        for module in modules().values()
        for function in module.functions()
        if function.length > FUNCTION_LINES
    ]
    assert not found, "\n".join(found)


def test_most_functions_are_short() -> None:
    """Half of all functions have at most 10 lines."""
    lengths = [function.length for module in modules().values() for function in module.functions()]
    assert statistics.median(lengths) <= MEDIAN_LINES
