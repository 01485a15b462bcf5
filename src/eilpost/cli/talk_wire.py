"""The connection of a dialogue by hand: blocking, with TLS when it is wanted (a deed)."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eilpost.cli.errors import CommandError
from eilpost.cli.exits import Exit
from eilpost.config.values import Endpoint
from eilpost.sasl.words import ChannelBinding
from eilpost.trust.certificate import end_point

if TYPE_CHECKING:
    from cryptography import x509

_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Trust:
    """How a server's certificate is judged: its name, an authority's file or the system's, or not at all."""

    name: str
    authority: str | None = None
    insecure: bool = False


class Wire:
    """A socket to one server. OSError when it cannot be reached."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        if endpoint.path:
            self._socket: socket.socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(timeout)
            self._socket.connect(endpoint.path)
        else:
            self._socket = socket.create_connection((endpoint.host, endpoint.port), timeout)

    def send(self, octets: bytes) -> None:
        """Sends all of it."""
        self._socket.sendall(octets)

    def receive(self) -> bytes:
        """Some octets; none when the server has closed. TimeoutError when it says nothing."""
        try:
            return self._socket.recv(_BLOCK)
        except ConnectionError:
            return b""

    def heard(self) -> bytes | None:
        """What the server has said of its own accord; None when it has not."""
        if not select.select([self._socket], [], [], 0)[0] and not self._buffered():
            return None
        before = self._socket.gettimeout()
        self._socket.settimeout(0)
        try:
            return self._socket.recv(_BLOCK)
        except (BlockingIOError, ssl.SSLWantReadError):  # TLS alone had something to say
            return None
        except ConnectionError:
            return b""
        finally:
            self._socket.settimeout(before)

    def _buffered(self) -> bool:
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def secure(self, trust: Trust) -> list[str]:
        """Goes on in TLS; what was negotiated and verified. CommandError when the server cannot be trusted."""
        context = ssl.create_default_context(cafile=trust.authority)
        if trust.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        try:
            secured = context.wrap_socket(self._socket, server_hostname=trust.name)
        except ssl.SSLCertVerificationError as error:
            what = f"the certificate for {trust.name} was not verified, {error.verify_message}"
            raise CommandError(
                f"{what}; --ca FILE names its authority, --insecure does without", Exit.PROTOCOL
            ) from None
        except (ssl.SSLError, OSError) as error:
            raise CommandError(f"no TLS with the server: {error}", Exit.PROTOCOL) from None
        self._socket = secured
        return list(_facts(secured, trust))

    def bindings(self) -> tuple[ChannelBinding, ...]:
        """What both sides know of the TLS connection; none without."""
        if not isinstance(self._socket, ssl.SSLSocket):
            return ()
        der = self._socket.getpeercert(binary_form=True)
        binding = end_point(der) if der else b""
        return (ChannelBinding("tls-server-end-point", binding),) if binding else ()

    def close(self) -> None:
        """Ends it; harmless twice."""
        with contextlib.suppress(OSError):
            self._socket.close()


def _facts(secured: ssl.SSLSocket, trust: Trust) -> Iterator[str]:
    """What a person wants to know of the encryption."""
    from cryptography import x509

    cipher = secured.cipher()
    yield f"{secured.version()}, {cipher[0] if cipher else 'no cipher'}"
    der = secured.getpeercert(binary_form=True)
    if der:
        certificate = x509.load_der_x509_certificate(der)
        yield f"certificate for {', '.join(_names(certificate))}"
        yield f"by {certificate.issuer.rfc4514_string()}, until {certificate.not_valid_after_utc:%Y-%m-%d}"
    yield "NOT verified (--insecure)" if trust.insecure else f"verified for {trust.name}"


def _names(certificate: x509.Certificate) -> list[str]:
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return [certificate.subject.rfc4514_string()]
    return [str(name.value) for name in names]
