"""Tokens of an authority on loopback: asked about, or checked by its keys."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from eilpost.config.schema import Oauth
from eilpost.directory.claims import judge
from eilpost.directory.oauth import MOST, TokenChecker
from eilpost.sasl.words import CheckToken, Failure, Granted, Reason

NOW: Final = 1_000_000.0
ANNA: Final = "anna@example.test"
GOOD: Final[dict[str, Any]] = {
    "active": True, "email": ANNA, "exp": NOW + 60, "iss": "https://id.test", "aud": "mail", "scope": "openid smtp"
}  # fmt: skip
RULES: Final = Oauth(issuer="https://id.test", audience="mail", scope="smtp", timeout=5.0)  # type: ignore[arg-type]


@dataclass
class Authority:
    """What it answers, by path, and what it was asked."""

    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, list[str]], str]] = field(default_factory=list)
    url: str = ""

    def say(self, path: str, document: object, status: int = 200) -> None:
        """What a path answers from now on."""
        self.answers[path] = (status, document if isinstance(document, bytes) else json.dumps(document).encode())


@pytest.fixture
def authority() -> Iterator[Authority]:
    """One that runs."""
    known = Authority()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            known.asked.append((self.path, parse_qs(given), self.headers.get("Authorization", "")))
            status, octets = known.answers[self.path]
            self.send_response(status)
            if status == 302:
                self.send_header("Location", known.url + "/elsewhere")
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield known
    server.shutdown()
    thread.join()
    server.server_close()


async def ask(rules: Oauth, token: str = "abc", name: str = ANNA) -> Granted | Failure:
    """One look."""
    checker = TokenChecker(rules, lambda: NOW)
    try:
        return await checker(CheckToken(name, token))
    finally:
        checker.close()


async def test_rfc7662_a_token_is_asked_about(authority: Authority, tmp_path: Path) -> None:
    """The token goes in the body, our credentials in the header (RFC 6749 §2.3.1); an active one is its holder's."""
    (tmp_path / "secret").write_text("s3:cret\n")
    authority.say("/introspect", GOOD)
    rules = replace(
        RULES, introspection=authority.url + "/introspect", client_id="mx", client_secret_file=str(tmp_path / "secret")
    )
    assert await ask(rules) == Granted(ANNA)
    ((path, form, header),) = authority.asked
    assert (path, form["token"]) == ("/introspect", ["abc"])
    assert base64.b64decode(header.removeprefix("Basic ")) == b"mx:s3%3Acret"


async def test_rfc7662_an_inactive_token(authority: Authority) -> None:
    """What is not active is refused, whatever else is said of it."""
    for answer in (GOOD | {"active": False}, GOOD | {"active": "true"}, {}):
        authority.say("/i", answer)
        found = await ask(replace(RULES, introspection=authority.url + "/i"))
        assert isinstance(found, Failure)
        assert found.reason is Reason.CREDENTIALS


@pytest.mark.parametrize(
    ("status", "document"),
    [(500, {}), (401, {}), (302, {}), (200, b"[]"), (200, b"no json"), (200, b"x" * (MOST + 1)), (200, b"[" * 99_999)],
)
async def test_an_authority_in_trouble(authority: Authority, status: int, document: object) -> None:
    """An authority that cannot answer is no verdict on the token, and a redirection is not followed."""
    authority.say("/i", document, status)
    authority.say("/elsewhere", GOOD)
    found = await ask(replace(RULES, introspection=authority.url + "/i"))
    assert isinstance(found, Failure)
    assert found.reason is Reason.UNAVAILABLE
    assert "abc" not in found.detail


async def test_nobody_is_there() -> None:
    """A port that nobody listens on is told as unavailable."""
    found = await ask(replace(RULES, introspection="http://127.0.0.1:1/i"))
    assert isinstance(found, Failure)
    assert found.reason is Reason.UNAVAILABLE


def signing_key(name: str) -> tuple[ec.EllipticCurvePrivateKey, dict[str, Any]]:
    """A key, and how the authority publishes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    published = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    return key, published | {"kid": name, "alg": "ES256", "use": "sig"}


async def test_rfc7519_a_signed_token_is_checked_by_keys(authority: Authority) -> None:
    """The authority's signature is enough, and its keys (RFC 7517) are asked for once."""
    key, published = signing_key("one")
    authority.say("/jwks", {"keys": [published]})
    checker = TokenChecker(replace(RULES, jwks=authority.url + "/jwks"), lambda: NOW)
    token = jwt.encode(GOOD, key, "ES256", {"kid": "one"})
    assert [await checker(CheckToken(ANNA, token)) for _ in range(3)] == [Granted(ANNA)] * 3
    assert len(authority.asked) == 1
    checker.close()


async def test_a_token_that_somebody_else_signed(authority: Authority) -> None:
    """Another key, no signature, or the public key as a shared secret: refused (RFC 8725 §3.1)."""
    key, published = signing_key("one")
    other, _ = signing_key("one")
    authority.say("/jwks", {"keys": [published]})
    rules = replace(RULES, jwks=authority.url + "/jwks")
    head, body, _ = jwt.encode(GOOD, key, "ES256", {"kid": "one"}).split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","kid":"one"}').decode().rstrip("=")
    shared = jwt.encode(GOOD, json.dumps(published) * 2, "HS256", {"kid": "one"})
    for token in (
        jwt.encode(GOOD, other, "ES256", {"kid": "one"}),
        jwt.encode(GOOD, key, "ES256", {"kid": "two"}),
        f"{none}.{body}.",
        f"{head}.{body}.",
        shared,
        "abc",
    ):
        found = await ask(rules, token)
        assert isinstance(found, Failure), token
        assert found.reason is Reason.CREDENTIALS


@pytest.mark.parametrize(
    "change",
    [
        {"exp": NOW - 60}, {"exp": None}, {"exp": "later"}, {"nbf": NOW + 60}, {"iss": "https://other.test"},
        {"aud": "web"}, {"aud": ["web"]}, {"aud": 7}, {"scope": "openid"}, {"scope": None}, {"email": "nobody"},
        {"email": None}, {"email": "bert@example.test"},
    ],
)  # fmt: skip
def test_what_a_token_must_say(change: dict[str, Any]) -> None:
    """A token that is over, early, another's, or for something else counts for nothing."""
    assert isinstance(judge(GOOD | change, ANNA, RULES, NOW), Failure)


def test_whose_token_it_is() -> None:
    """Without a name it is whoever the token says; audiences may be a list; names are compared as addresses."""
    assert judge(GOOD | {"aud": ["web", "mail"]}, "", RULES, NOW) == Granted(ANNA)
    assert judge(GOOD, "Anna@EXAMPLE.test", RULES, NOW) == Granted(ANNA)
    assert judge({"email": ANNA, "exp": NOW + 1}, ANNA, Oauth(), NOW) == Granted(ANNA)
