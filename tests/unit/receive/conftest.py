"""A running system for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.receive.running import Running, configuration, running


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Running]:
    """A system with the defaults: strangers call from 127.0.0.1, trusted clients from 127.0.0.9."""
    async with running(configuration(tmp_path / "data")) as system:
        yield system
