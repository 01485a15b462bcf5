"""What a trusted peer says of the client behind it: XCLIENT and XFORWARD (a grammar).

Source: Postfix's XCLIENT_README and XFORWARD_README. Values are xtext; a value the peer could not learn is
``[UNAVAILABLE]``, one it could not learn now ``[TEMPUNAVAIL]``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from enum import Enum
from typing import Final

from eilpost.mail.value import value
from eilpost.smtp import replies
from eilpost.smtp.commands import Verb
from eilpost.smtp.extensions import ParameterError, decode_xtext, encode_xtext
from eilpost.smtp.grammar import SyntaxRefusal

MAX_VALUE: Final = 255  # characters, XFORWARD_README

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NUMBER = re.compile(r"[0-9]{1,5}", re.ASCII)


class Missing(Enum):
    """Why a value is not told."""

    __hash__ = object.__hash__

    UNAVAILABLE = "[UNAVAILABLE]"
    TEMPORARILY = "[TEMPUNAVAIL]"


Claim = str | Missing | None


@value(frozen=True, slots=True)
class Claims:
    """One field an attribute; None: it was not mentioned. Addresses are canonical, ports are decimal."""

    name: Claim = None
    addr: Claim = None
    port: Claim = None
    proto: Claim = None
    helo: Claim = None
    login: Claim = None
    destaddr: Claim = None
    destport: Claim = None
    ident: Claim = None
    source: Claim = None


def _text(text: str) -> str:
    if not text or _CONTROL.search(text):
        raise ParameterError("a value is text without control characters")
    return text


def _address(text: str) -> str:
    try:
        if text[:5].upper() == "IPV6:":
            return str(ipaddress.IPv6Address(text[5:]))
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ParameterError("an address is an IPv4 address, or IPV6: and an IPv6 address") from None


def _port(text: str) -> str:
    if not _NUMBER.fullmatch(text) or int(text) > 0xFFFF:
        raise ParameterError("a port is a number up to 65535")
    return str(int(text))


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.upper() not in words:
            raise ParameterError(f"the value is one of {', '.join(words)}")
        return text.upper()

    return parse


_CLIENT: Final[Mapping[str, Callable[[str], str]]] = {
    "NAME": _text, "ADDR": _address, "PORT": _port, "PROTO": _one_of("SMTP", "ESMTP"), "HELO": _text,
}  # fmt: skip

ATTRIBUTES: Final[Mapping[Verb, Mapping[str, Callable[[str], str]]]] = {
    Verb.XCLIENT: {**_CLIENT, "LOGIN": _text, "DESTADDR": _address, "DESTPORT": _port},
    Verb.XFORWARD: {**_CLIENT, "IDENT": _text, "SOURCE": _one_of("LOCAL", "REMOTE")},
}
"""What each verb may say; EHLO lists it."""


def parse_claims(verb: Verb, argument: str) -> Claims:
    """``NAME=value ADDR=value …``; SyntaxRefusal for what is unknown, twice, or broken."""
    known, found = ATTRIBUTES[verb], dict[str, Claim]()
    for word in argument.split():
        keyword, equals, text = word.partition("=")
        parse, name = known.get(keyword.upper()), keyword.lower()
        if parse is None or not equals or name in found:
            raise SyntaxRefusal(replies.bad_parameter(f"Syntax: {verb.value} attribute=value ..."))
        try:
            found[name] = _parse(text, parse)
        except ParameterError as error:
            raise SyntaxRefusal(replies.bad_parameter(f"{keyword.upper()}: {error}")) from None
    return Claims(**found)


def _parse(text: str, parse: Callable[[str], str]) -> Claim:
    for missing in Missing:
        if text.upper() == missing.value:
            return missing
    decoded = decode_xtext(text)
    if len(decoded) > MAX_VALUE:
        raise ParameterError(f"a value has at most {MAX_VALUE} characters")
    return parse(decoded)


def write_claims(verb: Verb, claims: Claims) -> str:
    """The command that says this; ParameterError for what the verb or the grammar does not allow."""
    words = [verb.value]
    for row in fields(claims):
        claim: Claim = getattr(claims, row.name)
        if claim is None:
            continue
        parse = ATTRIBUTES[verb].get(row.name.upper())
        if parse is None:
            raise ParameterError(f"{verb.value} has no {row.name.upper()}")
        words.append(f"{row.name.upper()}={_write(row.name, claim, parse)}")
    return " ".join(words)


def _write(name: str, claim: str | Missing, parse: Callable[[str], str]) -> str:
    if isinstance(claim, Missing):
        return claim.value
    text = parse(claim)
    return encode_xtext(f"IPV6:{text}" if name.endswith("addr") and ":" in text else text)
