"""Who may ask, and from where: the guard before the page and the API."""

from __future__ import annotations

import base64

import httpx
import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from eilpost.web.gate import Refusal, Rules, is_loopback, is_ours, refuse, sign_in
from eilpost.web.guard import Accounts
from tests.unit.inbox.samples import arrival, message
from tests.unit.web.house import house

HERE = "127.0.0.1:8025"
RULES = Rules(frozenset({"mail.corp.test"}), frozenset({"https://app.test"}))
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:8025", True),
        ("localhost", True),
        ("LOCALHOST:8025", True),
        ("inbox.localhost:8025", True),
        ("[::1]:8025", True),
        ("192.0.2.7", True),
        ("mailpit:8025", True),
        ("mail.corp.test:8025", True),
        ("evil.test", False),
        ("evil.test:8025", False),
        ("127.0.0.1.evil.test", False),
        ("localhost.evil.test", False),
        ("", False),
        ("localhost.", True),
        ("evil.test.", False),
        ("[evil.test]", False),
    ],
)
def test_f182_names_that_may_be_pointed_here_are_refused(host: str, ours: bool) -> None:
    """Only names that public DNS cannot give to somebody else are answered to (DNS rebinding)."""
    assert is_ours(RULES, host) is ours


@pytest.mark.parametrize(
    ("method", "path", "headers", "refusal"),
    [
        ("DELETE", "/api/messages", {}, None),  # a program
        ("DELETE", "/api/messages", {"origin": f"http://{HERE}", "sec-fetch-site": "same-origin"}, None),
        ("DELETE", "/api/messages", {"origin": "http://evil.test"}, Refusal.ORIGIN),
        ("DELETE", "/api/messages", {"origin": "null"}, Refusal.ORIGIN),
        ("DELETE", "/api/messages", {"origin": "http://127.0.0.1:3000"}, Refusal.ORIGIN),
        ("POST", "/messages", {"sec-fetch-site": "cross-site"}, Refusal.ORIGIN),
        ("POST", "/messages", {"sec-fetch-site": "same-site"}, Refusal.ORIGIN),
        ("DELETE", "/api/messages", {"origin": "https://app.test", "sec-fetch-site": "cross-site"}, None),
        ("GET", "/api/events", {"origin": "http://evil.test"}, Refusal.ORIGIN),
        ("GET", "/stream", {"sec-fetch-site": "cross-site"}, Refusal.ORIGIN),
        ("GET", "/api/messages", {"sec-fetch-site": "cross-site"}, Refusal.ORIGIN),
        ("GET", "/", {"sec-fetch-site": "cross-site"}, None),  # a link is followed
    ],
)
def test_f179_f180_other_sites_are_refused(
    method: str, path: str, headers: dict[str, str], refusal: Refusal | None
) -> None:
    """A page of another site can neither change nor listen; what it must not do is told by Origin or Sec-Fetch-Site."""
    assert refuse(RULES, method, path, {"host": HERE, **headers}) is refusal


@given(st.text(max_size=100))
def test_any_authorization_is_read(text: str) -> None:
    """Whatever the field says, it is a sign-in or nothing, and never shown."""
    for scheme in ("", "Basic ", "Bearer "):
        shown = sign_in(scheme + text)
        assert shown is None or shown.secret not in repr(shown) or len(shown.secret) < 3 or shown.secret in shown.name


def test_loopback() -> None:
    """Where nobody has to sign in."""
    assert [
        is_loopback(host) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost", "0.0.0.0", "::", "10.0.0.1")
    ] == [
        True,
        True,
        True,
        True,
        False,
        False,
        False,
    ]


async def test_refusals_are_answers() -> None:
    """Each refusal has its code and says what mends it; the rest passes."""
    async with house() as made:
        assert (await made.web.get("/api/stats", headers={"Host": "evil.test"})).status_code == 421
        crossed = await made.web.delete("/api/messages", headers={"Origin": "http://evil.test"})
        assert (crossed.status_code, "--http-origin" in crossed.json()["error"]) == (403, True)
        assert (await made.web.get("/api/stats")).status_code == 200


async def test_f179_reading_changes_nothing() -> None:
    """No GET of the API deletes, releases or sets anything."""
    async with house() as made:
        await made.inbox.take(arrival(), message())
        for path in (
            "/api/messages",
            "/api/messages/latest",
            "/api/faults",
            "/api/tags",
            "/api/export",
            "/api/v1/info",
        ):
            assert (await made.web.get(path)).status_code == 200
        assert (await made.web.get("/api/messages/latest/release")).status_code == 405
        listing = await made.inbox.newest()
        assert (listing.total, listing.unread) == (1, 1)


async def test_f180_websockets_are_not_spoken() -> None:
    """There is no WebSocket that another site could open."""
    async with house() as made:
        asked = await made.web.get("/api/events", headers={"Upgrade": "websocket", "Origin": "http://evil.test"})
        assert asked.status_code == 403


async def test_sign_in() -> None:
    """Basic and bearer are let in, everything else is asked to sign in; probes need not."""
    accounts = Accounts({"anna": CHEAP.hash("secret ä")}, ("token-1",))
    async with house(accounts=accounts) as made:
        asked = await made.web.get("/")
        assert asked.status_code == 401
        assert asked.headers["www-authenticate"].startswith("Basic ")
        basic = "Basic " + base64.b64encode("anna:secret ä".encode()).decode()
        for shown, code in (
            (basic, 200),
            (basic, 200),
            ("Bearer token-1", 200),
            ("Bearer token-2", 401),
            ("Basic " + base64.b64encode(b"anna:wrong").decode(), 401),
            ("Basic " + base64.b64encode(b"eve:secret").decode(), 401),
            ("Basic !", 401),
        ):
            assert (await made.web.get("/api/stats", headers={"Authorization": shown})).status_code == code
        assert (await made.web.get("/api/stats?password=token-1")).status_code == 401
        assert (await made.web.get("/readyz")).status_code == 200


async def test_f184_guessing_is_slowed() -> None:
    """After ten wrong passwords in a minute an address waits; who is signed in does not."""
    accounts = Accounts({"anna": CHEAP.hash("right")})
    right, wrong = httpx.BasicAuth("anna", "right"), httpx.BasicAuth("anna", "wrong")
    async with house(accounts=accounts) as made:
        assert (await made.web.get("/api/stats", auth=right)).status_code == 200
        codes = [(await made.web.get("/api/stats", auth=wrong)).status_code for _ in range(12)]
        assert codes == [401] * 10 + [429] * 2
        assert (await made.web.get("/api/stats", auth=right)).status_code == 200


async def test_every_answer_says_how_it_may_be_used() -> None:
    """Errors and data alike: no sniffing, no framing elsewhere, no scripts, no referrer (F176, F178)."""
    async with house() as made:
        await made.inbox.take(arrival(), message())
        for path in ("/api/messages", "/api/messages/x", "/nothing", "/api/messages/latest/raw", "/view/latest.txt"):
            headers = (await made.web.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in headers["content-security-policy"]
            assert headers["referrer-policy"] == "no-referrer"


async def test_f188_nothing_of_a_sender_is_a_template() -> None:
    """Braces and prototypes are text."""
    async with house() as made:
        await made.inbox.take(arrival(tags=("__proto__",)), message("{{7*7}} ${7*7} {0.__class__}"))
        found = (await made.web.get("/api/messages")).json()["messages"][0]
        assert (found["subject"], found["tags"]) == ("{{7*7}} ${7*7} {0.__class__}", ["__proto__"])
