"""A newcomer's first five minutes, by machine: serve, send, see the mail, stop (a deed).

python scripts/smoke.py DIRECTORY-OF-PROGRAMS
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

PATIENCE: Final = 30.0
SUBJECT: Final = "Smoke test"


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, path: Path, pattern: str = "*") -> Path:
    """The first file there; ends the program when none comes."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for found in path.glob(pattern):
            return found
        time.sleep(0.05)
    sys.exit(f"no {what} after {PATIENCE:.0f} s in {path}")


def main() -> None:
    """Runs the demo on free ports, sends by both programs, and counts what arrived."""
    programs = Path(sys.argv[1]).resolve()
    submission = f"127.0.0.1:{free_port()}"
    addresses = (f"127.0.0.1:{free_port()}", submission, f"127.0.0.1:{free_port()}")
    ports = {f"EILPOST_LISTEN__{number}__ADDRESS": address for number, address in enumerate(addresses, 1)}
    with tempfile.TemporaryDirectory(prefix="eilpost-smoke-") as place:
        server = subprocess.Popen(
            [programs / "eilpost", "serve", "--demo"], cwd=place, env=os.environ | ports, stdout=subprocess.DEVNULL
        )
        try:
            data = Path(place) / "var/demo/data"
            wait_for("control socket", data, "control.sock")
            people = ["--from", "berta@example.test", "--to", "anna@example.test"]
            subprocess.run(
                [
                    programs / "eilpost",
                    "send",
                    "--server",
                    submission,
                    *people,
                    "--subject",
                    SUBJECT,
                    "--body",
                    "Hello",
                ],
                check=True,
                timeout=PATIENCE,
            )
            mail = wait_for("mail", data / "mail/example.test/anna/new")
            assert f"Subject: {SUBJECT}" in mail.read_text()
        finally:
            server.send_signal(signal.SIGTERM)
            code = server.wait(PATIENCE)
    print(f"sent, delivered and stopped with exit code {code}")
    sys.exit(code)


if __name__ == "__main__":
    main()
