"""What stands in a certificate: whose it is, until when, and what binds a login to it (a grammar).

The octets come as an argument, PEM as files have it or DER as peers show it. Whether a peer's
certificate can be trusted is not decided here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from eilpost.mail.value import value

if TYPE_CHECKING:
    from cryptography import x509

_SEQUENCE: Final = 0x30
_OID: Final = 0x06
_DAY: Final = 86_400.0
_SOON: Final = 10  # days; certbot renews thirty days before the end

_HASHES: Final = {
    bytes.fromhex("2a864886f70d010104"): "sha256",  # md5WithRSA: RFC 5929 §4.1 takes SHA-256 for MD5 and SHA-1
    bytes.fromhex("2a864886f70d010105"): "sha256",  # sha1WithRSA
    bytes.fromhex("2a864886f70d01010b"): "sha256",  # sha256WithRSA
    bytes.fromhex("2a864886f70d01010c"): "sha384",  # sha384WithRSA
    bytes.fromhex("2a864886f70d01010d"): "sha512",  # sha512WithRSA
    bytes.fromhex("2a8648ce3d0401"): "sha256",  # ecdsa-with-SHA1
    bytes.fromhex("2a8648ce3d040302"): "sha256",  # ecdsa-with-SHA256
    bytes.fromhex("2a8648ce3d040303"): "sha384",  # ecdsa-with-SHA384
    bytes.fromhex("2a8648ce3d040304"): "sha512",  # ecdsa-with-SHA512
}
"""The hash of a certificate's signature, by the algorithm's OID; others have none that is agreed on."""


class CertificateError(ValueError):
    """The octets hold no usable certificate or key; the message is a clause that says why."""


@value(frozen=True, slots=True)
class Certificate:
    """The first certificate of a chain. ``names`` are host names in lower case, ``*.`` for one label of any."""

    names: tuple[str, ...]
    begins: float
    expires: float


def read(pem: bytes) -> Certificate:
    """The certificate that a chain begins with. CertificateError."""
    leaf = _leaf(pem)
    begins, expires = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    return Certificate(tuple(dict.fromkeys(_names(leaf))), begins.timestamp(), expires.timestamp())


def fits(pem: bytes, key: bytes) -> bool:
    """Whether a private key is that of the chain's first certificate. CertificateError."""
    from cryptography.hazmat.primitives import serialization

    try:
        private = serialization.load_pem_private_key(key, None)
    except TypeError:
        raise CertificateError("is locked by a passphrase; nobody is there to type it") from None
    except ValueError:
        raise CertificateError("holds no private key in PEM") from None
    return private.public_key() == _leaf(pem).public_key()


def expiry(found: Certificate, now: float) -> str:
    """What is to be said of a certificate's time, as a clause; empty while it is good for some days (Unix time)."""
    if now >= found.expires:
        return "has expired; renew it"
    if now < found.begins:
        return "is not valid yet; is this machine's clock right?"
    days = (found.expires - now) / _DAY
    return f"expires in {days:.0f} days; renew it" if days < _SOON else ""


def end_point(der: bytes) -> bytes:
    """The channel binding ``tls-server-end-point`` of a server's certificate; empty if it has none (RFC 5929 §4.1)."""
    try:
        name = _HASHES.get(_signature_algorithm(der))
    except IndexError:
        return b""
    return hashlib.new(name, der).digest() if name else b""


def _leaf(pem: bytes) -> x509.Certificate:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(pem)[0]
    except ValueError:
        raise CertificateError("holds no certificate in PEM") from None


def _names(leaf: x509.Certificate) -> Iterator[str]:
    from cryptography import x509

    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        yield from (name.lower() for name in names.get_values_for_type(x509.DNSName))
    except (x509.ExtensionNotFound, ValueError):
        for common in leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME):
            yield str(common.value).lower()


def _signature_algorithm(der: bytes) -> bytes:
    """Certificate ::= SEQUENCE { tbsCertificate, SEQUENCE { algorithm OID, … }, signature } (RFC 5280 §4.1)."""
    outer, _ = _element(der, 0, _SEQUENCE)
    _, after = _element(der, outer, _SEQUENCE)
    algorithm, _ = _element(der, after, _SEQUENCE)
    oid, end = _element(der, algorithm, _OID)
    return der[oid:end]


def _element(der: bytes, at: int, tag: int) -> tuple[int, int]:
    """Where an element's contents begin and end; IndexError when it is another one or cut short."""
    length, start = der[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, start = int.from_bytes(der[start : start + size]), start + size
    if der[at] != tag or start + length > len(der):
        raise IndexError
    return start, start + length
