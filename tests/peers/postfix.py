"""A Postfix of our own: private configuration, queue and data, loopback ports, no chroot (deeds).

It is started and stopped by its own command with its own configuration directory, so that it never
meets a Postfix that serves the machine.
"""

from __future__ import annotations

import contextlib
import pwd
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.peers.tools import PeerError, free_port, missing, program, run, wait_for_port

MASTER_CF: Final = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix  n - n 60   1 pickup
cleanup   unix  n - n -    0 cleanup
qmgr      unix  n - n 300  1 qmgr
rewrite   unix  - - n -    - trivial-rewrite
bounce    unix  - - n -    0 bounce
defer     unix  - - n -    0 bounce
trace     unix  - - n -    0 bounce
verify    unix  - - n -    1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n -    - proxymap
proxywrite unix - - n -    1 proxymap
smtp      unix  - - n -    - smtp
relay     unix  - - n -    - smtp
lmtp      unix  - - n -    - lmtp
showq     unix  n - n -    - showq
error     unix  - - n -    - error
retry     unix  - - n -    - error
discard   unix  - - n -    - discard
local     unix  - n n -    - local
virtual   unix  - n n -    - virtual
anvil     unix  - - n -    1 anvil
scache    unix  - - n -    1 scache
tlsmgr    unix  - - n 1000? 1 tlsmgr
postlog   unix-dgram n - n - 1 postlogd
"""

BASIC: Final[Mapping[str, str]] = {
    "compatibility_level": "3.6",
    "mail_owner": "postfix",
    "setgid_group": "postdrop",
    "myhostname": "postfix.example.test",
    "mydestination": "",
    "mynetworks": "127.0.0.0/8",
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    "alias_maps": "",
    "alias_database": "",
    "local_recipient_maps": "",
    "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
    "smtpd_peername_lookup": "no",
    "smtp_tls_security_level": "none",
    "smtpd_tls_security_level": "none",
    "disable_dns_lookups": "yes",
    "biff": "no",
    "append_dot_mydomain": "no",
    "message_size_limit": "104857600",
    "mailbox_size_limit": "0",
    "virtual_mailbox_limit": "0",
}

TUNED: Final[Mapping[str, str]] = {
    "default_process_limit": "100",
    "in_flow_delay": "0",
    "smtpd_client_event_limit_exceptions": "127.0.0.0/8",
    "smtpd_client_connection_count_limit": "0",
    "initial_destination_concurrency": "20",
    "default_destination_concurrency_limit": "50",
    "smtp_destination_concurrency_limit": "50",
    "virtual_destination_concurrency_limit": "50",
    "smtp_connection_cache_on_demand": "yes",
    "qmgr_message_active_limit": "20000",
    "smtpd_error_sleep_time": "0",
}
"""What its TUNING_README advises for load: no brake on intake, no counting of loopback clients, more deliveries."""


def relaying(next_hop: int) -> dict[str, str]:
    """Sends everything on to a loopback port."""
    return {"relayhost": f"[127.0.0.1]:{next_hop}", "smtp_destination_recipient_limit": "50"}


def holding() -> dict[str, str]:
    """Takes mail into its durable queue and delivers nothing: the queue manager never touches it."""
    return {"relayhost": "[127.0.0.1]:9", "smtpd_end_of_data_restrictions": "check_client_access static:HOLD"}


def delivering(domain: str, mailboxes: Path, *local_parts: str) -> dict[str, str]:
    """Delivers mail of ``domain`` by virtual(8): each of the local parts has the Maildir of its name."""
    owner = pwd.getpwnam("nobody")
    mailboxes.mkdir(parents=True, exist_ok=True)
    shutil.chown(mailboxes, owner.pw_uid, owner.pw_gid)
    maps = " ".join(f"{{ {name}@{domain} = {name}/ }}" for name in local_parts)
    return {
        "virtual_mailbox_domains": domain,
        "virtual_mailbox_base": str(mailboxes),
        "virtual_mailbox_maps": f"inline:{{ {maps} }}",
        "virtual_minimum_uid": "1",
        "virtual_uid_maps": f"static:{owner.pw_uid}",
        "virtual_gid_maps": f"static:{owner.pw_gid}",
        "virtual_alias_maps": "",
    }


@dataclass(frozen=True, slots=True)
class Postfix:
    """A running instance."""

    directory: Path
    port: int

    @property
    def configuration(self) -> Path:
        """For ``-c`` and ``-C``."""
        return self.directory / "etc"

    @property
    def log(self) -> str:
        """What it logged, when it was told to."""
        path = self.directory / "mail.log"
        return path.read_text(errors="replace") if path.exists() else ""

    async def queued(self) -> int:
        """How many messages are in its queue."""
        listing = await run(program("postqueue"), "-c", self.configuration, "-j")
        return listing.count(b"\n")

    async def flush(self) -> None:
        """Tries everything in the queue now."""
        await run(program("postqueue"), "-c", self.configuration, "-f")

    async def send(self, sender: str, recipients: list[str], content: bytes) -> None:
        """Submits a message with its sendmail command (line ends are LF there)."""
        flags = ("-C", self.configuration, "-i", "-f", sender, "--")
        await run(program("sendmail"), *flags, *recipients, stdin=content.replace(b"\r\n", b"\n"))

    async def version(self) -> str:
        """As in ``3.7.11``."""
        return (await run(program("postconf"), "-c", self.configuration, "-h", "mail_version")).decode().strip()


def unavailable() -> str:
    """Why Postfix cannot run here; empty when it can."""
    return missing("postfix", "postqueue", "postconf", root=True)


@contextlib.asynccontextmanager
async def postfix(directory: Path, settings: Mapping[str, str], *, log: bool = True) -> AsyncIterator[Postfix]:
    """Runs a Postfix below ``directory``, which must be on a path that the user postfix may enter."""
    instance = Postfix(directory, free_port())
    _lay_out(instance, settings, log)
    command = program("postfix")
    await run(command, "-c", instance.configuration, "start")
    try:
        await wait_for_port(instance.port)
        yield instance
    except PeerError as error:
        raise PeerError(f"{error}\n{instance.log}") from error
    finally:
        await run(command, "-c", instance.configuration, "stop", check=False)


def _lay_out(instance: Postfix, settings: Mapping[str, str], log: bool) -> None:
    for name in ("etc", "queue", "data"):
        (instance.directory / name).mkdir(parents=True, exist_ok=True)
    shutil.chown(instance.directory / "data", "postfix")
    places = {
        "queue_directory": str(instance.directory / "queue"),
        "data_directory": str(instance.directory / "data"),
        "maillog_file_prefixes": str(instance.directory),
        "maillog_file": str(instance.directory / "mail.log") if log else "",
    }
    lines = [f"{key} = {value}\n" for key, value in {**BASIC, **places, **settings}.items()]
    (instance.configuration / "main.cf").write_text("".join(lines))
    (instance.configuration / "master.cf").write_text(MASTER_CF.format(port=instance.port))
