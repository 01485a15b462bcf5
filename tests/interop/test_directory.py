"""Dovecot as the directory of logins: its auth socket, and the hashes its tools make."""

from __future__ import annotations

import asyncio
import pwd
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from eilpost.directory.dovecot import DovecotSocket
from eilpost.directory.schemes import SCHEMES, check, verify
from eilpost.directory.source import Peer
from eilpost.mail.address import parse_address
from tests.peers.dovecot import unavailable
from tests.peers.tools import Service, missing, program, run, scratch

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

ANNA = parse_address("anna@example.test")
HERE = Peer("s", "submission", "192.0.2.1", tls=True)
CONFIGURATION = """\
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/dovecot.log
protocols =
ssl = no
first_valid_uid = 1
auth_mechanisms = plain login
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = username_format=%u {directory}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home=/nonexistent
}}
service auth {{
  unix_listener {directory}/auth-client {{
    mode = 0666
  }}
}}
service stats {{
  chroot =
}}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def auth_socket() -> AsyncIterator[Path]:
    """A Dovecot that knows Anna."""
    if reason := unavailable():
        pytest.skip(f"no Dovecot: {reason}")
    with scratch("dovecot-auth") as directory:
        owner = pwd.getpwnam("nobody")
        for name in ("run", "state"):
            (directory / name).mkdir()
        (directory / "users").write_text("anna@example.test:{PLAIN}grün geheim::::::\n")
        shutil.chown(directory / "users", "dovecot")
        configuration = directory / "dovecot.conf"
        configuration.write_text(CONFIGURATION.format(directory=directory, uid=owner.pw_uid, gid=owner.pw_gid))
        service = await Service.start((program("dovecot"), "-F", "-c", configuration), directory / "words.log")
        try:
            path = directory / "auth-client"
            async with asyncio.timeout(20):
                while not path.exists():
                    await asyncio.sleep(0.05)
            yield path
        finally:
            await service.stop()


async def test_dovecot_says_who_is_right(auth_socket: Path) -> None:
    """Right and wrong, known and unknown, many at once over one connection."""
    source = DovecotSocket(str(auth_socket), 20.0)
    bert = parse_address("bert@example.test")
    asks = [(ANNA, "grün geheim"), (ANNA, "falsch"), (bert, "grün geheim"), (ANNA, "a\tb\nc")] * 5
    answers = await asyncio.gather(*(source.check(who, password, HERE) for who, password in asks))
    assert answers == ["anna@example.test", None, None, None] * 5
    source.close()


@pytest.mark.parametrize("scheme", sorted(SCHEMES.keys() - {"CLEAR", "SHA1", "ARGON2", "DES-CRYPT"}))
async def test_what_doveadm_makes_is_checked(scheme: str) -> None:
    """Each scheme that both know."""
    if reason := missing("doveadm"):
        pytest.skip(f"no doveadm: {reason}")
    made = await run(program("doveadm"), "-k", "-c", "/dev/null", "pw", "-s", scheme, "-p", "grün geheim")
    hashed = made.decode().strip()
    assert check(hashed) == ""
    assert verify(hashed, "grün geheim")
    assert not verify(hashed, "grün gehein")
