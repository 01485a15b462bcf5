"""The PROXY protocol: proxy-protocol.txt §2, and the fault catalogue."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.net.proxy import MAX_BODY, MAX_LINE, SIGNATURE, Endpoint, ProxyError, ProxyHeader, read_proxy_header

CLIENT, SERVER = Endpoint("192.0.2.1", 56324), Endpoint("198.51.100.7", 25)
LINE = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 25\r\n"


def binary(command: int, family: int, body: bytes) -> bytes:
    """A header of version 2."""
    return SIGNATURE + struct.pack("!BBH", command, family, len(body)) + body


BODY4 = ipaddress.ip_address("192.0.2.1").packed + ipaddress.ip_address("198.51.100.7").packed + b"\xdc\x04\x00\x19"


def test_version_1() -> None:
    """§2.1: a line with family, addresses and ports; what follows it is the session's."""
    assert read_proxy_header(LINE + b"EHLO x\r\n") == ProxyHeader(len(LINE), CLIENT, SERVER)
    six = b"PROXY TCP6 2001:DB8:0::1 ::1 1 65535\r\n"
    assert read_proxy_header(six) == ProxyHeader(len(six), Endpoint("2001:db8::1", 1), Endpoint("::1", 65535))


@pytest.mark.parametrize("line", [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff::1 whatever 1 2\r\n"])
def test_an_unknown_family_is_the_peer_itself(line: bytes) -> None:
    """§2.1: the rest of the line is ignored, and the connection's own addresses count."""
    assert read_proxy_header(line) == ProxyHeader(len(line))


def test_version_2() -> None:
    """§2.2: both families; extensions behind the addresses are skipped."""
    octets = binary(0x21, 0x11, BODY4 + b"\x04\x00\x05abcde")
    assert read_proxy_header(octets + b"\x16\x03") == ProxyHeader(len(octets), CLIENT, SERVER)
    addresses = ipaddress.ip_address("2001:db8::1").packed + ipaddress.ip_address("::ffff:192.0.2.9").packed
    octets = binary(0x21, 0x21, addresses + b"\0\x01\0\x19")
    assert read_proxy_header(octets) == ProxyHeader(len(octets), Endpoint("2001:db8::1", 1), Endpoint("192.0.2.9", 25))


@pytest.mark.parametrize(
    "octets",
    [
        binary(0x20, 0x00, b""),
        binary(0x20, 0x11, BODY4),
        binary(0x20, 0x11, b"short"),
        binary(0x21, 0x00, b"xyz"),
        binary(0x21, 0x31, b"u" * 216),
        binary(0x21, 0x12, BODY4),
    ],
)
def test_a_proxy_may_speak_for_itself(octets: bytes) -> None:
    """§2.2: LOCAL, and families we do not know, tell no addresses."""
    assert read_proxy_header(octets) == ProxyHeader(len(octets))


@pytest.mark.parametrize(
    "octets",
    [
        b"EHLO x\r\n",
        b"\r\n\r\n\0\r\nQUIX",
        b"PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 25 1\r\n",
        b"PROXY TCP4 192.0.2.1  198.51.100.7 56324 25\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 25\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.7 65536 25\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.7 -1 25\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.7 01 25\r\n",
        b"PROXY TCP4 192.0.2.01 198.51.100.7 1 25\r\n",
        b"PROXY TCP4 ::1 ::1 1 25\r\n",
        b"PROXY TCP6 192.0.2.1 192.0.2.1 1 25\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 1 25\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 ٥ 25\r\n".encode(),
        b"PROXY UDP4 192.0.2.1 198.51.100.7 1 25\r\n",
        b"PROXY tcp4 192.0.2.1 198.51.100.7 1 25\r\n",
        b"PROXY \r\n",
        b"PROXY UNKNOWN " + b"x" * MAX_LINE,
        binary(0x11, 0x11, BODY4),
        binary(0x22, 0x11, BODY4),
        binary(0x21, 0x11, BODY4[:-1]),
        binary(0x21, 0x21, BODY4),
        SIGNATURE + b"\x21\x11" + struct.pack("!H", MAX_BODY + 1),
        SIGNATURE + b"\x31",
    ],
)
def test_f027_f028_what_is_no_header_ends_the_connection(octets: bytes) -> None:
    """§2: there is no guessing; nothing is waited for that cannot become a header."""
    with pytest.raises(ProxyError):
        read_proxy_header(octets)


HEADERS = st.one_of(
    st.just(LINE),
    st.just(b"PROXY UNKNOWN\r\n"),
    st.builds(
        lambda source, target, one, two: f"PROXY TCP6 {source} {target} {one} {two}\r\n".encode(),
        st.ip_addresses(v=6),
        st.ip_addresses(v=6),
        st.integers(0, 65535),
        st.integers(0, 65535),
    ),
    st.builds(lambda tail: binary(0x21, 0x11, BODY4 + tail), st.binary(max_size=40)),
    st.builds(lambda tail: binary(0x20, 0x00, tail), st.binary(max_size=40)),
)


@given(HEADERS, st.binary(max_size=20))
def test_a_header_may_come_octet_by_octet(header: bytes, behind: bytes) -> None:
    """Until it is whole more is needed; then it is the same, whatever follows."""
    assert all(read_proxy_header(header[:size]) is None for size in range(len(header)))
    whole = read_proxy_header(header)
    assert whole is not None
    assert whole.size == len(header)
    assert read_proxy_header(header + behind) == whole


@given(st.one_of(st.binary(max_size=80), st.binary(max_size=40).map(lambda octets: SIGNATURE + octets),
                 st.binary(max_size=110).map(lambda octets: b"PROXY " + octets)))  # fmt: skip
def test_any_octets_may_come(octets: bytes) -> None:
    """A header, more needed, or ProxyError; never anything else, and once it is an error it stays one."""
    failed = False
    for size in range(len(octets) + 1):
        try:
            found = read_proxy_header(octets[:size])
        except ProxyError:
            failed = True
        else:
            assert not failed
            if found is not None:
                assert found.size <= size
