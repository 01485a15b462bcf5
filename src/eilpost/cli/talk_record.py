"""A dialogue by hand as a file that the dialogue runner plays (a grammar).

What changes from one run to the next, the text of a reply, is left open; codes, enhanced codes
and offered extensions stay. No secret comes here: a login is written as mechanism and account.
"""

from __future__ import annotations

import re
from typing import Final

from eilpost.cli.talk_words import Heard, Protocol
from eilpost.mail.status import leading_status

_PLAIN: Final = re.compile(r"[ -~\u00a0-\U0010ffff]*[!-~\u00a1-\U0010ffff]|", re.ASCII)
_SUBMISSION_PORTS: Final = frozenset({587, 2587, 465, 2465})
_BY_HAND: Final = "# A login by hand is not recorded; write it as: C$: MECHANISM ACCOUNT"


class Recorder:
    """Collects the steps; ``text`` is the file so far."""

    def __init__(self, server: str, port: int) -> None:
        self._server = server
        self._port = port
        self._steps: list[str] = []
        self._protocol = Protocol.SMTP

    def speaks(self, protocol: Protocol) -> None:
        """What the server turned out to be."""
        self._protocol = protocol

    def sent(self, line: str) -> None:
        """A line of ours."""
        if _PLAIN.fullmatch(line) and line not in ("(closed)", "(tls)"):
            self._steps.append(f"C: {line}".rstrip(" "))
        else:
            self._steps.append(f"C|: {_escaped(line)}\\r\\n")

    def logged_in(self, mechanism: str, account: str) -> None:
        """A login whose secret stays out of the file."""
        self._steps.append(f"C$: {mechanism} {account}")

    def logged_in_by_hand(self) -> None:
        """Somebody did the encoding alone, so what was said may be a password."""
        if self._steps[-1:] != [_BY_HAND]:
            self._steps.append(_BY_HAND)

    def secured(self) -> None:
        """The connection is encrypted from here on."""
        self._steps.append("C: (tls)")

    def heard(self, reply: Heard) -> None:
        """A whole reply of the server."""
        self._steps += _pop3(reply) if self._protocol is Protocol.POP3 else [_smtp(reply)]

    def closed(self) -> None:
        """The server closed the connection."""
        self._steps.append("S: (closed)")

    def text(self) -> str:
        """The dialogue."""
        head = [f"# A dialogue with {self._server}, recorded by hand.", f"role: {self._role()}", "on: socket"]
        return "\n".join([*head, *self._steps, ""])

    def _role(self) -> str:
        if self._protocol is not Protocol.SMTP:
            return str(self._protocol.value)
        return "submission" if self._port in _SUBMISSION_PORTS else "mx"


def _escaped(line: str) -> str:
    return "".join(
        char.decode() if b" " <= char <= b"~" and char != b"\\" else f"\\x{char[0]:02x}"
        for char in (bytes([octet]) for octet in line.encode())
    )


def _smtp(reply: Heard) -> str:
    """A single line with its codes, or the whole reply with the words that begin its lines."""
    if len(reply.lines) == 1:
        said = leading_status(reply.text)
        head = f"{reply.code} {said}" if said else reply.code
        return f"S: {head} ..." if reply.text else f"S: {head}"
    words = (line[4:].split(" ", 1)[0] for line in reply.lines[1:])
    return " ".join(["S*:", reply.code, *dict.fromkeys(word for word in words if word)])


def _pop3(reply: Heard) -> list[str]:
    """The first line by its code; of a list, that it is one."""
    first, *rest = reply.lines
    head = f"S: {reply.code} ..." if " " in first else f"S: {reply.code}"
    return [head, *(f"S: {line}" if line.strip() == line else f"S~: {re.escape(line)}" for line in rest)]
