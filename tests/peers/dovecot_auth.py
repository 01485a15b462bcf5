"""A Dovecot that answers logins alone, for a Postfix in front of it (deeds)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

from tests.peers.tools import PeerError, Service, missing, program

CONFIGURATION: Final = """\
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/dovecot.log
protocols =
ssl = no
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
disable_plaintext_auth = no
auth_failure_delay = 0
first_valid_uid = 1
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {directory}/users
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={directory}
}}
service auth {{
  unix_listener {directory}/login.sock {{
    mode = 0666
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"""


def unavailable() -> str:
    """Why it cannot run here; empty when it can."""
    return missing("dovecot", root=True)


@contextlib.asynccontextmanager
async def dovecot_auth(directory: Path, users: Mapping[str, str]) -> AsyncIterator[Path]:
    """Its socket, for users with passwords."""
    for name in ("run", "state"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    (directory / "users").write_text("".join(f"{name}:{{PLAIN}}{password}\n" for name, password in users.items()))
    configuration = directory / "dovecot.conf"
    configuration.write_text(CONFIGURATION.format(directory=directory))
    service = await Service.start((program("dovecot"), "-F", "-c", configuration), directory / "words.log")
    try:
        await _there(directory / "login.sock")
        yield directory / "login.sock"
    except PeerError as error:
        log = directory / "dovecot.log"
        raise PeerError(f"{error}\n{service.text()}{log.read_text() if log.exists() else ''}") from error
    finally:
        await service.stop()


async def _there(path: Path, deadline: float = 15.0) -> None:
    end = asyncio.get_running_loop().time() + deadline
    while True:
        try:
            _, writer = await asyncio.open_unix_connection(path)
        except OSError as error:
            if asyncio.get_running_loop().time() > end:
                raise PeerError(f"nobody listens on {path}") from error
            await asyncio.sleep(0.02)
            continue
        writer.close()
        return
