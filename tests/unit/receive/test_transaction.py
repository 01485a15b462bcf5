"""Content on its way in: framing, sizes, headers, what is kept and what is not."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from eilpost.config.schema import Domain, Limits, Relay, Role, Size
from eilpost.config.schema import Spool as SpoolSettings
from eilpost.journal import Accepted, SessionClosed
from eilpost.spool.contract import SpoolClosed
from tests.unit.receive.running import MESSAGE, NETWORKS, TRUSTED, Caller, Running, configuration, running

ANNA = "anna@example.test"
SMALL = Limits(message_size=Size(20_000), header_size=Size(2_000))


def body_of(mail: bytes) -> bytes:
    """The message as its sender wrote it, behind the trace."""
    received = mail.index(b"Received: ")
    end = mail.index(b"\r\n", mail.index(b";", received))
    while mail[end + 2 : end + 3] == b"\t":
        end = mail.index(b"\r\n", end + 2)
    return mail[end + 2 :]


async def begin(caller: Caller, *recipients: str) -> None:
    """Up to 354."""
    await caller.say("MAIL FROM:<x@y.example>")
    for recipient in recipients or (ANNA,):
        assert (await caller.say(f"RCPT TO:<{recipient}>")).startswith("250 ")
    assert (await caller.say("DATA")).startswith("354 ")


# --- framing, over real sockets


@pytest.mark.parametrize("cut", range(1, 12))
async def test_f015_end_split_over_segments(world: Running, cut: int) -> None:
    """Wherever segments cut the end of the content, the message is the same and the next command is heard."""
    caller = await world.call()
    await begin(caller)
    wire = MESSAGE + b"..dot\r\n.\r\nNOOP\r\n"
    position = len(wire) - cut
    for part in (wire[:position], wire[position:]):
        await caller.send(part)
        await caller.settle()
    assert (await caller.hear()).startswith("250 2.0.0 Ok: queued as ")
    assert (await caller.hear()).startswith("250 ")
    assert body_of((await world.delivered(ANNA))[0]) == MESSAGE + b".dot\r\n"


@pytest.mark.parametrize(
    "middle",
    [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\n.\r", b"\r.\n", b"\r\n.\r\r\n", b"\r\r\n.\r\r\n",
     b"\r\n\x00.\r\n", b"a\x00b", b"a\rb"],
)  # fmt: skip
async def test_f001_to_f011_nothing_is_smuggled(world: Running, middle: bytes) -> None:
    """What is not CR LF dot CR LF ends no content: 554 5.6.0, the connection ends, and no second message exists."""
    caller = await world.call()
    await begin(caller)
    await caller.send(
        b"Subject: one\r\n\r\nx" + middle + b"MAIL FROM:<evil@y.example>\r\nRCPT TO:<berta@example.test>\r\n"
        b"DATA\r\nSubject: two\r\n\r\n\r\n.\r\n"
    )
    assert (await caller.hear()).startswith("554 5.6.0 ")
    assert await caller.gone()
    assert not world.of(Accepted)
    assert world.rows() == 0


async def test_f017_after_quit(world: Running) -> None:
    """What follows QUIT is ignored."""
    caller = await world.call()
    await caller.send(b"QUIT\r\nMAIL FROM:<a@b.example>\r\n")
    assert (await caller.hear()).startswith("221 ")
    assert await caller.gone()


async def test_f018_f026_disconnected_before_the_end(tmp_path: Path) -> None:
    """A connection that drops before the final dot, or within a chunk, leaves no file and no row."""
    async with running(configuration(tmp_path / "data", spool=SpoolSettings(inline=Size(1000)))) as world:
        for reset in (False, True):
            first, second = await world.call(), await world.call()
            await begin(first)
            await first.send(MESSAGE + b"x" * 50_000)
            await second.say("MAIL FROM:<x@y.example>")
            await second.say(f"RCPT TO:<{ANNA}>")
            await second.send(b"BDAT 90000 LAST\r\n" + MESSAGE + b"x" * 50_000)
            await world.until(lambda: len(world.files()) == 2)
            for caller in (first, second):
                if reset:
                    caller.reset()
                else:
                    caller.close()
            await world.until(lambda: world.files() == [])
        assert world.rows() == 0
        assert not world.of(Accepted)
        await world.until(lambda: world.house.guests == 0)


async def test_f019_quit_within_a_chunk_is_content(world: Running) -> None:
    """A QUIT that arrives within a chunk's octets is content; a short chunk is never a message."""
    caller = await world.call()
    await caller.say("MAIL FROM:<x@y.example>")
    await caller.say(f"RCPT TO:<{ANNA}>")
    await caller.send(b"BDAT 1000 LAST\r\nabc\r\nQUIT\r\n")
    caller.half_close()
    assert await caller.gone()
    assert world.rows() == 0


async def test_f020_a_refused_chunk_is_swallowed(world: Running) -> None:
    """The octets of a chunk without recipients are taken, and the next command is read rightly."""
    caller = await world.call()
    await caller.say("MAIL FROM:<x@y.example>")
    await caller.send(b"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
    assert (await caller.hear()).startswith("554 5.5.1 ")
    assert (await caller.hear()).startswith("250 ")


async def test_f025_disconnected_after_the_end(world: Running) -> None:
    """A client that is gone before it hears 250 has sent its message all the same."""
    caller = await world.call()
    await begin(caller)
    await caller.send(MESSAGE + b".\r\n")
    caller.reset()
    assert body_of((await world.delivered(ANNA))[0]) == MESSAGE


# --- size


async def test_f054_more_than_declared(tmp_path: Path) -> None:
    """Counted octets decide, whatever SIZE said: 552 5.3.4, then the session goes on."""
    async with running(configuration(tmp_path / "data", SMALL)) as world:
        caller = await world.call()
        answer = await caller.mail(ANNA, content=MESSAGE + b"x" * 30_000 + b"\r\n", parameters=" SIZE=10")
        assert answer.startswith("552 5.3.4 ")
        assert (await caller.mail(ANNA, content=MESSAGE)).startswith("250 ")
        assert (await caller.say("MAIL FROM:<x@y.example> SIZE=20001")).startswith("552 5.3.4 ")
        assert world.of(Accepted)[0].size == len(MESSAGE)


async def test_f054_far_more_than_allowed(tmp_path: Path) -> None:
    """Content is read and thrown away up to four times the limit; then 552 and the end."""
    async with running(configuration(tmp_path / "data", SMALL)) as world:
        caller = await world.call()
        await begin(caller)
        await caller.send(MESSAGE + b"x" * 90_000)
        assert (await caller.hear()).startswith("552 5.3.4 ")
        assert await caller.gone()
        assert world.rows() == 0


@pytest.mark.parametrize("line", [998, 999, 2000, 1_000_000])
async def test_f086_long_lines(world: Running, line: int) -> None:
    """Lines of any length pass unchanged."""
    caller = await world.call()
    content = MESSAGE + b"y" * line + b"\r\n"
    assert (await caller.mail(ANNA, content=content)).startswith("250 ")
    assert body_of((await world.delivered(ANNA))[0]) == content


async def test_large_content_is_spilled_to_a_file(world: Running) -> None:
    """Content above spool.inline goes to a file while it arrives, and comes out unchanged."""
    caller = await world.call()
    await begin(caller)
    content = MESSAGE + (b"z" * 998 + b"\r\n") * 3000
    await caller.send(content)
    await world.until(lambda: len(world.files()) == 1)
    await caller.send(b".\r\n")
    assert (await caller.hear()).startswith("250 ")
    assert body_of((await world.delivered(ANNA))[0]) == content
    await world.until(lambda: world.files() == [])


@pytest.mark.parametrize("content", [b"", b"\r\n", b"Subject: only a header\r\n", b"Subject: x\r\n\r\n"])
async def test_f106_small_messages(world: Running, content: bytes) -> None:
    """Nothing, one empty line, only a header: all are messages to an MX."""
    caller = await world.call()
    assert (await caller.mail(ANNA, content=content)).startswith("250 ")
    assert body_of((await world.delivered(ANNA))[0]) == content


# --- memory


async def test_f127_memory_in_flight(tmp_path: Path) -> None:
    """When limits.memory is in use, more content is 452 4.3.1; when it is free again, mail is taken again."""
    async with running(configuration(tmp_path / "data", replace(Limits(), memory=Size(100_000)))) as world:
        first, second = await world.call(), await world.call()
        await begin(first)
        await first.send(MESSAGE + b"x" * 90_000)
        await first.settle()
        assert await second.mail(ANNA, content=MESSAGE + b"x" * 20_000 + b"\r\n") == (
            "452 4.3.1 Too much mail at once, try again later"
        )
        assert (await second.mail(ANNA)).startswith("250 ")
        await first.send(b"\r\n.\r\n")
        assert (await first.hear()).startswith("250 ")
        assert (await second.mail(ANNA, content=MESSAGE + b"x" * 20_000 + b"\r\n")).startswith("250 ")
        assert world.house._memory == 0


async def test_f127_memory_is_what_the_store_keeps_there(tmp_path: Path) -> None:
    """Content counts up to spool.inline; what goes to a file does not count any more."""
    for inline, refused in ((Size(10_000), False), (Size(900_000), True)):
        config = configuration(
            tmp_path / str(inline), replace(Limits(), memory=Size(400_000)), spool=SpoolSettings(inline=inline)
        )
        async with running(config) as world:
            caller = await world.call()
            answer = await caller.mail(ANNA, content=MESSAGE + (b"x" * 998 + b"\r\n") * 800)
            assert answer.startswith("452 4.3.1 " if refused else "250 ")
            assert world.house._memory == 0


async def test_f127_memory_is_given_back(world: Running) -> None:
    """Content that was refused, cut off or reset holds no memory."""
    for ending in (b".\r\n", b"", b"\x00\r\n.\r\n"):
        caller = await world.call()
        await begin(caller)
        await caller.send(MESSAGE + b"x" * 1000 + ending)
        await caller.settle()
        caller.close()
    await world.until(lambda: world.house.guests == 0)
    assert world.house._memory == 0


# --- the store's trouble


async def test_i6_a_full_store_is_452(tmp_path: Path) -> None:
    """A disk without the reserve that spool.reserve asks for: 452 4.3.1, and the session goes on."""
    free = shutil.disk_usage(tmp_path).free
    async with running(configuration(tmp_path / "data", spool=SpoolSettings(reserve=Size(free * 2)))) as world:
        caller = await world.call()
        assert (await caller.mail(ANNA)).startswith("452 4.3.1 ")
        assert (await caller.say("NOOP")).startswith("250 ")
        assert world.rows() == 0


async def test_p2_a_closed_store_is_451(world: Running) -> None:
    """After the store has closed, mail is 451 4.3.0 in SMTP, and for each recipient in LMTP."""
    await world.house.ways.spool.close()
    assert (await (await world.call()).mail(ANNA)).startswith("451 4.3.0 ")
    lmtp = await world.call(Role.LMTP)
    assert (await lmtp.mail(ANNA, "berta@example.test")).startswith("451 4.3.0 ")
    assert (await lmtp.hear()).startswith("451 4.3.0 ")
    with pytest.raises(SpoolClosed):
        await world.house.ways.spool.stats()


# --- headers


async def test_f085_header_limits(tmp_path: Path) -> None:
    """A header block above limits.header_size is 552 5.3.4, as one line, as many, and in packets of any size."""
    async with running(configuration(tmp_path / "data", SMALL)) as world:
        caller = await world.call()
        for header in (b"X: " + b"y" * 3000 + b"\r\n", b"X: y\r\n" * 500):
            assert (await caller.mail(ANNA, content=header + b"\r\nbody\r\n")).startswith("552 5.3.4 ")
        await begin(caller)
        for _ in range(30):
            await caller.send(b"X: " + b"y" * 95 + b"\r\n")
            await caller.settle()
        await caller.send(b"\r\nbody\r\n.\r\n")
        assert (await caller.hear()).startswith("552 5.3.4 ")
        assert (await caller.mail(ANNA, content=b"X: " + b"y" * 1900 + b"\r\n\r\n" + b"z" * 9000 + b"\r\n")).startswith(
            "250 "
        )


@pytest.mark.parametrize(
    "content",
    [
        b"Subject: x\r\nno blank line, no colon\r\nBcc: c@d.example\r\n",
        b" starts with a space\r\n\r\nbody\r\n",
        b" X: y\r\n\r\nbody\r\n",
        b"From a@b Mon Jan  1 00:00:00 2024\r\nSubject: x\r\n\r\nbody\r\n",
        b"From: a@b.example\r\nFrom: c@d.example\r\nSubject: 1\r\nSubject: 2\r\n\r\n",
        b"Subject: one\x1cInjected: yes\x85\xe2\x80\xa8\r\n\r\nbody\r\n",
        b"Subject: \xc3\xa4 utf-8 and \xe4 not\r\n\r\n\xff\xfe\r\n",
        b"__proto__: x\r\n: no name\r\nX : blank before the colon\r\n\r\n",
        b"Received: forged\r\nDelivered-To: someone@else.example\r\nX-Spam: no\r\nBcc: kept@on-an-mx.example\r\n\r\n",
    ],
)
async def test_f093_to_f105_what_others_wrote_stays(world: Running, content: bytes) -> None:
    """An MX takes whatever header there is, and every octet of it stays as it came."""
    caller = await world.call()
    assert (await caller.mail(ANNA, content=content)).startswith("250 ")
    assert body_of((await world.delivered(ANNA))[0]) == content


async def test_f100_forged_return_path_goes(world: Running) -> None:
    """Return-Path is ours to write at final delivery; another one is taken out, folds and all."""
    caller = await world.call()
    content = b"Return-Path: <forged@\r\n evil.example>\r\nSubject: x\r\n\r\nbody\r\n"
    await caller.mail(ANNA, content=content)
    mail = (await world.delivered(ANNA))[0]
    assert mail.startswith(b"Return-Path: <x@y.example>\r\nDelivered-To: anna@example.test\r\n")
    assert b"forged" not in mail
    assert mail.endswith(b"Subject: x\r\n\r\nbody\r\n")


async def test_f160_hop_limit(world: Running) -> None:
    """RFC 5321 §6.3: a hundred Received fields pass, one more is a loop, 554 5.4.6."""
    caller = await world.call()
    hop = b"Received: from a.example by b.example; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    assert (await caller.mail(ANNA, content=hop * 100 + MESSAGE)).startswith("250 ")
    assert (await caller.mail(ANNA, content=hop * 101 + MESSAGE)).startswith("554 5.4.6 ")


# --- submission


COMPLETE = b"From: a@example.test\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <given@example.test>\r\n"


async def test_submission_completes_messages(world: Running) -> None:
    """RFC 6409 §8: Date and Message-ID are added where missing; the log has the Message-ID too."""
    caller = await world.call(Role.SUBMISSION, source=TRUSTED)
    answer = await caller.mail(ANNA, content=b"From: a@example.test\r\n\r\nx\r\n")
    mail = body_of((await world.delivered(ANNA))[0])
    id = answer.rpartition(" ")[2]
    lines = mail.split(b"\r\n")
    assert lines[0].startswith(b"Date: ")
    assert lines[1:] == [f"Message-ID: <{id}@mx.example.test>".encode(), b"From: a@example.test", b"", b"x", b""]
    assert world.of(Accepted)[0].message_id == f"<{id}@mx.example.test>"


async def test_submission_leaves_complete_messages_alone(world: Running) -> None:
    """What is there is neither doubled nor changed."""
    caller = await world.call(Role.SUBMISSION, source=TRUSTED)
    await caller.mail(ANNA, content=COMPLETE + b"\r\nx\r\n")
    assert body_of((await world.delivered(ANNA))[0]) == COMPLETE + b"\r\nx\r\n"
    assert world.of(Accepted)[0].message_id == "<given@example.test>"


@pytest.mark.parametrize(
    "blind",
    [
        b"Bcc: hidden@example.test\r\n",
        b"BCC : hidden@example.test\r\n",
        b"Bcc: hidden@example.test,\r\n\thidden2@example.test,\r\n hidden3@example.test\r\n",
        b"Bcc: hidden@example.test\r\nSubject: between\r\nbcc: hidden2@example.test\r\nResent-Bcc: hidden3@x.test\r\n",
    ],
)
@pytest.mark.parametrize("packets", [1, 7])
async def test_f100_bcc_goes(world: Running, blind: bytes, packets: int) -> None:
    """RFC 5321 §7.2: Bcc is taken out whole, folded, repeated, and however its packets were cut."""
    caller = await world.call(Role.SUBMISSION, source=TRUSTED)
    await begin(caller)
    wire = COMPLETE + b"X-Pad: " + b"p" * 5000 + b"\r\n" + blind + b"To: a@b.example\r\n\r\nBcc: this is body\r\n.\r\n"
    step = -(-len(wire) // packets)
    for position in range(0, len(wire), step):
        await caller.send(wire[position : position + step])
        await caller.settle()
    assert (await caller.hear()).startswith("250 ")
    mail = (await world.delivered(ANNA))[0]
    assert b"hidden" not in mail
    assert mail.endswith(b"To: a@b.example\r\n\r\nBcc: this is body\r\n")
    assert (b"Subject: between" in mail) is (b"between" in blind)


async def test_f094_two_authors(world: Running) -> None:
    """A submitted message with two From fields is 550 5.6.0."""
    caller = await world.call(Role.SUBMISSION, source=TRUSTED)
    content = b"From: a@b.example\r\nFrom: c@d.example\r\n\r\n"
    assert (await caller.mail(ANNA, content=content)).startswith("550 5.6.0 ")


@pytest.mark.parametrize("content", [b"Subject: x\r\n\r\n", b""])
async def test_f094_no_author(world: Running, content: bytes) -> None:
    """A submitted message without From gets its reverse-path as one; from <> it is 550 5.6.0."""
    caller = await world.call(Role.SUBMISSION, source=TRUSTED)
    assert (await caller.mail(ANNA, content=content)).startswith("250 ")
    assert b"\r\nFrom: x@y.example\r\n" in (await world.delivered(ANNA))[0]
    assert (await caller.mail(ANNA, content=content, sender="")).startswith("550 5.6.0 ")


async def test_f105_submitted_utf8_header(world: Running) -> None:
    """A header beyond ASCII needs SMTPUTF8 on submission, 550 5.6.9; with it the message is taken."""
    caller = await world.call(Role.SUBMISSION, source=TRUSTED)
    content = COMPLETE + "Subject: Größe\r\n\r\nx\r\n".encode()
    assert (await caller.mail(ANNA, content=content)).startswith("550 5.6.9 ")
    assert (await caller.mail(ANNA, content=content, parameters=" SMTPUTF8")).startswith("250 ")


async def test_smtputf8_transaction(world: Running) -> None:
    """RFC 6531: addresses beyond ASCII pass with SMTPUTF8 and are delivered to; without it they are 553 5.6.7."""
    await asyncio.to_thread(world.add_account, "jürgen@example.test")
    caller = await world.call()
    assert (await caller.say("MAIL FROM:<ö@y.example>")).startswith("553 5.6.7 ")
    answer = await caller.mail("jürgen@example.test", sender="ö@bücher.example", parameters=" SMTPUTF8")
    assert answer.startswith("250 ")
    mail = (await world.delivered("jürgen@example.test"))[0]
    assert b"with UTF8SMTP id" in mail
    assert "for <jürgen@example.test>".encode() in mail


# --- LMTP


async def test_lmtp_answers_for_each_recipient(world: Running) -> None:
    """RFC 2033 §4.2: after the content one reply for each accepted recipient, and 550 at RCPT for an unknown one."""
    caller = await world.call(Role.LMTP)
    await caller.say("MAIL FROM:<x@y.example>")
    assert (await caller.say("RCPT TO:<nobody@example.test>")).startswith("550 5.1.1 ")
    for name in ("anna", "berta"):
        await caller.say(f"RCPT TO:<{name}@example.test>")
    await caller.say("DATA")
    await caller.send(MESSAGE + b".\r\nNOOP\r\n")
    first, second, noop = [await caller.hear() for _ in range(3)]
    assert first == second
    assert first.startswith("250 2.0.0 Ok: queued as ")
    assert noop == "250 2.0.0 Ok"
    assert await world.delivered(ANNA)
    assert await world.delivered("berta@example.test")


@pytest.mark.parametrize("source", ["127.0.0.1", TRUSTED])
async def test_lmtp_never_relays(world: Running, source: str) -> None:
    """LMTP delivers here and nowhere else, also for trusted clients."""
    caller = await world.call(Role.LMTP, source=source)
    await caller.say("MAIL FROM:<x@y.example>")
    assert (await caller.say("RCPT TO:<v@elsewhere.example>")).startswith("550 5.7.1 ")


async def test_one_bad_session_leaves_no_trace_in_the_next(world: Running) -> None:
    """F154: RSET, EHLO and refusals leave no recipient and no octet behind."""
    caller = await world.call()
    await caller.say("MAIL FROM:<old@y.example>")
    await caller.say("RCPT TO:<berta@example.test>")
    await caller.send(b"BDAT 12\r\nSubject: old")
    await caller.hear()
    assert (await caller.say("RSET")).startswith("250 ")
    assert (await caller.mail(ANNA)).startswith("250 ")
    assert body_of((await world.delivered(ANNA))[0]) == MESSAGE
    accepted = world.of(Accepted)
    assert [(event.recipients, event.reverse_path) for event in accepted] == [(1, "<x@y.example>")]
    await caller.say("QUIT")
    await world.until(lambda: world.of(SessionClosed))
    assert world.of(SessionClosed)[0].accepted == 1


async def test_relayed_eight_bit_content_is_kept(tmp_path: Path) -> None:
    """F104: eight-bit content needs no 8BITMIME to be taken, and stays as it is in the spool."""
    config = configuration(
        tmp_path / "data",
        relay=Relay(networks=NETWORKS, smarthost="smtp://127.0.0.1:9"),
        domain=(Domain("example.test"),),
    )
    async with running(config) as world:
        caller = await world.call(source=TRUSTED)
        content = MESSAGE + b"\xe4\xf6\xfc\r\n"
        assert (await caller.mail("v@elsewhere.example", content=content)).startswith("250 ")
        assert await world.stored() == [content]
