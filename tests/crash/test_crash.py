"""Every experiment in few rounds: nothing acknowledged is lost, whatever dies, fills up or hangs up."""

from __future__ import annotations

import pytest

from tests.crash.experiments import EXPERIMENTS


@pytest.mark.crash
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", EXPERIMENTS)
async def test_experiment(name: str) -> None:
    """The invariants hold, and the positive control shows that a loss would be seen."""
    experiment = EXPERIMENTS[name]
    if reason := experiment.unavailable():
        pytest.skip(f"{name} cannot run here: {reason}")
    result = await experiment.run(experiment.rounds, 20_240_229)
    print(result.line())
    assert result.passed, result.line()
