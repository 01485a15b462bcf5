"""Logins: what is answered, what it costs, and who is slowed down."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import argon2
import pytest

from eilpost.config.schema import Auth, Duration
from eilpost.directory.authenticator import Authenticator
from eilpost.directory.embedded import Embedded
from eilpost.directory.exchange import Exchange, Step
from eilpost.directory.kept import AppPassword, Kept
from eilpost.directory.last_use import LastUse
from eilpost.directory.passwords import hash_app_password, keep
from eilpost.directory.source import Peer, Sources
from eilpost.directory.store import Store
from eilpost.journal import Event, LoggedIn, LoginFailed, Warned
from eilpost.mail.address import parse_address
from eilpost.sasl.mechanisms import MECHANISMS
from eilpost.sasl.words import (
    Certificate,
    Challenge,
    CheckCertificate,
    CheckPassword,
    Client,
    ClientTerms,
    Credentials,
    Failure,
    FindScram,
    FindSecret,
    Granted,
    Reason,
    ScramKeys,
    Secret,
    ServerTerms,
    Success,
)

ANNA: Final = "Anna@example.test"
APP: Final = "abcd-efgh-jkmn"
OLD: Final = "{SSHA256}9N8zsKbygSkBAVkkm8C+LjZMG4z4lSPJiamiRpDTALe1axy+"  # "grün geheim"
HERE: Final = Peer("s1", "submission", "192.0.2.1", tls=True)
THERE: Final = Peer("s2", "submission", "198.51.100.7")
WRONG: Final = Failure(Reason.CREDENTIALS)


class Counting(argon2.PasswordHasher):
    """A cheap Argon2id that counts its work, and can be held up."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.work = 0
        self.open = threading.Event()
        self.open.set()

    def verify(self, *arguments: Any) -> Any:
        self.work += 1
        self.open.wait()
        return super().verify(*arguments)


@dataclasses.dataclass
class World:
    """A directory with some people, and what asks it."""

    data: Path
    source: Embedded
    hasher: Counting
    events: list[Event]
    authenticator: Authenticator
    now: float = 1_000_000.0

    def build(self, **rules: Any) -> None:
        """The authenticator by these rules."""
        self.authenticator = Authenticator(
            Sources(self.source, keeper=self.source, pepper=self.source.pepper(), domain="example.test"),
            dataclasses.replace(Auth(guess_delay=Duration(0.0)), **rules),
            self.events.append,
            argon2=self.hasher,
            clock=lambda: self.now,
        )

    async def login(self, name: str, password: str, peer: Peer = HERE, mechanism: str = "PLAIN") -> Success | Failure:
        """A whole exchange, by our own client."""
        row = MECHANISMS[mechanism]
        client = row.client(Credentials(name, password), ClientTerms("x" * 24))
        first = next(client)
        exchange = Exchange(self.authenticator, row, first.octets, ServerTerms("y" * 24), peer)
        return await _converse(exchange, client)

    async def say(self, message: bytes) -> Success | Failure:
        """PLAIN with these octets."""
        step = await Exchange(self.authenticator, MECHANISMS["PLAIN"], message, ServerTerms("y" * 24), HERE).begin()
        assert not isinstance(step, Challenge)
        return step


async def _converse(exchange: Exchange, client: Client) -> Success | Failure:
    step: Step = await exchange.begin()
    while isinstance(step, Challenge):
        step = await exchange.respond(client.send(step.octets).octets)
    return step


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Anna with all that can be kept, old with an imported hash, nologin without a password."""
    hasher = Counting()
    with Store(tmp_path) as store:
        anna = parse_address(ANNA)
        store.add_user(anna, keep("geheim", cram=True, hasher=hasher), 0.0)
        store.add_app_password(anna, AppPassword("phone", hash_app_password(APP), 1.0))
        store.add_account(parse_address("nologin@example.test"), "", 0.0)
        store.add_account(parse_address("old@example.test"), OLD, 0.0)
    world = World(tmp_path, Embedded(tmp_path), hasher, [], None)  # type: ignore[arg-type]
    world.build()
    yield world
    world.hasher.open.set()
    world.authenticator.close()
    world.source.close()


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"])
async def test_everybody_logs_in_by_each_mechanism(world: World, mechanism: str) -> None:
    """The right password is Success with the address as the directory spells it; a wrong one is not."""
    assert await world.login("anna@example.test", "geheim", mechanism=mechanism) == Success(ANNA)
    assert await world.login("anna@example.test", "Geheim", mechanism=mechanism) == WRONG
    assert await world.login("nobody@example.test", "geheim", mechanism=mechanism) == WRONG
    assert world.events == [
        LoggedIn("s1", "submission", "192.0.2.1", ANNA, mechanism, True),
        LoginFailed("s1", "submission", "192.0.2.1", "anna@example.test", mechanism, WRONG.reason.value),
        LoginFailed("s1", "submission", "192.0.2.1", "nobody@example.test", mechanism, WRONG.reason.value),
    ]


@pytest.mark.parametrize("name", ["anna", "ANNA", "Anna@EXAMPLE.test", "anna@example.test"])
async def test_a_name_is_folded_and_completed(world: World, name: str) -> None:
    """ASCII case does not count, and the domain may be left out (RFC 8265 §3.3)."""
    assert await world.login(name, "geheim") == Success(ANNA)


@pytest.mark.parametrize(
    "name", ["anna ", " anna", "ａｎｎａ", "anna\u200b", "anna@example.test@example.test", "x" * 300, "anna+x", "@"]
)
async def test_f113_other_spellings_are_nobody(world: World, name: str) -> None:
    """What only looks like a name of ours is nobody's."""
    assert isinstance(await world.login(name, "geheim"), Failure)


async def test_f113_nul_ends_no_name(world: World) -> None:
    """PLAIN has three parts; one more NUL is malformed (RFC 4616 §2)."""
    assert (await world.say(b"\0anna\0x\0geheim")).reason is Reason.MALFORMED


async def test_f114_nobody_acts_as_another(world: World) -> None:
    """An authorization identity other than one's own is refused as wrong credentials."""
    assert await world.say(b"anna@example.test\0anna@example.test\0geheim") == Success(ANNA)
    failure = await world.say(b"old@example.test\0anna@example.test\0geheim")
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.CREDENTIALS


@pytest.mark.parametrize("name", ["anna", "nobody", "nologin", "old", "no\u200bbody", "@", "x" * 300])
async def test_f108_known_and_unknown_users_cost_one_hash(world: World, name: str) -> None:
    """A wrong password costs one Argon2id, whoever is meant, and whatever is kept of them."""
    world.hasher.work = 0
    answer = await world.authenticator.answer(CheckPassword(name, "wrong"), HERE)

    assert answer == WRONG
    assert world.hasher.work == 1


async def test_f108_a_password_nobody_can_have_costs_the_same(world: World) -> None:
    """Also what is refused as a password is worked for."""
    for name in ("anna", "nobody"):
        world.hasher.work = 0
        assert await world.authenticator.answer(CheckPassword(name, "a\nb"), HERE) == WRONG
        assert world.hasher.work == 1


async def test_f109_a_full_pool_says_later(world: World) -> None:
    """More checks than may wait are turned away at once, and are no guesses."""
    world.build(hashing_threads=1, hashing_queue=1, guesses_per_minute=4)
    world.hasher.open.clear()
    tasks = [asyncio.create_task(world.login("anna", "wrong")) for _ in range(2)]
    await asyncio.sleep(0)
    results = [await world.login("anna", "geheim") for _ in range(6)]
    assert {failure.reason for failure in results if isinstance(failure, Failure)} == {Reason.UNAVAILABLE}

    world.hasher.open.set()
    assert await asyncio.gather(*tasks) == [WRONG, WRONG]
    assert await world.login("anna", "geheim") == Success(ANNA)


async def test_a_success_is_remembered_without_the_password(world: World) -> None:
    """The second login costs no hash; nothing that is kept holds the password (F116: a wrong one is never kept)."""
    assert await world.login("anna", "geheim") == Success(ANNA)
    world.hasher.work = 0
    assert await world.login("anna", "geheim") == Success(ANNA)
    assert world.hasher.work == 0
    assert b"geheim" not in b"".join(world.authenticator._remembered._found)

    assert await world.login("anna", "wrong") == WRONG
    assert world.hasher.work == 1
    world.now += Auth().remember
    assert await world.login("anna", "geheim") == Success(ANNA)
    assert world.hasher.work == 2


async def test_a_changed_password_is_changed_at_once(world: World) -> None:
    """What was remembered does not survive the old password."""
    assert await world.login("anna", "geheim") == Success(ANNA)
    with Store(world.data) as store:
        store.set_kept(parse_address(ANNA), keep("anders", hasher=world.hasher))

    assert await world.login("anna", "geheim") == WRONG
    assert await world.login("anna", "anders") == Success(ANNA)


async def test_an_app_password_logs_in_and_its_use_is_noted(world: World) -> None:
    """However it is typed; gone, it opens nothing."""
    assert await world.login("anna", APP.replace("-", "").upper()) == Success(ANNA)
    assert LastUse(world.data).of(ANNA)["phone"][1] == "192.0.2.1"

    with Store(world.data) as store:
        store.remove_app_password(parse_address(ANNA), "phone")
    assert await world.login("anna", APP) == WRONG


async def test_an_imported_hash_is_renewed_at_login(world: World) -> None:
    """After PLAIN with the right password there are Argon2id and SCRAM keys; after a wrong one there are not."""
    assert await world.login("old", "falsch") == WRONG
    with Store(world.data) as store:
        assert store.password_hash(parse_address("old@example.test")) == OLD

    assert await world.login("old", "grün geheim") == Success("old@example.test")
    with Store(world.data) as store:
        assert store.password_hash(parse_address("old@example.test")).startswith("$argon2id$")
    assert await world.login("old", "grün geheim", mechanism="SCRAM-SHA-256") == Success("old@example.test")


async def test_f107_guessing_from_one_address_is_refused_there(world: World) -> None:
    """After so many failures even the right password is; from elsewhere the owner gets in."""
    for _ in range(Auth().guesses_per_minute):
        assert await world.login("anna", "wrong") == WRONG
    assert await world.login("anna", "geheim") == Failure(Reason.THROTTLED)
    assert await world.login("anna", "geheim", THERE) == Success(ANNA)

    world.now += 60
    assert await world.login("anna", "geheim") == Success(ANNA)


async def test_f107_tries_at_once_are_many(world: World) -> None:
    """Connections in parallel have one allowance together."""
    results = await asyncio.gather(*(world.login("anna", "wrong") for _ in range(30)))
    assert results.count(WRONG) == Auth().guesses_per_minute


async def test_f107_a_success_resets_its_pair_alone(world: World) -> None:
    """Who owns one account wins no guesses at another by it."""
    for _ in range(9):
        await world.login("old", "wrong")
    assert await world.login("anna", "geheim") == Success(ANNA)
    assert await world.login("old", "wrong") == WRONG
    assert await world.login("anna", "geheim") == Failure(Reason.THROTTLED)


async def test_f107_an_account_under_attack_stays_open(world: World) -> None:
    """From many networks at once: strangers wait, the owner's network does not, and nobody is refused."""
    delays: list[float] = []
    world.build(guesses_per_account=5, guess_delay=Duration(0.01))
    assert await world.login("anna", "geheim") == Success(ANNA)
    for number in range(6):
        await world.login("anna", "wrong", Peer("s", "submission", f"203.0.{number}.1"))
    loop = asyncio.get_running_loop()
    for peer in (HERE, THERE):
        begin = loop.time()
        assert await world.login("anna", "geheim", peer) == Success(ANNA)
        delays.append(loop.time() - begin)
    assert delays[0] < 0.01 <= delays[1]


async def test_f110_unknown_users_have_keys_that_stay_the_same(world: World) -> None:
    """SCRAM and CRAM-MD5 go on to their end; asked twice, nobody's salt is the same."""
    one, other = [await world.authenticator.answer(FindScram("nobody", "sha256"), HERE) for _ in range(2)]
    assert isinstance(one, ScramKeys)
    assert one == other
    assert one.account is None
    secret = await world.authenticator.answer(FindSecret("nobody"), HERE)
    assert isinstance(secret, Secret)
    assert secret.account is None

    known = await world.authenticator.answer(FindScram("anna", "sha256"), HERE)
    assert isinstance(known, ScramKeys)
    assert (known.iterations, len(known.salt)) == (one.iterations, len(one.salt))


async def test_f119_no_secret_is_told(world: World) -> None:
    """Neither events nor words show a password."""
    await world.login("anna", "geheim")
    await world.login("anna", "falschfalsch")
    told = repr((world.events, CheckPassword("anna", "falschfalsch"), keep("geheim", cram=True, hasher=world.hasher)))

    for secret in ("geheim", "falschfalsch", base64.b64encode(b"geheim").decode(), "$argon2"):
        assert secret not in told


async def test_a_cancelled_exchange_is_no_guess(world: World) -> None:
    """The client says ``*`` (F060); it is noted and costs nothing."""
    for _ in range(20):
        exchange = Exchange(world.authenticator, MECHANISMS["SCRAM-SHA-256"], b"n,,n=anna,r=abcdefghijklmnopqrstuvwx",
                            ServerTerms("y" * 24), HERE)  # fmt: skip
        assert isinstance(await exchange.begin(), Challenge)
        assert await exchange.respond(None) == Failure(Reason.CANCELLED)
    assert await world.login("anna", "geheim") == Success(ANNA)


async def test_a_broken_directory_is_our_trouble(world: World) -> None:
    """UNAVAILABLE, with a warning; never a wrong password, and no guess."""
    world.source.close()
    failure = await world.login("anna", "geheim")
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.UNAVAILABLE
    assert [type(event) for event in world.events] == [Warned, LoginFailed]


async def test_a_certificate_names_its_account(world: World) -> None:
    """EXTERNAL: the verified names hold the account, and the client may name no other (RFC 4422 Appendix A)."""
    holder = Certificate("00", ("x.example", "anna@example.test"))
    ask = world.authenticator.answer
    assert await ask(CheckCertificate("", holder), HERE) == Granted(ANNA)
    assert await ask(CheckCertificate("Anna", holder), HERE) == Granted(ANNA)
    assert isinstance(await ask(CheckCertificate("old", holder), HERE), Failure)


async def test_broken_scram_keys_are_nobodys(world: World) -> None:
    """They are told to the operator, and the exchange fails as any other."""
    with Store(world.data) as store:
        store.set_kept(parse_address(ANNA), Kept("", "1,x"))
    answer = await world.authenticator.answer(FindScram("anna", "sha256"), HERE)
    assert isinstance(answer, ScramKeys)
    assert answer.account is None
    assert isinstance(world.events[0], Warned)
