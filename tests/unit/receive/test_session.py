"""Sessions over real sockets: greeting, conduct, deadlines, farewells."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from eilpost.config.schema import Limits, Role
from eilpost.directory.store import Store
from eilpost.journal import Accepted, CommandRefused, Faulted, SessionClosed, Warned
from eilpost.mail.address import parse_address
from eilpost.receive import session as sessions
from eilpost.smtp.commands import COMMANDS
from tests.unit.receive.running import (
    TRUSTED,
    Caller,
    Running,
    configuration,
    jump,
    running,
)

BRISK = Limits(error_delay=0.0)  # type: ignore[arg-type]


async def refuse(caller: Caller, count: int) -> list[str]:
    """So many commands that nobody knows; what the server said to each."""
    return [await caller.say("XYZZY") for _ in range(count)]


# --- the greeting


async def test_f017_early_talker(world: Running) -> None:
    """Who speaks before the greeting gets 554 instead of it, and nothing it said is obeyed."""
    caller = world.dial()
    caller.sock.send(b"EHLO early.example\r\n")
    assert await caller.hear() == "554 5.5.0 You spoke before you were greeted"
    assert await caller.gone()
    await world.until(lambda: world.of(SessionClosed))
    assert world.of(SessionClosed)[0].reason == "refused"


async def test_f028_tls_before_the_greeting(world: Running) -> None:
    """A TLS client on a plain port is led out without an echo of its octets."""
    caller = world.dial()
    caller.sock.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500))
    assert (await caller.hear()).startswith("554 5.5.0 ")
    assert await caller.gone()


async def test_greeting_names_us_and_the_protocol(world: Running) -> None:
    """The greeting begins with our host name; LMTP says so."""
    assert await world.dial(Role.MX).hear() == "220 mx.example.test ESMTP Eilpost"
    assert await world.dial(Role.LMTP).hear() == "220 mx.example.test LMTP Eilpost"


# --- conduct


async def test_f046_command_lines(world: Running) -> None:
    """A line longer than limits.line is refused with 500 5.5.2; one of that length is read."""
    caller = await world.call()
    assert (await caller.say("NOOP " + "x" * (4096 - 7))).startswith("250 ")
    assert (await caller.say("NOOP " + "x" * 4096)).startswith("500 5.5.2 ")
    assert (await caller.say("NOOP")).startswith("250 ")


async def test_f046_endless_line(world: Running) -> None:
    """A line that never ends is cut with 421 4.7.0 after sixteen times the limit."""
    caller = await world.call()
    await caller.send(b"x" * (17 * 4096))
    assert (await caller.hear()).startswith("421 4.7.0 ")
    assert await caller.gone()


async def test_f047_errors_are_slow_then_fatal(tmp_path: Path) -> None:
    """After ten refused commands each further one is answered late, and after twenty comes 421 4.7.0."""
    async with running(configuration(tmp_path / "data", Limits(error_delay=60.0))) as world:  # type: ignore[arg-type]
        caller = await world.call()
        assert all(answer.startswith("500 5.5.1 ") for answer in await refuse(caller, 10))
        for count in range(11, 21):
            begin = caller.now()
            await caller.send(b"XYZZY\r\n")
            await world.until(lambda count=count: len(world.of(CommandRefused)) == count)  # type: ignore[misc]
            jump(60)
            assert (await caller.hear()).startswith("500 5.5.1 ")
            assert caller.now() - begin >= 60
        assert await caller.say("XYZZY") == "421 4.7.0 Too many errors"
        assert await caller.gone()


async def test_f047_an_accepted_message_clears_the_score(tmp_path: Path) -> None:
    """Errors and junk are counted since the last accepted message."""
    limits = replace(BRISK, errors=3, junk_commands=4)
    async with running(configuration(tmp_path / "data", limits)) as world:
        caller = await world.call()
        for _ in range(3):
            await refuse(caller, 3)
            for _ in range(3):
                assert (await caller.say("NOOP")).startswith("250 ")
            assert (await caller.mail("anna@example.test")).startswith("250 ")
        assert (await refuse(caller, 4))[-1] == "421 4.7.0 Too many errors"


@pytest.mark.parametrize("command", ["NOOP", "RSET", "HELP", "VRFY anna", "EHLO again.example"])
async def test_f048_junk_commands(tmp_path: Path, command: str) -> None:
    """More than limits.junk_commands commands without effect end the session with 421 4.7.0."""
    async with running(configuration(tmp_path / "data", Limits(junk_commands=5))) as world:
        caller = await world.call()  # its EHLO is the first
        for _ in range(4):
            assert (await caller.say(command))[0] == "2"
        assert await caller.say(command) == "421 4.7.0 Too many commands without effect"
        assert await caller.gone()


async def test_f059_commands_for_peers_that_are_listed(world: Running) -> None:
    """TURN, XCLIENT and their like are 5.5.1 to strangers and to trusted clients, ETRN to strangers."""
    for source in ("127.0.0.1", TRUSTED):
        caller = await world.call(source=source)
        for command in ("TURN", "XCLIENT ADDR=127.0.0.9", "XFORWARD ADDR=127.0.0.9", "DEBUG"):
            assert re.match(r"50[02] 5\.5\.1 ", await caller.say(command)), command


async def test_f027_a_browser_is_cut_off(world: Running) -> None:
    """HTTP is answered with 521 and the end, before anything in its body is obeyed."""
    caller = await world.call(hello="")
    await caller.send(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO x\r\nMAIL FROM:<a@b.example>\r\n")
    assert (await caller.hear()).startswith("521 5.5.1 ")
    assert await caller.gone()


async def test_pipelined_data_is_refused(world: Running) -> None:
    """F016: content that follows DATA before 354 is 554 5.5.0 and the end; nothing is kept."""
    caller = await world.call()
    for line in ("MAIL FROM:<a@b.example>", "RCPT TO:<anna@example.test>"):
        await caller.say(line)
    await caller.send(b"DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n")
    assert (await caller.hear()).startswith("554 5.5.0 ")
    assert await caller.gone()
    assert world.rows() == 0


async def test_pipelined_commands_are_answered_in_order(world: Running) -> None:
    """RFC 2920: a group gets its replies in order, and each is judged after its predecessors'."""
    caller = await world.call()
    group = ["RCPT TO:<anna@example.test>", "MAIL FROM:<a@b.example>", "RCPT TO:<nobody@example.test>", "DATA"]
    await caller.send("".join(f"{line}\r\n" for line in group).encode())
    assert [(await caller.hear())[:9] for _ in group] == ["503 5.5.1", "250 2.1.0", "550 5.1.1", "554 5.5.1"]


# --- time


async def test_f123_command_deadline(world: Running) -> None:
    """A client that says nothing for limits.command_deadline gets 421 4.4.2 and the end."""
    caller = await world.call()
    jump(299)
    assert (await caller.say("NOOP")).startswith("250 ")
    jump(301)
    assert await caller.hear() == "421 4.4.2 Timeout"
    assert await caller.gone()
    await world.until(lambda: world.of(SessionClosed))
    assert world.of(SessionClosed)[0].reason == "deadline"


async def test_f123_octets_do_not_extend_the_deadline(world: Running) -> None:
    """One octet a minute of a command earns no more time than silence."""
    caller = await world.call()
    for octet in b"NOOP ":
        await caller.send(bytes([octet]))
        await caller.settle()
        jump(59)
    await caller.settle()
    jump(10)
    assert (await caller.hear()).startswith("421 4.4.2 ")


async def test_f123_crowded_houses_are_less_patient(tmp_path: Path) -> None:
    """From four fifths of limits.connections on, a client has a tenth of its time."""
    async with running(configuration(tmp_path / "data", Limits(connections=5))) as world:
        callers = [await world.call() for _ in range(4)]
        await callers[3].say("MAIL FROM:<a@b.example>")
        jump(31)
        assert (await callers[3].hear()).startswith("421 4.4.2 ")
        assert (await callers[0].say("NOOP")).startswith("250 ")


async def begin_content(caller: Caller) -> None:
    for line in ("MAIL FROM:<a@b.example>", "RCPT TO:<anna@example.test>", "DATA"):
        await caller.say(line)


async def test_f123_content_has_a_minimum_rate(world: Running) -> None:
    """Content slower than limits.content_rate is given up with 421 4.4.2, and nothing of it stays."""
    caller = await world.call()
    await begin_content(caller)
    await caller.send(b"Subject: slow\r\n\r\n")
    for _ in range(3):
        await caller.settle()
        jump(25)
        await caller.send(b"x\r\n")
    assert (await caller.hear()).startswith("421 4.4.2 ")
    assert await caller.gone()
    assert (world.rows(), world.files()) == (0, [])


async def test_f123_content_at_the_minimum_rate_is_waited_for(world: Running) -> None:
    """Content that keeps the rate may take longer than a command may."""
    caller = await world.call()
    await begin_content(caller)
    await caller.send(b"Subject: slow\r\n\r\n")
    for _ in range(20):
        await caller.send(b"x" * 70 * 100 + b"\r\n")
        await caller.settle()
        jump(69)
    await caller.send(b".\r\n")
    assert (await caller.hear()).startswith("250 ")


async def test_f123_chunks_have_a_minimum_rate(world: Running) -> None:
    """An octet now and then does not keep a BDAT chunk alive."""
    caller = await world.call()
    await caller.say("MAIL FROM:<a@b.example>")
    await caller.say("RCPT TO:<anna@example.test>")
    await caller.send(b"BDAT 1000000 LAST\r\nSubject: slow\r\n")
    for _ in range(3):
        await caller.settle()
        jump(25)
        await caller.send(b"x")
    assert (await caller.hear()).startswith("421 4.4.2 ")
    assert await caller.gone()


async def test_f123_time_between_chunks_is_not_content(world: Running) -> None:
    """The minimum rate counts anew with each chunk."""
    caller = await world.call()
    await caller.say("MAIL FROM:<a@b.example>")
    await caller.say("RCPT TO:<anna@example.test>")
    await caller.send(b"BDAT 10\r\nSubject: x")
    assert (await caller.hear()).startswith("250 ")
    jump(250)
    await caller.send(b"BDAT 7 LAST\r\n\r\n")
    await caller.settle()
    jump(50)
    await caller.settle()
    await caller.send(b"\r\nx\r\n")
    assert (await caller.hear()).startswith("250 ")


async def test_refused_content_is_read_at_its_rate(tmp_path: Path) -> None:
    """Content that will be refused for want of memory is still read for as long as it comes."""
    async with running(configuration(tmp_path / "data", Limits(memory=10))) as world:  # type: ignore[arg-type]
        caller = await world.call()
        await begin_content(caller)
        for _ in range(5):
            await caller.send(b"x" * 70 * 100 + b"\r\n")
            await caller.settle()
            jump(69)
        await caller.send(b".\r\n")
        assert await caller.hear() == "452 4.3.1 Too much mail at once, try again later"


async def test_session_deadline(tmp_path: Path) -> None:
    """A session ends with 421 4.4.2 after limits.session_deadline, however busy it is."""
    async with running(configuration(tmp_path / "data", Limits(session_deadline=1000.0))) as world:  # type: ignore[arg-type]
        caller = await world.call()
        for _ in range(4):
            jump(240)
            assert (await caller.say("NOOP")).startswith("250 ")
        jump(50)
        assert (await caller.hear()).startswith("421 4.4.2 ")


async def test_f124_slow_reader(tmp_path: Path) -> None:
    """A client that never reads its replies is left after a minute; no more than a bounded amount waits for it."""
    limits = Limits(junk_commands=10**6, errors=10**6, error_delay_after=10**6)
    async with running(configuration(tmp_path / "data", limits)) as world:
        caller = await world.call()
        blocked = False
        for _ in range(1000):
            try:
                caller.sock.send(b"HELP\r\n" * 10_000)
            except BlockingIOError:
                blocked = True
                break
            await caller.settle()
        assert blocked, "the server reads on for a client that does not"
        jump(61)
        await caller.settle()
        jump(sessions.FAREWELL + 1)
        await world.until(lambda: world.of(SessionClosed))
        assert world.of(SessionClosed)[0].reason == "deadline"


# --- who is asked, and what is told


async def test_f111_vrfy_and_expn_for_strangers(world: Running) -> None:
    """VRFY is 252 for every name and EXPN 502, so nobody learns who lives here."""
    caller = await world.call()
    answers = {await caller.say(f"VRFY {name}") for name in ("anna", "anna@example.test", "nobody", "<x@y.example>")}
    assert answers == {"252 2.5.0 Send some mail, we will see"}
    assert (await caller.say("EXPN both")).startswith("502 5.")


async def test_vrfy_and_expn_beyond_ascii(world: Running) -> None:
    """With SMTPUTF8 real answers are UTF-8, RFC 6531 §3.7.4.2; without it they say why they are not."""
    with Store(world.data) as store:
        store.add_account(parse_address("jürgen@example.test"), "", 0.0)
        store.add_alias(parse_address("alle@example.test"), [parse_address("jürgen@example.test")])
    caller = await world.call(source=TRUSTED)
    assert await caller.say("VRFY jürgen@example.test SMTPUTF8") == "250 2.1.5 <jürgen@example.test>"
    assert await caller.say("EXPN alle SMTPUTF8") == "250 2.1.5 <jürgen@example.test>"
    assert (await caller.say("EXPN alle")).startswith("550 5.6.8 ")


async def test_vrfy_and_expn_for_trusted_clients(world: Running) -> None:
    """RFC 5321 §3.5: trusted clients get the mailbox, 553 when several fit, 550 for none, 252 for others' domains."""
    caller = await world.call(source=TRUSTED)
    assert await caller.say("VRFY berta") == "250 2.1.5 <berta@example.test>"
    assert await caller.say("VRFY <berta@example.test>") == "250 2.1.5 <berta@example.test>"
    ambiguous = await caller.say("VRFY anna")
    assert [line[:4] for line in ambiguous.splitlines()] == ["553-", "553-", "553 "]
    assert "<anna@example.test>" in ambiguous
    assert "<anna@second.test>" in ambiguous
    assert (await caller.say("VRFY nobody")).startswith("550 5.1.1 ")
    assert (await caller.say("VRFY x@elsewhere.example")).startswith("252 ")
    assert await caller.say("EXPN both") == "250-2.1.5 <anna@example.test>\n250 2.1.5 <berta@example.test>"
    assert (await caller.say("EXPN anna@example.test")).startswith("550 ")


async def test_help(world: Running) -> None:
    """HELP lists the commands of the role, HELP with one explains it, anything else is 504."""
    caller = await world.call()
    every = await caller.say("HELP")
    assert every.startswith("214-2.0.0 ")
    assert "MAIL" in every
    assert "LHLO" not in every
    assert "MAIL FROM:" in await caller.say("help mail")
    assert (await caller.say("HELP LHLO")).startswith("504 5.5.4 ")
    assert [verb for verb in every.split() if verb in COMMANDS and "?" in await caller.say(f"HELP {verb}")] == []
    lmtp = await world.call(Role.LMTP)
    assert "LHLO" in await lmtp.say("HELP")


RECEIVED = re.compile(
    rb"Received: from client\.example \(\[127\.0\.0\.1\]\)\r\n"
    rb"\tby mx\.example\.test with (?P<protocol>\w+) id (?P<id>\w+)\r\n"
    rb"\tfor <(?P<for>[^>]+)>; \w{3}, \d\d? \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}\r\n"
)


@pytest.mark.parametrize(
    ("role", "hello", "parameters", "protocol"),
    [
        (Role.MX, "EHLO client.example", "", b"ESMTP"),
        (Role.MX, "HELO client.example", "", b"SMTP"),
        (Role.MX, "EHLO client.example", " SMTPUTF8", b"UTF8SMTP"),
        (Role.LMTP, "", "", b"LMTP"),
    ],
)
async def test_received(world: Running, role: Role, hello: str, parameters: str, protocol: bytes) -> None:
    """RFC 5321 §4.4: the field says from whom, by whom, how, when, for whom, and the id that the reply named."""
    caller = await world.call(role, hello=hello or "EHLO client.example")
    answer = await caller.mail("anna@example.test", parameters=parameters)
    found = RECEIVED.search((await world.delivered("anna@example.test"))[0])
    assert found is not None
    assert found["protocol"] == protocol
    assert found["for"] == b"anna@example.test"
    assert answer == f"250 2.0.0 Ok: queued as {found['id'].decode()}"
    assert world.of(Accepted)[0].message == found["id"].decode()


async def test_received_names_nobody_when_there_are_several(world: Running) -> None:
    """RFC 5321 §7.2: one recipient does not learn of another by the trace."""
    caller = await world.call()
    await caller.mail("anna@example.test", "berta@example.test")
    received = (await world.delivered("anna@example.test"))[0].partition(b"From:")[0]
    assert b"berta" not in received
    assert b"for <" not in received


@pytest.mark.parametrize(
    "name", ["x)(by evil", "a;b", '"quoted"', "a,b", "[127.0.0.1", "a\tb", "\x1b[2J", "bücher.example"]
)
async def test_f095_odd_hello_names(world: Running, name: str) -> None:
    """No name that a client gives itself opens a comment or ends a field of the trace."""
    caller = await world.call(hello="")
    answer = await caller.say(f"EHLO {name}")
    if not answer.startswith("250"):
        assert re.match(r"50[01] 5\.5\.[24] ", answer), answer
        assert (await caller.say("HELO plain.example")).startswith("250")
    await caller.mail("anna@example.test")
    received = (await world.delivered("anna@example.test"))[0].partition(b"Received: from ")[2]
    assert re.match(rb"[A-Za-z0-9.\-_:\[\]?]+ \(\[127\.0\.0\.1\]\)\r\n\tby mx\.example\.test ", received), received


# --- our own trouble


async def test_a_failing_directory_costs_nobody_mail(world: Running) -> None:
    """I13, P9: while the directory cannot be asked, recipients are 451, never 250 and never 550."""
    caller = await world.call()
    await caller.say("MAIL FROM:<a@b.example>")
    break_directory(world)
    assert (await caller.say("RCPT TO:<nobody@example.test>")).startswith("451 4.3.")
    assert (await caller.say("RCPT TO:<v@elsewhere.example>")).startswith("550 5.7.1 ")
    trusted = await world.call(source=TRUSTED)
    assert (await trusted.say("VRFY nobody")).startswith("451 4.3.")
    assert (await trusted.say("EXPN nobody")).startswith("451 4.3.")
    assert world.of(Warned)
    assert not world.of(Faulted)


def break_directory(world: Running) -> None:
    """What a broken disk does: the file has changed, and it makes no sense any more."""
    file = world.data / "directory.db"
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("DELETE FROM alias_members")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with file.open("r+b") as octets:
            octets.write(b"nonsense" * 4096)


async def test_i11_a_fault_costs_one_session(world: Running) -> None:
    """An unexpected exception ends its session with 421 and is noted; others go on."""
    victim, other = await world.call(), await world.call()
    inquiry, world.house.inquiry = world.house.inquiry, None  # type: ignore[assignment]
    await victim.say("MAIL FROM:<a@b.example>")
    assert (await victim.say("RCPT TO:<anna@example.test>")).startswith("421 4.3.0 ")
    assert await victim.gone()
    world.house.inquiry = inquiry
    assert (await other.mail("anna@example.test")).startswith("250 ")
    assert [event.where for event in world.of(Faulted)] == ["session"]


async def test_trusted_clients_have_no_limits_of_their_own(tmp_path: Path) -> None:
    """Messages per connection and per minute bind strangers alone."""
    limits = Limits(messages_per_session=2, messages_per_minute=3)
    async with running(configuration(tmp_path / "data", limits)) as world:
        stranger = await world.call()
        for _ in range(2):
            assert (await stranger.mail("anna@example.test")).startswith("250 ")
        assert await stranger.mail("anna@example.test") == "421 4.7.0 Too many messages on one connection"
        assert await stranger.gone()
        trusted = await world.call(source=TRUSTED)
        for _ in range(5):
            assert (await trusted.mail("anna@example.test")).startswith("250 ")


async def test_f129_messages_per_minute(tmp_path: Path) -> None:
    """Beyond limits.messages_per_minute MAIL is 450 4.7.1 on all connections of a client, and later it may again."""
    async with running(configuration(tmp_path / "data", Limits(messages_per_minute=3))) as world:
        first, second = await world.call(), await world.call()
        for caller in (first, second, first):
            assert (await caller.mail("anna@example.test")).startswith("250 ")
        for caller in (first, second):
            assert (await caller.mail("anna@example.test")).startswith("450 4.7.1 ")
        neighbour = await world.call(source="127.0.0.2")
        assert (await neighbour.mail("anna@example.test")).startswith("250 ")
        jump(21)
        assert (await second.mail("anna@example.test")).startswith("250 ")
