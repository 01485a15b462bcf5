"""What a reply, a verb, a code or an extension means, for whoever types ``?`` (a table; words)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from eilpost.cli.dialogue import CODES, explained
from eilpost.cli.talk_words import Heard
from eilpost.mail.status import leading_status
from eilpost.smtp.commands import COMMANDS
from eilpost.smtp.extensions import EXTENSIONS

HELP: Final = (
    "What you type goes to the server as it stands, but for these:",
    "  starttls, stls         goes on in TLS, and says what was negotiated and verified",
    "  auth [MECHANISM] [NAME]  logs in: asks for the password and does the encoding",
    "  pass, apop NAME        log in by POP3; the password is asked for",
    "  data                   then the content; a dot alone on a line ends it",
    "  \\LINE                  sends the line without any help",
    "  ?                      explains the last reply; ? WORD a command, a code or an extension",
    "  end of input (Ctrl-D)  says QUIT",
)

RESPONSE_CODES: Final[Mapping[str, str]] = MappingProxyType({
    "IN-USE": "another session has the mailbox open (RFC 2449 §8.1.2)",
    "LOGIN-DELAY": "you logged in a short while ago; wait (RFC 2449 §8.1.1)",
    "SYS/TEMP": "trouble of the server; try again later (RFC 3206 §3)",
    "SYS/PERM": "trouble that its operator has to mend (RFC 3206 §3)",
    "AUTH": "name or password are wrong (RFC 3206 §3)",
    "UTF8": "the mailbox needs the UTF8 command first (RFC 6856 §5)",
})  # fmt: skip

POP3_REPLIES: Final[Mapping[str, str]] = MappingProxyType({
    "+OK": "yes",
    "-ERR": "no",
    "+": "the login goes on",
})  # fmt: skip

POP3_COMMANDS: Final[Mapping[str, str]] = MappingProxyType({
    "USER": "USER name: says who you are. (RFC 1939 §7)",
    "PASS": "PASS password: proves it. (RFC 1939 §7)",
    "APOP": "APOP name digest: logs in without showing the password. (RFC 1939 §7)",
    "STLS": "STLS: goes on in TLS. (RFC 2595 §4)",
    "CAPA": "CAPA: asks what the server can. (RFC 2449 §5)",
    "STAT": "STAT: how many messages there are, and how many octets. (RFC 1939 §5)",
    "LIST": "LIST [number]: the size of each message. (RFC 1939 §5)",
    "UIDL": "UIDL [number]: a name for each message that stays. (RFC 1939 §7)",
    "RETR": "RETR number: the whole message. (RFC 1939 §5)",
    "TOP": "TOP number lines: the header and so many lines. (RFC 1939 §7)",
    "DELE": "DELE number: deletes it when you quit. (RFC 1939 §5)",
})  # fmt: skip


COMPLETED: Final = tuple(sorted({*COMMANDS, *POP3_COMMANDS, "STARTTLS", "AUTH"}))
"""Words that the line editor completes."""


def reply(heard: Heard | None) -> tuple[str, ...]:
    """The last reply, line by line; help when there is none."""
    if heard is None:
        return HELP
    if heard.code in POP3_REPLIES:
        return tuple(_pop3(heard))
    found = []
    for line in heard.lines:
        meaning = explained("S", line.encode())
        if meaning:
            is_offer = meaning.startswith("an extension")
            found.append(f"{line[4:].split(' ', 1)[0] if is_offer else line[:3]}: {meaning}")
    return tuple(found)


def _pop3(heard: Heard) -> Iterator[str]:
    yield f"{heard.code}: {POP3_REPLIES[heard.code]}"
    if heard.text.startswith("["):
        code = heard.text[1:].partition("]")[0]
        if code.upper() in RESPONSE_CODES:
            yield f"[{code}]: {RESPONSE_CODES[code.upper()]}"


def word(text: str) -> tuple[str, ...]:
    """A verb, a code, an enhanced code or an extension."""
    found = tuple(_meanings(text.upper().strip("[]")))
    return found or (f"nothing is known of {text}", *HELP) if text != "?" else HELP


def _meanings(text: str) -> Iterator[str]:
    command = COMMANDS.get(text)
    if command is not None:
        yield f"{command.syntax}: {command.help} ({command.rfc})"
    if text in POP3_COMMANDS:
        yield POP3_COMMANDS[text]
    extension = EXTENSIONS.get(text)
    if extension is not None:
        adds = ", ".join(sorted(extension.verbs | extension.mail | extension.rcpt))
        yield f"{text}: an extension, {extension.rfc}" + (f"; it brings {adds}" if adds else "")
    if text in RESPONSE_CODES:
        yield f"[{text}]: {RESPONSE_CODES[text]}"
    if text.isdigit() and int(text) in CODES:
        yield f"{text}: {CODES[int(text)]}"
    status = leading_status(text)
    if status is not None and status.meaning:
        yield f"{text}: {status.meaning}"
