"""A spool in a directory of its own, and its journal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eilpost.spool.sqlite import SqliteSpool
from tests.unit.spool.sample import Notebook, opened


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
async def spool(directory: Path, notebook: Notebook) -> AsyncIterator[SqliteSpool]:
    store = await opened(directory, notebook)
    yield store
    await store.close()
