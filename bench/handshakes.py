"""``python -m bench.handshakes``: TLS handshakes a second beside Postfix, and idle TLS connections (a deed).

The load is ``openssl s_time``, new sessions only, against listeners that are encrypted from the first
octet, with the same ECDSA P-256 certificate; contenders take turns, medians are compared.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import resource
import socket
import ssl
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from eilpost.net.dev_certificate import DevCertificate, prepare
from tests.peers import postfix as postfix_peer
from tests.peers.eilpost import Setup, eilpost
from tests.peers.postfix import TUNED, postfix
from tests.peers.tools import PeerError, program, run, scratch

LOADS: Final = 4  # s_time's at once; each has one connection at a time
IDLE_TARGET: Final = 60_000  # octets a connection
IDLE_CONNECTIONS: Final = 5_000
_COUNT: Final = re.compile(rb"(\d+) connections in (\d+) real seconds")
_SPARE_DESCRIPTORS: Final = 256

Contender = Callable[[Path, DevCertificate], contextlib.AbstractAsyncContextManager[int]]


@contextlib.asynccontextmanager
async def run_eilpost(directory: Path, made: DevCertificate) -> AsyncIterator[int]:
    """Eilpost's submissions."""
    setup = Setup(
        roles=("submissions",),
        settings={"tls.certificate": made.pair.certificate, "tls.key": made.pair.key, "log.level": "warning"},
    )
    async with eilpost(directory, setup) as system:
        yield system.port


@contextlib.asynccontextmanager
async def run_postfix(directory: Path, made: DevCertificate) -> AsyncIterator[int]:
    """Postfix's smtps, tuned as in the other rows."""
    settings = {
        "smtpd_tls_wrappermode": "yes",
        "smtpd_tls_security_level": "encrypt",
        "smtpd_tls_cert_file": made.pair.certificate,
        "smtpd_tls_key_file": made.pair.key,
    }
    async with postfix(directory, {**TUNED, **settings}) as peer:
        yield peer.port


CONTENDERS: Final[dict[str, Contender]] = {"eilpost": run_eilpost, "postfix": run_postfix}


async def handshakes(port: int, made: DevCertificate, seconds: int, version: str) -> float:
    """Handshakes a second."""
    command = [program("openssl"), "s_time", "-connect", f"127.0.0.1:{port}", "-new", f"-{version}"]
    command += ["-time", str(seconds), "-CAfile", made.authority]
    outputs = await asyncio.gather(*(run(*command, check=False) for _ in range(LOADS)))
    found = [_COUNT.search(output) for output in outputs]
    if not all(found):
        raise PeerError(f"s_time did not count: {outputs[0][-300:]!r}")
    return sum(int(one[1]) / seconds for one in found if one is not None)


async def compare(options: argparse.Namespace) -> None:
    """The rows, with their conditions."""
    names = [name for name in CONTENDERS if name == "eilpost" or not postfix_peer.unavailable()]
    for version in ("tls1_3", "tls1_2"):
        rates: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(options.rounds):
            for name in names:
                with scratch("handshakes") as directory:
                    made = prepare(directory / "tls", ["mx.example.test"], time.time())
                    async with CONTENDERS[name](directory / name, made) as port:
                        rates[name].append(await handshakes(port, made, options.seconds, version))
        medians = {name: statistics.median(found) for name, found in rates.items()}
        line = ", ".join(f"{name} {rate:,.0f}/s" for name, rate in medians.items())
        ratio = f" ({medians['eilpost'] / medians['postfix']:.2f} ×)" if "postfix" in medians else ""
        print(f"{version} handshakes, {LOADS} at once, ECDSA P-256: {line}{ratio}")


async def idle(wanted: int) -> None:
    """Memory of connections that have shaken hands and said EHLO."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < wanted + _SPARE_DESCRIPTORS:
        raise PeerError(f"{wanted} connections need a limit of {wanted + _SPARE_DESCRIPTORS} open files; it is {hard}")
    with scratch("idle-tls") as directory:
        made = prepare(directory / "tls", ["mx.example.test"], time.time())
        settings = {"tls.certificate": made.pair.certificate, "tls.key": made.pair.key, "log.level": "warning"}
        setup = Setup(roles=("submissions",), settings={**settings, "limits.connections": wanted + 100})
        async with eilpost(directory / "ours", setup) as system:
            _close(await asyncio.to_thread(_hold, system.port, 200))
            before = system.resident()
            held = await asyncio.to_thread(_hold, system.port, wanted)
            each = (system.resident() - before) / wanted
            _close(held)
    verdict = "met" if each <= IDLE_TARGET else "missed"
    print(f"idle TLS connections: {wanted:,} held, {each:,.0f} octets each (target {IDLE_TARGET:,}: {verdict})")


def _hold(port: int, count: int) -> list[ssl.SSLSocket]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    held: list[ssl.SSLSocket] = []
    for _ in range(count):
        connection = context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=30))
        held.append(connection)
        if not connection.recv(512).startswith(b"220"):
            raise PeerError(f"connection {len(held)} was not greeted")
        connection.sendall(b"EHLO idle.example\r\n")
        if not connection.recv(4096).startswith(b"250"):
            raise PeerError(f"connection {len(held)} was not answered")
    return held


def _close(held: list[ssl.SSLSocket]) -> None:
    for connection in held:
        connection.close()


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.handshakes", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender runs (default 3)")
    parser.add_argument("--seconds", type=int, default=5, help="how long each runs (default 5)")
    parser.add_argument("--connections", type=int, default=IDLE_CONNECTIONS, help="how many idle ones are held")
    options = parser.parse_args()
    try:
        asyncio.run(compare(options))
        asyncio.run(idle(options.connections))
    except PeerError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
