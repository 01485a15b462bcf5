"""``python -m tests.crash``: the experiments in many rounds, a line for each (a deed)."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import signal
import sys
import traceback

from tests.crash.experiments import EXPERIMENTS


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.crash",
        description="Crash and fault experiments: rounds, acknowledged, lost, duplicates, recovery.",
        epilog="example: python -m tests.crash E1 E10 --rounds 1000 --seed 7",
    )
    parser.add_argument("names", nargs="*", choices=[[], *EXPERIMENTS], metavar="NAME", help=", ".join(EXPERIMENTS))
    parser.add_argument("--rounds", type=int, default=0, help="the same for all (default: each row's long run)")
    parser.add_argument("--short", action="store_true", help="as many rounds as CI runs")
    parser.add_argument("--seed", type=int, default=None, help="to run the same again")
    return parser.parse_args()


async def main() -> int:
    """Runs them one after the other; 1 when an invariant broke."""
    options = arguments()
    seed = secrets.randbelow(1 << 30) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    broken = 0
    for name in options.names or EXPERIMENTS:
        experiment = EXPERIMENTS[name]
        if reason := experiment.unavailable():
            print(f"{name}: left out: {reason}", flush=True)
            continue
        rounds = options.rounds or (experiment.rounds if options.short else experiment.many)
        try:
            result = await experiment.run(rounds, seed)
        except Exception:  # one experiment that cannot go on must not hide the others
            traceback.print_exc()
            broken += 1
            continue
        print(result.line(), flush=True)
        broken += not result.passed
    return 1 if broken else 0


async def until_terminated() -> int:
    """SIGTERM ends it as Ctrl-C does: what runs is stopped, what is mounted unmounted."""
    work = asyncio.create_task(main())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    try:
        return await work
    except asyncio.CancelledError:
        return 128 + signal.SIGTERM


if __name__ == "__main__":
    sys.exit(asyncio.run(until_terminated()))
