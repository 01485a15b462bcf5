"""What AUTH says on the wire, on both sides (a grammar).

RFC 4954 §4: challenges and responses are base64, ``=`` is an initial response without octets, and
``*`` cancels. What is behind the base64 is the mechanism's, and stands in ``sasl``.
"""

from __future__ import annotations

import binascii
import re
from typing import Final

from eilpost.smtp import replies
from eilpost.smtp.commands import COMMANDS, NOT_OFFERED
from eilpost.smtp.errors import LocalProtocolError, RemoteProtocolError
from eilpost.smtp.grammar import SyntaxRefusal

MAX_LINE: Final = 12_288
"""Octets of a line of the exchange without its LF, AUTH's own line included (RFC 4954 §4, F046)."""

MAX_COMMAND: Final = 512
"""Octets of a command with its CRLF (RFC 5321 §4.5.3.1.4): AUTH as we send it keeps to it."""

CANCEL: Final = b"*"
EMPTY: Final = b"="

_MECHANISM = re.compile(r"[A-Z0-9_\-]{1,20}", re.ASCII)  # RFC 4422 §3.1
_HIDDEN: Final = b"(not shown)"


def parse_auth(argument: str) -> tuple[str, bytes | None]:
    """``mechanism [initial-response]``, the response decoded; None where there is none."""
    mechanism, blank, initial = argument.partition(" ")
    mechanism = mechanism.upper()
    if not _MECHANISM.fullmatch(mechanism):
        raise SyntaxRefusal(replies.BAD_AUTH)
    if not blank:
        return mechanism, None
    if initial == "=":
        return mechanism, b""
    if not initial.isascii():
        raise SyntaxRefusal(replies.BAD_BASE64)
    return mechanism, decode(initial.encode("ascii"))


def decode(line: bytes) -> bytes:
    """The octets behind a line of base64; SyntaxRefusal if it is none (RFC 4954 §4)."""
    try:
        return binascii.a2b_base64(line, strict_mode=True)
    except binascii.Error:
        raise SyntaxRefusal(replies.BAD_BASE64) from None


def encode(octets: bytes) -> bytes:
    """One line of base64, without its CRLF."""
    return binascii.b2a_base64(octets, newline=False)


def challenged(lines: tuple[str, ...]) -> bytes:
    """The octets of a challenge, by the text of its 334; RemoteProtocolError if it is no base64."""
    try:
        return decode("".join(lines).strip(" ").encode("ascii"))
    except (SyntaxRefusal, UnicodeEncodeError):
        raise RemoteProtocolError("a challenge is no base64") from None


def auth(mechanism: str, initial: bytes | None) -> bytes:
    """The line of AUTH; LocalProtocolError where the initial response makes it too long (see ``fits``)."""
    line = b"AUTH " + mechanism.encode("ascii")
    if initial is not None:
        line += b" " + (encode(initial) or EMPTY)  # RFC 4954 §4: "=" is a response without octets
    if len(line) + len(b"\r\n") > MAX_COMMAND:
        raise LocalProtocolError("the initial response is too long for its line: send it when it is asked for")
    return line + b"\r\n"


def fits(mechanism: str, initial: bytes) -> bool:
    """Whether AUTH may carry this response; if not, it answers the first challenge (RFC 4954 §4)."""
    return len("AUTH  \r\n") + len(mechanism) + 4 * ((len(initial) + 2) // 3) <= MAX_COMMAND


def told(line: bytes) -> bytes:
    """What may be told of a line in a session that has seen AUTH: verbs we know, and no secrets (F119).

    A client that does not wait sends its password as the next line, whatever we said to its AUTH.
    """
    word, _, argument = line.partition(b" ")
    verb = word.strip().upper().decode("ascii", "replace")
    if verb == "AUTH":
        mechanism = argument.partition(b" ")[0].decode("ascii", "replace")
        is_name = _MECHANISM.fullmatch(mechanism) or _MECHANISM.fullmatch(mechanism.swapcase())
        return b"AUTH " + mechanism.upper().encode() if is_name and mechanism.upper() != mechanism.lower() else b"AUTH"
    return line if verb in COMMANDS or verb in NOT_OFFERED else _HIDDEN
