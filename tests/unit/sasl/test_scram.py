"""What SCRAM is there to prevent."""

from __future__ import annotations

import pytest

from eilpost.sasl.mechanisms import MECHANISMS
from eilpost.sasl.scram import MAX_ITERATIONS, MIN_ITERATIONS
from eilpost.sasl.scram_keys import derive, fake_keys
from eilpost.sasl.words import ChannelBinding, Credentials, Failure, Reason, Success
from tests.unit.sasl.both import (
    ACCOUNT,
    BINDING,
    END_POINT,
    PASSWORD,
    Directory,
    advance,
    client_terms,
    run,
    server_terms,
)

ANNA = Credentials(ACCOUNT, PASSWORD)


def reason(ended: object) -> Reason | None:
    """Why it failed."""
    return ended.reason if isinstance(ended, Failure) else None


def test_f115_a_client_that_was_shown_no_plus_says_so_and_is_refused() -> None:
    """RFC 5802 §6: the flag "y" while -PLUS was offered means that somebody took it off the list."""
    done = run("SCRAM-SHA-256", ANNA, theirs=client_terms(binding_offered=False))
    assert done.said[0].startswith(b"y,,")
    assert reason(done.server) is Reason.BINDING


def test_a_server_without_plus_takes_y() -> None:
    """RFC 5802 §6: a client that can bind, at a server that cannot."""
    done = run(
        "SCRAM-SHA-256", ANNA, ours=server_terms(binding_offered=False), theirs=client_terms(binding_offered=False)
    )
    assert isinstance(done.server, Success)


def test_a_client_without_bindings_says_n() -> None:
    """A client that cannot bind may log in all the same."""
    done = run("SCRAM-SHA-256", ANNA, theirs=client_terms(bindings=()))
    assert done.said[0].startswith(b"n,,")
    assert isinstance(done.server, Success)


def test_f115_another_connection_is_found() -> None:
    """With somebody between them both sides see another connection, and the server refuses."""
    between = ChannelBinding("tls-exporter", b"\x03" * 32)
    done = run("SCRAM-SHA-256-PLUS", ANNA, theirs=client_terms(bindings=(between,)))
    assert reason(done.server) is Reason.BINDING


@pytest.mark.parametrize("binding", [BINDING, END_POINT])
def test_rfc5929_each_binding_that_both_know(binding: ChannelBinding) -> None:
    """RFC 9266 and RFC 5929: the exporter and the server's certificate."""
    done = run("SCRAM-SHA-1-PLUS", ANNA, theirs=client_terms(bindings=(binding,)))
    assert done.said[0].startswith(f"p={binding.kind},,".encode())
    assert isinstance(done.server, Success)


def test_a_binding_that_the_server_does_not_know() -> None:
    """A kind of binding that this connection does not have is refused."""
    done = run("SCRAM-SHA-256-PLUS", ANNA, ours=server_terms(bindings=(END_POINT,)))
    assert reason(done.server) is Reason.BINDING


def test_f115_plus_without_tls() -> None:
    """A -PLUS mechanism without TLS fails on both sides."""
    assert reason(run("SCRAM-SHA-256-PLUS", ANNA, ours=server_terms(bindings=())).server) is Reason.BINDING
    assert reason(run("SCRAM-SHA-256-PLUS", ANNA, theirs=client_terms(bindings=())).client) is Reason.UNFIT


@pytest.mark.parametrize("flag", [b"n", b"y"])
def test_f115_plus_without_a_binding(flag: bytes) -> None:
    """A -PLUS mechanism is not talked down to one without."""
    server = MECHANISMS["SCRAM-SHA-256-PLUS"].server(flag + b",,n=anna,r=x", server_terms())
    assert reason(advance(server, None, Directory())) is Reason.BINDING


def test_a_binding_in_a_mechanism_without() -> None:
    """``p=`` belongs to -PLUS alone."""
    server = MECHANISMS["SCRAM-SHA-256"].server(b"p=tls-exporter,,n=anna,r=x", server_terms())
    assert reason(advance(server, None, Directory())) is Reason.BINDING


def test_f115_a_changed_header_is_found() -> None:
    """The header that the server saw is part of what the client proves."""
    done = run(
        "SCRAM-SHA-256", ANNA, theirs=client_terms(binding_offered=False),
        tamper=lambda number, octets: b"n" + octets[1:] if number == 0 else octets,
    )  # fmt: skip
    assert reason(done.server) is Reason.BINDING


@pytest.mark.parametrize("count", [1, MIN_ITERATIONS - 1, MAX_ITERATIONS + 1, 9_999_999_999])
def test_f115_iterations_have_bounds(count: int) -> None:
    """A client neither takes what is easily guessed, nor works for hours."""
    done = run(
        "SCRAM-SHA-256", ANNA,
        tamper=lambda number, octets: octets.replace(b"i=4096", b"i=%d" % count) if number == 1 else octets,
    )  # fmt: skip
    assert reason(done.client) is Reason.IMPOSTOR


@pytest.mark.parametrize("said", [b"r=other,s=c2FsdA==,i=4096", b"r=clientNonce,s=c2FsdA==,i=4096"])
def test_f115_a_nonce_that_is_not_new(said: bytes) -> None:
    """A server must add its own nonce to the client's."""
    done = run("SCRAM-SHA-256", ANNA, tamper=lambda number, octets: said if number == 1 else octets)
    assert reason(done.client) is Reason.MALFORMED


def test_f115_a_final_message_of_another_exchange() -> None:
    """A message that was heard earlier is worth nothing later: its nonce is another."""
    heard = run("SCRAM-SHA-256", ANNA).said[2]
    done = run(
        "SCRAM-SHA-256", ANNA, ours=server_terms(nonce="another"),
        tamper=lambda number, octets: heard if number == 2 else octets,
    )  # fmt: skip
    assert reason(done.server) is Reason.MALFORMED


def test_a_server_that_does_not_know_the_password() -> None:
    """A server's wrong proof is found, and its success is not believed."""
    done = run(
        "SCRAM-SHA-256", ANNA,
        tamper=lambda number, octets: b"v=" + b"A" * 43 + b"=" if number == 3 else octets,
    )  # fmt: skip
    assert reason(done.client) is Reason.IMPOSTOR


def test_a_success_before_the_proof_is_an_impostor_s() -> None:
    """Until the server has proved itself, the client's messages are not complete."""
    client = MECHANISMS["SCRAM-SHA-256"].client(ANNA, client_terms())
    assert not next(client).complete
    assert not client.send(b"r=clientNonceX,s=c2FsdA==,i=4096").complete


def test_a_server_s_error_is_a_refusal() -> None:
    """``e=invalid-proof`` is a wrong password."""
    done = run("SCRAM-SHA-256", ANNA, tamper=lambda n, octets: b"e=invalid-proof" if n == 3 else octets)
    assert reason(done.client) is Reason.CREDENTIALS


def test_rfc5802_section_5_1_mandatory_extensions_are_refused() -> None:
    """``m=`` is something that must be understood, and we do not; others are skipped."""
    refused = MECHANISMS["SCRAM-SHA-256"].server(b"n,,m=x,n=anna,r=x", server_terms())
    assert reason(advance(refused, None, Directory())) is Reason.MALFORMED
    directory = Directory()
    advance(MECHANISMS["SCRAM-SHA-256"].server(b"n,,n=anna,r=x,z=extension", server_terms()), None, directory)
    assert directory.asked


def test_something_after_the_end() -> None:
    """The last response is empty, or it is no login."""
    done = run("SCRAM-SHA-256", ANNA, tamper=lambda number, octets: b"x" if number == 4 else octets)
    assert reason(done.server) is Reason.MALFORMED


def test_names_with_commas_and_equal_signs() -> None:
    """RFC 5802 §5.1: they are written =2C and =3D."""
    done = run("SCRAM-SHA-256", Credentials("a,b=c=2C", "x"), Directory("a,b=c=2C", "x"))
    assert b"n=a=2Cb=3Dc=3D2C,r=" in done.said[0]
    assert isinstance(done.server, Success)


def test_keys_of_nobody_stay_the_same() -> None:
    """Whoever asks twice for a name that is nobody's sees one salt; another name has another."""
    assert fake_keys("x", b"pepper", 4096, "sha1") == fake_keys("x", b"pepper", 4096, "sha1")
    assert fake_keys("x", b"pepper", 4096, "sha1").salt != fake_keys("y", b"pepper", 4096, "sha1").salt
    assert fake_keys("x", b"pepper", 4096, "sha1").account is None


def test_a_password_that_scram_cannot_carry() -> None:
    """A password with a control character has no SCRAM keys, and a client says so."""
    assert derive(ACCOUNT, "a\x07b", b"salt", 4096, "sha256") is None
    done = run("SCRAM-SHA-256", Credentials(ACCOUNT, "a\x07b"))
    assert reason(done.client) is Reason.UNFIT
