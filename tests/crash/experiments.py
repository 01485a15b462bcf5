"""All experiments: name, what it needs, how many rounds in CI and by ``make crash`` (a table; words)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from tests.crash import death, hops, storage
from tests.crash.disks import mounts_unavailable, tracing_unavailable
from tests.crash.stage import Result
from tests.peers.tools import missing


class Need(Enum):
    """What the machine must allow."""

    TRACING = "strace"
    MOUNTS = "mounting"
    PRLIMIT = "prlimit"


REASONS: Final[Mapping[Need, Callable[[], str]]] = {
    Need.TRACING: tracing_unavailable,
    Need.MOUNTS: mounts_unavailable,
    Need.PRLIMIT: lambda: missing("prlimit"),
}


@dataclass(frozen=True, slots=True)
class Experiment:
    """One row. ``rounds`` is for CI, ``many`` for a long run."""

    run: Callable[[int, int], Awaitable[Result]]
    rounds: int
    many: int
    needs: tuple[Need, ...] = ()

    def unavailable(self) -> str:
        """Why it cannot run here; empty when it can."""
        return next((reason for need in self.needs if (reason := REASONS[need]())), "")


EXPERIMENTS: Final[Mapping[str, Experiment]] = {
    "E1": Experiment(death.e1_kill_at_random, 50, 1000),
    "E2": Experiment(death.e2_kill_at_system_calls, 24, 400, (Need.TRACING,)),
    "I5": Experiment(death.i5_sync_before_promise, 20, 200, (Need.TRACING,)),
    "E5": Experiment(death.e5_sigterm_under_load, 6, 100),
    "E5b": Experiment(hops.e5_sigterm_beside_silence, 2, 10),
    "E9": Experiment(death.e9_two_instances, 2, 10),
    "E10": Experiment(storage.e10_power_cut, 8, 200, (Need.MOUNTS,)),
    "E17": Experiment(storage.e17_lying_disk, 1, 3, (Need.MOUNTS, Need.TRACING)),
    "E18": Experiment(storage.e18_disk_full, 1, 10, (Need.MOUNTS,)),
    "E20": Experiment(storage.e20_no_inodes, 1, 10, (Need.MOUNTS,)),
    "E21": Experiment(storage.e21_sync_fails, 4, 40, (Need.TRACING,)),
    "E27": Experiment(storage.e27_no_descriptors, 2, 20, (Need.PRLIMIT,)),
    "E39": Experiment(hops.e39_drops_after_the_dot, 2, 50),
    "E41": Experiment(hops.e41_broken_dialogues, 1, 10),
    "E42": Experiment(hops.e42_outcome_for_each_recipient, 2, 50),
    "E43": Experiment(hops.e43_slow_peer, 2, 10),
    "E46": Experiment(hops.e46_half_an_lmtp_answer, 4, 50),
}
