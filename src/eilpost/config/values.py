"""What the text of a setting may be: one grammar a kind (a table; a grammar).

A grammar returns the text in the form we compare, or raises ValueError with what was expected,
as a clause that follows "expected".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from eilpost.config.schema import Kind
from eilpost.mail.address import AddressError, parse_address, parse_domain

_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
MAX_PORT: Final = 65_535
LISTENER_FORMS: Final = "host:port, [v6]:port or unix:/path"

Grammar = Callable[[str], str]


class Complaint(ValueError):
    """A grammar's own whole clause, where "expected …, but found …" would say less."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a listener listens: a host and a port, or the path of a Unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_endpoint(text: str, port: int | None = None) -> Endpoint:
    """``host:port``, ``[v6]:port`` or ``unix:/path``; with ``port``, it may be left out."""
    expected = LISTENER_FORMS
    if text.startswith("unix:"):
        if len(text) == 5 or "\0" in text:
            raise ValueError(expected)
        return Endpoint(path=text[5:])
    host, given = _split_port(text, expected)
    if given is None:
        given = port
    if given is None or not 0 <= given <= MAX_PORT:
        raise ValueError(f"{expected}, the port from 0 to {MAX_PORT}")
    return Endpoint(_host(host, expected), given)


def _split_port(text: str, expected: str) -> tuple[str, int | None]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")) or ":" not in host:
            raise ValueError(expected)
        given = rest[1:] if rest else None
    elif text.count(":") > 1:
        return text, None  # an IPv6 address without brackets has no room for a port
    else:
        host, colon, number = text.partition(":")
        given = number if colon else None
    if given is None:
        return host, None
    if not _PORT.fullmatch(given):
        raise ValueError(expected)
    return host, int(given)


def _host(text: str, expected: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        pass
    if re.fullmatch(r"[0-9.]*|.*:.*", text, re.ASCII):
        raise ValueError(f"{expected}; {text!r} is no IP address")
    try:
        return parse_domain(text)
    except AddressError as error:
        raise ValueError(f"{expected}; {error}") from None


def _listener(text: str) -> str:
    return str(parse_endpoint(text))


def _resolver(text: str) -> str:
    endpoint = parse_endpoint(text, 53)
    if endpoint.path or not endpoint.port:
        raise ValueError("a resolver as host or host:port")
    return str(endpoint)


def _domain(text: str) -> str:
    try:
        domain = parse_domain(text)
    except AddressError as error:
        raise ValueError(f"a domain: {error}") from None
    if domain.startswith("["):
        raise ValueError("a domain, not an address literal")
    return domain


def _address(text: str) -> str:
    if not text:
        return ""
    try:
        return str(parse_address(text))
    except AddressError as error:
        raise ValueError(f"an address such as anna@example.org: {error}") from None


def _network(text: str) -> str:
    expected = "a network such as 192.0.2.0/24 or 2001:db8::/32"
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        whole = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(expected) from None
    raise ValueError(f"{whole}, without bits beyond the mask")


def _delimiter(text: str) -> str:
    if len(text) > 1 or text.isalnum() or text in ("@", ".", '"', " "):
        raise ValueError('one character such as "+" or "-", or an empty text')
    return text


def _anything(text: str) -> str:
    return text


GRAMMARS: Final[Mapping[Kind, Grammar]] = MappingProxyType(
    {
        Kind.TEXT: _anything,
        Kind.PATH: _anything,
        Kind.DOMAIN: _domain,
        Kind.ADDRESS: _address,
        Kind.LISTENER: _listener,
        Kind.NETWORK: _network,
        Kind.RESOLVER: _resolver,
        Kind.DELIMITER: _delimiter,
    }
)
"""DELIVERY and SMARTHOST are routing's to read: the loader lays their grammars beside these."""
