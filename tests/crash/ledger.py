"""What the client promised itself to remember: every message, and what the server said to it (words).

Each step is a line in a file, written before the step is taken, on another file system than the
spool's. A content carries its id in its first header field and in its body, and is recognised by it
behind whatever trace fields were put in front.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TextIO

MARK: Final = b"X-Ledger-Id: "
_ID: Final = re.compile(rb"^X-Ledger-Id: ([0-9a-z-]+)\r?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sent:
    """One message: ``recipients`` are those that were accepted, ``reply`` what the dot was answered, or empty."""

    id: str
    sender: str
    recipients: tuple[str, ...]
    digest: str
    began: float
    dot: float | None = None
    replied: float | None = None
    reply: str = ""

    @property
    def acknowledged(self) -> bool:
        """The server took responsibility."""
        return self.reply.startswith("250")

    @property
    def refused(self) -> bool:
        """The server said that it did not."""
        return self.reply[:1] in {"4", "5"}


def content_of(identity: str, size: int) -> bytes:
    """A message of about ``size`` octets that carries its id twice, and lines that begin with dots."""
    head = MARK + f"{identity}\r\nSubject: {identity}\r\nMessage-ID: <{identity}@ledger.example>\r\n".encode()
    line = b"..dots " + identity.encode() + b" " + b"x" * 60 + b"\r\n"
    body = (line * (max(0, size - len(head)) // len(line) + 1))[: max(0, size - len(head))]
    return head + b"\r\nThis is " + identity.encode() + b".\r\n" + body.rstrip(b"\r\n") + b"\r\n"


def identify(content: bytes) -> tuple[str, str]:
    """The id and the digest of what stands from the id on; empty strings for what is not ours."""
    begin = content.find(MARK)
    found = _ID.search(content, begin) if begin >= 0 else None
    return (found[1].decode(), hashlib.sha256(content[begin:]).hexdigest()) if found else ("", "")


class Ledger:
    """The file, being written."""

    def __init__(self, path: Path) -> None:
        self._file: TextIO = path.open("a", buffering=1)

    def begin(self, sent: Sent) -> None:
        """Before the dot is sent, once it is known who was accepted."""
        self._write({"step": "begin", "id": sent.id, "sender": sent.sender, "recipients": sent.recipients,
                     "digest": sent.digest, "at": sent.began})  # fmt: skip

    def dot(self, identity: str, when: float) -> None:
        """Right before the final dot is sent."""
        self._write({"step": "dot", "id": identity, "at": when})

    def reply(self, identity: str, when: float, text: str) -> None:
        """When its reply has come."""
        self._write({"step": "reply", "id": identity, "at": when, "text": text})

    def close(self) -> None:
        """No more is written."""
        self._file.close()

    def _write(self, step: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(step) + "\n")


def read(lines: Iterable[str]) -> dict[str, Sent]:
    """The messages of a ledger's lines."""
    found: dict[str, Sent] = {}
    for line in lines:
        step = json.loads(line)
        identity = step["id"]
        match step["step"]:
            case "begin":
                found[identity] = Sent(identity, step["sender"], tuple(step["recipients"]), step["digest"], step["at"])
            case "dot":
                found[identity] = replace(found[identity], dot=step["at"])
            case _:
                found[identity] = replace(found[identity], replied=step["at"], reply=step["text"])
    return found


def unheard(sent: Sent, dark: Sequence[tuple[float, float]]) -> Sent:
    """The message without a reply that was said while there was no power."""
    if sent.replied is None or not any(begin <= sent.replied <= end for begin, end in dark):
        return sent
    return replace(sent, replied=None, reply="")
