"""A Dovecot of our own that takes mail by LMTP, over TCP and a Unix socket, into Maildirs (deeds)."""

from __future__ import annotations

import contextlib
import pwd
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.peers.tools import PeerError, Service, free_port, missing, program, run, wait_for_port

CONFIGURATION: Final = """\
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/dovecot.log
protocols = lmtp
ssl = no
listen = 127.0.0.1
postmaster_address = postmaster@example.test
hostname = dovecot.example.test
first_valid_uid = 1
mail_location = maildir:{directory}/mail/%n
auth_username_format = %Lu
mail_fsync = always
lda_mailbox_autocreate = yes
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={directory}/home/%n allow_all_users=yes
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
  unix_listener {directory}/lmtp.sock {{
    mode = 0666
  }}
}}
service stats {{
  chroot =
}}
"""


@dataclass(frozen=True, slots=True)
class Dovecot:
    """A running instance; mail for ``anna@…`` lies in the Maildir ``mail/anna``."""

    directory: Path
    port: int

    @property
    def socket(self) -> Path:
        """Where it speaks LMTP on a Unix socket."""
        return self.directory / "lmtp.sock"

    @property
    def mailboxes(self) -> Path:
        """The directory of the Maildirs."""
        return self.directory / "mail"

    async def version(self) -> str:
        """As in ``2.3.19.1``."""
        return (await run(program("dovecot"), "--version")).decode().split()[0]


def unavailable() -> str:
    """Why Dovecot cannot run here; empty when it can."""
    reason = missing("dovecot", root=True)
    if reason:
        return reason
    return "" if Path("/usr/lib/dovecot/lmtp").exists() else "not installed: dovecot-lmtpd"


@contextlib.asynccontextmanager
async def dovecot(directory: Path) -> AsyncIterator[Dovecot]:
    """Runs a Dovecot below ``directory``, in the foreground as our child."""
    instance = Dovecot(directory, free_port())
    owner = pwd.getpwnam("nobody")
    for name in ("run", "state", "mail", "home"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    for name in ("mail", "home"):
        shutil.chown(directory / name, owner.pw_uid, owner.pw_gid)
    configuration = directory / "dovecot.conf"
    configuration.write_text(
        CONFIGURATION.format(directory=directory, port=instance.port, uid=owner.pw_uid, gid=owner.pw_gid)
    )
    service = await Service.start((program("dovecot"), "-F", "-c", configuration), directory / "words.log")
    try:
        await wait_for_port(instance.port)
        yield instance
    except PeerError as error:
        log = directory / "dovecot.log"
        raise PeerError(f"{error}\n{service.text()}{log.read_text() if log.exists() else ''}") from error
    finally:
        await service.stop()
