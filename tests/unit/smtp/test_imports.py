"""The protocol library is light."""

from __future__ import annotations

import subprocess
import sys
import sysconfig

SCRIPT = """
import sys, time
began = time.perf_counter()
import eilpost.smtp
import eilpost.smtp.client_transaction, eilpost.smtp.client_meaning
took = time.perf_counter() - began
print(took)
for name, module in sorted(sys.modules.items()):
    print(name, getattr(module, "__file__", None) or "")
"""


def test_eilpost_smtp_runs_on_the_standard_library_alone() -> None:
    """Importing both machines loads nobody else's module, no asyncio and no socket, and takes little time."""
    runs = [
        subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout.splitlines()
        for _ in range(3)
    ]
    modules = dict(line.split(" ", 1) for line in runs[0][1:])
    foreign = sysconfig.get_paths()["purelib"]
    ours = {name for name, file in modules.items() if name.partition(".")[0] == "eilpost"}
    third = {name for name, file in modules.items() if file.startswith(foreign)} - ours
    assert {name for name in third if not name.startswith(("_", "sitecustomize", "coverage"))} == set()
    assert not {"asyncio", "socket", "ssl", "email", "logging"} & modules.keys()
    assert {name.split(".")[1] for name in ours if "." in name} <= {"mail", "smtp"}
    assert min(float(run[0]) for run in runs) < 0.5  # some 30 ms on an idle machine
