"""A Dovecot of our own that serves a Maildir by POP3 (deeds)."""

from __future__ import annotations

import contextlib
import pwd
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.peers.tools import Service, free_port, missing, program, wait_for_port

CONFIGURATION: Final = """\
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/dovecot.log
protocols = pop3
ssl = {ssl}
{keys}
listen = 127.0.0.1
first_valid_uid = 1
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5 scram-sha-256
mail_location = maildir:{directory}/mail/%n
mail_fsync = always
default_login_user = nobody
default_internal_user = nobody
default_internal_group = nogroup
passdb {{
  driver = static
  args = password=geheim
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={directory}/home/%n allow_all_users=yes
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


@dataclass(frozen=True, slots=True)
class DovecotPop3:
    """A running instance; everybody's password is ``geheim``."""

    directory: Path
    port: int

    def put(self, user: str, name: str, octets: bytes) -> None:
        """A message for a user."""
        owner = pwd.getpwnam("nobody")
        home = self.directory / "mail" / user
        for part in (home, home / "cur", home / "new", home / "tmp"):
            if not part.exists():
                part.mkdir()
                shutil.chown(part, owner.pw_uid, owner.pw_gid)
        (home / "new" / name).write_bytes(octets)
        shutil.chown(home / "new" / name, owner.pw_uid, owner.pw_gid)


def unavailable() -> str:
    """Why it cannot run here; empty when it can."""
    reason = missing("dovecot", root=True)
    if reason:
        return reason
    return "" if Path("/usr/lib/dovecot/pop3-login").exists() else "not installed: dovecot-pop3d"


@contextlib.asynccontextmanager
async def dovecot_pop3(directory: Path, certificate: str = "", key: str = "") -> AsyncIterator[DovecotPop3]:
    """Runs one below ``directory``, in the foreground as our child; with keys it offers STLS."""
    instance = DovecotPop3(directory, free_port())
    owner = pwd.getpwnam("nobody")
    for name in ("run", "state", "mail", "home"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    for name in ("mail", "home"):
        shutil.chown(directory / name, owner.pw_uid, owner.pw_gid)
    keys = f"ssl_cert = <{certificate}\nssl_key = <{key}" if certificate else ""
    configuration = directory / "dovecot.conf"
    configuration.write_text(
        CONFIGURATION.format(
            directory=directory, port=instance.port, uid=owner.pw_uid, gid=owner.pw_gid,
            ssl="yes" if certificate else "no", keys=keys,
        )
    )  # fmt: skip
    service = await Service.start((program("dovecot"), "-F", "-c", configuration), directory / "words.log")
    try:
        await wait_for_port(instance.port)
        yield instance
    finally:
        await service.stop()
