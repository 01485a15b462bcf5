"""The examples that the standards print."""

from __future__ import annotations

import base64
import json

import pytest

from eilpost.sasl import apop, bearer
from eilpost.sasl.cram_md5 import digest
from eilpost.sasl.mechanisms import MECHANISMS
from eilpost.sasl.words import Challenge, ClientTerms, Credentials, Failure, Granted, Reason, ServerTerms, Success
from tests.unit.sasl.both import Directory, advance


def test_rfc2195_section_2() -> None:
    """tim answers the challenge of postoffice.reston.mci.net with b913a602c7eda7a495b4e6e7334d3890."""
    terms = ServerTerms("1896.697170952", "postoffice.reston.mci.net")
    directory = Directory("tim", "tanstaaftanstaaf")
    server, client = (
        MECHANISMS["CRAM-MD5"].server(None, terms),
        MECHANISMS["CRAM-MD5"].client(Credentials("tim", "tanstaaftanstaaf"), ClientTerms("")),
    )
    challenge = advance(server, None, directory)
    assert challenge == Challenge(b"<1896.697170952@postoffice.reston.mci.net>")
    next(client)
    response = client.send(challenge.octets)
    assert response.octets == b"tim b913a602c7eda7a495b4e6e7334d3890"
    assert digest(b"tanstaaftanstaaf", challenge.octets) == b"b913a602c7eda7a495b4e6e7334d3890"
    assert isinstance(advance(server, response.octets, directory), Success)


def test_rfc4616_section_4() -> None:
    """tim logs in; Ursel may not act through Kurt's account."""
    server = MECHANISMS["PLAIN"].server
    tim = Directory("tim", "tanstaaftanstaaf")
    assert isinstance(advance(server(b"\0tim\0tanstaaftanstaaf", ServerTerms("")), None, tim), Success)
    assert next(MECHANISMS["PLAIN"].client(Credentials("tim", "tanstaaftanstaaf"), ClientTerms(""))).octets == (
        b"\0tim\0tanstaaftanstaaf"
    )
    kurt = Directory("Kurt", "xipj3plmq")
    message = next(MECHANISMS["PLAIN"].client(Credentials("Kurt", "xipj3plmq", authorize="Ursel"), ClientTerms("")))
    assert message.octets == b"Ursel\0Kurt\0xipj3plmq"
    ended = advance(server(message.octets, ServerTerms("")), None, kurt)
    assert isinstance(ended, Failure)
    assert ended.reason is Reason.CREDENTIALS


def test_rfc5802_section_5() -> None:
    """SCRAM-SHA-1 for user with pencil, word for word."""
    _scram_vector(
        "SCRAM-SHA-1", "QSXCR+Q6sek8bf92", "fyko+d2lbbFgONRv9qkxdawL", "3rfcNHYJY1ZVvWVs7j",
        "4125c247e43ab1e93c6dff76",
        ["n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
         "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
         "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
         "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="],
    )  # fmt: skip


def test_rfc7677_section_3() -> None:
    """SCRAM-SHA-256 for user with pencil, word for word."""
    _scram_vector(
        "SCRAM-SHA-256", "W22ZaJ0SNY7soEsUEjb6gQ==", "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        "5b6d99689d12358eeca04b141236fa81",
        ["n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
         "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
         ("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
         "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
         "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="],
    )  # fmt: skip


def _scram_vector(name: str, salt: str, client_nonce: str, server_nonce: str, salt_hex: str, said: list[str]) -> None:
    assert base64.b64decode(salt) == bytes.fromhex(salt_hex)
    directory = Directory("user", "pencil", salt=base64.b64decode(salt))
    client = MECHANISMS[name].client(Credentials("user", "pencil"), ClientTerms(client_nonce))
    first = next(client)
    assert first.octets is not None
    server = MECHANISMS[name].server(first.octets, ServerTerms(server_nonce))
    told = advance(server, None, directory)
    final = client.send(told.octets)
    proof = advance(server, final.octets, directory)
    assert [first.octets, told.octets, final.octets, proof.octets] == [line.encode() for line in said]
    assert not final.complete
    last = client.send(proof.octets)
    assert (last.octets, last.complete) == (b"", True)
    assert isinstance(advance(server, b"", directory), Success)


OAUTH = (
    b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01"
    b"auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"
)
TOKEN = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="


def test_rfc7628_section_4_1() -> None:
    """The initial response of user@example.com with a bearer token."""
    printed = (
        "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyI"
        "HZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
    )
    client = bearer.oauthbearer_client(
        Credentials("user@example.com", token=TOKEN), ClientTerms("", "server.example.com", 143)
    )
    assert next(client).octets == base64.b64decode(printed) == OAUTH
    server = bearer.oauthbearer_server(OAUTH, ServerTerms(""))
    next(server)
    with pytest.raises(StopIteration) as stop:
        server.send(Granted("user@example.com"))
    assert stop.value.value == Success("user@example.com")


def test_rfc7628_section_4_3() -> None:
    """A refused token brings JSON with status, scope and where to go; the client answers ^A and it fails."""
    terms = ServerTerms("", scope="example_scope", discovery="https://example.com/.well-known/openid-configuration")
    server = bearer.oauthbearer_server(OAUTH, terms)
    told = advance(server, None, Directory("nobody"))
    assert json.loads(told.octets) == {
        "status": "invalid_token",
        "scope": "example_scope",
        "openid-configuration": "https://example.com/.well-known/openid-configuration",
    }
    client = bearer.oauthbearer_client(Credentials("user@example.com", token=TOKEN), ClientTerms(""))
    next(client)
    assert client.send(told.octets).octets == b"\x01" == base64.b64decode("AQ==")
    ended = advance(server, b"\x01", Directory("nobody"))
    assert isinstance(ended, Failure)
    assert ended.reason is Reason.CREDENTIALS


def test_rfc1939_section_7() -> None:
    """mrose's digest of the greeting's timestamp and tanstaaf."""
    greeting = b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>"
    said = apop.timestamp(greeting)
    assert said == b"<1896.697170952@dbc.mtview.ca.us>"
    assert apop.digest(said, b"tanstaaf") == b"c4c9334bac560ecc979e58001b3e22fb"
    assert apop.proves(said, b"tanstaaf", b"c4c9334bac560ecc979e58001b3e22fb")
    assert not apop.proves(said, b"other", b"c4c9334bac560ecc979e58001b3e22fb")


def test_f120_a_greeting_without_an_honest_timestamp_is_not_digested() -> None:
    """Octets that only an attacker would put there (CVE-2007-1558) are no timestamp."""
    for greeting in (b"+OK ready", b"+OK <>", b"+OK <a@>", b"+OK <a\x00b@c>", b"+OK <a@b\xff\xfe>", b"+OK <a b@c>"):
        assert apop.timestamp(greeting) is None
