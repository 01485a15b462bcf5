"""What became of the mail: Maildirs and sinks are read, reports understood, the store examined (deeds)."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.crash.invariants import Copy, Evidence, Pair
from tests.crash.ledger import identify
from tests.peers.sink import Taken

_FAILED: Final = re.compile(
    rb"Final-Recipient: rfc822; ?([^\r\n]+)\r?\n(?:[^\r\n]+\r?\n)*?Action: failed", re.IGNORECASE
)
_REPORTED_ID: Final = re.compile(rb"^X-Ledger-Id: ([0-9a-z-]+)\r?$", re.MULTILINE)
_MESSAGE_ID: Final = re.compile(rb"^Message-ID: *(<[^>\r\n]+>)", re.MULTILINE | re.IGNORECASE)
_SQLITE: Final = b"SQLite format 3\x00"


def fingerprint(content: bytes) -> bytes:
    """What a sink keeps of a content: id and digest, or nothing for what is not the ledger's."""
    return " ".join(identify(content)).encode()


def copies_in_sink(taken: Iterable[Taken]) -> Iterable[Copy]:
    """The copies that a sink with ``fingerprint`` took."""
    for message in taken:
        identity, _, digest = message.content.decode().partition(" ")
        for recipient in message.recipients:
            yield Copy(identity, recipient, digest)


def contents_in_maildir(maildir: Path, *, remove: bool) -> Iterable[bytes]:
    """What lies in ``new``; with ``remove`` it is taken out, as its owner would."""
    new = maildir / "new"
    for path in sorted(new.iterdir()) if new.exists() else ():
        yield path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        if remove:
            path.unlink()


def failures_in_report(content: bytes) -> list[Pair]:
    """The message and the recipients that a delivery status notification calls failed."""
    found = _REPORTED_ID.search(content)
    if found is None:
        return []
    return [(found[1].decode(), recipient.decode().strip()) for recipient in _FAILED.findall(content)]


class Collector:
    """Gathers evidence over many rounds, so that delivered mail need not be kept."""

    def __init__(self, mail: Path, *, owners: Iterable[str], reports: str, remove: bool = True) -> None:
        self.evidence = Evidence()
        self._mail = mail
        self._owners = tuple(owners)
        self._reports = reports
        self._remove = remove
        self._reports_seen: set[bytes] = set()

    def _maildir(self, address: str) -> Path:
        local_part, _, domain = address.partition("@")
        return self._mail / domain / local_part

    def read_maildirs(self) -> None:
        """Every owner's mail is a copy; mail for the sender is reports."""
        for owner in self._owners:
            for content in contents_in_maildir(self._maildir(owner), remove=self._remove):
                identity, digest = identify(content)
                if identity:
                    self.evidence.copies.append(Copy(identity, owner, digest))
                else:
                    self.evidence.foreign += 1
        for content in contents_in_maildir(self._maildir(self._reports), remove=self._remove):
            self._read_report(content)

    def _read_report(self, content: bytes) -> None:
        """A report is mail and may be delivered twice after a crash; a second report is another matter."""
        found = _MESSAGE_ID.search(content)
        name = found[1] if found else content
        if name in self._reports_seen:
            self.evidence.repeated_reports += 1
            return
        self._reports_seen.add(name)
        self.evidence.reported += failures_in_report(content)

    def read_sink(self, taken: list[Taken]) -> None:
        """What a next hop took; the list is emptied."""
        self.evidence.copies += copies_in_sink(taken)
        taken.clear()


def damage(data: Path) -> list[str]:
    """I14: what SQLite's own check says of every database below ``data``; nothing when all is well."""
    found = []
    for path in data.rglob("*"):
        if not path.is_file() or path.suffix in {".shm", ".wal"}:
            continue
        with path.open("rb") as file:
            if file.read(len(_SQLITE)) != _SQLITE:
                continue
        connection = sqlite3.connect(path)
        try:
            lines = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        finally:
            connection.close()
        found += [f"{path.name}: {line}" for line in lines if line != "ok"]
    return found


def descriptors(pid: int) -> int:
    """How many files a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
