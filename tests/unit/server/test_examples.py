"""The servers in examples/ run."""

from __future__ import annotations

import re
import signal
import smtplib
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def _hears_interrupts() -> None:
    """What runs in a shell's background inherits deafness to SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("name", "arguments", "recipient", "code"),
    [("server_noop.py", ["0"], "b@b.example", 250), ("server_policy.py", ["0"], "b@b.example", 550)],
)
def test_it_takes_what_it_should(name: str, arguments: list[str], recipient: str, code: int) -> None:
    """The example starts, says where it listens, answers, and ends when it is interrupted."""
    if not EXAMPLES.is_dir():
        pytest.skip("the examples are not beside the tests")
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_hears_interrupts
    ) as process:
        assert process.stdout is not None
        found = re.search(r":(\d+)$", process.stdout.readline().strip())
        assert found is not None
        with smtplib.SMTP("127.0.0.1", int(found[1])) as client:
            client.ehlo("me.example")
            client.mail("a@a.example")
            assert client.rcpt(recipient)[0] == code
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
