"""The verbs of POP3 (a table; words).

One row a verb: how many arguments it takes, when its positive answer has more than one line, where
it is defined and what it does. Whether a verb may come *now* stands in ``phases``; whether we
offer it, in ``capabilities``.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from eilpost.mail.value import value


class Verb(Enum):
    """What a command line begins with."""

    USER = "USER"
    PASS = "PASS"
    APOP = "APOP"
    AUTH = "AUTH"
    STLS = "STLS"
    CAPA = "CAPA"
    UTF8 = "UTF8"
    LANG = "LANG"
    STAT = "STAT"
    LIST = "LIST"
    UIDL = "UIDL"
    RETR = "RETR"
    TOP = "TOP"
    DELE = "DELE"
    NOOP = "NOOP"
    RSET = "RSET"
    QUIT = "QUIT"

    __hash__ = object.__hash__  # as good for singletons, and what Enum has is Python, for each look-up


class Lines(Enum):
    """How many lines a positive answer has."""

    ONE = "one"
    MANY = "many"
    MANY_WITHOUT_ARGUMENT = "many without an argument"


@value(frozen=True, slots=True)
class Command:
    """One row. ``least`` and ``most`` count the arguments; the last one of many may hold spaces."""

    verb: Verb
    least: int
    most: int
    lines: Lines
    rfc: str
    syntax: str
    help: str

    def is_multiline(self, *, argument: bool) -> bool:
        """Whether a positive answer goes on after its first line, up to a line that is a dot."""
        return self.lines is Lines.MANY or (self.lines is Lines.MANY_WITHOUT_ARGUMENT and not argument)


_ONE, _MANY, _MANY_BARE = Lines.ONE, Lines.MANY, Lines.MANY_WITHOUT_ARGUMENT

COMMANDS: Final[dict[str, Command]] = {
    row.verb.value: row
    for row in (
        Command(Verb.USER, 1, 1, _ONE, "RFC 1939 §7", "USER name", "Names the account."),
        Command(Verb.PASS, 1, 1, _ONE, "RFC 1939 §7", "PASS password", "Logs in; the password may hold spaces."),
        Command(Verb.APOP, 2, 2, _ONE, "RFC 1939 §7", "APOP name digest", "Logs in without saying the password."),
        Command(Verb.AUTH, 0, 2, _ONE, "RFC 5034 §4", "AUTH mechanism [initial-response]", "Logs in by SASL."),
        Command(Verb.STLS, 0, 0, _ONE, "RFC 2595 §4", "STLS", "Begins TLS."),
        Command(Verb.CAPA, 0, 0, _MANY, "RFC 2449 §5", "CAPA", "Asks what is offered."),
        Command(Verb.UTF8, 0, 0, _ONE, "RFC 6856 §2.1", "UTF8", "Asks for messages with UTF-8 in their headers."),
        Command(Verb.LANG, 0, 1, _MANY_BARE, "RFC 6856 §3.1", "LANG [tag]", "Lists languages, or chooses one."),
        Command(Verb.STAT, 0, 0, _ONE, "RFC 1939 §5", "STAT", "Counts messages and octets."),
        Command(Verb.LIST, 0, 1, _MANY_BARE, "RFC 1939 §5", "LIST [number]", "Tells sizes."),
        Command(Verb.UIDL, 0, 1, _MANY_BARE, "RFC 1939 §7", "UIDL [number]", "Tells names that never change."),
        Command(Verb.RETR, 1, 1, _MANY, "RFC 1939 §5", "RETR number", "Gives a message."),
        Command(Verb.TOP, 2, 2, _MANY, "RFC 1939 §7", "TOP number lines", "Gives a header and so many lines."),
        Command(Verb.DELE, 1, 1, _ONE, "RFC 1939 §5", "DELE number", "Marks a message to be deleted at QUIT."),
        Command(Verb.NOOP, 0, 0, _ONE, "RFC 1939 §5", "NOOP", "Does nothing."),
        Command(Verb.RSET, 0, 0, _ONE, "RFC 1939 §5", "RSET", "Takes all marks off."),
        Command(Verb.QUIT, 0, 0, _ONE, "RFC 1939 §6", "QUIT", "Deletes what is marked, and ends the session."),
    )
}

FOREIGN_VERBS: Final[frozenset[str]] = frozenset(
    {"GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "HOST:", "USER-AGENT:", "EHLO", "HELO", "MAIL"}
)  # fmt: skip
"""First words of peers that speak another protocol: they are cut off at once."""
