"""A dialogue with a mail server as people read it, with the meaning of each line (a table; words).

What verbs, extensions and status codes mean stands in their own tables; here are the reply codes, which only
people need explained.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from eilpost.cli.output import escape
from eilpost.mail.reply import Severity
from eilpost.mail.status import leading_status
from eilpost.smtp.commands import COMMANDS
from eilpost.smtp.extensions import EXTENSIONS

CODES: Final[Mapping[int, str]] = MappingProxyType({
    211: "system status",
    214: "help",
    220: "the server is ready",
    221: "the server closes the connection",
    235: "logged in",
    250: "done",
    251: "not a local user; will be forwarded",
    252: "cannot say, but will take the message",
    334: "the login goes on",
    354: "send the content now, end it with a dot",
    421: "not now: the server closes the connection",
    450: "the mailbox is not available now",
    451: "a local error; try again later",
    452: "not enough room now, or too many recipients",
    455: "the parameters cannot be served now",
    500: "the command is not known",
    501: "the command's argument is wrong",
    502: "the command is not offered",
    503: "the command comes out of order",
    504: "the parameter is not offered",
    521: "this host takes no mail",
    530: "log in first",
    535: "the login is wrong",
    550: "refused: the mailbox does not exist, or may not be used by you",
    551: "not a local user; try another address",
    552: "the mailbox is full, or the message is too big",
    553: "the mailbox's name is not allowed",
    554: "the transaction failed",
    555: "the parameters of MAIL or RCPT are not known",
    556: "the domain takes no mail",
})  # fmt: skip
"""RFC 5321 §4.2.3 and RFC 7504."""

_SEVERITY: Final[Mapping[str, str]] = MappingProxyType({
    str(Severity.POSITIVE.value): "yes",
    str(Severity.INTERMEDIATE.value): "go on",
    str(Severity.TRANSIENT.value): "not now, try again",
    str(Severity.PERMANENT.value): "no",
})  # fmt: skip


def shown(side: str, line: bytes) -> str:
    """A line with its side, harmless for a terminal (F155)."""
    return escape(f"{side}: {line.decode('utf-8', 'replace')}")


def explained(side: str, line: bytes) -> str:
    """What the line means, in a few words; empty when it needs none."""
    text = line.decode("utf-8", "replace")
    return _command(text) if side == "C" else _reply(text)


def _command(text: str) -> str:
    verb = text.split(" ", 1)[0].upper()
    row = COMMANDS.get(verb)
    if row is not None:
        return f"{row.help} ({row.rfc})"
    return "The content ends here. (RFC 5321 §4.1.1.4)" if text == "." else ""


def _reply(text: str) -> str:
    code, more = text[:3], text[3:4]
    if not (len(code) == 3 and code.isascii() and code.isdigit()) or code[0] not in _SEVERITY:
        return "this is no reply of SMTP"
    extension = EXTENSIONS.get(text[4:].split(" ", 1)[0].upper()) if code == "250" else None
    if extension is not None:
        return f"an extension, {extension.rfc}"
    if more == "-":
        return ""
    said = leading_status(text[4:])
    parts = [_SEVERITY[code[0]], CODES.get(int(code), ""), said.meaning if said and said.detail else ""]
    return "; ".join(part for part in parts if part)
