"""Lines, arguments and base64 (a grammar).

RFC 1939 §3 gives the form of a command. A line ends in CR LF and in nothing else; names and
passwords are UTF-8 (RFC 6856 §2.2). Whatever breaks a rule raises ``SyntaxRefusal`` with its answer.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from eilpost.pop3 import replies
from eilpost.pop3.commands import Command
from eilpost.pop3.replies import Answer

MAX_NUMBER_DIGITS: Final = 10

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_NUMBER: Final = re.compile(r"[0-9]+", re.ASCII)
_DIGEST: Final = re.compile(r"[0-9a-fA-F]{32}", re.ASCII)
_MECHANISM: Final = re.compile(r"[A-Za-z0-9_-]{1,20}", re.ASCII)  # RFC 4422 §3.1
_TAG: Final = re.compile(r"\*|[A-Za-z0-9-]{1,60}", re.ASCII)


class SyntaxRefusal(Exception):
    """A line breaks the grammar; ``answer`` is what the peer is told."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.text)
        self.answer = answer


def parse_line(line: bytes) -> tuple[str, str]:
    """The verb in capitals and what follows the space after it."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise SyntaxRefusal(replies.NOT_A_COMMAND) from None
    if _CONTROL.search(text):
        raise SyntaxRefusal(replies.NOT_A_COMMAND)
    word, _, rest = text.partition(" ")
    return word.upper(), rest


def split_arguments(command: Command, rest: str) -> list[str]:
    """As many arguments as the command takes. The only one of USER or PASS is the whole rest, spaces included."""
    if command.least == command.most == 1:
        arguments = [rest] if rest else []
    else:
        arguments = rest.split()
    if not command.least <= len(arguments) <= command.most:
        raise SyntaxRefusal(replies.BAD_ARGUMENTS)
    return arguments


def parse_number(text: str, *, least: int) -> int:
    """A message number (from 1) or a count of lines (from 0): digits alone (F174)."""
    text = text.strip()
    if not _NUMBER.fullmatch(text) or len(text) > MAX_NUMBER_DIGITS or int(text) < least:
        raise SyntaxRefusal(replies.BAD_NUMBER)
    return int(text)


def parse_digest(text: str) -> bytes:
    """APOP's digest in lower case."""
    if not _DIGEST.fullmatch(text):
        raise SyntaxRefusal(replies.BAD_DIGEST)
    return text.lower().encode()


def parse_mechanism(text: str) -> str:
    """A mechanism's name in capitals."""
    if not _MECHANISM.fullmatch(text):
        raise SyntaxRefusal(replies.UNKNOWN_MECHANISM)
    return text.upper()


def parse_tag(text: str) -> str:
    """A language tag, or ``*``."""
    if not _TAG.fullmatch(text):
        raise SyntaxRefusal(replies.NO_SUCH_LANGUAGE)
    return text.lower()


def from_base64(text: bytes) -> bytes:
    """The octets; ``=`` alone stands for none at all (RFC 5034 §4)."""
    if text == b"=":
        return b""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise SyntaxRefusal(replies.BAD_BASE64) from None


def to_base64(octets: bytes) -> bytes:
    """On one line, without its end."""
    return base64.b64encode(octets)
