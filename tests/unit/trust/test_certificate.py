"""What is read out of certificates and keys, and what cannot be."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.net.dev_certificate import DevCertificate, prepare
from eilpost.trust.certificate import CertificateError, end_point, expiry, fits, read

NOW = 1_800_000_000.0
DAY = 86_400.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> DevCertificate:
    """A certificate made at NOW."""
    return prepare(tmp_path_factory.mktemp("tls"), ["MX.example.test"], NOW)


def octets(file: str) -> bytes:
    return Path(file).read_bytes()


def test_names_and_time_are_read(made: DevCertificate) -> None:
    """Host names come in lower case, times in Unix time (RFC 5280 §4.1)."""
    found = read(octets(made.pair.certificate))
    assert found.names == ("mx.example.test", "localhost")
    assert found.begins < NOW < found.expires


@pytest.mark.parametrize(
    ("days", "word"), [(0, ""), (386, ""), (390, "expires in 7 days"), (398, "has expired"), (-1, "not valid yet")]
)
def test_expiry_is_told_in_time(made: DevCertificate, days: int, word: str) -> None:
    """Nothing is said while there is time, and enough before it is late."""
    said = expiry(read(octets(made.pair.certificate)), NOW + days * DAY)
    assert word in said
    assert bool(word) is bool(said)


def test_a_key_fits_its_own_certificate(made: DevCertificate, tmp_path: Path) -> None:
    """Another key does not, and what is no key or certificate says so."""
    other = prepare(tmp_path, [], NOW)
    chain = octets(made.pair.certificate)
    assert fits(chain, octets(made.pair.key))
    assert not fits(chain, octets(other.pair.key))
    with pytest.raises(CertificateError, match="no private key"):
        fits(chain, b"nothing")
    with pytest.raises(CertificateError, match="no certificate"):
        fits(b"nothing", octets(made.pair.key))


def test_the_channel_binding_is_the_certificates_hash(made: DevCertificate) -> None:
    """RFC 5929 §4.1: the hash of the signature's algorithm, over the whole certificate."""
    der = ssl.PEM_cert_to_DER_cert(octets(made.pair.certificate).decode())
    assert end_point(der) == hashlib.sha256(der).digest()


@given(st.binary(max_size=80))
def test_any_octets_have_a_binding_or_none(octets: bytes) -> None:
    """What is no certificate binds nothing and raises nothing."""
    assert end_point(octets) == b""


@given(st.integers(0, 600), st.integers(0, 255))
def test_a_broken_certificate_breaks_nothing(made: DevCertificate, position: int, octet: int) -> None:
    """One wrong octet, or a certificate cut short, is no error of ours."""
    der = bytearray(ssl.PEM_cert_to_DER_cert(octets(made.pair.certificate).decode()))
    assert len(end_point(bytes(der[:position]))) in (0, 32)
    der[position % len(der)] = octet
    assert len(end_point(bytes(der))) in (0, 32, 48, 64)


def test_a_development_certificate_is_kept_while_it_is_good(tmp_path: Path) -> None:
    """It is made once, made anew for further names and before it expires, and its key is its owner's alone."""
    first = octets(prepare(tmp_path, ["a.test"], NOW).pair.certificate)
    assert octets(prepare(tmp_path, ["a.test"], NOW + DAY).pair.certificate) == first
    assert octets(prepare(tmp_path, ["b.test"], NOW + DAY).pair.certificate) != first
    second = octets(prepare(tmp_path, ["b.test"], NOW + DAY).pair.certificate)
    again = prepare(tmp_path, ["b.test"], NOW + 380 * DAY)
    assert octets(again.pair.certificate) != second
    assert Path(again.pair.key).stat().st_mode & 0o777 == 0o600
    Path(again.pair.key).unlink()
    assert fits(octets(prepare(tmp_path, ["b.test"], NOW).pair.certificate), octets(again.pair.key))
