"""``python -m bench``: the rows beside the peers, interleaved, with their conditions (a deed)."""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import importlib.util
import json
import os
import platform
import signal
import sys
from pathlib import Path

from bench.measure import measure, measure_idle
from bench.report import Figure, IdleFigure, document, table
from bench.rows import IDLE, IDLE_CONNECTIONS, ROWS, Contender
from tests.peers import load, postfix
from tests.peers.tools import PeerError, program, run, scratch

OUTPUT = Path("build/bench.json")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measures Eilpost beside its peers. Rows are interleaved (A B A B), medians are compared.",
        epilog="example: python -m bench accept-kept relay-kept --rounds 5",
    )
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS, IDLE], metavar="ROW", help=", ".join([*ROWS, IDLE]))
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender runs (default 3)")
    parser.add_argument("--scale", type=float, default=1.0, help="how many of the table's messages are sent")
    parser.add_argument("--only", choices=[c.value for c in Contender], action="append", help="leave the others out")
    parser.add_argument("--connections", type=int, default=IDLE_CONNECTIONS, help="how many are held in the idle row")
    parser.add_argument("--log", action="store_true", help="both log each message to a file (default: neither does)")
    parser.add_argument("--json", action="store_true", help="print the document instead of the table")
    parser.add_argument("--output", type=Path, default=OUTPUT, help=f"where the document goes (default {OUTPUT})")
    return parser.parse_args()


def contenders(wanted: list[str] | None) -> list[Contender]:
    """Who can run here; who cannot is named on stderr with the reason."""
    reasons = {Contender.EILPOST: load.unavailable(), Contender.CEILING: load.unavailable()}
    reasons[Contender.POSTFIX] = reasons[Contender.EILPOST] or postfix.unavailable()
    for contender, module in ((Contender.AIOSMTPD, "aiosmtpd"), (Contender.AIOSMTPLIB, "aiosmtplib")):
        absent = "" if importlib.util.find_spec(module) else f"{module} is not installed"
        reasons[contender] = reasons[Contender.EILPOST] or absent
    for contender, reason in reasons.items():
        if reason:
            print(f"left out: {contender.value} ({reason})", file=sys.stderr)
    return [c for c in Contender if not reasons[c] and (not wanted or c.value in wanted)]


async def conditions(options: argparse.Namespace) -> dict[str, str]:
    """What the figures were measured with."""
    found = {
        "machine": f"{os.cpu_count()} cores, Linux {platform.release()}, spools on {await _file_system()}",
        "eilpost": f"{importlib.metadata.version('eilpost')}, Python {platform.python_version()}, uvloop "
        f"{importlib.metadata.version('uvloop')}, one process, synced (group commit), defaults",
        "rounds": f"{options.rounds}, interleaved; load, servers and sink share the cores; no TLS",
        "log": "each message, to a file" if options.log else "warnings only; Postfix: no syslog is listening",
    }
    for module in ("aiosmtpd", "aiosmtplib"):
        if importlib.util.find_spec(module):
            found[module] = f"{importlib.metadata.version(module)}, on uvloop as Eilpost is"
    if not postfix.unavailable():
        version = (await run(program("postconf"), "-d", "-h", "mail_version")).decode().strip()
        found["postfix"] = f"{version}, synced, not chrooted, 100 processes, loopback exempt from rate counting"
    return found


async def _file_system() -> str:
    kind = await run("stat", "-f", "-c", "%T", "/var/tmp", check=False)
    return kind.decode().strip() or "an unknown file system"


async def measure_rows(names: list[str], who: list[Contender], options: argparse.Namespace) -> list[Figure]:
    """All rows; within a row the contenders take turns."""
    figures = [Figure(ROWS[name]) for name in names]
    for figure in figures:
        for number in range(1, options.rounds + 1):
            for contender in (c for c in who if c in figure.row.messages):
                with scratch("bench") as directory:
                    rate = await measure(figure.row, contender, directory, scale=options.scale, log=options.log)
                figure.rates.setdefault(contender, []).append(rate)
                print(f"{figure.row.name} {number}/{options.rounds} {contender.value}: {rate:,.0f}/s", file=sys.stderr)
    return figures


async def measure_memory(options: argparse.Namespace) -> IdleFigure:
    """The row of idle connections."""
    found = []
    for number in range(1, options.rounds + 1):
        with scratch("bench") as directory:
            held = await measure_idle(options.connections, directory)
        if not held.answered:
            raise PeerError("a held connection did not answer NOOP")
        found.append(held.octets_each)
        print(f"{IDLE} {number}/{options.rounds} eilpost: {held.octets_each:,.0f} octets each", file=sys.stderr)
    return IdleFigure(options.connections, tuple(found))


async def main() -> int:
    """Measures, prints, writes the document; 1 when something could not be measured."""
    options = arguments()
    names = options.rows or [*ROWS, IDLE]
    who = contenders(options.only)
    try:
        figures = await measure_rows([name for name in names if name != IDLE], who, options)
        idle = await measure_memory(options) if IDLE in names and Contender.EILPOST in who else None
    except PeerError as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    around = await conditions(options)
    found = document(figures, idle, around)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2) if options.json else table(figures, idle, around))
    return 0


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
