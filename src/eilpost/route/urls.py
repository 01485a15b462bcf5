"""How a next hop is written: ``smtp://host:port?tls=verify``, ``lmtp+unix:/path``, ``mx:domain`` (a grammar).

What operators write into the configuration and into ``queue reroute``, and what lists show: it is
the text form of ``mail.NextHop``, so ``parse_next_hop(str(hop)) == hop``.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from eilpost.mail.address import AddressError, parse_domain
from eilpost.mail.encryption import Encryption
from eilpost.mail.next_hop import Means, NextHop

_SCHEMES: Final = {"smtp": (Means.SMTP, 25), "smtps": (Means.SMTP, 465), "lmtp": (Means.LMTP, 24)}  # RFC 8314 §7.3
_IMPLICIT: Final = "smtps"
_URL: Final = re.compile(
    r"([A-Za-z+]+)://(?:\[([^\[\]]*)\]|([^\[\]:/@?]*))(?::([0-9]{1,5}))?/?(?:\?tls=([a-z]*))?", re.ASCII
)
_LEVELS: Final = {level.value: level for level in Encryption}
_MAX_SOCKET_PATH: Final = 107  # octets: sun_path of Linux less its NUL


class NextHopError(ValueError):
    """The text names no next hop; the message says what is wrong and what would be right."""


def parse_next_hop(text: str) -> NextHop:
    """Any next hop: ``maildir``, ``mx:domain``, ``smtp://``, ``lmtp://`` or ``lmtp+unix:``."""
    if text == Means.MAILDIR.value:
        return NextHop(Means.MAILDIR)
    scheme, separator, rest = text.partition(":")
    if separator and scheme == Means.MX.value:
        return NextHop(Means.MX, _domain(rest, text))
    if separator and scheme == "lmtp+unix":
        return NextHop(Means.LMTP, _socket_path(rest, text))
    if "://" in text:
        return _parse_url(text)
    raise NextHopError(
        f"{text!r} is no next hop; write smtp://host:port, lmtp://host:port, lmtp+unix:/path, mx:domain or maildir"
    )


def parse_deliver(text: str) -> NextHop:
    """How a hosted domain's mail is delivered: into a Maildir here, or by the server that has its mailboxes."""
    hop = parse_next_hop(text)
    if hop.means is Means.MX:
        raise NextHopError(
            f"{text!r} does not deliver here; write maildir, lmtp://host:port, lmtp+unix:/path or smtp://host:port"
        )
    return hop


def parse_smarthost(text: str) -> NextHop:
    """Where all mail for others goes: ``smtp://host:port`` or ``smtps://host:port``."""
    hop = parse_next_hop(text)
    if hop.means is not Means.SMTP:
        raise NextHopError(f"{text!r} is no smarthost; write smtp://host:port or smtps://host:port")
    return hop


def _parse_url(text: str) -> NextHop:
    found = _URL.fullmatch(text)
    scheme = text.partition(":")[0]
    if scheme not in _SCHEMES:
        raise NextHopError(f"{text!r} has an unknown scheme; there are smtp://, smtps://, lmtp:// and lmtp+unix:")
    if found is None:
        raise NextHopError(f"{text!r} is not written as {scheme}://host:port; an IPv6 address stands in brackets")
    means, usual = _SCHEMES[scheme]
    host = _ipv6(found[2], text) if found[2] is not None else _host(found[3], text)
    port = int(found[4]) if found[4] else usual
    if not 0 < port < 65536:
        raise NextHopError(f"{text!r} has no port between 1 and 65535")
    if means is Means.LMTP and port == 25:
        raise NextHopError(f"{text!r}: LMTP must not use port 25")  # RFC 2033 §5
    return NextHop(means, host, port, _level(found[5], scheme, text), scheme == _IMPLICIT)


def _level(word: str | None, scheme: str, text: str) -> Encryption | None:
    if word is None:
        return None
    level = _LEVELS.get(word)
    if level is None:
        raise NextHopError(f"{text!r} asks for an unknown tls; there are {', '.join(_LEVELS)}")
    if scheme == _IMPLICIT and not level.is_binding:
        raise NextHopError(f"{text!r}: {_IMPLICIT}:// is encrypted from the first octet; write tls=verify or required")
    return level


def _ipv6(text: str, whole: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise NextHopError(f"{whole!r} holds no IPv6 address in its brackets") from None


def _host(text: str, whole: str) -> str:
    if not re.fullmatch(r"[0-9.]+", text, re.ASCII):
        return _domain(text, whole)
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise NextHopError(f"{whole!r} holds no IPv4 address") from None


def _domain(text: str, whole: str) -> str:
    try:
        return parse_domain(text)
    except AddressError as error:
        raise NextHopError(f"{whole!r} names no host: {error}") from None


def _socket_path(text: str, whole: str) -> str:
    if not text or "\0" in text:
        raise NextHopError(f"{whole!r} names no socket; write lmtp+unix:/path")
    if len(text.encode("utf-8", "surrogateescape")) > _MAX_SOCKET_PATH:
        raise NextHopError(f"{whole!r}: a socket's path has at most {_MAX_SOCKET_PATH} octets")
    return text
