"""The PROXY protocol, versions 1 and 2: who connected to the proxy in front of us (a grammar).

Source: HAProxy's proxy-protocol.txt, §2. A header is believed from listed peers alone; that is decided
elsewhere. Nothing is read behind it: what follows the header is the session's.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from typing import Final

from eilpost.mail.value import value

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"  # §2.2
MAX_LINE: Final = 107  # octets of version 1 with its CRLF, §2.1
MAX_BODY: Final = 4096
"""Octets behind the fixed part of version 2: addresses, and extensions that are skipped; more is refused."""

_HEAD: Final = struct.Struct("!12sBBH")
_PREFIX: Final = b"PROXY "
_PORT = re.compile(r"0|[1-9][0-9]{0,4}", re.ASCII)
_LOCAL, _PROXY = 0x20, 0x21
_INET: Final = {0x11: (4, struct.Struct("!4s4sHH")), 0x21: (6, struct.Struct("!16s16sHH"))}  # TCP over IPv4, IPv6


class ProxyError(ValueError):
    """What a peer sent instead of a header; the connection is to be closed."""


@value(frozen=True, slots=True)
class Endpoint:
    """An address in its canonical form, and a port."""

    address: str
    port: int


@value(frozen=True, slots=True)
class ProxyHeader:
    """A header of ``size`` octets. Both ends are None when the proxy speaks for itself, or of no known family."""

    size: int
    client: Endpoint | None = None
    server: Endpoint | None = None


def read_proxy_header(octets: bytes) -> ProxyHeader | None:
    """The header that these octets begin with; None while more are needed. ProxyError when it is none."""
    if octets[: len(SIGNATURE)] == SIGNATURE[: len(octets)]:
        return _read_binary(octets)
    if octets[: len(_PREFIX)] == _PREFIX[: len(octets)]:
        return _read_line(octets)
    raise ProxyError("the peer sends no PROXY header")


def _read_line(octets: bytes) -> ProxyHeader | None:
    end = octets.find(b"\n", 0, MAX_LINE)
    if end < 0:
        if len(octets) >= MAX_LINE:
            raise ProxyError(f"the line of the PROXY header is longer than {MAX_LINE} octets")
        return None
    line = octets[: end + 1]
    if not line.endswith(b"\r\n") or not line.isascii():
        raise ProxyError("the line of the PROXY header is ASCII and ends in CR LF")
    match line[:-2].decode("ascii").split(" "):
        case ["PROXY", "UNKNOWN", *_]:
            return ProxyHeader(len(line))
        case ["PROXY", "TCP4", source, target, source_port, target_port]:
            return _header(4, len(line), (source, source_port), (target, target_port))
        case ["PROXY", "TCP6", source, target, source_port, target_port]:
            return _header(6, len(line), (source, source_port), (target, target_port))
        case _:
            raise ProxyError("the PROXY header has a family, two addresses and two ports")


def _header(version: int, size: int, client: tuple[str, str], server: tuple[str, str]) -> ProxyHeader:
    return ProxyHeader(size, _endpoint(version, *client), _endpoint(version, *server))


def _endpoint(version: int, text: str, port: str) -> Endpoint:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ProxyError("the PROXY header holds no IP address") from None
    if address.version != version or "%" in text or not _PORT.fullmatch(port) or int(port) > 0xFFFF:
        raise ProxyError("the PROXY header's addresses or ports are not those of its family")
    return Endpoint(_canonical(address), int(port))


def _canonical(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """A client that a proxy saw on a socket of both families is the IPv4 client that it is."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _read_binary(octets: bytes) -> ProxyHeader | None:
    if len(octets) < _HEAD.size:
        _check_command(octets)
        return None
    _, command, family, length = _HEAD.unpack_from(octets)
    _check_command(octets)
    if length > MAX_BODY:
        raise ProxyError(f"the PROXY header is longer than {MAX_BODY} octets")
    size = _HEAD.size + length
    row = _INET.get(family) if command == _PROXY else None
    if row is not None and length < row[1].size:
        raise ProxyError("the PROXY header is shorter than its addresses")
    if len(octets) < size:
        return None
    if row is None:  # LOCAL, or a family we do not know: the addresses are to be ignored, §2.2
        return ProxyHeader(size)
    source, target, source_port, target_port = row[1].unpack_from(octets, _HEAD.size)
    return ProxyHeader(
        size,
        Endpoint(_canonical(ipaddress.ip_address(source)), source_port),
        Endpoint(_canonical(ipaddress.ip_address(target)), target_port),
    )


def _check_command(octets: bytes) -> None:
    """§2.2: whoever does not know the version or the command must close."""
    command = octets[len(SIGNATURE) : len(SIGNATURE) + 1]
    if command and command[0] not in (_LOCAL, _PROXY):
        raise ProxyError("the PROXY header has a version or a command that nobody knows")
