"""A mailbox, ``local-part@domain``: the value and its one grammar (words).

RFC 5321 §4.1.2 and RFC 6531 §3.3 say what an address is; every room that meets one comes here.
The domain is kept as it is compared: lower case, A-labels (UTS 46), or a canonical address
literal in brackets. The local part is kept decoded, without the quotes, and never folded:
only its owner may say that two local parts are the same (RFC 5321 §2.4).
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from eilpost.mail.value import value

MAX_LOCAL_PART: Final = 64  # octets, RFC 5321 §4.5.3.1.1
MAX_DOMAIN: Final = 255  # octets, RFC 5321 §4.5.3.1.2
MAX_LABEL: Final = 63  # octets, RFC 1035 §2.3.4
MAX_ADDRESS: Final = MAX_LOCAL_PART + 1 + MAX_DOMAIN

# RFC 6531 §3.3 lets in all of Unicode. Left out are its control characters and line separators:
# they end lines for some readers, and no mailbox needs them; and surrogates, which are no characters.
_BEYOND_ASCII = r"\u00a0-\u2027\u202a-\ud7ff\ue000-\U0010ffff"
_ATEXT = rf"A-Za-z0-9!#$%&'*+/=?^_`{{|}}~\-{_BEYOND_ASCII}"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9\-]*[A-Za-z0-9])?"
_DOT_STRING = re.compile(rf"[{_ATEXT}]+(?:\.[{_ATEXT}]+)*")
_QUOTED_STRING = re.compile(rf'"((?:[ !#-\[\]-~{_BEYOND_ASCII}]|\\[ -~])*)"')
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_PLAIN = re.compile(rf"([A-Za-z0-9.+_=\-]{{1,64}})@({_LABEL}(?:\.{_LABEL})*)")
_QUOTED_PAIR = re.compile(r"\\(.)")
_NEEDS_BACKSLASH = re.compile(r'([\\"])')


class AddressError(ValueError):
    """The text is not an address; the message says which rule it breaks."""


@value(frozen=True, slots=True, order=True)
class Address:
    """A mailbox; ``domain`` is empty for the bare ``postmaster`` alone."""

    local_part: str
    domain: str

    def __str__(self) -> str:
        local_part = self.local_part
        if not _DOT_STRING.fullmatch(local_part):
            local_part = '"' + _NEEDS_BACKSLASH.sub(r"\\\1", local_part) + '"'
        return f"{local_part}@{self.domain}" if self.domain else local_part

    @property
    def is_ascii(self) -> bool:
        """True when a peer without SMTPUTF8 can be given this address."""
        return self.local_part.isascii()

    @property
    def is_literal(self) -> bool:
        """True for ``user@[192.0.2.1]``."""
        return self.domain.startswith("[")

    @property
    def is_postmaster(self) -> bool:
        """True for postmaster in any case, at any domain (RFC 5321 §4.5.1)."""
        return len(self.local_part) == 10 and self.local_part.lower() == "postmaster"


def parse_address(text: str) -> Address:
    """The address that ``text`` is, whole; AddressError if it is none."""
    if len(text) > MAX_ADDRESS:
        raise AddressError(f"an address is no longer than {MAX_ADDRESS} octets")
    plain = _PLAIN.fullmatch(text)
    if plain is not None and _DOT_STRING.fullmatch(plain[1]) and len(plain[2]) <= MAX_LABEL:
        return Address(plain[1], plain[2].lower())
    end = _local_part_end(text)
    if text[end : end + 1] != "@":
        raise AddressError("an address needs a local part, an @ and a domain")
    return Address(parse_local_part(text[:end]), parse_domain(text[end + 1 :]))


def _local_part_end(text: str) -> int:
    grammar = _QUOTED_STRING if text.startswith('"') else _DOT_STRING
    found = grammar.match(text)
    return found.end() if found else 0


def parse_local_part(text: str) -> str:
    """The local part that ``text`` spells, without quotes; at most 64 octets."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_LOCAL_PART:
        raise AddressError(f"the local part is longer than {MAX_LOCAL_PART} octets")
    if _DOT_STRING.fullmatch(text):
        return text
    quoted = _QUOTED_STRING.fullmatch(text)
    if quoted is None:
        raise AddressError("the local part is neither a dot-string nor a quoted string")
    return _QUOTED_PAIR.sub(r"\1", quoted[1])


def parse_domain(text: str) -> str:
    """The domain or address literal that ``text`` names, in the form we compare."""
    if text.startswith("["):
        return _parse_literal(text)
    if len(text.encode("utf-8", "surrogatepass")) > MAX_DOMAIN:
        raise AddressError(f"the domain is longer than {MAX_DOMAIN} octets")
    if not text.isascii():
        text = _to_a_labels(text)
    if len(text) > MAX_DOMAIN or not _DOMAIN.fullmatch(text):
        raise AddressError("the domain is not made of letters, digits, hyphens and dots")
    if len(text) > MAX_LABEL and max(map(len, text.split("."))) > MAX_LABEL:
        raise AddressError(f"a label of the domain is longer than {MAX_LABEL} octets")
    return text.lower()


def _to_a_labels(text: str) -> str:
    # Imported here: the grammar itself must run on the standard library alone, and
    # nobody who sends ASCII should pay for the tables.
    try:
        import idna
    except ImportError as error:
        raise AddressError("a domain beyond ASCII needs the package 'idna'") from error
    try:
        return idna.encode(text, uts46=True, transitional=False, std3_rules=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise AddressError("the domain has no form in A-labels") from error


def to_unicode(domain: str) -> str:
    """The domain as people read it; as given when it has no U-label form."""
    if "xn--" not in domain:
        return domain
    try:
        import idna

        return idna.decode(domain)
    except (ImportError, UnicodeError):
        return domain


def _parse_literal(text: str) -> str:
    """RFC 5321 §4.1.3; tags other than IPv6 name no protocol we know."""
    if not text.endswith("]") or len(text) > MAX_DOMAIN or not text.isascii():
        raise AddressError("an address literal is ASCII and ends in ]")
    inner = text[1:-1]
    try:
        if inner[:5].upper() == "IPV6:":
            if "%" in inner:
                raise AddressError("an address literal has no zone")
            return f"[IPv6:{ipaddress.IPv6Address(inner[5:])}]"
        return f"[{ipaddress.IPv4Address(inner)}]"
    except ipaddress.AddressValueError as error:
        raise AddressError("the address literal holds no IP address") from error
