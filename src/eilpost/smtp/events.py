"""What the server's machine has understood (words).

Every event but the content's and ``Disconnected`` stands for a command that awaits one reply.
``Refused`` carries the reply that the grammar or the phase table demands; the session sends it,
or a sterner one. ``ContentEnd`` awaits one reply, in LMTP one for each accepted recipient.
"""

from __future__ import annotations

from dataclasses import field
from enum import Enum
from typing import Final

from eilpost.mail.envelope import ForwardPath, MailParameters, RcptParameters, ReversePath
from eilpost.mail.reply import Reply
from eilpost.mail.value import value
from eilpost.smtp.claims import Claims
from eilpost.smtp.commands import Verb


@value(frozen=True, slots=True)
class Hello:
    """HELO, EHLO or LHLO with the name the peer gives itself."""

    verb: Verb
    name: str


@value(frozen=True, slots=True)
class Mail:
    """MAIL: a transaction wants to begin. The verb may also be SEND, SOML or SAML (RFC 821 §3.4)."""

    reverse_path: ReversePath
    parameters: MailParameters
    verb: Verb = Verb.MAIL


@value(frozen=True, slots=True)
class Rcpt:
    """RCPT: one more recipient is asked for."""

    forward_path: ForwardPath
    parameters: RcptParameters


@value(frozen=True, slots=True)
class Data:
    """DATA: the reply 354 invites the content."""


@value(frozen=True, slots=True)
class Content:
    """Octets of the content, dots already removed; no reply is due."""

    octets: bytes


@value(frozen=True, slots=True)
class ChunkEnd:
    """A BDAT chunk that is not the last is complete; ``size`` octets."""

    size: int


@value(frozen=True, slots=True)
class ContentEnd:
    """The content is complete. ``refusal`` is set when it must not be accepted."""

    size: int
    refusal: Reply | None = None


@value(frozen=True, slots=True)
class Reset:
    """RSET."""


@value(frozen=True, slots=True)
class Noop:
    """NOOP."""


@value(frozen=True, slots=True)
class Quit:
    """QUIT."""


@value(frozen=True, slots=True)
class Verify:
    """VRFY with its argument as given; ``smtputf8`` allows a reply in UTF-8 (RFC 6531 §3.7.4.2)."""

    name: str
    smtputf8: bool = False


@value(frozen=True, slots=True)
class Expand:
    """EXPN with its argument as given; ``smtputf8`` allows a reply in UTF-8 (RFC 6531 §3.7.4.2)."""

    name: str
    smtputf8: bool = False


@value(frozen=True, slots=True)
class Help:
    """HELP, with the topic or an empty string."""

    topic: str


@value(frozen=True, slots=True)
class Etrn:
    """ETRN with a domain; ``option`` is ``@`` for its subdomains too, ``#`` for the name of a queue."""

    name: str
    option: str = ""


@value(frozen=True, slots=True)
class XClient:
    """XCLIENT: a positive reply is a greeting, and the session begins again as that client's."""

    claims: Claims


@value(frozen=True, slots=True)
class XForward:
    """XFORWARD: where the mail that follows came from."""

    claims: Claims


@value(frozen=True, slots=True)
class StartTls:
    """STARTTLS: a positive reply is followed by the handshake, and then by ``secured``."""


@value(frozen=True, slots=True)
class Auth:
    """AUTH with its mechanism in capitals and the initial response, decoded; None: there is none."""

    mechanism: str
    initial: bytes | None = field(repr=False)


@value(frozen=True, slots=True)
class AuthResponse:
    """The response to our challenge, decoded. None: the client cancelled, and is due a 501."""

    octets: bytes | None = field(repr=False)


@value(frozen=True, slots=True)
class Refused:
    """A line that may not be obeyed. ``fatal``: the connection is to be closed after the reply."""

    line: bytes
    reply: Reply
    fatal: bool = False


@value(frozen=True, slots=True)
class Disconnected:
    """The peer closed its side; nothing more comes."""


CommandEvent = (
    Hello | Mail | Rcpt | Data | ChunkEnd | ContentEnd | Reset | Noop | Quit | Verify | Expand | Help | StartTls | Auth
    | AuthResponse | Etrn | XClient | XForward | Refused
)  # fmt: skip
Event = CommandEvent | Content | Disconnected


class NeedData(Enum):
    """What a machine says when it has nothing to tell until more octets come."""

    NEED_DATA = "need data"


NEED_DATA: Final = NeedData.NEED_DATA
