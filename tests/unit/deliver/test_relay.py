"""Relaying to servers that behave and to servers that do not."""

from __future__ import annotations

import asyncio

import pytest

from eilpost.mail.address import Address
from eilpost.mail.envelope import Body, MailParameters, Notify, RcptParameters, Recipient, Ret, ReversePath
from eilpost.mail.next_hop import Means, NextHop, Unroutable
from eilpost.mail.outcome import Fate, Outcome
from eilpost.mail.status import status
from eilpost.spool.contract import ContentDamaged
from tests.unit.deliver.errands import OCTETS, Held, job, recipient, relaying, short, with_settings
from tests.unit.peers import OFFER, Part, Peer, refusing_port, staged

STUFFED = OCTETS.replace(b"\r\n.", b"\r\n..")
CHUNKING = OFFER.replace(b"250-PIPELINING", b"250-PIPELINING\r\n250-CHUNKING\r\n250-BINARYMIME")


async def honest(peer: Peer) -> None:
    """Takes one message and the farewell."""
    await peer.open()
    assert await peer.take() == STUFFED
    await peer.leave()


async def test_a_message_is_relayed() -> None:
    """MAIL, RCPT and DATA go out, the content dot-stuffed, and the reply becomes the outcome."""
    async with staged(honest) as stage:
        async with relaying(stage.port) as relay:
            attempt = await relay.attempt(job())
        assert attempt.outcomes == (
            Outcome(Address("bob", "there.example"), Fate.RELAYED, status("2.0.0"), "smtp; 250 2.0.0 taken",
                    "mx1.there.example", 7.0),
        )  # fmt: skip
        assert attempt.unreachable == ""
        assert stage.lines[:3] == [
            b"EHLO me.example\r\n",
            b"MAIL FROM:<anna@sender.example> SIZE=%d\r\n" % len(OCTETS),
            b"RCPT TO:<bob@there.example>\r\n",
        ]
        assert stage.lines[-1] == b"QUIT\r\n"


async def test_one_session_carries_many_messages() -> None:
    """A kept session is used again, for the same next hop and for another one with the same host."""

    async def part(peer: Peer) -> None:
        await peer.open()
        for _ in range(3):
            await peer.take()
        await peer.leave()

    async with staged(part) as stage:
        async with relaying(stage.port) as relay:
            for next_hop in ("a.example", "a.example", "b.example"):
                attempt = await relay.attempt(job(next_hop=NextHop(Means.MX, next_hop)))
                assert short(attempt) == ["relayed 2.0.0"]
        assert stage.sessions == 1


BIG = OFFER.replace(b"250-SIZE 1000000\r\n", b"")
BIG_CHUNKS = CHUNKING.replace(b"250-SIZE 1000000\r\n", b"")


@pytest.mark.parametrize("offer", [BIG, BIG_CHUNKS, b"250 plain\r\n", b"250-x\r\n250 CHUNKING\r\n"])
@pytest.mark.parametrize("lines", [10, 300_000])
@pytest.mark.parametrize("in_memory", [True, False])
async def test_content_arrives_as_it_is(offer: bytes, lines: int, in_memory: bool) -> None:
    """By DATA or by chunks, in one group or step by step, small or big: the same octets."""
    content = b"Subject: x\r\n\r\n" + b".line\r\n" * lines
    pieces = () if in_memory else tuple(content[at : at + 65_536] for at in range(0, len(content), 65_536))

    async def part(peer: Peer) -> None:
        await peer.open(offer)
        await peer.expect((b"MAIL", b"250 Ok\r\n"), (b"RCPT", b"250 Ok\r\n"))
        line = await peer.hear()
        if line.startswith(b"BDAT"):
            taken = await peer.take_chunk(line)
        else:
            assert line == b"DATA\r\n"
            await peer.say(b"354 go\r\n")
            taken = (await peer.hear_content()).replace(b"\r\n..", b"\r\n.")
        assert taken == content
        await peer.say(b"250 taken\r\n")
        await peer.leave()

    async with staged(part) as stage, relaying(stage.port) as relay:
        assert short(await relay.attempt(job(content=Held(content, pieces)))) == ["relayed 2.0.0"]


async def test_a_chunk_goes_with_the_envelope() -> None:
    """Where both are offered, MAIL, RCPT and the content go before any answer."""

    async def part(peer: Peer) -> None:
        await peer.open(CHUNKING)
        assert (await peer.hear()).startswith(b"MAIL")
        assert (await peer.hear()).startswith(b"RCPT")
        assert await peer.take_chunk(await peer.hear()) == OCTETS
        await peer.say(b"250 a\r\n250 b\r\n250 c\r\n")
        await peer.leave()

    async with staged(part) as stage, relaying(stage.port) as relay:
        assert short(await relay.attempt(job())) == ["relayed 2.0.0"]


async def test_a_chunk_for_nobody_changes_no_refusal() -> None:
    """When all recipients of a group are refused, the answer to its chunk means nothing."""

    async def part(peer: Peer) -> None:
        await peer.open(CHUNKING)
        await peer.expect((b"MAIL", b"250 Ok\r\n"), (b"RCPT", b"550 5.1.1 no\r\n"))
        await peer.take_chunk(await peer.hear())
        await peer.say(b"554 5.5.1 no recipients\r\n")
        await peer.expect((b"RSET", b"250 Ok\r\n"))
        await peer.expect((b"MAIL", b"250 Ok\r\n"), (b"RCPT", b"250 Ok\r\n"))
        await peer.take_chunk(await peer.hear())
        await peer.say(b"250 2.0.0 taken\r\n")
        await peer.leave()

    async with staged(part) as stage, relaying(stage.port) as relay:
        assert short(await relay.attempt(job("nobody"))) == ["failed 5.1.1"]
        assert short(await relay.attempt(job("bob"))) == ["relayed 2.0.0"]


async def test_f145_every_recipient_has_an_outcome_of_its_own() -> None:
    """One recipient is accepted, one deferred, one refused."""

    async def part(peer: Peer) -> None:
        await peer.open()
        await peer.expect(
            (b"MAIL", b"250 Ok\r\n"), (b"RCPT", b"250 Ok\r\n"), (b"RCPT", b"450 4.2.0 later\r\n"),
            (b"RCPT", b"550 5.1.1 no\r\n"), (b"DATA", b"354 go\r\n"),
        )  # fmt: skip
        await peer.hear_content()
        await peer.say(b"250 taken\r\n")
        await peer.leave()

    async with staged(part) as stage, relaying(stage.port) as relay:
        attempt = await relay.attempt(job("a", "b", "c"))
    assert short(attempt) == ["relayed 2.0.0", "deferred 4.2.0", "failed 5.1.1"]
    assert attempt.outcomes[2].diagnostic == "smtp; 550 5.1.1 no"


@pytest.mark.parametrize("refusal", [b"452 4.5.3 too many\r\n", b"452 too many\r\n", b"552 too many\r\n"])
async def test_f145_too_many_recipients_go_in_another_transaction(refusal: bytes) -> None:
    """452 at the third recipient sends the rest again in the same session."""

    async def part(peer: Peer) -> None:
        await peer.open()
        await peer.expect((b"MAIL", b"250 Ok\r\n"), *[(b"RCPT", b"250 Ok\r\n")] * 2, *[(b"RCPT", refusal)] * 2)
        await peer.expect((b"DATA", b"354 go\r\n"))
        await peer.hear_content()
        await peer.say(b"250 2.0.0 first\r\n")
        await peer.take(b"250 2.0.0 second\r\n", recipients=2)
        await peer.leave()

    async with staged(part) as stage, relaying(stage.port) as relay:
        attempt = await relay.attempt(job("a", "b", "c", "d"))
        assert [outcome.diagnostic[-6:] for outcome in attempt.outcomes] == [" first", " first", "second", "second"]
        assert stage.sessions == 1


async def test_a_full_mailbox_is_not_too_many_recipients() -> None:
    """452 4.2.2 is that recipient's, and is not tried again at once."""

    async def part(peer: Peer) -> None:
        await peer.open()
        await peer.expect((b"MAIL", b"250 Ok\r\n"), (b"RCPT", b"250 Ok\r\n"), (b"RCPT", b"452 4.2.2 full\r\n"))
        await peer.expect((b"DATA", b"354 go\r\n"))
        await peer.hear_content()
        await peer.say(b"250 taken\r\n")
        await peer.leave()

    async with staged(part) as stage, relaying(stage.port) as relay:
        assert short(await relay.attempt(job("a", "b"))) == ["relayed 2.0.0", "deferred 4.2.2"]


async def test_refusing_all_as_too_many_ends() -> None:
    """A server that has room for nobody is not asked for ever."""

    async def part(peer: Peer) -> None:
        await peer.open()
        await peer.expect((b"MAIL", b"250 Ok\r\n"), *[(b"RCPT", b"452 4.5.3 no\r\n")] * 2, (b"DATA", b"503 no\r\n"))
        await peer.hear()

    async with staged(part) as stage, relaying(stage.port) as relay:
        assert short(await relay.attempt(job("a", "b"))) == ["deferred 4.5.3"] * 2


@pytest.mark.parametrize(
    ("limits", "transactions"),
    [(b"RCPTMAX=2", [2, 1]), (b"RCPTDOMAINMAX=1", [2, 1]), (b"RCPTMAX=nonsense", [3])],
)
async def test_rfc9422_limits_are_kept(limits: bytes, transactions: list[int]) -> None:
    """No transaction has more recipients, or domains, than the server announced."""

    async def part(peer: Peer) -> None:
        await peer.open(b"250-x\r\n250-PIPELINING\r\n250 LIMITS " + limits + b"\r\n")
        for recipients in transactions:
            await peer.take(recipients=recipients)
        await peer.leave()

    async with staged(part) as stage, relaying(stage.port) as relay:
        attempt = await relay.attempt(job("a@x.example", "b@x.example", "c@y.example"))
        assert short(attempt) == ["relayed 2.0.0"] * 3


async def test_rfc9422_mailmax_renews_the_session() -> None:
    """A server that takes one message a session gets one."""

    async def part(peer: Peer) -> None:
        await peer.open(b"250-x\r\n250-PIPELINING\r\n250 LIMITS MAILMAX=1 RCPTMAX=1\r\n")
        await peer.take()
        await peer.leave()

    async with staged(part) as stage:
        async with relaying(stage.port) as relay:
            assert short(await relay.attempt(job("a", "b"))) == ["relayed 2.0.0"] * 2
        assert stage.sessions == 2


async def test_messages_per_connection_is_kept() -> None:
    """A session ends after as many messages as are configured."""
    async with staged(honest) as stage:
        async with relaying(stage.port, settings=with_settings(messages_per_connection=1)) as relay:
            for _ in range(3):
                assert short(await relay.attempt(job())) == ["relayed 2.0.0"]
        assert stage.sessions == 3


async def test_f148_the_next_host_is_tried() -> None:
    """A host that refuses to connect, to greet or to say hello is passed over."""

    def saying(*words: bytes) -> Part:
        async def part(peer: Peer) -> None:
            for word in words:
                await peer.say(word)
                await peer.hear()

        return part

    dead = await refusing_port()
    async with (
        staged(saying(b"554 5.3.2 no\r\n")) as first,
        staged(saying(b"421 4.3.2 busy\r\n")) as second,
        staged(saying(b"220 hi\r\n", b"550 no\r\n", b"550 no\r\n")) as third,
        staged(saying(b"220 hi\r\n", b"451 no\r\n")) as fourth,
        staged(honest) as last,
        relaying(dead, first.port, second.port, third.port, fourth.port, last.port) as relay,
    ):
        attempt = await relay.attempt(job())
        assert short(attempt) == ["relayed 2.0.0"]
        assert attempt.outcomes[0].remote == "mx6.there.example"


async def test_f148_refusals_by_all_hosts_fail_and_hope_defers() -> None:
    """554 from every host is final; one host that may come back leaves hope."""

    async def refuse(peer: Peer) -> None:
        await peer.say(b"554 5.3.2 no mail here\r\n")

    async with staged(refuse) as stage:
        async with relaying(stage.port, stage.port) as relay:
            attempt = await relay.attempt(job())
            assert short(attempt) == ["failed 5.3.2"]
            assert attempt.outcomes[0].diagnostic == "smtp; 554 5.3.2 no mail here"
        async with relaying(await refusing_port(), stage.port) as relay:
            attempt = await relay.attempt(job())
            assert short(attempt) == ["deferred 4.4.1"]
            assert attempt.unreachable


async def test_nobody_there_is_unreachable() -> None:
    """With no host to talk to, the attempt says so once for all messages."""
    async with relaying(await refusing_port()) as relay:
        attempt = await relay.attempt(job("a", "b"))
    assert short(attempt) == ["deferred 4.4.1"] * 2
    assert attempt.unreachable == "127.0.0.1: Connection refused while connecting"


@pytest.mark.parametrize(("code", "fate"), [("4.4.3", "deferred"), ("5.1.2", "failed")])
async def test_no_route_is_an_outcome(code: str, fate: str) -> None:
    """What routing says about a domain without hosts is what its recipients get."""
    async with relaying(trouble=Unroutable(status(code), "no such thing")) as relay:
        attempt = await relay.attempt(job())
    assert short(attempt) == [f"{fate} {code}"]
    assert attempt.outcomes[0].remote is None
    assert attempt.outcomes[0].diagnostic == "no such thing"


async def test_a_dead_kept_session_is_replaced() -> None:
    """A session that the server dropped while it was kept costs nothing."""
    dropped = asyncio.Event()

    async def drop(peer: Peer) -> None:
        await peer.open()
        await peer.take()
        await peer.hear()  # the next message's MAIL
        peer.reset()
        dropped.set()

    async with staged(drop, honest) as stage:
        async with relaying(stage.port) as relay:
            assert short(await relay.attempt(job())) == ["relayed 2.0.0"]
            assert short(await relay.attempt(job())) == ["relayed 2.0.0"]
        assert dropped.is_set()
        assert stage.sessions == 2


async def test_a_dismissed_kept_session_is_replaced() -> None:
    """421 in the first answer of a kept session is no failure either."""

    async def dismiss(peer: Peer) -> None:
        await peer.open()
        await peer.take()
        await peer.expect((b"MAIL", b"421 4.4.2 you were idle\r\n"))

    async with staged(dismiss, honest) as stage, relaying(stage.port) as relay:
        assert short(await relay.attempt(job())) == ["relayed 2.0.0"]
        assert short(await relay.attempt(job())) == ["relayed 2.0.0"]


@pytest.mark.parametrize("ending", ["reset", "close"])
async def test_f143_a_drop_after_the_dot_defers(ending: str) -> None:
    """When the answer to the content is lost, it is tried again later and said that it may come twice."""

    async def drop(peer: Peer) -> None:
        await peer.open()
        await peer.expect((b"MAIL", b"250 Ok\r\n"), (b"RCPT", b"250 Ok\r\n"), (b"DATA", b"354 go\r\n"))
        await peer.hear_content()
        if ending == "reset":
            peer.reset()

    async with staged(drop) as stage, relaying(stage.port, stage.port) as relay:
        attempt = await relay.attempt(job())
        assert short(attempt) == ["deferred 4.4.2"]
        assert "may be delivered more than once" in attempt.outcomes[0].diagnostic
        assert stage.sessions == 1
        assert attempt.unreachable == ""


async def test_f144_a_reset_after_250_is_success() -> None:
    """What the server does after its 250 does not matter."""

    async def part(peer: Peer) -> None:
        await peer.open()
        await peer.take(b"250 2.0.0 \x1b[31mqueued as <script>\r\n")
        peer.reset()

    async with staged(part) as stage, relaying(stage.port) as relay:
        assert short(await relay.attempt(job())) == ["relayed 2.0.0"]


@pytest.mark.parametrize("at", [b"MAIL", b"RCPT", b"DATA", b"."])
async def test_f145_421_anywhere_defers(at: bytes) -> None:
    """421 to any command ends the session and defers."""
    answers = {b"MAIL": b"250 Ok\r\n", b"RCPT": b"250 Ok\r\n", b"DATA": b"354 go\r\n"}

    async def part(peer: Peer) -> None:
        await peer.open()
        for verb, answer in answers.items():
            if verb == at:
                await peer.expect((verb, b"421 4.3.2 bye\r\n"))
                return
            await peer.expect((verb, answer))
        await peer.hear_content()
        await peer.say(b"421 4.3.2 bye\r\n")

    async with staged(part) as stage, relaying(stage.port) as relay:
        assert short(await relay.attempt(job())) == ["deferred 4.3.2"]


@pytest.mark.parametrize(
    "rubbish", [b"250 no 354\r\n", b"999 x\r\n", b"what\r\n", b"354 bare\n", b"354-" + b"x" * 9999, b"354-x\r\n" * 200]
)
async def test_f146_f147_a_broken_server_defers(rubbish: bytes) -> None:
    """What is no reply defers with 4.5.0 and ends the session."""

    async def part(peer: Peer) -> None:
        await peer.open()
        await peer.expect((b"MAIL", b"250 Ok\r\n"), (b"RCPT", b"250 Ok\r\n"), (b"DATA", rubbish))

    async with staged(part) as stage, relaying(stage.port) as relay:
        assert short(await relay.attempt(job())) == ["deferred 4.5.0"]


async def test_f142_f152_a_slow_server_is_given_up() -> None:
    """A reply that comes an octet at a time has one deadline, not one an octet."""

    async def tarpit(peer: Peer) -> None:
        await peer.open()
        await peer.hear()
        while True:
            await peer.say(b"2")
            await asyncio.sleep(0.02)

    settings = with_settings(greeting_timeout=0.2)
    async with staged(tarpit) as stage, relaying(stage.port, settings=settings) as relay:
        attempt = await relay.attempt(job())
    assert short(attempt) in (["deferred 4.4.2"], ["deferred 4.5.0"])


async def test_f142_a_silent_server_is_given_up() -> None:
    """A server that never greets counts as unreachable."""

    async def silent(peer: Peer) -> None:
        await peer.hear()

    settings = with_settings(greeting_timeout=0.05)
    async with staged(silent) as stage, relaying(stage.port, settings=settings) as relay:
        attempt = await relay.attempt(job())
    assert short(attempt) == ["deferred 4.4.2"]
    assert attempt.unreachable


async def test_an_attempt_ends_in_time() -> None:
    """The deadline of the attempt cuts what its steps would allow."""

    async def silent(peer: Peer) -> None:
        await peer.open()
        await peer.hear()
        await peer.hear()
        await peer.hear()
        await peer.hear()

    settings = with_settings(attempt_deadline=0.1)
    async with staged(silent) as stage, relaying(stage.port, stage.port, settings=settings) as relay:
        assert short(await relay.attempt(job())) == ["deferred 4.4.2"]


async def test_f104_8bit_content_needs_8bitmime() -> None:
    """8-bit content is not sent to a server that takes 7 bits, nor altered for it."""

    async def part(peer: Peer) -> None:
        await peer.open(b"250 seven\r\n")
        assert not (await peer.hear()).startswith(b"MAIL")
        await peer.say(b"221 bye\r\n")

    async with staged(part) as stage, relaying(stage.port) as relay:
        attempt = await relay.attempt(job(content="Subject: x\r\n\r\nü\r\n".encode()))
        assert short(attempt) == ["failed 5.6.3"]
        assert attempt.outcomes[0].remote is None


async def test_f194_smtputf8_is_needed_only_by_those_who_need_it() -> None:
    """A recipient beyond ASCII is refused alone by a server without SMTPUTF8."""
    async with staged(honest) as stage, relaying(stage.port) as relay:
        assert short(await relay.attempt(job("bücher", "bob"))) == ["failed 5.6.7", "relayed 2.0.0"]


async def test_f194_a_header_beyond_ascii_needs_smtputf8() -> None:
    """A message that came with SMTPUTF8 and has such a header cannot go on without, however it lies."""

    async def part(peer: Peer) -> None:
        await peer.open()
        await peer.leave()

    content = "Subject: ü\r\n\r\nx\r\n".encode()
    parameters = MailParameters(smtputf8=True, body=Body.EIGHT_BIT)
    for held in (Held(content), Held(content, (content[:9], content[9:]))):
        async with staged(part) as stage, relaying(stage.port) as relay:
            assert short(await relay.attempt(job(content=held, parameters=parameters))) == ["failed 5.6.7"]


async def test_size_is_known_before() -> None:
    """A message above the server's limit is not tried."""

    async def part(peer: Peer) -> None:
        await peer.open(b"250-x\r\n250 SIZE 10\r\n")
        await peer.leave()

    async with staged(part) as stage, relaying(stage.port) as relay:
        assert short(await relay.attempt(job())) == ["failed 5.3.4"]


async def test_dsn_is_passed_on() -> None:
    """A server with DSN gets the sender's wishes, and the outcome tells."""
    wishes = RcptParameters(frozenset({Notify.SUCCESS}), "rfc822;bob@there.example")
    wanted = Recipient(Address("bob", "there.example"), wishes)
    asked = MailParameters(ret=Ret.HEADERS, envid="e1")

    async def part(peer: Peer) -> None:
        await peer.open(b"250-x\r\n250-PIPELINING\r\n250 DSN\r\n")
        await peer.take()
        await peer.leave()

    async with staged(part) as stage, relaying(stage.port) as relay:
        attempt = await relay.attempt(job(wanted, parameters=asked, next_hop=NextHop(Means.MX, "x.example")))
        assert stage.lines[1:3] == [
            b"MAIL FROM:<anna@sender.example> RET=HDRS ENVID=e1\r\n",
            b"RCPT TO:<bob@there.example> NOTIFY=SUCCESS ORCPT=rfc822;bob@there.example\r\n",
        ]
        assert [outcome.dsn_passed_on for outcome in attempt.outcomes] == [True]


async def test_f154_a_refused_session_leaves_nothing_behind() -> None:
    """After a refusal the session is reset, and the reset answered, before it is used again."""

    async def part(peer: Peer) -> None:
        await peer.open()
        await peer.expect((b"MAIL", b"250 Ok\r\n"), (b"RCPT", b"550 no\r\n"), (b"DATA", b"503 no\r\n"))
        await peer.expect((b"RSET", b"250 Ok\r\n"))
        await peer.take()
        await peer.leave()

    async with staged(part) as stage, relaying(stage.port) as relay:
        assert short(await relay.attempt(job("a"))) == ["failed 5.1.1"]
        assert short(await relay.attempt(job("b"))) == ["relayed 2.0.0"]


async def test_damaged_content_is_never_ended() -> None:
    """Content that breaks off is not ended for the server, and the spool's error comes through."""
    seen = asyncio.Event()

    async def part(peer: Peer) -> None:
        await peer.open()
        await peer.expect((b"MAIL", b"250 Ok\r\n"), (b"RCPT", b"250 Ok\r\n"), (b"DATA", b"354 go\r\n"))
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await peer.hear_content()
        seen.set()

    async with staged(part) as stage, relaying(stage.port) as relay:
        with pytest.raises(ContentDamaged):
            await relay.attempt(job(content=Held(OCTETS, (b"Subject: x\r\n",), ContentDamaged("gone"))))
        await asyncio.wait_for(seen.wait(), 5)
        attempt = await relay.attempt(job(content=Held(OCTETS, (b"Subject: x\r\n",), OSError(5, "I/O error"))))
        assert short(attempt) == ["deferred 4.3.0"]


async def test_a_null_reverse_path_and_a_bare_envelope() -> None:
    """Reports go out with an empty reverse-path."""
    async with staged(honest) as stage, relaying(stage.port) as relay:
        await relay.attempt(job(reverse_path=ReversePath(None)))
        assert stage.lines[1].startswith(b"MAIL FROM:<> ")
        assert recipient("bob").address.domain == "there.example"


async def test_a_refusal_in_the_middle_of_the_content_is_heard() -> None:
    """A server that says 552 before the end and hangs up has refused the message, not lost it."""

    async def part(peer: Peer) -> None:
        await peer.open(BIG)
        await peer.expect((b"MAIL", b"250 Ok\r\n"), (b"RCPT", b"250 Ok\r\n"), (b"DATA", b"354 go\r\n"))
        await peer.hear()
        await peer.say(b"552 5.3.4 enough\r\n")
        peer.close()

    content = Held(b"", (b"Subject: x\r\n\r\n",) + ((b"x" * 998 + b"\r\n") * 64,) * 300)
    async with staged(part) as stage, relaying(stage.port) as relay:
        assert short(await relay.attempt(job(content=content))) == ["failed 5.3.4"]
