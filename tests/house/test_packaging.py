"""What systemd is told: as little as the mail system needs, and nothing that systemd does not know."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.house.source import ROOT

PACKAGING: Final = ROOT / "packaging"
NEEDED: Final = {
    "Type": "notify",
    "NotifyAccess": "main",
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectControlGroups": "yes",
    "MemoryDenyWriteExecute": "yes",
    "LockPersonality": "yes",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "SystemCallArchitectures": "native",
    "SystemCallFilter": "@system-service ~@privileged @resources",
    "CapabilityBoundingSet": "CAP_NET_BIND_SERVICE",
    "AmbientCapabilities": "CAP_NET_BIND_SERVICE",
    "StateDirectory": "eilpost",
    "LimitNOFILE": "65536",
    "LimitCORE": "0",
}
LEAST_EXPOSED: Final = 1.5

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def directives(path: Path) -> dict[str, str]:
    """The directives of a unit; those that stand more than once are joined."""
    found: dict[str, str] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", path.read_text(), re.MULTILINE):
        found[key] = f"{found[key]} {value}" if key in found else value
    return found


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with a program that is there in place of ours."""
    for name in ("eilpost.service", "eilpost.socket"):
        text = (PACKAGING / name).read_text()
        (tmp_path / name).write_text(text.replace("ExecStart=/usr/bin/eilpost", "ExecStart=/bin/true"))
    return tmp_path


def test_the_sandbox_is_as_tight_as_promised() -> None:
    """The service holds every directive that the threat model counts on."""
    service = directives(PACKAGING / "eilpost.service")
    assert {key: service.get(key) for key in NEEDED} == NEEDED


def test_with_socket_activation_no_capability_is_left() -> None:
    """The drop-in for passed sockets empties both sets of capabilities."""
    service = directives(PACKAGING / "eilpost.service.d/socket.conf")
    assert (service["AmbientCapabilities"], service["CapabilityBoundingSet"]) == ("", "")


@needs_systemd
@pytest.mark.parametrize("name", ["eilpost.service", "eilpost.socket"])
def test_systemd_accepts_the_unit(units: Path, name: str) -> None:
    """systemd-analyze verify has nothing to say."""
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", units / name], capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("activated", [False, True], ids=["own ports", "passed sockets"])
def test_the_exposure_is_low(units: Path, activated: bool) -> None:
    """systemd-analyze security says 1.5 or less."""
    if activated:
        shutil.copytree(PACKAGING / "eilpost.service.d", units / "eilpost.service.d")
    command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(units / "eilpost.service")]
    done = subprocess.run(command, capture_output=True, text=True)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze cannot judge a unit that is not running")
    level = re.search(r"exposure level for eilpost.service: ([\d.]+)", done.stdout)
    assert level is not None, done.stdout + done.stderr
    assert float(level[1]) <= LEAST_EXPOSED


WITHOUT_WRITABLE_CODE: Final = """
import ctypes, importlib, pkgutil, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) != 0:  # PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN
    sys.exit(77)
import argon2, eilpost, ssl, uvloop
for module in pkgutil.walk_packages(eilpost.__path__, "eilpost."):
    importlib.import_module(module.name)
async def main():
    import asyncio
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    server.close()
uvloop.run(main())
argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("secret")
ssl.create_default_context()
"""


def test_no_library_needs_writable_code() -> None:
    """Every module and every C extension works when the kernel refuses memory that is written and run."""
    done = subprocess.run([sys.executable, "-c", WITHOUT_WRITABLE_CODE], capture_output=True, text=True)
    if done.returncode == 77:
        pytest.skip("this kernel cannot refuse it (PR_SET_MDWE came with Linux 6.3)")
    assert done.returncode == 0, done.stderr
