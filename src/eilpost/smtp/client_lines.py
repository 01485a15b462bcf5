"""Commands as they go onto the wire (a grammar).

The values are checked here once more: no CR, LF or other control character reaches the wire, and no
address can end its path early and smuggle a parameter, whoever made it. A value that cannot be
sent raises LocalProtocolError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final, TypeVar

from eilpost.mail.address import Address
from eilpost.mail.envelope import NO_MAIL_PARAMETERS, Body, MailParameters, Notify, RcptParameters, ReversePath
from eilpost.smtp import wishes
from eilpost.smtp.claims import Claims, write_claims
from eilpost.smtp.commands import Verb
from eilpost.smtp.errors import LocalProtocolError
from eilpost.smtp.extensions import encode_xtext

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DOMAIN = re.compile(r"[A-Za-z0-9.\-]+|\[[A-Za-z0-9.:\-]+\]", re.ASCII)
_NAME = re.compile(r"[!-~]+", re.ASCII)
_NODE = re.compile(r"[@#]?[A-Za-z0-9\[][A-Za-z0-9._\-:\]]*", re.ASCII)
_NOT_QCHAR = re.compile(r"[^!-*,-<>-\[\]-~]")

_Wish = TypeVar("_Wish")
_Said = TypeVar("_Said")

_NOTIFY_ORDER: Final = (Notify.NEVER, Notify.SUCCESS, Notify.FAILURE, Notify.DELAY)


def command(text: str) -> bytes:
    """One command line with its CRLF."""
    if not text.isprintable() and _CONTROL.search(text):
        raise LocalProtocolError("a command holds no control characters")
    try:
        return text.encode() + b"\r\n"
    except UnicodeEncodeError:
        raise LocalProtocolError("a command holds no lone surrogates") from None


def hello(verb: str, name: str) -> bytes:
    """EHLO, HELO or LHLO with our name."""
    if not _NAME.fullmatch(name):
        raise LocalProtocolError("the name in a greeting is printable ASCII without spaces")
    return command(f"{verb} {name}")


def mail(reverse_path: ReversePath, parameters: MailParameters, verb: str = "MAIL") -> bytes:
    """``MAIL FROM:<…> …``, or SEND, SOML, SAML."""
    path = "" if reverse_path.mailbox is None else _mailbox(reverse_path.mailbox, smtputf8=parameters.smtputf8)
    return command(f"{verb} FROM:<{path}>{_mail_parameters(parameters)}")


def rcpt(address: Address, parameters: RcptParameters, *, smtputf8: bool) -> bytes:
    """``RCPT TO:<…> …``."""
    return command(f"RCPT TO:<{_mailbox(address, smtputf8=smtputf8)}>{_rcpt_parameters(parameters)}")


def _mailbox(address: Address, *, smtputf8: bool) -> str:
    text = str(address)
    if address.domain:
        if not _DOMAIN.fullmatch(address.domain):
            raise LocalProtocolError("the domain of an address holds what no domain may hold")
    elif not address.is_postmaster:  # RFC 5321 §4.5.1
        raise LocalProtocolError("an address needs a domain")
    if not smtputf8 and not text.isascii():
        raise LocalProtocolError("an address beyond ASCII needs SMTPUTF8")
    return text


def _mail_parameters(parameters: MailParameters) -> str:
    words = []
    if parameters.size is not None:
        words.append(f" SIZE={parameters.size:d}")
    if parameters.body is not None:
        words.append(f" BODY={parameters.body.value}")
    if parameters.smtputf8:
        words.append(" SMTPUTF8")
    if parameters.ret is not None:
        words.append(f" RET={parameters.ret.value}")
    if parameters.envid is not None:
        words.append(f" ENVID={encode_xtext(parameters.envid)}")
    if parameters.auth is not None:
        words.append(f" AUTH={_submitter(parameters.auth)}")
    if parameters is not NO_MAIL_PARAMETERS:
        words += _wishes(parameters)
    return "".join(words)


def _wishes(parameters: MailParameters) -> Iterator[str]:
    match parameters.hold:
        case int(seconds):
            yield f" HOLDFOR={seconds:d}"
        case datetime() as moment:
            yield f" HOLDUNTIL={_said(wishes.write_moment, moment)}"
    if parameters.deliver_by is not None:
        yield f" BY={wishes.write_by(parameters.deliver_by)}"
    if parameters.priority is not None:
        yield f" MT-PRIORITY={parameters.priority:d}"
    if parameters.require_tls:
        yield " REQUIRETLS"
    if parameters.solicit:
        yield f" SOLICIT={','.join(_said(wishes.parse_solicit, ','.join(parameters.solicit)))}"


def _said(write: Callable[[_Wish], _Said], wish: _Wish) -> _Said:
    try:
        return write(wish)
    except ValueError as error:
        raise LocalProtocolError(str(error)) from None


def etrn(name: str) -> bytes:
    """``ETRN domain``, ``ETRN @domain`` or ``ETRN #queue``."""
    if not _NODE.fullmatch(name):
        raise LocalProtocolError("ETRN names a domain, @domain or #queue")
    return command(f"ETRN {name}")


def claims(verb: Verb, said: Claims) -> bytes:
    """XCLIENT or XFORWARD."""
    return command(_said(lambda each: write_claims(verb, each), said))


def _submitter(auth: ReversePath) -> str:
    return "<>" if auth.mailbox is None else encode_xtext(str(auth.mailbox))


def _rcpt_parameters(parameters: RcptParameters) -> str:
    words = []
    if parameters.notify is not None:
        words.append(" NOTIFY=" + ",".join(wish.value for wish in _NOTIFY_ORDER if wish in parameters.notify))
    if parameters.orcpt is not None:
        kind, _, address = parameters.orcpt.partition(";")
        encode = encode_utf8_address if kind.lower() == "utf-8" else encode_xtext
        words.append(f" ORCPT={encode_xtext(kind)};{encode(address)}")
    if parameters.valid_since is not None:
        words.append(f" RRVS={_said(wishes.write_since, parameters.valid_since)}")
    return "".join(words)


def encode_utf8_address(address: str) -> str:
    r"""RFC 6533 §3, utf-8-addr-xtext: what is not plain becomes ``\x{HEX}``; any peer takes it."""
    return _NOT_QCHAR.sub(lambda found: rf"\x{{{ord(found[0]):02X}}}", address)


def needed(parameters: MailParameters | RcptParameters) -> set[str]:
    """The extensions that a peer must offer to be given these parameters."""
    wanted = set()
    if isinstance(parameters, RcptParameters):
        if parameters.notify is not None or parameters.orcpt is not None:
            wanted.add("DSN")
        if parameters.valid_since is not None:
            wanted.add("RRVS")
        return wanted
    if parameters.size is not None:
        wanted.add("SIZE")
    if parameters.body is not None:
        wanted.add("BINARYMIME" if parameters.body is Body.BINARY else "8BITMIME")
    if parameters.smtputf8:
        wanted.add("SMTPUTF8")
    if parameters.ret is not None or parameters.envid is not None:
        wanted.add("DSN")
    if parameters.auth is not None:
        wanted.add("AUTH")
    wanted.update(keyword for keyword, wish in _WISHES if wish(parameters))
    return wanted


_WISHES: Final[tuple[tuple[str, Callable[[MailParameters], object]], ...]] = (
    ("FUTURERELEASE", lambda parameters: parameters.hold is not None),
    ("DELIVERBY", lambda parameters: parameters.deliver_by is not None),
    ("MT-PRIORITY", lambda parameters: parameters.priority is not None),
    ("REQUIRETLS", lambda parameters: parameters.require_tls),
    ("NO-SOLICITING", lambda parameters: parameters.solicit),
)
