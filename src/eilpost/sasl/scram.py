"""SCRAM, RFC 5802 and RFC 7677: both sides prove that they know the password, and neither says it (a grammar).

``-PLUS`` proves besides that there is nobody between them: both name the TLS connection they see.
"""

from __future__ import annotations

import hmac
from collections.abc import Generator
from typing import Final

from eilpost.sasl.prepare import saslprep, user_name
from eilpost.sasl.scram_keys import Proofs, proofs, proved, salted_password
from eilpost.sasl.scram_messages import (
    ClientFirst,
    base64,
    escape,
    read_client_final,
    read_client_first,
    read_server_final,
    read_server_first,
)
from eilpost.sasl.steps import challenge, find_scram
from eilpost.sasl.words import (
    MAX_NAME,
    MAX_PASSWORD,
    Answer,
    ChannelBinding,
    Client,
    ClientTerms,
    Credentials,
    Failure,
    FindScram,
    Reason,
    Response,
    ScramKeys,
    Server,
    ServerStep,
    ServerTerms,
    Success,
)

MIN_ITERATIONS: Final = 4096  # RFC 5802 §5.1; a client that takes less helps who wants to guess
MAX_ITERATIONS: Final = 1_000_000  # half a second of a client's time


# ------------------------------------------------------------------------------------------------------ the server


def server(initial: bytes | None, terms: ServerTerms, hash_name: str, plus: bool) -> Server:
    """Client first, server first, client final, server final; the last challenge gets an empty response."""
    octets = initial if initial is not None else (yield from challenge(b""))
    if isinstance(octets, Failure):
        return octets
    first = read_client_first(octets)
    if first is None:
        return Failure(Reason.MALFORMED, "no first message of a client")
    binding = _expected_binding(first, terms, plus)
    if isinstance(binding, Failure):
        return binding
    name = user_name(first.name.encode())
    if name is None:
        return Failure(Reason.CREDENTIALS, "a name that nobody can have")
    keys = yield from find_scram(FindScram(name, hash_name))
    if isinstance(keys, Failure):
        return keys
    said = yield from _proof(first, terms.nonce, keys, binding, hash_name)
    if isinstance(said, Failure):
        return said
    if keys.account is None or first.authorize not in ("", name, keys.account):
        return Failure(Reason.CREDENTIALS, "asked to act as somebody else" if keys.account else "")
    # RFC 4954 §4 has no room for data in the 235: the server's proof is one more challenge.
    signature = hmac.digest(keys.server_key, said, hash_name)
    last = yield from challenge(b"v=" + base64(signature).encode())
    return Failure(Reason.MALFORMED, "more than an empty response at the end") if last else Success(keys.account)


def _expected_binding(first: ClientFirst, terms: ServerTerms, plus: bool) -> bytes | Failure:
    """What the client must prove to have seen of the connection: RFC 5802 §6."""
    header = first.header.encode()
    match first.flag:
        case "p" if plus:
            for each in terms.bindings:
                if each.kind == first.kind:
                    return header + each.octets
            return Failure(Reason.BINDING, f"{first.kind} is not known of this connection")
        case "p":
            return Failure(Reason.BINDING, "a channel binding in a mechanism without")
        case _ if plus:
            return Failure(Reason.BINDING, "a mechanism with channel binding, and none given")
        case "y" if terms.binding_offered:
            # The client could bind and did not see that we can: somebody between us took it off the list.
            return Failure(Reason.BINDING, "somebody hid our -PLUS mechanisms from the client")
        case _:
            return header


def _proof(
    first: ClientFirst, nonce: str, keys: ScramKeys, binding: bytes, hash_name: str
) -> Generator[ServerStep, Answer, bytes | Failure]:
    """Tell salt and iterations, and check the proof; returns the AuthMessage that both have spoken."""
    both = first.nonce + nonce
    told = f"r={both},s={base64(keys.salt)},i={keys.iterations}"
    octets = yield from challenge(told.encode())
    if isinstance(octets, Failure):
        return octets
    final = read_client_final(octets)
    if final is None or final.nonce != both:
        return Failure(Reason.MALFORMED, "no final message of this exchange")
    if not hmac.compare_digest(final.binding, binding):
        return Failure(Reason.BINDING, "the client sees another connection than we do")
    said = f"{first.bare},{told},{final.unproved}".encode()
    return said if proved(keys, said, final.proof, hash_name) else Failure(Reason.CREDENTIALS)


# ------------------------------------------------------------------------------------------------------ the client


def client(credentials: Credentials, terms: ClientTerms, hash_name: str, plus: bool) -> Client:
    """Prove to know the password, and let the server prove it as well."""
    chosen = terms.bindings[0] if plus and terms.bindings else None
    name, authorize = saslprep(credentials.user) or "", credentials.authorize
    if (plus and chosen is None) or not name or not _fits(credentials):
        return Failure(Reason.UNFIT, "SCRAM carries a name and a password, not empty, not too long, without NUL")
    header = f"{_flag(chosen, terms)},{'a=' + escape(authorize) if authorize else ''},"
    bare = f"n={escape(name)},r={terms.nonce}"
    told = yield Response((header + bare).encode())

    asked = read_server_first(told)
    if asked is None or not asked.nonce.startswith(terms.nonce) or len(asked.nonce) == len(terms.nonce):
        return Failure(Reason.MALFORMED, "no first message of this exchange")
    if not MIN_ITERATIONS <= asked.iterations <= MAX_ITERATIONS:
        return Failure(Reason.IMPOSTOR, f"{asked.iterations} iterations; {MIN_ITERATIONS} to {MAX_ITERATIONS} are sane")
    salted = salted_password(credentials.password or "", asked.salt, asked.iterations, hash_name)
    if salted is None:
        return Failure(Reason.UNFIT, "the password holds what SCRAM cannot carry (RFC 4013)")

    binding = header.encode() + (chosen.octets if chosen else b"")
    unproved = f"c={base64(binding)},r={asked.nonce}"
    both = proofs(salted, f"{bare},{told.decode()},{unproved}".encode(), hash_name)
    last = yield Response(f"{unproved},p={base64(both.client)}".encode())
    return (yield from _judge(last, both))


def _judge(last: bytes, both: Proofs) -> Client:
    """Whether the server has proved itself: only then may it declare success."""
    final = read_server_final(last)
    if final is None:
        return Failure(Reason.MALFORMED, "no final message of a server")
    if final.error:
        return Failure(Reason.CREDENTIALS, "the server refused the proof")
    if not hmac.compare_digest(final.signature, both.server):
        return Failure(Reason.IMPOSTOR)
    yield Response(b"", complete=True)
    return Failure(Reason.MALFORMED, "the server asks for more than SCRAM has")


def _flag(chosen: ChannelBinding | None, terms: ClientTerms) -> str:
    """The gs2-cbind-flag: bound; able, but the server did not offer it; or not able."""
    if chosen is not None:
        return f"p={chosen.kind}"
    return "y" if terms.bindings and not terms.binding_offered else "n"


def _fits(credentials: Credentials) -> bool:
    return (
        len(credentials.user.encode()) <= MAX_NAME
        and len(credentials.authorize.encode()) <= MAX_NAME
        and 0 < len((credentials.password or "").encode()) <= MAX_PASSWORD
        and "\0" not in credentials.user + credentials.authorize
    )
