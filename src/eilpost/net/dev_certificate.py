"""A certificate for development: a small authority of its own, and one leaf for loopback (a deed).

The authority's key is thrown away when it has signed: whoever chooses to trust it trusts this one
certificate and nothing that could be made later.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from eilpost.net.tls import KeyPair
from eilpost.trust.certificate import CertificateError, fits, read

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_DAYS: Final = 397
_RENEW: Final = 30 * 86_400.0


class DevCertificate:
    """The files in ``directory``: ``ca.pem`` to trust, ``certificate.pem`` and ``key.pem`` to serve with."""

    __slots__ = ("authority", "pair")

    def __init__(self, directory: Path) -> None:
        self.authority = str(directory / "ca.pem")
        self.pair = KeyPair(str(directory / "certificate.pem"), str(directory / "key.pem"))


def prepare(directory: Path, names: Sequence[str], now: float) -> DevCertificate:
    """Makes them unless they are there, for these names, and good for another month; ``now`` is Unix time."""
    found = DevCertificate(directory)
    if not _is_good(found, {*names, "localhost"}, now):
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        _make(found, tuple(dict.fromkeys((*names, *LOOPBACK))), now)
    return found


def _is_good(found: DevCertificate, names: set[str], now: float) -> bool:
    try:
        chain = Path(found.pair.certificate).read_bytes()
        certificate = read(chain)
        fitting = fits(chain, Path(found.pair.key).read_bytes()) and Path(found.authority).exists()
    except (OSError, CertificateError):
        return False
    hosts = {name.lower() for name in names if not _is_address(name)}
    return fitting and certificate.expires > now + _RENEW and hosts <= set(certificate.names)


def _make(found: DevCertificate, names: Sequence[str], now: float) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _authority(authority_key, now)
    leaf = _leaf(key.public_key(), names, authority, authority_key, now)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(found.pair.key, private, 0o600)
    _write(found.pair.certificate, leaf.public_bytes(pem), 0o644)
    _write(found.authority, authority.public_bytes(pem), 0o644)


def _authority(key: ec.EllipticCurvePrivateKey, now: float) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    name = _name("Eilpost development authority")
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        _builder(name, name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _leaf(
    key: ec.EllipticCurvePublicKey,
    names: Sequence[str],
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    now: float,
) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509 import oid

    alternatives = [
        x509.IPAddress(ipaddress.ip_address(name)) if _is_address(name) else x509.DNSName(name) for name in names
    ]
    return (
        _builder(_name(names[0]), authority.subject, key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.ExtendedKeyUsage([oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: float
) -> x509.CertificateBuilder:
    from cryptography import x509

    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - datetime.timedelta(hours=1))  # clocks that are a little slow
        .not_valid_after(moment + datetime.timedelta(days=_DAYS))
    )


def _name(text: str) -> x509.Name:
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text[:64])])


def _write(file: str, octets: bytes, mode: int) -> None:
    """The mode is right from the first moment, and a reader finds the old file or the new one."""
    fresh = f"{file}.new"
    Path(fresh).unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
        out.write(octets)
    os.replace(fresh, file)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
