"""Keys and contexts of encrypted connections: TLS 1.2 and 1.3, and what they are set to (a deed).

A server's certificates are read again when their files change: looked at during handshakes, at most
once a second, and on reload. A pair that cannot be used leaves the old one in its place; sessions
that are open keep what they have.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from eilpost.mail.value import value
from eilpost.net.clock import Clock, SystemClock
from eilpost.net.tls_layer import ServerContext, explain
from eilpost.trust.certificate import Certificate, CertificateError, end_point, fits, read

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at the files."""

MINIMA: Final[Mapping[str, ssl.TLSVersion]] = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL:!eNULL:!MD5:!DSS:!PSK:!SRP:!CAMELLIA:!ARIA"
"""Of TLS 1.2: forward secrecy without exception; CBC last, for peers that know nothing better (RFC 9325 §4.2)."""

_OPTIONS: Final = ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE

Warn = Callable[[str], None]


class KeysError(Exception):
    """A certificate or key cannot be used; the message names the file and the cause."""


@value(frozen=True, slots=True)
class KeyPair:
    """The files of a certificate chain and its private key, PEM."""

    certificate: str
    key: str


@value(frozen=True, slots=True)
class Lock:
    """What a server's handshakes follow: the first pair is for names that no other pair has.

    ``minimum`` is "1.2" or "1.3". ``client_ca`` is a file of authorities whose clients' certificates
    are accepted; empty: none are.
    """

    pairs: tuple[KeyPair, ...]
    minimum: str = "1.2"
    client_ca: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """All of them."""
        named = [file for pair in self.pairs for file in (pair.certificate, pair.key)]
        return (*named, self.client_ca) if self.client_ca else tuple(named)


@value(frozen=True, slots=True)
class _Loaded:
    """Contexts that were made from files as they were at ``stamp``."""

    stamp: tuple[object, ...]
    plain: ServerContext
    asking: ServerContext
    expires: float


class Keys:
    """A server's certificates by name. ``warn`` is told what an operator should mend. KeysError."""

    def __init__(self, lock: Lock, warn: Warn, clock: Clock | None = None) -> None:
        self._lock = lock
        self._warn = warn
        self._clock = clock or SystemClock()
        self._loaded = _load(lock)
        self._bad: tuple[object, ...] | None = None
        self._look_at = self._clock.steady() + LOOK_EVERY
        self._warn_of_expiry()

    def context(self) -> ssl.SSLContext:
        """For the next handshake."""
        self._look()
        return self._loaded.plain

    def asking(self) -> ssl.SSLContext:
        """For the next handshake with a client that may show a certificate; the same where no authority is set."""
        self._look()
        return self._loaded.asking

    @property
    def expires(self) -> float:
        """When the first of the certificates expires, in Unix time."""
        return self._loaded.expires

    def reload(self, lock: Lock) -> None:
        """Reads all files, of other settings too. KeysError, and then everything stays as it was."""
        self._loaded = _load(lock)
        self._lock, self._bad = lock, None
        self._warn_of_expiry()

    def _look(self) -> None:
        now = self._clock.steady()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_EVERY
        stamp = _stamp(self._lock)
        if stamp in (self._loaded.stamp, self._bad):
            return
        try:
            self.reload(self._lock)
        except KeysError as error:
            self._bad = stamp  # told once, not every second
            self._warn(f"{error}; the certificate from before stays in use")

    def _warn_of_expiry(self) -> None:
        if self._loaded.expires < self._clock.now():
            when = time.strftime("%Y-%m-%d", time.gmtime(self._loaded.expires))
            self._warn(f"a certificate expired on {when}; renew it")


def client_context(*, verify: bool, ca_file: str = "", minimum: str = "1.2") -> ssl.SSLContext:
    """For connections to servers. Unverified ones are safe from listeners, not from impostors. KeysError.

    ``ca_file`` holds the authorities to trust; empty: the system's.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise KeysError(f"{ca_file}: {_why(error)}") from None
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = MINIMA[minimum]
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


def server_context(pair: KeyPair, *, minimum: str = "1.2", client_ca: str = "") -> ssl.SSLContext:
    """One context for one pair; who has files that change takes ``Keys``. KeysError."""
    loaded = _load(Lock((pair,), minimum, client_ca))
    return loaded.asking


def _load(lock: Lock) -> _Loaded:
    stamp = _stamp(lock)  # before the files are read: what changes meanwhile is read again
    if not lock.pairs:
        raise KeysError("there is no certificate")
    table: dict[str, ServerContext] = {}
    certificates = [_certificate(pair) for pair in lock.pairs]
    contexts = [_context(pair, lock) for pair in lock.pairs]
    for certificate, context in zip(certificates, contexts, strict=True):
        for name in certificate.names:
            table.setdefault(name, context)
    plain, asking = contexts[0], contexts[0]
    if lock.client_ca:
        asking = _context(lock.pairs[0], lock)
        _ask(asking, lock.client_ca)
    if len(contexts) > 1:
        for first in (plain, asking):
            first.sni_callback = _chooser(table, contexts[0])
    return _Loaded(stamp, plain, asking, min(certificate.expires for certificate in certificates))


def _certificate(pair: KeyPair) -> Certificate:
    """What is in the files, as far as it can be used together."""
    named = pair.certificate
    try:
        chain = Path(pair.certificate).read_bytes()
        found = read(chain)
        named = pair.key
        if not fits(chain, Path(pair.key).read_bytes()):
            raise KeysError(f"{pair.key} is not the key of {pair.certificate}")
    except (OSError, CertificateError) as error:
        raise KeysError(f"{named}: {_why(error)}") from None
    return found


def _context(pair: KeyPair, lock: Lock) -> ServerContext:
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = MINIMA[lock.minimum]
    context.options |= _OPTIONS
    context.set_ciphers(CIPHERS)
    try:
        context.load_cert_chain(pair.certificate, pair.key, password=_no_passphrase)
    except (OSError, ssl.SSLError) as error:
        raise KeysError(f"{pair.certificate}: {_why(error)}") from None
    chain = Path(pair.certificate).read_text(encoding="ascii", errors="replace")
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    leaf = begin + chain.partition(begin)[2].partition(end)[0] + end
    context.end_point = end_point(ssl.PEM_cert_to_DER_cert(leaf))
    return context


def _ask(context: ssl.SSLContext, client_ca: str) -> None:
    try:
        context.load_verify_locations(client_ca)
    except (OSError, ssl.SSLError) as error:
        raise KeysError(f"{client_ca}: {_why(error)}") from None
    context.verify_mode = ssl.CERT_OPTIONAL


def _chooser(table: Mapping[str, ServerContext], default: ServerContext) -> Callable[[Any, Any, Any], None]:
    """By the name a client asks for; one that nobody has gets the first certificate (F044, RFC 6066 §3)."""

    def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        wanted = (name or "").lower().rstrip(".")
        found = table.get(wanted) or table.get("*." + wanted.partition(".")[2])
        if found is not None and found is not default:
            connection.context = found

    return choose


def _no_passphrase() -> str:
    raise ssl.SSLError("the key is locked by a passphrase; nobody is there to type it")


def _stamp(lock: Lock) -> tuple[object, ...]:
    return tuple(map(_stamp_of, lock.files))


def _stamp_of(file: str) -> tuple[int, int, int] | None:
    try:
        facts = os.stat(file)
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and error.strerror:
        return error.strerror
    return explain(error)
