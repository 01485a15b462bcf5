"""The service extensions we speak, one row each (a table; a grammar).

A row says what EHLO announces, which verbs and which parameters of MAIL and RCPT come with it,
and where it is defined. The parameters' own grammars stand below the table of parameters. A
parameter whose extension was not announced is unknown, 555 (RFC 5321 §4.1.1.11).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from eilpost.mail.address import AddressError, parse_address
from eilpost.mail.envelope import NULL_REVERSE_PATH, Body, Notify, Ret, ReversePath
from eilpost.mail.value import value
from eilpost.smtp import wishes

MAX_DIGITS: Final = 20  # RFC 1870 §3
MAX_ENVID: Final = 100  # characters, RFC 3461 §4.4
MAX_ORCPT: Final = 500  # characters, RFC 3461 §4.2


class ParameterError(ValueError):
    """A parameter's value breaks its grammar: 501 5.5.4."""


@value(frozen=True, slots=True)
class Extension:
    """One row: the EHLO keyword, its source and what it adds."""

    keyword: str
    rfc: str
    verbs: frozenset[str] = frozenset()
    mail: frozenset[str] = frozenset()
    rcpt: frozenset[str] = frozenset()


EXTENSIONS: Final[dict[str, Extension]] = {
    row.keyword: row
    for row in (
        Extension("PIPELINING", "RFC 2920"),
        Extension("SIZE", "RFC 1870", mail=frozenset({"SIZE"})),
        Extension("8BITMIME", "RFC 6152", mail=frozenset({"BODY"})),
        Extension("BINARYMIME", "RFC 3030", mail=frozenset({"BODY"})),
        Extension("CHUNKING", "RFC 3030", verbs=frozenset({"BDAT"})),
        Extension("ENHANCEDSTATUSCODES", "RFC 2034"),
        Extension("SMTPUTF8", "RFC 6531", mail=frozenset({"SMTPUTF8"})),
        Extension("DSN", "RFC 3461", mail=frozenset({"RET", "ENVID"}),
                  rcpt=frozenset({"NOTIFY", "ORCPT"})),
        Extension("LIMITS", "RFC 9422"),
        Extension("STARTTLS", "RFC 3207", verbs=frozenset({"STARTTLS"})),
        Extension("AUTH", "RFC 4954", verbs=frozenset({"AUTH"}), mail=frozenset({"AUTH"})),
        Extension("SEND", "RFC 821", verbs=frozenset({"SEND"})),
        Extension("SOML", "RFC 821", verbs=frozenset({"SOML"})),
        Extension("SAML", "RFC 821", verbs=frozenset({"SAML"})),
        Extension("ETRN", "RFC 1985", verbs=frozenset({"ETRN"})),
        Extension("XCLIENT", "Postfix XCLIENT_README", verbs=frozenset({"XCLIENT"})),
        Extension("XFORWARD", "Postfix XFORWARD_README", verbs=frozenset({"XFORWARD"})),
        Extension("FUTURERELEASE", "RFC 4865", mail=frozenset({"HOLDFOR", "HOLDUNTIL"})),
        Extension("DELIVERBY", "RFC 2852", mail=frozenset({"BY"})),
        Extension("MT-PRIORITY", "RFC 6710", mail=frozenset({"MT-PRIORITY"})),
        Extension("REQUIRETLS", "RFC 8689", mail=frozenset({"REQUIRETLS"})),
        Extension("NO-SOLICITING", "RFC 3865", mail=frozenset({"SOLICIT"})),
        Extension("RRVS", "RFC 7293", rcpt=frozenset({"RRVS"})),
    )
}  # fmt: skip

ALL: Final[frozenset[str]] = frozenset(EXTENSIONS)

STANDARD: Final[frozenset[str]] = frozenset(
    {"PIPELINING", "SIZE", "8BITMIME", "BINARYMIME", "CHUNKING", "ENHANCEDSTATUSCODES", "SMTPUTF8", "DSN", "LIMITS"}
)
"""What every listener offers; the rest is offered where somebody has decided so."""

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*", re.ASCII)
_HEXCHAR = re.compile(rb"\+([0-9A-F]{2})")
# RFC 6533 §3: what does not conform to the utf-8 syntax is copied without alteration.
_UTF8_ADDRESS = re.compile(r"[!-<>-~\u0080-\U0010ffff]+")
_EMBEDDED = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9!#$%&'*/=?^_`{|}~\-]+", re.ASCII)


def decode_xtext(text: str) -> str:
    """RFC 3461 §4; ParameterError if it is no xtext, or spells octets that are no UTF-8."""
    if not _XTEXT.fullmatch(text):
        raise ParameterError("no xtext")
    try:
        return _HEXCHAR.sub(lambda found: bytes((int(found[1], 16),)), text.encode("ascii")).decode()
    except UnicodeDecodeError:
        raise ParameterError("no text behind the xtext") from None


def encode_xtext(text: str) -> str:
    """RFC 3461 §4: everything but printable ASCII without ``+`` and ``=`` as ``+XX``."""
    return "".join(
        char if "!" <= char <= "~" and char not in "+=" else "".join(f"+{o:02X}" for o in char.encode())
        for char in text
    )


def _size(value: str | None) -> int:
    if value is None or not value.isascii() or not value.isdigit() or len(value) > MAX_DIGITS:
        raise ParameterError("SIZE takes a number of octets")
    return int(value)


def _body(value: str | None) -> Body:
    try:
        return Body((value or "").upper())
    except ValueError:
        raise ParameterError("BODY is 7BIT, 8BITMIME or BINARYMIME") from None


def _flag(keyword: str) -> Callable[[str | None], bool]:
    def parse(value: str | None) -> bool:
        if value is not None:
            raise ParameterError(f"{keyword} takes no value")  # RFC 6531 §3.4, RFC 8689 §2
        return True

    return parse


def _wish(keyword: str, read: Callable[[str], Any]) -> Callable[[str | None], Any]:
    """A value whose grammar says by a ValueError what it should be."""

    def parse(value: str | None) -> Any:
        try:
            return read(value or "")
        except ValueError as error:
            raise ParameterError(f"{keyword} is {error}") from None

    return parse


def _auth(value: str | None) -> ReversePath:
    """RFC 4954 §5: the mailbox of who submitted the message, as xtext; ``<>``: nobody says."""
    if value == "<>":
        return NULL_REVERSE_PATH
    try:
        return ReversePath(parse_address(decode_xtext(value or "")))
    except AddressError:
        raise ParameterError("AUTH is a mailbox in xtext, or <>") from None


def _ret(value: str | None) -> Ret:
    try:
        return Ret((value or "").upper())
    except ValueError:
        raise ParameterError("RET is FULL or HDRS") from None


def _envid(value: str | None) -> str:
    if not value or len(value) > MAX_ENVID:
        raise ParameterError("ENVID is 1 to 100 characters of xtext")
    decoded = decode_xtext(value)
    if not all(" " <= char <= "~" for char in decoded):
        raise ParameterError("ENVID decodes to printable ASCII")
    return decoded


def _notify(value: str | None) -> frozenset[Notify]:
    try:
        wishes = [Notify(word) for word in (value or "").upper().split(",")]
    except ValueError:
        raise ParameterError("NOTIFY is NEVER, or a list of SUCCESS, FAILURE and DELAY") from None
    if len(set(wishes)) < len(wishes) or (Notify.NEVER in wishes and len(wishes) > 1):
        raise ParameterError("NOTIFY names a wish once, and NEVER alone")  # RFC 3461 §4.1
    return frozenset(wishes)


def _orcpt(value: str | None) -> str:
    """``type;address``; the address is xtext, or utf-8-addr (RFC 6533 §3)."""
    kind, separator, address = (value or "").partition(";")
    if not separator or not _ADDRESS_TYPE.fullmatch(kind) or not address or len(value or "") > MAX_ORCPT:
        raise ParameterError("ORCPT is an address type, a semicolon and an address")
    is_utf8 = kind.lower() == "utf-8"
    decoded = _decode_utf8_address(address) if is_utf8 else decode_xtext(address)
    if not is_utf8 and not decoded.isascii():  # RFC 3461 §4.2
        raise ParameterError("ORCPT beyond ASCII has the address type utf-8")
    if _CONTROL.search(decoded):
        raise ParameterError("ORCPT holds a control character")
    return f"{kind};{decoded}"


def _decode_utf8_address(text: str) -> str:
    if not _UTF8_ADDRESS.fullmatch(text):
        raise ParameterError("no utf-8 address")
    try:
        decoded = _EMBEDDED.sub(lambda found: chr(int(found[1], 16)), text)
        decoded.encode()
    except ValueError:
        raise ParameterError("ORCPT holds no character of that number") from None
    return decoded


@value(frozen=True, slots=True)
class Parameter:
    """One row: the field of ``MailParameters`` or ``RcptParameters`` and its grammar."""

    field: str
    parse: Callable[[str | None], Any]


MAIL_PARAMETERS: Final[dict[str, Parameter]] = {
    "SIZE": Parameter("size", _size),
    "BODY": Parameter("body", _body),
    "SMTPUTF8": Parameter("smtputf8", _flag("SMTPUTF8")),
    "RET": Parameter("ret", _ret),
    "ENVID": Parameter("envid", _envid),
    "AUTH": Parameter("auth", _auth),
    "HOLDFOR": Parameter("hold", _wish("HOLDFOR", wishes.parse_interval)),
    "HOLDUNTIL": Parameter("hold", _wish("HOLDUNTIL", wishes.parse_moment)),  # RFC 4865 §3: one or the other
    "BY": Parameter("deliver_by", _wish("BY", wishes.parse_by)),
    "MT-PRIORITY": Parameter("priority", _wish("MT-PRIORITY", wishes.parse_priority)),
    "REQUIRETLS": Parameter("require_tls", _flag("REQUIRETLS")),
    "SOLICIT": Parameter("solicit", _wish("SOLICIT", wishes.parse_solicit)),
}

RCPT_PARAMETERS: Final[dict[str, Parameter]] = {
    "NOTIFY": Parameter("notify", _notify),
    "ORCPT": Parameter("orcpt", _orcpt),
    "RRVS": Parameter("valid_since", _wish("RRVS", wishes.parse_since)),
}


def parameters_of(verb: str, offered: frozenset[str]) -> frozenset[str]:
    """The keywords that MAIL or RCPT may carry when these extensions are offered."""
    rows = (EXTENSIONS[keyword] for keyword in offered)
    if verb == "MAIL":
        return frozenset().union(*(row.mail for row in rows))
    return frozenset().union(*(row.rcpt for row in rows))
