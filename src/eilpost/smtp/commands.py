"""The verbs of SMTP and LMTP (a table; words).

One row a verb: which dialects know it, whether it takes an argument, where it is defined and
what HELP says of it. Whether a verb may come *now* stands in ``phases``; whether we offer it,
in ``extensions`` and in the listener's role. Verbs that others know and we do not offer have a
row too: they are answered 502, not 500 (RFC 5321 §4.2.4).
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from eilpost.mail.value import value


class Dialect(Enum):
    """LMTP differs in its hello and in one reply a recipient after the content (RFC 2033)."""

    SMTP = "SMTP"
    LMTP = "LMTP"


class Verb(Enum):
    """What a command line begins with. CONTENT_END is no line: it is the end of the content."""

    HELO = "HELO"
    EHLO = "EHLO"
    LHLO = "LHLO"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    BDAT = "BDAT"
    RSET = "RSET"
    NOOP = "NOOP"
    QUIT = "QUIT"
    VRFY = "VRFY"
    EXPN = "EXPN"
    HELP = "HELP"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    SEND = "SEND"
    SOML = "SOML"
    SAML = "SAML"
    ETRN = "ETRN"
    XCLIENT = "XCLIENT"
    XFORWARD = "XFORWARD"
    CONTENT_END = "."

    __hash__ = object.__hash__  # as good for singletons, and what Enum has is Python, for each look-up


class Argument(Enum):
    """Whether text may follow the verb."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


_BOTH: Final = frozenset(Dialect)
_SMTP: Final = frozenset({Dialect.SMTP})
_LMTP: Final = frozenset({Dialect.LMTP})


@value(frozen=True, slots=True)
class Command:
    """One row: a verb with its dialects, argument, source and HELP line."""

    verb: Verb
    dialects: frozenset[Dialect]
    argument: Argument
    rfc: str
    syntax: str
    help: str


COMMANDS: Final[dict[str, Command]] = {
    row.verb.value: row
    for row in (
        Command(Verb.HELO, _SMTP, Argument.REQUIRED, "RFC 5321 §4.1.1.1", "HELO domain", "Greets without extensions."),
        Command(
            Verb.EHLO,
            _SMTP,
            Argument.REQUIRED,
            "RFC 5321 §4.1.1.1",
            "EHLO domain",
            "Greets and asks which extensions are offered.",
        ),
        Command(
            Verb.LHLO,
            _LMTP,
            Argument.REQUIRED,
            "RFC 2033 §4.1",
            "LHLO domain",
            "Greets in LMTP and asks which extensions are offered.",
        ),
        Command(
            Verb.MAIL,
            _BOTH,
            Argument.REQUIRED,
            "RFC 5321 §4.1.1.2",
            "MAIL FROM:<reverse-path> [parameters]",
            "Begins a transaction; <> is the null reverse-path.",
        ),
        Command(
            Verb.RCPT,
            _BOTH,
            Argument.REQUIRED,
            "RFC 5321 §4.1.1.3",
            "RCPT TO:<forward-path> [parameters]",
            "Names one recipient; repeat it for more.",
        ),
        Command(
            Verb.DATA,
            _BOTH,
            Argument.NONE,
            "RFC 5321 §4.1.1.4",
            "DATA",
            "Asks to send the content; a line with a single dot ends it.",
        ),
        Command(
            Verb.BDAT,
            _BOTH,
            Argument.REQUIRED,
            "RFC 3030 §2",
            "BDAT octets [LAST]",
            "Sends a chunk of the content of so many octets.",
        ),
        Command(Verb.RSET, _BOTH, Argument.NONE, "RFC 5321 §4.1.1.5", "RSET", "Ends the transaction without sending."),
        Command(Verb.NOOP, _BOTH, Argument.OPTIONAL, "RFC 5321 §4.1.1.9", "NOOP [text]", "Does nothing."),
        Command(Verb.QUIT, _BOTH, Argument.NONE, "RFC 5321 §4.1.1.10", "QUIT", "Ends the session."),
        Command(
            Verb.VRFY, _BOTH, Argument.REQUIRED, "RFC 5321 §4.1.1.6", "VRFY name", "Asks whether a mailbox exists."
        ),
        Command(Verb.EXPN, _BOTH, Argument.REQUIRED, "RFC 5321 §4.1.1.7", "EXPN name", "Asks who is on a list."),
        Command(Verb.HELP, _BOTH, Argument.OPTIONAL, "RFC 5321 §4.1.1.8", "HELP [command]", "Explains the commands."),
        Command(Verb.STARTTLS, _BOTH, Argument.NONE, "RFC 3207 §4", "STARTTLS", "Asks to go on over TLS."),
        Command(
            Verb.AUTH,
            _BOTH,
            Argument.REQUIRED,
            "RFC 4954 §4",
            "AUTH mechanism [initial-response]",
            "Logs in; responses are base64, a lone * cancels.",
        ),
        *(
            Command(verb, _SMTP, Argument.REQUIRED, "RFC 821 §3.4", f"{verb.value} FROM:<reverse-path>", help)
            for verb, help in (
                (Verb.SEND, "As MAIL, to the terminals of the recipients."),
                (Verb.SOML, "As MAIL, to terminals, and to mailboxes where nobody is logged in."),
                (Verb.SAML, "As MAIL, to terminals and to mailboxes."),
            )
        ),
        Command(
            Verb.ETRN,
            _SMTP,
            Argument.REQUIRED,
            "RFC 1985 §5",
            "ETRN domain, @domain or #queue",
            "Asks to send the mail that waits for a domain.",
        ),
        Command(
            Verb.XCLIENT,
            _BOTH,
            Argument.REQUIRED,
            "Postfix XCLIENT_README",
            "XCLIENT attribute=value ...",
            "Tells which client the session is to be judged as.",
        ),
        Command(
            Verb.XFORWARD,
            _BOTH,
            Argument.REQUIRED,
            "Postfix XFORWARD_README",
            "XFORWARD attribute=value ...",
            "Tells where the mail came from, for the log.",
        ),
    )
}

NOT_OFFERED: Final[frozenset[str]] = frozenset({"TURN", "ATRN", "BURL", "DEBUG", "WIZ"})
"""Verbs of other systems and other days: 502 5.5.1, not 500."""

FOREIGN_VERBS: Final[frozenset[str]] = frozenset(
    {"GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "HOST:", "USER-AGENT:",
     "CONTENT-LENGTH:", "CONTENT-TYPE:", "ACCEPT:", "PROXY"}
)  # fmt: skip
"""First words of peers that speak another protocol: they are cut off at once (F027, F028)."""
