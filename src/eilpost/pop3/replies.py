"""The answers that grammar and phase demand, and how answers look on the wire (a table; a grammar).

RFC 1939 §3 gives the form, RFC 2449 §8 and RFC 3206 the codes in brackets, which programs read.
"""

from __future__ import annotations

import re
from typing import Final

from eilpost.mail.value import value

MAX_LINE: Final = 512  # octets of an answer's first line with its CRLF, RFC 1939 §3

_UNSAFE: Final = re.compile(r"[^ -~]")


@value(frozen=True, slots=True)
class Answer:
    """+OK or -ERR with a text; ``code`` is an extended response code such as ``IN-USE`` (RFC 2449 §8)."""

    ok: bool
    text: str
    code: str = ""

    def __str__(self) -> str:
        return _line(self)


def ok(text: str = "") -> Answer:
    """A positive answer."""
    return Answer(True, text)


def err(text: str, code: str = "") -> Answer:
    """A negative answer."""
    return Answer(False, text, code)


BYE: Final = ok("Bye")
DONE: Final = ok("Done")
BEGIN_TLS: Final = ok("Begin TLS")
SEND_PASSWORD: Final = ok("Send your password")
LOGGED_IN: Final = ok("Logged in")
CAPABILITIES: Final = ok("Capability list follows")
LANGUAGES: Final = ok("Languages follow")
UTF8_ON: Final = ok("UTF-8 it is")
LINE_TOO_LONG: Final = err("Line too long")
ENDLESS_LINE: Final = err("A line that does not end: closing")
NOT_A_COMMAND: Final = err("Syntax error: a command is text without control characters, ended by CR LF")
UNKNOWN: Final = err("Command unknown")
OTHER_PROTOCOL: Final = err("This is a POP3 server")
NOT_OFFERED: Final = err("Command not offered here")
OUT_OF_ORDER: Final = err("Command out of order")
BAD_ARGUMENTS: Final = err("Wrong arguments")
BAD_NUMBER: Final = err("A message number is 1 or more, a count of lines 0 or more")
BAD_BASE64: Final = err("That is no base64")
BAD_DIGEST: Final = err("A digest is 32 digits of hexadecimal")
EARLY_TALKER: Final = err("Commands behind STLS are not obeyed: closing")
NO_TLS_AFTER_UTF8: Final = err("TLS comes before UTF8")
UNKNOWN_MECHANISM: Final = err("No such mechanism is offered here")
CANCELLED: Final = err("Login cancelled")

FAILED: Final = err("Login failed", "AUTH")  # RFC 3206 §4: the credentials
UNAVAILABLE: Final = err("The login cannot be checked now, try again later", "SYS/TEMP")
NEEDS_TLS: Final = err("Log in over TLS: say STLS first")
IN_USE: Final = err("The mailbox is in use by another session", "IN-USE")  # RFC 2449 §8.1.1
TOO_SOON: Final = err("Too soon after your last login", "LOGIN-DELAY")  # RFC 2449 §8.1.2
NO_SUCH_MESSAGE: Final = err("No such message")
VANISHED: Final = err("The message is gone")
UNREADABLE: Final = err("The message cannot be read now", "SYS/TEMP")
CANNOT_OPEN: Final = err("The mailbox cannot be opened now, try again later", "SYS/TEMP")
NOT_ALL_DELETED: Final = err("Some messages could not be deleted", "SYS/TEMP")
NO_SUCH_LANGUAGE: Final = err("No such language here")

TOO_MANY_CONNECTIONS: Final = err("Too many connections from your address", "SYS/TEMP")
BUSY: Final = err("Too many connections, try again later", "SYS/TEMP")
STOPPING: Final = err("Going down, try again later", "SYS/TEMP")
TOO_MANY_ERRORS: Final = err("Too many errors: closing")
TOO_SLOW: Final = err("Timeout: closing")
EARLY: Final = err("You spoke before you were greeted")
INTERNAL: Final = err("Something went wrong here, try again later", "SYS/TEMP")


def encode(answer: Answer) -> bytes:
    """The octets of an answer's first line."""
    return f"{_line(answer)}\r\n".encode("ascii")


def _line(answer: Answer) -> str:
    text = f"[{answer.code}] {answer.text}" if answer.code else answer.text
    if not (text.isascii() and text.isprintable()):
        text = _UNSAFE.sub("?", text)  # answers are printable ASCII, whoever's words they quote
    return f"{'+OK' if answer.ok else '-ERR'} {text}".rstrip()[: MAX_LINE - 2]
