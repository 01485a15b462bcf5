"""POP3 sessions over a socket: logins, mailboxes, deletions, limits."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import hashlib
import poplib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from eilpost.config.schema import Auth, Duration, Limits, Pop3, Role, SmtpAfterPop
from eilpost.directory.after_pop import AfterPop
from eilpost.journal import CommandRefused, LoggedIn, LoginFailed, MailboxRead, RelayOpened, SessionClosed
from eilpost.policy.peer import after_pop, identify
from eilpost.sasl.mechanisms import MECHANISMS
from eilpost.sasl.words import ClientTerms, Credentials

if TYPE_CHECKING:
    from tests.unit.retrieve.conftest import Caller, World


async def test_a_whole_session(world: World) -> None:
    """Login, sizes, names, a message with its dots, the beginning of one, deletion at QUIT."""
    world.put("1.a.h", b"Subject: one\r\n\r\n.dot\r\n..\r\nend\r\n")
    world.put("2.a.h", b"Subject: two\r\n\r\nx\r\n")
    caller = await world.call()
    assert (await caller.log_in()).startswith("+OK")
    assert await caller.say("STAT") == "+OK 2 50"
    await caller.say("LIST")
    assert await caller.lines() == ["1 31", "2 19"]
    assert await caller.say("LIST 2") == "+OK 2 19"
    await caller.say("UIDL")
    assert await caller.lines() == ["1 1.a.h", "2 2.a.h"]
    assert await caller.say("UIDL 1") == "+OK 1 1.a.h"
    assert await caller.say("RETR 1") == "+OK 31 octets"
    assert await caller.lines() == ["Subject: one", "", "..dot", "...", "end"]
    await caller.say("TOP 1 1")
    assert await caller.lines() == ["Subject: one", "", "..dot"]
    await caller.say("TOP 1 0")
    assert await caller.lines() == ["Subject: one", ""]
    assert await caller.say("DELE 1") == "+OK Done"
    assert await caller.say("RETR 1") == "-ERR No such message"
    assert await caller.say("DELE 1") == "-ERR No such message"
    assert await caller.say("STAT") == "+OK 1 19"
    assert await caller.say("NOOP") == "+OK Done"
    assert await caller.say("QUIT") == "+OK Bye"
    assert await caller.line() == ""
    assert [path.name for path in (world.home / "new").iterdir()] == ["2.a.h"]
    [read] = world.seen(MailboxRead)
    assert read.account == "anna@example.test"
    assert (read.messages, read.retrieved, read.octets, read.deleted) == (2, 1, 31, 1)


async def test_f172_nothing_is_deleted_without_quit(world: World) -> None:
    """A connection that is lost after DELE, or a RSET, deletes nothing (RFC 1939 §6)."""
    world.put("1.a.h")
    caller = await world.call()
    await caller.log_in()
    await caller.say("DELE 1")
    caller.writer.transport.abort()
    while not world.seen(SessionClosed):
        await asyncio.sleep(0)
    caller = await world.call()
    await caller.log_in()
    await caller.say("DELE 1", "RSET")
    assert await caller.say("STAT") == "+OK 1 17"
    await caller.say("QUIT")
    assert (world.home / "new" / "1.a.h").exists()


async def test_f173_the_mailbox_is_in_use(world: World) -> None:
    """A second session is told [IN-USE], and may try again when the first has ended (RFC 2449 §8.1.1)."""
    first, second = await world.call(), await world.call()
    await first.log_in()
    assert (await second.log_in()).startswith("-ERR [IN-USE] ")
    await first.say("QUIT")
    assert (await second.log_in()).startswith("+OK")


async def test_f173_new_mail_and_vanished_mail(world: World) -> None:
    """New mail comes in the next session; what another program deleted is told to be gone."""
    gone = world.put("1.a.h")
    caller = await world.call()
    await caller.log_in()
    world.put("2.a.h")
    gone.unlink()
    assert await caller.say("STAT") == "+OK 1 17"
    assert await caller.say("RETR 1") == "-ERR The message is gone"
    assert await caller.say("NOOP") == "+OK Done"


async def test_f120_users_are_not_told_apart(world: World) -> None:
    """USER is answered alike, and so is a wrong password, for known and unknown users."""
    caller = await world.call()
    known = [await caller.say("USER anna@example.test"), await caller.say("PASS wrong")]
    unknown = [await caller.say("USER nobody@example.test"), await caller.say("PASS wrong")]
    assert known == unknown
    assert known[1] == "-ERR [AUTH] Login failed"
    assert len(world.seen(LoginFailed)) == 2


async def test_too_many_failures_end_the_session(world: World) -> None:
    """After the failures that the setting allows, the session ends."""
    caller = await world.call()
    answers = [await caller.log_in(password="wrong") for _ in range(4)]
    assert answers[-1] == "-ERR Too many errors: closing"
    assert await caller.line() == ""


async def test_apop(world: World) -> None:
    """APOP proves the password by the greeting's timestamp (RFC 1939 §7)."""
    caller = await world.call()
    timestamp = caller.greeting.split()[-1]
    wrong = hashlib.md5(b"x").hexdigest()
    assert await caller.say(f"APOP anna@example.test {wrong}") == "-ERR [AUTH] Login failed"
    digest = hashlib.md5(f"{timestamp}geheim".encode()).hexdigest()
    assert (await caller.say(f"APOP anna@example.test {digest}")).startswith("+OK")
    assert world.seen(LoggedIn)[0].mechanism == "APOP"


async def exchange(caller: Caller, name: str) -> str:
    """A login with our own client's side of a mechanism."""
    client = MECHANISMS[name].client(Credentials("anna@example.test", "geheim"), ClientTerms("x" * 24))
    first = next(client)
    initial = "" if first.octets is None else f" {base64.b64encode(first.octets).decode() or '='}"
    answer = await caller.say(f"AUTH {name}{initial}")
    while answer.startswith("+ "):
        response = client.send(base64.b64decode(answer[2:]))
        answer = await caller.say(base64.b64encode(response.octets or b"").decode())
    return answer


@pytest.mark.parametrize("name", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
async def test_rfc5034_mechanisms(world: World, name: str) -> None:
    """Every mechanism that is enabled logs in."""
    assert (await exchange(await world.call(), name)).startswith("+OK")
    assert world.seen(LoggedIn)[0].mechanism == name


async def test_f060_a_login_is_cancelled(world: World) -> None:
    """A star cancels, bad base64 ends the exchange, and the next login works."""
    caller = await world.call()
    assert await caller.say("AUTH PLAIN") == "+ "
    assert await caller.say("*") == "-ERR Login cancelled"
    await caller.say("AUTH PLAIN")
    assert await caller.say("!!!") == "-ERR That is no base64"
    assert (await caller.log_in()).startswith("+OK")


async def test_f043_no_plain_text_without_tls(world: World) -> None:
    """Without TLS neither USER nor PLAIN is offered, unless the operator allows it on loopback."""
    world.rules(auth=dataclasses.replace(world.retrieval.house.rules.auth, plain_on_loopback=False))
    caller = await world.call()
    await caller.say("CAPA")
    found = await caller.lines()
    assert "USER" not in found
    assert "SASL SCRAM-SHA-256 CRAM-MD5" in found
    assert await caller.say("USER anna") == "-ERR Log in over TLS: say STLS first"


async def test_rfc2595_stls(world: World) -> None:
    """After STLS the session begins anew, STLS is no longer offered, and logins by password are."""
    world.rules(auth=dataclasses.replace(world.retrieval.house.rules.auth, plain_on_loopback=False))
    caller = await world.call()
    assert await caller.say("STLS") == "+OK Begin TLS"
    await caller.writer.start_tls(world.client_context(), server_hostname="localhost")
    await caller.say("CAPA")
    found = await caller.lines()
    assert "USER" in found
    assert "STLS" not in found
    assert any("SCRAM-SHA-256-PLUS" in line for line in found)
    assert (await caller.log_in()).startswith("+OK")
    assert world.seen(LoggedIn)[0].tls is True


async def test_f029_injected_commands(world: World) -> None:
    """A command behind STLS is not obeyed, and the connection ends."""
    caller = await world.call()
    assert await caller.say("STLS\r\nUSER anna") == "-ERR Commands behind STLS are not obeyed: closing"
    assert await caller.line() == ""


async def test_pop3s(world: World) -> None:
    """The other port is encrypted from its first octet."""
    caller = await world.call(Role.POP3S, tls=True)
    assert (await caller.log_in()).startswith("+OK")


async def test_capabilities_after_the_login(world: World) -> None:
    """CAPA tells other things after the login (RFC 2449 §5), and LANG and UTF8 are known (RFC 6856)."""
    caller = await world.call()
    assert await caller.say("UTF8") == "+OK UTF-8 it is"
    await caller.say("LANG")
    assert "en English" in await caller.lines()
    assert (await caller.say("LANG xx")).startswith("-ERR")
    assert (await caller.say("LANG *")).startswith("+OK i-default")
    await caller.log_in()
    await caller.say("CAPA")
    found = await caller.lines()
    assert {"TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER"} <= set(found)
    assert "USER" not in found


async def test_pipelining(world: World) -> None:
    """Everything at once is answered in order (RFC 2449 §6.6)."""
    world.put("1.a.h", b"x\r\n")
    caller = await world.call()
    caller.writer.write(b"USER anna@example.test\r\nPASS geheim\r\nSTAT\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n")
    found = [await caller.line() for _ in range(8)]
    assert [line[:3] for line in found] == ["+OK", "+OK", "+OK", "+OK", "x", ".", "+OK", "+OK"]
    assert not list((world.home / "new").iterdir())


async def test_login_delay(world: World) -> None:
    """An account that comes again too soon is told so (RFC 2449 §8.1.2)."""
    world.rules(pop3=Pop3(login_delay=Duration(60.0)))
    caller = await world.call()
    await caller.log_in()
    await caller.say("QUIT")
    caller = await world.call()
    assert await caller.log_in() == "-ERR [LOGIN-DELAY] Too soon after your last login"
    await caller.say("CAPA")
    assert "LOGIN-DELAY 60" in await caller.lines()


async def test_an_idle_session_ends(world: World) -> None:
    """A session that does nothing gives the mailbox back, and deletes nothing."""
    world.rules(pop3=Pop3(idle=Duration(0.05)))
    world.put("1.a.h")
    caller = await world.call()
    await caller.log_in()
    await caller.say("DELE 1")
    assert await caller.line() == "-ERR Timeout: closing"
    assert (world.home / "new" / "1.a.h").exists()
    assert (await (await world.call()).log_in()).startswith("+OK")


async def test_f047_errors_and_f048_junk_end_the_session(world: World) -> None:
    """Too many refused commands, and too many without effect, end the session."""
    world.rules(limits=Limits(errors=3, error_delay=Duration(0.0), junk_commands=5))
    caller = await world.call()
    assert await caller.say(*["XYZ"] * 4) == "-ERR Too many errors: closing"
    caller = await world.call()
    await caller.log_in()
    assert await caller.say(*["NOOP"] * 6) == "-ERR Too many errors: closing"
    assert all(" " not in event.command for event in world.seen(CommandRefused))


async def test_f121_too_many_connections(world: World) -> None:
    """More connections than one client may have are turned away, in POP3's words."""
    world.rules(limits=Limits(connections_per_client=1))
    await world.call()
    caller = await world.call()
    assert caller.greeting == "-ERR [SYS/TEMP] Too many connections from your address"


async def test_the_house_closes(world: World) -> None:
    """Who waits is told that the house closes, and nothing is deleted."""
    world.put("1.a.h")
    caller = await world.call()
    await caller.log_in()
    await caller.say("DELE 1")
    await world.retrieval.stop(1.0)
    assert await caller.line() == "-ERR [SYS/TEMP] Going down, try again later"
    assert (world.home / "new" / "1.a.h").exists()


async def test_a_large_message(world: World) -> None:
    """Megabytes come as they are, with line ends as CR LF."""
    body = b"0123456789" * 7 + b"\n"
    world.put("1.a.h", b"Subject: x\n\n" + body * 60_000)
    caller = await world.call()
    await caller.log_in()
    assert await caller.say("RETR 1") == f"+OK {14 + 72 * 60_000} octets"
    octets = await caller.reader.readexactly(14 + 72 * 60_000 + 3)
    assert octets == b"Subject: x\r\n\r\n" + body.replace(b"\n", b"\r\n") * 60_000 + b".\r\n"


async def test_poplib(world: World) -> None:
    """Python's own client can do all of it."""
    world.put("1.a.h", b"Subject: x\r\n\r\n.x\r\n")

    def session() -> tuple[int, list[bytes]]:
        client = poplib.POP3_SSL("localhost", world.ports[Role.POP3S], context=world.client_context())
        client.utf8()
        client.user("anna@example.test")
        client.pass_("geheim")
        count = client.stat()[0]
        lines = client.retr(1)[1]
        client.dele(1)
        client.quit()
        return count, lines

    assert await asyncio.to_thread(session) == (1, [b"Subject: x", b"", b".x"])


# --- SMTP-after-POP


async def test_a_login_over_tls_opens_relaying(world: World) -> None:
    """Where it is enabled, a login over TLS lets its address send as that account."""
    world.rules(after_pop=SmtpAfterPop(enabled=True, window=Duration(900.0)))
    plain = await world.call()
    await plain.log_in()
    await plain.say("QUIT")
    assert world.after_pop.account("127.0.0.1") == ""
    caller = await world.call(Role.POP3S, tls=True)
    assert (await caller.log_in()).startswith("+OK")
    assert world.after_pop.account("127.0.0.1") == "anna@example.test"
    [event] = world.seen(RelayOpened)
    assert (event.account, event.seconds) == ("anna@example.test", 900.0)


async def test_it_is_off_by_default(world: World) -> None:
    """Without the setting a login opens nothing."""
    await (await world.call(Role.POP3S, tls=True)).log_in()
    assert world.after_pop.account("127.0.0.1") == ""


async def test_the_table_survives_a_restart(tmp_path: Path) -> None:
    """What was opened stays open after a restart, until its time is over."""
    now = 1000.0
    table = AfterPop(tmp_path, lambda: now)
    await table.open("192.0.2.1", "anna@example.test", 60.0)
    assert table.opened == 1
    again = AfterPop(tmp_path, lambda: now)
    assert again.account("192.0.2.1") == "anna@example.test"
    assert again.account("192.0.2.2") == ""
    now = 1060.0
    assert again.account("192.0.2.1") == ""
    assert AfterPop(tmp_path, lambda: now).account("192.0.2.1") == ""


def test_who_fetched_sends_as_themselves() -> None:
    """The client of an open address is bound to the account; a trusted one needs none."""
    client = after_pop(identify(Role.MX, "192.0.2.1", ()), "anna@example.test")
    assert (client.account, client.logged_in, client.trusted) == ("anna@example.test", True, False)
    assert not after_pop(identify(Role.MX, "192.0.2.1", ()), "").logged_in
    assert not after_pop(identify(Role.LMTP, "192.0.2.1", ()), "anna@example.test").logged_in


def test_the_defaults_are_safe() -> None:
    """SMTP-after-POP and APOP are off, and TLS is needed."""
    assert not SmtpAfterPop().enabled
    assert SmtpAfterPop().tls_only
    assert not Pop3().apop
    assert not Auth().plain_on_loopback
