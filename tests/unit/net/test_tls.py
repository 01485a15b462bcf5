"""Encrypted streams over loopback: handshakes that work and that do not, keys that change, nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from eilpost.mail.encryption import Security
from eilpost.net import tls_layer
from eilpost.net.dev_certificate import DevCertificate, prepare
from eilpost.net.listen import Listener, bind_tcp
from eilpost.net.stream import Stream, TlsError, connect
from eilpost.net.tls import KeyPair, Keys, KeysError, Lock, client_context, server_context
from eilpost.testing.clock import VirtualClock

NOW = time.time()
PATIENCE = 5.0


@pytest.fixture(scope="session")
def made() -> Iterator[DevCertificate]:
    """A certificate for mx.example.test and loopback."""
    with tempfile.TemporaryDirectory() as directory:
        yield prepare(Path(directory), ["mx.example.test"], NOW)


@pytest.fixture
def other(tmp_path: Path) -> DevCertificate:
    """One for another name, of another authority."""
    return prepare(tmp_path / "other", ["mail.example.org"], NOW)


def put(target: str, source: str) -> None:
    """Puts a copy of a file in another's place, at once."""
    fresh = Path(f"{target}.new")
    fresh.write_bytes(Path(source).read_bytes())
    fresh.replace(target)


@dataclass
class Server:
    """A listener whose streams a test takes one by one."""

    port: int
    streams: asyncio.Queue[Stream]
    dialled: list[Stream] = field(default_factory=list)

    async def dial(self) -> Stream:
        """A client's end of a new connection."""
        stream = await connect("127.0.0.1", self.port, timeout=PATIENCE)
        self.dialled.append(stream)
        return stream

    async def stream(self) -> Stream:
        """The next connection's."""
        return await asyncio.wait_for(self.streams.get(), PATIENCE)


@contextlib.asynccontextmanager
async def listening(tls: Callable[[], ssl.SSLContext] | ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A listener on a free port; implicit TLS with ``tls``."""
    sock = bind_tcp("127.0.0.1", 0, [])
    listener = Listener(sock)
    streams: asyncio.Queue[Stream] = asyncio.Queue()
    taken: list[Stream] = []

    def connected(stream: Stream) -> None:
        taken.append(stream)
        streams.put_nowait(stream)

    await listener.start(connected, tls)
    server = Server(sock.getsockname()[1], streams)
    try:
        yield server
    finally:
        listener.close()
        for stream in (*taken, *server.dialled):
            stream.abort()
        await asyncio.sleep(0)


async def upgraded(
    server: Server, context: ssl.SSLContext, *, client: ssl.SSLContext, name: str = "mx.example.test"
) -> tuple[Stream, Stream, Security]:
    """Both ends of a connection that was upgraded, the server's first, and what the client found."""
    theirs = await server.dial()
    ours = await server.stream()
    _, security = await asyncio.gather(
        ours.start_tls_server(context, PATIENCE), theirs.start_tls_client(client, name, PATIENCE)
    )
    return ours, theirs, security


async def test_an_upgraded_stream_carries_octets_both_ways(made: DevCertificate) -> None:
    """After the upgrade both ends talk as before, whatever the size, and know what was agreed on."""
    context = server_context(made.pair)
    async with listening() as server:
        ours, theirs, security = await upgraded(
            server, context, client=client_context(verify=True, ca_file=made.authority)
        )
        assert security.version == "TLSv1.3"
        assert security.verified
        assert "mx.example.test" in security.names
        assert ours.tls is not None
        assert str(ours.tls) == f"TLSv1.3 {security.cipher}"
        big = os.urandom(1_000_000)
        theirs.write(big)
        came = b""
        while len(came) < len(big):
            came += await ours.receive()
        assert came == big
        ours.write(b"thanks")
        assert await theirs.receive() == b"thanks"
        theirs.close()
        assert await ours.receive() == b""


async def test_both_ends_bind_a_login_to_the_same_channel(made: DevCertificate) -> None:
    """tls-server-end-point is the hash of the certificate, equal at both ends (RFC 5929)."""
    async with listening() as server:
        ours, _, security = await upgraded(server, server_context(made.pair), client=client_context(verify=False))
        assert ours.tls is not None
        assert len(security.bindings["tls-server-end-point"]) == 32
        assert ours.tls.bindings == security.bindings
        assert ("tls-exporter" in security.bindings) is ("tls-exporter" in ssl.CHANNEL_BINDING_TYPES)
        assert "bindings" not in repr(security)


async def test_a_client_that_verifies_refuses_an_unknown_authority(made: DevCertificate) -> None:
    """F039, F040: verification is the default of the system's authorities, and both ends learn of the failure."""
    async with listening(server_context(made.pair)) as server:
        theirs = await server.dial()
        with pytest.raises(TlsError, match="not accepted"):
            await theirs.start_tls_client(client_context(verify=True), "mx.example.test", PATIENCE)
        with pytest.raises(TlsError, match="unknown ca"):
            await (await server.stream()).secured(PATIENCE)


async def test_a_client_that_verifies_refuses_another_name(made: DevCertificate) -> None:
    """F039: a certificate for somebody else is no certificate."""
    async with listening(server_context(made.pair)) as server:
        theirs = await server.dial()
        context = client_context(verify=True, ca_file=made.authority)
        with pytest.raises(TlsError, match="not accepted"):
            await theirs.start_tls_client(context, "mx.example.org", PATIENCE)


async def test_implicit_tls_hands_over_before_the_handshake(made: DevCertificate) -> None:
    """Who is still in the handshake is handed over already, so that it counts; what is written waits for its end."""
    async with listening(server_context(made.pair)) as server:
        theirs = await server.dial()
        ours = await server.stream()
        assert ours.tls is None
        ours.write(b"220 hello\r\n")
        await theirs.start_tls_client(client_context(verify=False), "", PATIENCE)
        assert (await ours.secured(PATIENCE)).version == "TLSv1.3"
        assert await theirs.receive() == b"220 hello\r\n"


async def test_f029_octets_in_clear_are_never_taken_for_encrypted_ones(made: DevCertificate) -> None:
    """F029, F030: what came before the upgrade ends the connection, and is read by nobody."""
    async with listening() as server:
        theirs = await server.dial()
        ours = await server.stream()
        theirs.write(b"RSET\r\n")
        while not ours.has_input:
            await asyncio.sleep(0)
        with pytest.raises(TlsError, match="in clear"):
            await ours.start_tls_server(server_context(made.pair), PATIENCE)
        assert not ours.has_input
        assert await theirs.receive() == b""


async def test_f030_octets_in_clear_during_the_handshake_fail_it(made: DevCertificate) -> None:
    """F030: what comes in clear after the upgrade began is no handshake, and is not heard as anything else."""
    async with listening() as server:
        theirs = await server.dial()
        ours = await server.stream()
        theirs.write(b"MAIL FROM:<eve@example.org>\r\n")
        with pytest.raises(TlsError):
            await ours.start_tls_server(server_context(made.pair), PATIENCE)
        assert not ours.has_input


async def test_f031_a_server_that_talks_on_in_clear_is_left(made: DevCertificate) -> None:
    """F031: what a server said behind its 220 is dropped with the connection."""
    async with listening() as server:
        theirs = await server.dial()
        (await server.stream()).write(b"250 AUTH PLAIN\r\n")
        while not theirs.has_input:
            await asyncio.sleep(0)
        with pytest.raises(TlsError, match="in clear"):
            await theirs.start_tls_client(client_context(verify=False), "", PATIENCE)


@pytest.mark.parametrize("octets", [b"", b"\x16\x03\x01\x02\x00\x01"])
async def test_f035_a_handshake_has_its_deadline(made: DevCertificate, octets: bytes) -> None:
    """F035: silence, or a handshake that does not go on, ends in time."""
    async with listening(server_context(made.pair)) as server:
        theirs = await server.dial()
        theirs.write(octets)
        ours = await server.stream()
        with pytest.raises(TlsError, match="too long"):
            await ours.secured(0.02)
        with contextlib.suppress(ConnectionError):
            assert await theirs.receive() == b""


async def test_f036_a_peer_that_sends_only_tls_itself_is_cut(
    made: DevCertificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F036: records without content (KeyUpdates, empty ones) come in a bounded number."""
    monkeypatch.setattr(tls_layer, "BARREN_MOST", 1000)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context(verify=False)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    made_here = client.wrap_bio(incoming, outgoing)
    async with listening(server_context(made.pair)) as server:
        plain = await server.dial()
        ours = await server.stream()
        while True:
            try:
                made_here.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.write(outgoing.read())
                incoming.write(await plain.receive())
        plain.write(outgoing.read())
        await ours.secured(PATIENCE)
        for _ in range(100):
            made_here.write(b"")
            plain.write(outgoing.read() or b"\x17\x03\x03\x00\x00")
        assert await ours.receive() == b""


async def test_renegotiation_and_old_versions_are_off(made: DevCertificate) -> None:
    """F036: TLS 1.1 is refused, nothing is renegotiated or compressed (RFC 9325 §3)."""
    context = server_context(made.pair)
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert server_context(made.pair, minimum="1.3").minimum_version is ssl.TLSVersion.TLSv1_3


async def test_a_certificate_for_each_name(made: DevCertificate, other: DevCertificate) -> None:
    """F044: a client gets the certificate of the name it asks for (RFC 6066 §3); an unknown name gets the first one."""
    keys = Keys(Lock((made.pair, other.pair)), pytest.fail)
    for name, authority in (
        ("mail.example.org", other.authority),
        ("mx.example.test", made.authority),
        ("localhost", made.authority),
    ):
        async with listening() as server:
            ours, _, security = await upgraded(
                server, keys.context(), client=client_context(verify=True, ca_file=authority), name=name
            )
            assert ours.tls is not None
            assert ours.tls.bindings == security.bindings
    async with listening() as server:
        _, _, security = await upgraded(server, keys.context(), client=client_context(verify=False), name="x.invalid")
        assert security.version


async def test_changed_files_are_read_again(made: DevCertificate, other: DevCertificate, tmp_path: Path) -> None:
    """A renewed pair counts from the next handshake, a broken one is told of once and changes nothing."""
    clock, warnings = VirtualClock(), list[str]()
    pair = KeyPair(str(tmp_path / "c.pem"), str(tmp_path / "k.pem"))

    def install(source: DevCertificate) -> None:
        put(pair.certificate, source.pair.certificate)
        put(pair.key, source.pair.key)

    install(made)
    keys = Keys(Lock((pair,)), warnings.append, clock)
    first = keys.context()
    install(other)
    assert keys.context() is first  # looked at once a second at most
    await clock.advance(1.1)
    second = keys.context()
    assert second is not first
    put(pair.key, made.pair.key)
    for _ in range(3):
        await clock.advance(1.1)
        assert keys.context() is second
    (warning,) = warnings
    assert "is not the key of" in warning
    with pytest.raises(KeysError, match="is not the key of"):
        keys.reload(Lock((pair,)))
    install(made)
    keys.reload(Lock((pair,), minimum="1.3"))
    assert keys.context().minimum_version is ssl.TLSVersion.TLSv1_3


async def test_a_session_goes_on_when_the_keys_change(made: DevCertificate, other: DevCertificate) -> None:
    """Who has shaken hands keeps talking over keys that are no longer shown to others."""
    keys = Keys(Lock((made.pair,)), pytest.fail)
    async with listening() as server:
        ours, theirs, _ = await upgraded(server, keys.context(), client=client_context(verify=False))
        keys.reload(Lock((other.pair,)))
        theirs.write(b"still here")
        assert await ours.receive() == b"still here"


async def test_clients_may_show_certificates(made: DevCertificate) -> None:
    """Where an authority is set a client may show a certificate; its names are known then, and one is not needed."""
    keys = Keys(Lock((made.pair,), client_ca=made.authority), pytest.fail)
    showing = client_context(verify=False)
    showing.load_cert_chain(made.pair.certificate, made.pair.key)
    async with listening() as server:
        ours, theirs, _ = await upgraded(server, keys.asking(), client=client_context(verify=False))
        assert ours.tls is not None
        assert not ours.tls.verified
        theirs.abort()
        theirs = await server.dial()
        ours = await server.stream()
        # The development certificate is for servers alone; as a client's it is refused.
        results = await asyncio.gather(
            ours.start_tls_server(keys.asking(), PATIENCE),
            theirs.start_tls_client(showing, "", PATIENCE),
            return_exceptions=True,
        )
        assert isinstance(results[0], TlsError)


@pytest.mark.parametrize("missing", ["certificate", "key"])
def test_files_that_cannot_be_used_are_named(made: DevCertificate, tmp_path: Path, missing: str) -> None:
    """An absent or foreign file is an error that names the file."""
    absent = str(tmp_path / "absent.pem")
    pair = KeyPair(absent if missing == "certificate" else made.pair.certificate,
                   absent if missing == "key" else made.pair.key)  # fmt: skip
    with pytest.raises(KeysError, match=r"absent\.pem: No such file"):
        Keys(Lock((pair,)), pytest.fail)
    Path(absent).write_text("nothing")
    with pytest.raises(KeysError, match=r"absent\.pem: holds no"):
        Keys(Lock((pair,)), pytest.fail)


async def broken_handshakes(server: Server, count: int) -> None:
    """So many clients whose handshake comes to nothing, each in one of five ways."""
    loop = asyncio.get_running_loop()
    hello = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        client_context(verify=False).wrap_bio(ssl.MemoryBIO(), hello).do_handshake()
    first = hello.read()
    ways = (b"", b"\x16\x03\x01", b"GET / HTTP/1.0\r\n\r\n", first[:-7], first)
    for number in range(count):
        with socket.socket() as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, ("127.0.0.1", server.port))
            await loop.sock_sendall(sock, ways[number % len(ways)])
        with pytest.raises(TlsError):
            await (await server.stream()).secured(PATIENCE)


def resident() -> int:
    """Octets of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def leak(made: DevCertificate, count: int) -> int:
    """By how many octets memory has grown after so many broken handshakes."""
    context = server_context(made.pair)
    sock = bind_tcp("127.0.0.1", 0, [])
    listener = Listener(sock)
    streams: asyncio.Queue[Stream] = asyncio.Queue()
    await listener.start(streams.put_nowait, context)
    server = Server(sock.getsockname()[1], streams)
    await broken_handshakes(server, 300)
    gc.collect()
    before = resident()
    await broken_handshakes(server, count)
    listener.close()
    gc.collect()
    assert not [item for item in gc.get_objects() if isinstance(item, ssl.SSLObject)]
    return resident() - before


async def test_f036_broken_handshakes_leave_nothing_behind(made: DevCertificate) -> None:
    """F036: a thousand handshakes that come to nothing leave no object and no memory behind."""
    assert await leak(made, 1000) < 3_000_000


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_f036_ten_thousand_broken_handshakes_leave_nothing_behind(made: DevCertificate) -> None:
    """F036: ten thousand do not either."""
    assert await leak(made, 10_000) < 4_000_000
