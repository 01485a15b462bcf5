"""A real DNS server on loopback, with a zone given as text and faults on request (a deed).

It is authoritative for everything. Its zone is a master file relative to the root::

    async with DnsServer('''
        far.test.     60 IN MX 10 mx.far.test.
        mx.far.test.  60 IN A 192.0.2.1
        *.wild.test.  60 IN A 192.0.2.2
    ''', faults={"slow.test": Fault.SILENCE}) as server:
        resolver = Resolver(Dns(servers=(server.address,)))
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Mapping
from enum import Enum
from typing import Final, cast

import dns.flags
import dns.message
import dns.name
import dns.node
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.zone

_SOA: Final = "@ 60 IN SOA ns.invalid. root.invalid. 1 3600 600 86400 30\n"
_CHAIN: Final = 8  # CNAMEs that are followed
_LATE: Final = 0.1  # seconds


class Fault(Enum):
    """What may go wrong with the answers for a name and all below it."""

    SILENCE = "silence"  # no answer, by UDP or TCP
    SERVFAIL = "servfail"
    REFUSED = "refused"
    TRUNCATED = "truncated"  # by UDP only: TCP tells it all
    TRUNCATED_ALWAYS = "truncated always"
    WRONG_ID = "wrong id"  # a forged answer comes before the right one
    WRONG_ID_ONLY = "wrong id only"
    GARBAGE = "garbage"
    LATE = "late"


class DnsServer:
    """Serves ``zone`` by UDP and TCP on a free port of loopback. ``asked`` notes questions as ``"MX far.test"``."""

    def __init__(self, zone: str, faults: Mapping[str, Fault] | None = None) -> None:
        text = _SOA + "\n".join(line.strip() for line in zone.splitlines())
        self._zone = dns.zone.from_text(text, origin=".", relativize=False, check_origin=False)
        self._faults = {dns.name.from_text(name): fault for name, fault in (faults or {}).items()}
        self.asked: list[str] = []
        self.by_tcp = 0
        self._port = 0
        self._transport: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """``host:port`` as ``dns.servers`` takes it."""
        return f"127.0.0.1:{self._port}"

    async def __aenter__(self) -> DnsServer:
        loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(self._serve_tcp, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        try:
            self._transport, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self), local_addr=("127.0.0.1", self._port)
            )
        except OSError:
            self._server.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._transport is not None:
            self._transport.close()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (size,) = struct.unpack("!H", await reader.readexactly(2))
                self.by_tcp += 1
                for _, wire in self.answers(await reader.readexactly(size), tcp=True):
                    writer.write(struct.pack("!H", len(wire)) + wire)
                await writer.drain()
        writer.close()

    def answers(self, wire: bytes, *, tcp: bool = False) -> list[tuple[float, bytes]]:
        """What is sent back for one question: after how many seconds, and the octets."""
        query = dns.message.from_wire(wire)
        question = query.question[0]
        if not tcp:
            self.asked.append(f"{dns.rdatatype.to_text(question.rdtype)} {question.name.to_text(True)}")
        response = self._answer(query)
        right = response.to_wire(max_size=65535)
        forged = bytes([right[0] ^ 0xFF]) + right[1:]
        truncated = _bare(query, dns.rcode.NOERROR, truncated=True)
        match self._fault(question.name):
            case Fault.SILENCE:
                return []
            case Fault.SERVFAIL:
                return [(0.0, _bare(query, dns.rcode.SERVFAIL))]
            case Fault.REFUSED:
                return [(0.0, _bare(query, dns.rcode.REFUSED))]
            case Fault.TRUNCATED:
                return [(0.0, right if tcp else truncated)]
            case Fault.TRUNCATED_ALWAYS:
                return [(0.0, truncated)]
            case Fault.WRONG_ID:
                return [(0.0, forged), (0.0, right)]
            case Fault.WRONG_ID_ONLY:
                return [(0.0, forged)]
            case Fault.GARBAGE:
                return [(0.0, right[:2] + b"\xff" * 9)]
            case Fault.LATE:
                return [(_LATE, right)]
            case None:
                return [(0.0, right)]

    def _fault(self, name: dns.name.Name) -> Fault | None:
        return next((fault for root, fault in self._faults.items() if name.is_subdomain(root)), None)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA | dns.flags.RA
        name, kind = query.question[0].name, query.question[0].rdtype
        for _ in range(_CHAIN):
            node = self._node(name)
            if node is None:
                response.set_rcode(dns.rcode.NXDOMAIN)
                break
            found = node.get_rdataset(dns.rdataclass.IN, kind)
            alias = None if found else node.get_rdataset(dns.rdataclass.IN, dns.rdatatype.CNAME)
            if (records := found or alias) is not None:
                response.answer.append(dns.rrset.from_rdata_list(name, records.ttl, list(records)))
            if not alias:
                break
            name = alias[0].target
        if not response.answer or response.answer[-1].rdtype != kind:
            self._deny(response)
        return response

    def _node(self, name: dns.name.Name) -> dns.node.Node | None:
        """The node of a name: its own, an empty one above another name, or the nearest wildcard's."""
        node = self._zone.nodes.get(name)
        if node is not None:
            return node
        if any(other.is_subdomain(name) for other in self._zone.nodes):
            return dns.node.Node()  # type: ignore[no-untyped-call]
        while name != dns.name.root:
            name = name.parent()
            wildcard = self._zone.nodes.get(dns.name.Name((b"*", *name.labels)))
            if wildcard is not None:
                return wildcard
        return None

    def _deny(self, response: dns.message.Message) -> None:
        """RFC 2308 §2: a negative answer carries the SOA, which says how long it holds."""
        soa = self._zone.nodes[dns.name.root].find_rdataset(dns.rdataclass.IN, dns.rdatatype.SOA)
        response.authority.append(dns.rrset.from_rdata_list(dns.name.root, soa.ttl, list(soa)))


def _bare(query: dns.message.Message, rcode: dns.rcode.Rcode, *, truncated: bool = False) -> bytes:
    response = dns.message.make_response(query)
    response.set_rcode(rcode)
    if truncated:
        response.flags |= dns.flags.TC
    return response.to_wire()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # asyncio's own is none by its class

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for delay, wire in self._server.answers(data):
            asyncio.get_running_loop().call_later(delay, self._send, wire, addr)

    def _send(self, wire: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(wire, addr)
