"""AUTH on sessions of the running system."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import argon2
import pytest

from eilpost.config.schema import Aliases, Auth, Directory, Duration, Limits, Role, Sender
from eilpost.directory.passwords import keep
from eilpost.directory.store import Store
from eilpost.journal import Accepted, CommandRefused, LoggedIn, LoginFailed
from eilpost.mail.address import parse_address
from eilpost.sasl.mechanisms import MECHANISMS
from eilpost.sasl.words import ClientTerms, Credentials
from tests.unit.receive.running import Caller, Running, configuration, running

ANNA: Final = "anna@example.test"
RULES: Final = Auth(plain_on_loopback=True, failure_delay=Duration(0.0))
QUICK: Final = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def encoded(text: str) -> str:
    """As AUTH carries it."""
    return base64.b64encode(text.encode()).decode()


def plain(name: str = ANNA, password: str = "geheim", authorize: str = "") -> str:
    """AUTH PLAIN with its response at once."""
    return "AUTH PLAIN " + encoded(f"{authorize}\x00{name}\x00{password}")


@contextlib.asynccontextmanager
async def house(data: Path, rules: Auth = RULES, **sections: Any) -> AsyncIterator[Running]:
    """A system in which Anna may log in."""
    async with running(configuration(data, auth=rules, **sections)) as world:
        with Store(data) as store:
            store.set_kept(parse_address(ANNA), keep("geheim", cram=True, hasher=QUICK))
        yield world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Running]:
    """Plain text on loopback is allowed, and nobody waits for a refusal."""
    async with house(tmp_path / "data") as system:
        yield system


async def logged_in(world: Running) -> Caller:
    """Anna on submission."""
    caller = await world.call(Role.SUBMISSION)
    assert (await caller.say(plain())).startswith("235 2.7.0")
    return caller


def message(author: str = ANNA) -> bytes:
    return f"From: <{author}>\r\nSubject: hello\r\n\r\nHello.\r\n".encode()


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256"])
async def test_rfc4954_section_4_a_user_logs_in_and_relays(world: Running, mechanism: str) -> None:
    """235, and mail to others is taken; the trace and the log name login and account (RFC 3848)."""
    caller = await world.call(Role.SUBMISSION)
    client = MECHANISMS[mechanism].client(Credentials(ANNA, "geheim"), ClientTerms("x" * 24))
    first = next(client).octets
    answer = await caller.say(f"AUTH {mechanism}" + (f" {base64.b64encode(first).decode()}" if first else ""))
    while answer.startswith("334 "):
        octets = client.send(base64.b64decode(answer[4:])).octets
        answer = await caller.say(base64.b64encode(octets or b"").decode())
    assert answer == "235 2.7.0 Logged in"
    assert (await caller.mail("x@elsewhere.example", sender=ANNA, content=message())).startswith("250 ")
    assert world.of(LoggedIn)[0].account == ANNA
    assert world.of(Accepted)[0].account == ANNA


async def test_the_trace_tells_of_the_login(world: Running) -> None:
    """``with ESMTPA``; X-Authenticated is there only by setting (RFC 3848)."""
    caller = await logged_in(world)
    await caller.mail(ANNA, sender=ANNA, content=message())
    mail = (await world.delivered(ANNA))[0]
    assert b" with ESMTPA id " in mail
    assert b"X-Authenticated" not in mail


async def test_the_account_is_written_into_mail_by_setting(tmp_path: Path) -> None:
    """auth.x_authenticated."""
    async with house(tmp_path / "data", replace(RULES, x_authenticated=True)) as world:
        caller = await logged_in(world)
        await caller.mail(ANNA, sender=ANNA, content=message())
        assert b"X-Authenticated: anna@example.test" in (await world.delivered(ANNA))[0].splitlines()


async def test_rfc4954_section_6_strangers_log_in_first(world: Running) -> None:
    """530 5.7.0 on submission, but for trusted networks and the local socket."""
    caller = await world.call(Role.SUBMISSION)
    assert (await caller.say(f"MAIL FROM:<{ANNA}>")).startswith("530 5.7.0")
    trusted = await world.call(Role.SUBMISSION, source="127.0.0.9")
    assert (await trusted.say(f"MAIL FROM:<{ANNA}>")).startswith("250 ")


async def test_f118_no_login_on_mx(world: Running) -> None:
    """AUTH is no word there unless the setting says so."""
    caller = await world.call(Role.MX, hello="")
    assert "AUTH" not in await caller.say("EHLO client.example")
    assert (await caller.say(plain()))[:3] in ("502", "503")


async def test_f118_login_on_mx_by_setting(tmp_path: Path) -> None:
    """auth.on_mx."""
    async with house(tmp_path / "data", replace(RULES, on_mx=True)) as world:
        caller = await world.call(Role.MX)
        assert (await caller.say(plain())).startswith("235 ")


async def test_rfc4954_section_6_plain_text_needs_tls(tmp_path: Path) -> None:
    """Without TLS nothing in plain text is announced, and asked for it is 538 5.7.11; SCRAM is allowed."""
    async with house(tmp_path / "data", Auth()) as world:
        caller = await world.call(Role.SUBMISSION, hello="")
        offer = await caller.say("EHLO client.example")
        assert "250-AUTH SCRAM-SHA-256\n" in offer
        for mechanism in ("PLAIN", "LOGIN"):
            assert (await caller.say(f"AUTH {mechanism}")).startswith("538 5.7.11")


async def test_the_old_spelling_is_a_setting(tmp_path: Path) -> None:
    """AUTH= beside AUTH."""
    async with house(tmp_path / "data", replace(RULES, old_spelling=True)) as world:
        caller = await world.call(Role.SUBMISSION, hello="")
        assert "AUTH=SCRAM-SHA-256 PLAIN LOGIN" in await caller.say("EHLO client.example")


@pytest.mark.parametrize("mechanism", ["GSSAPI", "CRAM-MD5", "EXTERNAL", "SCRAM-SHA-256-PLUS", "XOAUTH2"])
async def test_what_is_not_offered_is_504(world: Running, mechanism: str) -> None:
    """An unknown mechanism, one that is not configured, and one that needs TLS by its nature."""
    caller = await world.call(Role.SUBMISSION)
    assert (await caller.say(f"AUTH {mechanism}")).startswith("504 5.5.4")


async def test_f060_the_order_of_auth(world: Running) -> None:
    """Before EHLO, twice, and in a transaction: 503; the session goes on."""
    early = await world.call(Role.SUBMISSION, hello="")
    assert (await early.say(plain())).startswith("503 ")
    caller = await logged_in(world)
    assert (await caller.say(plain())).startswith("503 5.5.1")
    trusted = await world.call(Role.SUBMISSION, source="127.0.0.9")
    await trusted.say("MAIL FROM:<anna@example.test>")
    assert (await trusted.say(plain())).startswith("503 ")
    assert (await trusted.say("RCPT TO:<anna@example.test>")).startswith("250 ")


async def test_f060_cancel_bad_base64_and_empty(world: Running) -> None:
    """``*`` is 501 5.7.0, bad base64 501 5.5.2, and ``=`` an empty response."""
    caller = await world.call(Role.SUBMISSION)
    assert (await caller.say("AUTH LOGIN")).startswith("334 ")
    assert (await caller.say("*")) == "501 5.7.0 Login cancelled"
    assert (await caller.say("AUTH PLAIN ###")).startswith("501 5.5.2")
    assert (await caller.say("AUTH PLAIN")).startswith("334")
    assert (await caller.say("no base64!")).startswith("501 5.5.2")
    assert (await caller.say("AUTH PLAIN =")).startswith("501 5.5.2")
    assert (await caller.say(plain())).startswith("235 ")


async def test_f060_one_bad_exchange_cuts_no_other(world: Running) -> None:
    """Logins under way elsewhere are not touched."""
    good = await world.call(Role.SUBMISSION)
    assert (await good.say("AUTH LOGIN")).startswith("334 ")
    bad = await world.call(Role.SUBMISSION)
    assert (await bad.say("AUTH LOGIN", "%%%")).startswith("501 ")
    assert (await good.say(encoded(ANNA))).startswith("334 ")
    assert (await good.say(encoded("geheim"))).startswith("235 ")


async def test_f046_an_endless_response_ends(world: Running) -> None:
    """Longer than RFC 4954 §4 allows is refused, and nothing piles up."""
    caller = await world.call(Role.SUBMISSION)
    assert (await caller.say("AUTH PLAIN")).startswith("334")
    assert (await caller.say("A" * 100_000))[:3] == "500"


async def test_f110_one_text_for_every_failure(world: Running) -> None:
    """Unknown, wrong, without a password, another's authority: the same words."""
    said = set()
    for line in (
        plain(password="x"),
        plain("nobody@example.test"),
        plain("berta@example.test"),
        plain(authorize="berta@example.test"),
    ):
        caller = await world.call(Role.SUBMISSION)
        said.add(await caller.say(line))
    assert said == {"535 5.7.8 Wrong user name or password"}
    assert len(world.of(LoginFailed)) == 4


async def test_f107_failures_end_the_session(world: Running) -> None:
    """auth.failures of them, then 421 and the end."""
    caller = await world.call(Role.SUBMISSION)
    for _ in range(RULES.failures):
        assert (await caller.say(plain(password="x"))).startswith("535 ")
    assert (await caller.say(plain(password="x"))).startswith("421 4.7.0")
    assert await caller.gone()


async def test_f107_a_guessing_address_is_refused(tmp_path: Path) -> None:
    """421 4.7.0 there; from elsewhere the owner gets in."""
    async with house(tmp_path / "data", replace(RULES, guesses_per_minute=2)) as world:
        for _ in range(2):
            caller = await world.call(Role.SUBMISSION, source="127.1.0.1")
            assert (await caller.say(plain(password="x"))).startswith("535 ")
        caller = await world.call(Role.SUBMISSION, source="127.1.0.1")
        assert (await caller.say(plain())).startswith("421 4.7.0")
        await logged_in(world)


async def test_a_failure_is_slow_and_holds_nobody_up(tmp_path: Path) -> None:
    """While one waits for its refusal others log in."""
    async with house(tmp_path / "data", replace(RULES, failure_delay=Duration(3600.0))) as world:
        caller = await world.call(Role.SUBMISSION)
        await caller.send(f"{plain(password='x')}\r\n".encode())
        await world.until(lambda: world.of(LoginFailed))
        await logged_in(world)


async def test_f119_the_log_shows_no_secret(world: Running) -> None:
    """Whatever is refused: right passwords, wrong ones and their base64 stay out of the journal."""
    caller = await world.call(Role.SUBMISSION)
    secret = plain(password="sehrgeheim")
    for line in (secret, f"{secret} extra", f"auth plain  {secret[11:]}", secret[11:], "AUTH LOGIN", encoded(ANNA)):
        await caller.say(line)
    await caller.say(encoded("sehrgeheim"))
    told = repr(world.events)
    assert world.of(CommandRefused)
    for text in ("sehrgeheim", secret[11:], encoded("sehrgeheim")):
        assert text not in told


# --- whose sender's address


async def test_f117_a_user_sends_as_themselves_alone(world: Running) -> None:
    """Account, sub-address, null reverse-path and an alias of one's own pass; others are 553 5.7.1."""
    with Store(world.data) as store:
        store.add_alias(parse_address("info@example.test"), [parse_address(ANNA)])
    caller = await logged_in(world)
    for sender in (ANNA, "ANNA@Example.test", "anna+news@example.test", "info@example.test", ""):
        assert (await caller.say(f"MAIL FROM:<{sender}>")).startswith("250 "), sender
        await caller.say("RSET")
    for sender in ("berta@example.test", "both@example.test", "anna@second.test", "x@y.example", "no@example.test"):
        assert (await caller.say(f"MAIL FROM:<{sender}>")).startswith("553 5.7.1"), sender


@pytest.mark.parametrize(
    "author",
    ["berta@example.test", "x@y.example", '"anna@example.test" <x@y.example', "anna@example.test>, <x@y.example"],
)
async def test_f117_the_author_is_theirs_too(world: Running, author: str) -> None:
    """From is judged as the envelope is, all authors in it."""
    caller = await logged_in(world)
    answer = await caller.mail(ANNA, sender=ANNA, content=message(author))
    assert answer[:9] in ("553 5.7.1", "550 5.6.0"), answer
    assert (await caller.mail(ANNA, sender=ANNA, content=message("anna+x@example.test"))).startswith("250 ")


async def test_more_senders_are_granted(tmp_path: Path) -> None:
    """[[sender]] names addresses and whole domains."""
    grants = (Sender(ANNA, ("berta@example.test", "@y.example")),)
    async with house(tmp_path / "data", sender=grants) as world:
        caller = await logged_in(world)
        for sender in ("berta@example.test", "any@y.example"):
            assert (await caller.mail(ANNA, sender=sender, content=message(sender))).startswith("250 ")
        assert (await caller.say("MAIL FROM:<x@sub.y.example>")).startswith("553 ")


async def test_forging_is_allowed_by_setting(tmp_path: Path) -> None:
    """auth.own_addresses = false."""
    async with house(tmp_path / "data", replace(RULES, own_addresses=False)) as world:
        caller = await logged_in(world)
        assert (await caller.mail(ANNA, sender="x@y.example", content=message("x@y.example"))).startswith("250 ")


async def test_a_sub_address_that_is_an_account_is_its_own(tmp_path: Path) -> None:
    """With "-" as the delimiter, anna-smith is somebody else as soon as there is such an account."""
    async with house(tmp_path / "data", aliases=Aliases(delimiter="-")) as world:
        caller = await logged_in(world)
        assert (await caller.say("MAIL FROM:<anna-smith@example.test>")).startswith("250 ")
        await caller.say("RSET")
        world.add_account("anna-smith@example.test")
        assert (await caller.say("MAIL FROM:<anna-smith@example.test>")).startswith("553 ")


async def test_limits_hold_for_users(tmp_path: Path) -> None:
    """A login is no trust: messages per session are limited as for strangers."""
    async with running(configuration(tmp_path / "data", Limits(messages_per_session=1), auth=RULES)) as world:
        with Store(world.data) as store:
            store.set_kept(parse_address(ANNA), keep("geheim", hasher=QUICK))
        caller = await logged_in(world)
        assert (await caller.mail(ANNA, sender=ANNA, content=message())).startswith("250 ")
        assert (await caller.say(f"MAIL FROM:<{ANNA}>")).startswith("421 ")


async def test_a_client_that_goes_in_the_middle_leaves_nothing(world: Running) -> None:
    """Broken off at each step, the house is empty again."""
    for lines in (("AUTH LOGIN",), ("AUTH LOGIN", encoded(ANNA)), (plain(),)):
        caller = await world.call(Role.SUBMISSION)
        await caller.send("".join(f"{line}\r\n" for line in lines).encode())
        caller.close()
    await world.until(lambda: world.house.guests == 0)
    await asyncio.sleep(0)


async def test_a_reload_keeps_counts_and_changes_rules(tmp_path: Path) -> None:
    """Exchanges under way end well, a guesser stays refused, and new mechanisms are offered to new sessions."""
    async with house(tmp_path / "data", replace(RULES, guesses_per_minute=1)) as world:
        guesser = await world.call(Role.SUBMISSION, source="127.1.0.1")
        assert (await guesser.say(plain(password="x"))).startswith("535 ")
        caller = await world.call(Role.SUBMISSION)
        assert (await caller.say("AUTH LOGIN", encoded(ANNA))).startswith("334 ")

        world.reread.append(replace(world.config, auth=replace(RULES, guesses_per_minute=1, mechanisms=("PLAIN",))))
        world.system.reload()
        assert (await caller.say(encoded("geheim"))).startswith("235 ")
        again = await world.call(Role.SUBMISSION, source="127.1.0.1")
        assert (await again.say("AUTH LOGIN")).startswith("504 ")
        assert (await again.say(plain())).startswith("421 4.7.0")


async def test_a_directory_that_fails_is_454(tmp_path: Path) -> None:
    """Our own trouble is never a wrong password (RFC 4954 §4)."""
    directory = Directory(kind="passwd", file=str(tmp_path / "none"))
    async with house(tmp_path / "data", directory=directory) as world:
        caller = await world.call(Role.SUBMISSION)
        assert (await caller.say(plain())).startswith("454 4.7.0")


async def test_a_passwd_file_lets_users_in(tmp_path: Path) -> None:
    """[directory] kind = "passwd": its users log in, those of the store do not."""
    users = tmp_path / "users"
    users.write_text("berta@example.test:{PLAIN}anders\n")
    async with house(tmp_path / "data", directory=Directory(kind="passwd", file=str(users))) as world:
        caller = await world.call(Role.SUBMISSION)
        assert (await caller.say(plain())).startswith("535 ")
        assert (await caller.say(plain("berta@example.test", "anders"))).startswith("235 ")
