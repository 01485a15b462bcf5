"""The replies that grammar and phase demand, and how replies look on the wire (a table; a grammar).

Replies that policy gives are made where policy is. Codes and enhanced codes: RFC 5321 §4.2,
RFC 3463, RFC 5248; the numbers behind ``F`` are the cases of the fault catalogue.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from eilpost.mail.reply import Reply, reply

MAX_REPLY_LINE: Final = 512  # octets with code and CRLF, RFC 5321 §4.5.3.1.5

_UNSAFE = re.compile(r"[^ -~]")

OK = reply(250, "2.0.0", "Ok")
RESET = reply(250, "2.0.0", "Reset")
BYE = reply(221, "2.0.0", "Bye")
SEND_CONTENT = reply(354, None, "Send the content, end it with a line that is a dot")
LINE_TOO_LONG = reply(500, "5.5.2", "Line too long")
ENDLESS_LINE = reply(421, "4.7.0", "A line that does not end: closing")
NOT_A_COMMAND = reply(500, "5.5.2", "Syntax error: a command is ASCII text without control characters")
UNKNOWN = reply(500, "5.5.1", "Command unknown")
NOT_OFFERED = reply(502, "5.5.1", "Command not implemented")
OTHER_PROTOCOL = reply(521, "5.5.1", "This is a mail server")
OUT_OF_ORDER = reply(503, "5.5.1", "Command out of order")
NO_RECIPIENTS = reply(554, "5.5.1", "No valid recipients")
NO_ARGUMENT = reply(501, "5.5.4", "This command takes no argument")
NEEDS_ARGUMENT = reply(501, "5.5.4", "This command needs an argument")
BAD_HELLO = reply(501, "5.5.4", "A greeting needs a domain or an address literal")
BAD_REVERSE_PATH = reply(501, "5.1.7", "Bad syntax of the sender's address")
BAD_FORWARD_PATH = reply(501, "5.1.3", "Bad syntax of the recipient's address")
NO_FROM = reply(501, "5.5.4", "Syntax: MAIL FROM:<address>")
NO_TO = reply(501, "5.5.4", "Syntax: RCPT TO:<address>")
NEEDS_SMTPUTF8 = reply(553, "5.6.7", "An address beyond ASCII needs SMTPUTF8")
BAD_ETRN = reply(501, "5.5.4", "Syntax: ETRN domain, @domain or #queue")
BAD_CHUNK = reply(501, "5.5.4", "Syntax: BDAT octets [LAST]")
BINARY_NEEDS_CHUNKS = reply(503, "5.5.1", "BINARYMIME content goes by BDAT")  # RFC 3030 §3
EARLY_TALKER = reply(554, "5.5.0", "Protocol synchronisation error")  # F016
BARE_LINE_END = reply(554, "5.6.0", "Lines end in CR LF; a bare CR or LF is refused")
NUL_IN_CONTENT = reply(554, "5.6.0", "The content holds a NUL")
TOO_BIG = reply(552, "5.3.4", "The message is bigger than the limit")
READY_FOR_TLS = reply(220, "2.0.0", "Ready to start TLS")
NO_TLS = reply(454, "4.7.0", "TLS is not available now")  # RFC 3207 §4
BAD_AUTH = reply(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")
BAD_BASE64 = reply(501, "5.5.2", "That is no base64")  # RFC 4954 §4
AUTH_LINE_TOO_LONG = reply(500, "5.5.6", "The line of the login is too long")  # RFC 4954 §6
AUTH_CANCELLED = reply(501, "5.7.0", "Login cancelled")  # RFC 4954 §4
AUTH_OK = reply(235, "2.7.0", "Logged in")
AUTH_FAILED = reply(535, "5.7.8", "Wrong name or secret")  # F110: one text for all
AUTH_UNKNOWN = reply(504, "5.5.4", "Mechanism not offered")  # RFC 4954 §4
AUTH_NEEDS_TLS = reply(538, "5.7.11", "This mechanism needs TLS")  # RFC 4954 §6
AUTH_BUSY = reply(454, "4.7.0", "Logins cannot be checked now")
TOO_LONG_HELD = reply(501, "5.5.4", "The message would be held for too long")  # RFC 4865 §4
TOO_SOON = reply(501, "5.5.4", "The time to deliver by is shorter than we take")  # RFC 2852 §3
TOO_MANY_HEADERS = reply(552, "5.3.4", "The header is bigger than the limit")


def unknown_parameter(keyword: str) -> Reply:
    """RFC 5321 §4.1.1.11."""
    return reply(555, "5.5.4", f"Parameter not known: {keyword}")


def bad_parameter(why: str) -> Reply:
    """A known parameter with a value that breaks its grammar."""
    return reply(501, "5.5.4", why)


@lru_cache(maxsize=512)  # the same few replies are said over and over
def encode(answer: Reply, *, enhanced: bool = True) -> bytes:
    """The octets of a reply. The enhanced code stands on every line (RFC 2034 §4)."""
    code, tail = answer.code, f"{answer.status} " if enhanced and answer.status else ""
    room = MAX_REPLY_LINE - len("250-\r\n") - len(tail)
    if len(answer.lines) == 1:
        return f"{code} {tail}{_safe(answer.lines[0], room)}\r\n".encode("ascii")
    *lines, last = [_safe(line, room) for line in answer.lines] or [""]
    return ("".join([f"{code}-{tail}{line}\r\n" for line in lines]) + f"{code} {tail}{last}\r\n").encode("ascii")


def _safe(line: str, room: int) -> str:
    """Replies are printable ASCII, whoever's words they quote (F082)."""
    return (line if line.isascii() and line.isprintable() else _UNSAFE.sub("?", line))[:room]


def encode_utf8(answer: Reply) -> bytes:
    """The octets of a reply to a command with the parameter SMTPUTF8 (RFC 6531 §3.7.4.2)."""
    head = f"{answer.status} " if answer.status else ""
    room = MAX_REPLY_LINE - len("250-\r\n") - len(head)
    lines = [_safe_utf8(line, room) for line in answer.lines] or [b""]
    marks = ["-"] * (len(lines) - 1) + [" "]
    return b"".join(b"%d%s%s%s\r\n" % (answer.code, mark.encode(), head.encode(), line)
                    for mark, line in zip(marks, lines, strict=True))  # fmt: skip


def _safe_utf8(line: str, room: int) -> bytes:
    """Nothing that could end the line or steer a terminal, and no half character at its end."""
    text = "".join(char if char.isprintable() else "?" for char in line)
    return text.encode("utf-8", "replace")[:room].decode("utf-8", "ignore").encode()
