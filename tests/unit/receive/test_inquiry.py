"""Recipients: who is ours, who may relay, how many; relay tricks end to end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eilpost.config.schema import Domain, Limits, Role
from eilpost.directory.lookup import Directory
from eilpost.directory.store import Store
from eilpost.journal import Event, Warned
from eilpost.mail.address import parse_address
from eilpost.mail.envelope import NO_RCPT_PARAMETERS
from eilpost.policy import recipient as policy
from eilpost.policy.facts import Standing
from eilpost.policy.peer import identify, identify_local
from eilpost.receive.inquiry import Inquiry
from eilpost.route import expand
from eilpost.smtp import grammar
from eilpost.spool.contract import Filter
from tests.unit.receive.running import PEOPLE, TRUSTED, Running, configuration, populate, running

OURS = ("example.test", "second.test")
LIMITS = Limits()
STRANGER = identify(Role.MX, "192.0.2.1", ())


@pytest.fixture(scope="module")
def inquiry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inquiry]:
    """Over a real directory: three accounts, an alias of two, one that leads out, one that leads to itself."""
    data = tmp_path_factory.mktemp("data")
    populate(data)
    with Store(data) as store:
        store.add_alias(parse_address("out@example.test"), [parse_address("friend@elsewhere.example")])
        store.add_alias(parse_address("round@example.test"), [parse_address("about@example.test")])
        store.add_alias(parse_address("about@example.test"), [parse_address("round@example.test")])
    directory = Directory(data)
    events: list[Event] = []
    homes = expand.homes([Domain(name) for name in OURS], configuration(data).aliases)
    yield Inquiry(homes, directory.known, events.append)
    directory.close()
    assert not [event for event in events if type(event) is Warned]


# --- relay tricks

TRICKS = [
    "v@evil.example",
    "v%evil.example@example.test",
    "evil.example!v@example.test",
    "example.test!v@evil.example",
    '"v@evil.example"@example.test',
    "@example.test:v@evil.example",
    "@example.test,@second.test:v@evil.example",
    "v@evil.example@example.test",
    "v@example.test@evil.example",
    "v@[203.0.113.9]",
    "v@[127.0.0.1]",
    "v@[IPv6:::1]",
    "v@203.0.113.9",
    "v@sub.example.test",
    "v@example.test.evil.example",
    "v@evilexample.test",
    "v@evil.example.",
    "v(comment)@evil.example",
    "=?utf-8?q?v=40evil.example?=@example.test",
    "anna@example.test,v@evil.example",
    "anna@example.test> <v@evil.example",
    '"anna@example.test" v@evil.example',
    "anna@example.test\\@evil.example",
    '"anna@example.test\\"@evil.example',
    "../../../../etc/cron.d/x@example.test",
    ".@example.test",
    '""@example.test',
    "-oQDIR@example.test",
    "${run{/bin/sh -c x}}@localhost",
    "x'/**/UNION/**/SELECT'@example.test",
    "a" * 65 + "@example.test",
    "",
]


@pytest.mark.parametrize("role", [Role.MX, Role.LMTP])
@pytest.mark.parametrize("sender", ["anna@example.test", "", "x@y.example"])
async def test_f070_the_sender_earns_nothing(world: Running, role: Role, sender: str) -> None:
    """No sender, no HELO name and no role lets a stranger relay; the spool stays empty."""
    caller = await world.call(role, hello="EHLO mx.example.test")
    assert (await caller.mail("v@evil.example", sender=sender)).startswith("550 5.7.1 ")
    assert (await caller.say("DATA")).startswith(("554 5.5.1 ", "503 5.5.1 "))  # 503: RFC 2033 §4.2
    assert world.rows() == 0


@pytest.mark.parametrize("trick", TRICKS)
async def test_f061_to_f080_each_trick(world: Running, trick: str) -> None:
    """550 5.7.1 for others' domains, 550 5.1.1 for nobody of ours, 501 or 553 5.1.3 for what is no address."""
    caller = await world.call()
    await caller.say("MAIL FROM:<anna@example.test>")
    answer = await caller.say(f"RCPT TO:<{trick}>")
    assert answer.startswith(("550 5.7.1 ", "550 5.1.1 ", "501 5.1.3 ", "501 5.5.4 ", "553 5.1.3 ")), answer
    assert (await caller.say("DATA")).startswith("554 5.5.1 ")


@pytest.mark.parametrize(
    ("spelling", "judged"),
    [
        ("anna@EXAMPLE.test", "anna@example.test"),
        ("ANNA@example.test", "anna@example.test"),
        ("@relay.example:anna@example.test", "anna@example.test"),
        ("anna+a/b@example.test", "anna@example.test"),
        ('"anna+../../x"@example.test', "anna@example.test"),
        ('"anna+$(id)"@example.test', "anna@example.test"),
    ],
)
async def test_f068_f074_what_is_stored_is_what_was_judged(world: Running, spelling: str, judged: str) -> None:
    """Spellings of ours are delivered to the account that was found, whose place has nothing of the spelling."""
    caller = await world.call()
    assert (await caller.mail(spelling)).startswith("250 ")
    assert await world.delivered(judged)
    assert sorted(path.name for path in (world.data / "mail" / "example.test").iterdir()) == ["anna"]


LOCAL = st.text(st.sampled_from("anab@%!:\"\\.+<>()[]=?, ünul'`$;|-_/"), max_size=12) | st.sampled_from(
    ["anna", "both", "out", "round", "postmaster", "anna+x"]
)
DOMAIN = st.sampled_from(
    [
        *OURS,
        "EXAMPLE.TEST",
        "example.test.",
        "evil.example",
        "sub.example.test",
        "[127.0.0.1]",
        "x@example.test",
        "bücher.test",
    ]
) | st.text(st.sampled_from("example.tsvi[]:@"), max_size=16)


REACHED = {
    *PEOPLE,
    *(f"postmaster@{domain}" for domain in OURS),
    "friend@elsewhere.example",
}


@settings(max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(local=LOCAL, domain=DOMAIN, typed=st.booleans(), smtputf8=st.booleans())
def test_f061_property(inquiry: Inquiry, local: str, domain: str, typed: bool, smtputf8: bool) -> None:
    """Whatever a stranger writes, what is accepted was found in our directory; LMTP is no different when trusted."""
    try:
        path, _ = grammar.parse_rcpt(f"TO:<{local}@{domain}>", frozenset(), typed=typed, smtputf8=smtputf8)
    except grammar.SyntaxRefusal:
        return
    answer = inquiry.recipient(path.mailbox, NO_RCPT_PARAMETERS)
    for client in (STRANGER, identify_local(Role.LMTP, "root")):
        verdict = policy.judge(client, LIMITS, answer.standing, recipients=0)
        assert verdict.is_positive is (answer.standing is Standing.HERE)
    if answer.standing is Standing.HERE:
        assert path.mailbox.domain in (*OURS, "")
        reached = {str(recipient.address) for recipient in answer.recipients}
        assert reached <= REACHED


def test_an_alias_in_a_loop_is_our_own_trouble(inquiry: Inquiry) -> None:
    """F162: an alias that leads nowhere is 451: the operator's fault returns nobody's mail."""
    answer = inquiry.recipient(parse_address("round@example.test"), NO_RCPT_PARAMETERS)
    assert answer.standing is Standing.UNDECIDED
    assert policy.judge(STRANGER, LIMITS, answer.standing, recipients=0).code == 451


def test_a_mailbox_beyond_ascii_is_not_named_in_a_reply(tmp_path: Path) -> None:
    """VRFY and EXPN say that their answer is beyond ASCII, instead of naming another mailbox."""
    populate(tmp_path)
    with Store(tmp_path) as store:
        store.add_account(parse_address("jürgen@example.test"), "", 0.0)
        store.add_alias(parse_address("staff@example.test"), [parse_address("jürgen@example.test")])
    directory = Directory(tmp_path)
    homes = expand.homes([Domain(name) for name in OURS], configuration(tmp_path).aliases)
    asked = Inquiry(homes, directory.known, lambda _event: None)
    assert str(asked.verify("jürgen@example.test")).startswith("550 5.6.8 ")
    assert str(asked.expand("staff@example.test")).startswith("550 5.6.8 ")
    assert str(asked.verify("anna@example.test")).startswith("250 2.1.5 ")
    directory.close()


async def test_trusted_clients_relay(world: Running) -> None:
    """A trusted client may send to anybody; the recipient waits in the spool as it was judged."""
    caller = await world.call(source=TRUSTED)
    assert (await caller.mail("V%x@Elsewhere.Example")).startswith("250 ")
    entries = await world.house.ways.spool.find(Filter())
    assert [str(item.recipient.address) for entry in entries for item in entry.recipients] == ["V%x@elsewhere.example"]


# --- how many


async def test_f083_too_many_recipients(tmp_path: Path) -> None:
    """Beyond limits.recipients each RCPT is 452 4.5.3, and the first ones get the message."""
    async with running(configuration(tmp_path / "data", Limits(recipients=2))) as world:
        caller = await world.call()
        await caller.say("MAIL FROM:<x@y.example>")
        answers = [
            await caller.say(f"RCPT TO:<{name}>")
            for name in ("anna@example.test", "berta@example.test", "anna@second.test", "nobody@example.test")
        ]
        assert [answer[:9] for answer in answers] == ["250 2.1.5", "250 2.1.5", "452 4.5.3", "452 4.5.3"]
        await caller.say("DATA")
        await caller.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        assert (await caller.hear()).startswith("250 ")
        assert await world.delivered("anna@example.test")
        assert await world.delivered("berta@example.test")
        assert not (world.data / "mail" / "second.test").exists()


async def test_f083_a_hundred_recipients_pass_by_default(tmp_path: Path) -> None:
    """RFC 5321 §4.5.3.1.8: a hundred recipients are taken, the next is 452."""
    async with running(
        configuration(tmp_path / "data", domain=(Domain("example.test", catch_all="anna@example.test"),))
    ) as world:
        caller = await world.call()
        await caller.say("MAIL FROM:<x@y.example>")
        for number in range(100):
            assert (await caller.say(f"RCPT TO:<n{number}@example.test>")).startswith("250 ")
        assert (await caller.say("RCPT TO:<one-more@example.test>")).startswith("452 4.5.3 ")


async def test_f083_the_same_recipient_twice(world: Running) -> None:
    """A recipient that is given twice, or that an alias leads to as well, gets one message."""
    caller = await world.call()
    for name in ("both@example.test", "anna@example.test", "ANNA@example.test", "berta@example.test"):
        if name.startswith("both"):
            await caller.say("MAIL FROM:<x@y.example>")
        assert (await caller.say(f"RCPT TO:<{name}>")).startswith("250 ")
    await caller.say("DATA")
    await caller.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
    assert (await caller.hear()).startswith("250 ")
    for name in ("anna@example.test", "berta@example.test"):
        await world.delivered(name)
    await world.until(lambda: world.rows() == 0)
    assert len(await world.delivered("anna@example.test")) == 1
    assert len(await world.delivered("berta@example.test")) == 1


async def test_postmaster_is_taken(tmp_path: Path) -> None:
    """RFC 5321 §4.5.1: postmaster, with and without a domain, leads to somebody."""
    config = configuration(tmp_path / "data")
    async with running(replace(config, server=replace(config.server, postmaster="anna@example.test"))) as world:
        caller = await world.call()
        await caller.say("MAIL FROM:<x@y.example>")
        for name in ("postmaster", "Postmaster@second.test", "POSTMASTER@example.test"):
            assert (await caller.say(f"RCPT TO:<{name}>")).startswith("250 ")


async def test_a_new_account_counts_at_once(world: Running) -> None:
    """An account that is made beside the running server gets mail from that moment on."""
    caller = await world.call()
    await caller.say("MAIL FROM:<x@y.example>")
    assert (await caller.say("RCPT TO:<carla@example.test>")).startswith("550 5.1.1 ")
    world.add_account("carla@example.test")
    assert (await caller.say("RCPT TO:<carla@example.test>")).startswith("250 ")
