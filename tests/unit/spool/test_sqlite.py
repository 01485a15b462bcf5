"""The embedded store keeps the contract."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from eilpost.mail.address import AddressError, parse_address
from eilpost.mail.envelope import (
    Body,
    Envelope,
    MailParameters,
    Notify,
    RcptParameters,
    Recipient,
    Ret,
    ReversePath,
)
from eilpost.mail.outcome import Fate
from eilpost.spool.contract import (
    Filter,
    NewMessage,
    Settlement,
    Spool,
    SpoolClosed,
    SpoolLocked,
    SpoolUnfit,
    State,
)
from eilpost.spool.sqlite import SqliteSpool
from tests.unit.spool.sample import (
    ANNA,
    BOB,
    CARL,
    NOON,
    SETTINGS,
    envelope,
    opened,
    outcome,
    put,
    read,
    settled,
)


async def test_it_is_a_spool(spool: SqliteSpool) -> None:
    """The store satisfies the contract's protocol for the type checker and here."""
    store: Spool = spool
    assert await store.next_due() is None


async def test_commit_gives_the_entry_back(spool: SqliteSpool) -> None:
    """A claimed commit returns the message, its recipients and its content in memory."""
    entry = await put(spool, b"body\r\n", BOB, CARL, prefix=b"Received: x\r\n", claim=True)
    assert entry.message.content.octets == b"Received: x\r\nbody\r\n"
    assert entry.message.size == 19
    assert not entry.message.has_8bit
    assert [item.recipient.address for item in entry.recipients] == [BOB, CARL]
    assert {item.state for item in entry.recipients} == {State.ACTIVE}
    assert await spool.claim(NOON + 1, 10) == ()


async def test_a_draft_names_its_message(spool: SqliteSpool) -> None:
    """The id a draft tells before the commit is the id of the message."""
    draft = spool.draft()
    name = draft.id
    await draft.write(b"x")
    entry = await spool.commit(draft, envelope(), received=NOON)
    assert entry.message.id == name


async def test_a_message_may_be_committed_for_later(spool: SqliteSpool) -> None:
    """Unclaimed recipients are due at the time that the commit names, in memory as in the store."""
    draft = spool.draft()
    await draft.write(b"x")
    entry = await spool.commit(draft, envelope(), received=NOON, due=NOON + 300)
    assert {item.due for item in entry.recipients} == {NOON + 300}
    assert await spool.claim(NOON + 299, 10) == ()
    assert await spool.next_due() == NOON + 300
    [claimed] = await spool.claim(NOON + 300, 10)
    assert claimed.message.id == entry.message.id


async def test_everything_survives_a_restart(directory: Path) -> None:
    """Envelope, parameters, names and content come back as they were committed."""
    given = Envelope(
        ReversePath(ANNA),
        (
            Recipient(parse_address('"a b"@example.org'), RcptParameters(frozenset({Notify.NEVER}), "rfc822;x@y"), BOB),
            Recipient(parse_address("grün@example.org")),
        ),
        MailParameters(1234, Body.EIGHT_BIT, True, Ret.HEADERS, "env+id"),
    )
    spool = await opened(directory)
    draft = spool.draft()
    await draft.write("grün\r\n".encode())
    kept = await spool.commit(
        draft, given, received=NOON, account="anna", session="s1", message_id="<1@example.test>", claim=True
    )
    await spool.close()
    spool = await opened(directory)
    (entry,) = await spool.claim(NOON, 10)
    assert await read(entry.message.content) == "grün\r\n".encode()
    assert replace(entry.message, content=kept.message.content) == kept.message
    assert entry.recipients == kept.recipients
    assert entry.message.has_8bit
    await spool.close()


async def test_a_null_reverse_path_survives(directory: Path) -> None:
    """The null reverse-path stays null."""
    spool = await opened(directory)
    await put(spool, sender=None)
    (entry,) = await spool.claim(NOON, 1)
    assert entry.message.reverse_path.is_null
    await spool.close()


async def test_claim_takes_what_is_due_in_order_and_once(spool: SqliteSpool) -> None:
    """Claims come oldest due first, within the limit, and nobody gets one twice."""
    late = await put(spool, b"late", received=NOON + 100)
    early = await put(spool, b"early", received=NOON)
    future = await put(spool, b"future", received=NOON + 1000)
    first, second = await asyncio.gather(spool.claim(NOON + 100, 1), spool.claim(NOON + 100, 5))
    assert [entry.message.id for entry in (*first, *second)] == [early.message.id, late.message.id]
    assert first[0].recipients[0].state is State.ACTIVE
    assert await spool.claim(NOON + 100, 5) == ()
    assert await spool.next_due() == NOON + 1000
    assert future.recipients[0].due == NOON + 1000


async def test_claim_leaves_out_domains(spool: SqliteSpool) -> None:
    """A domain in ``without`` is not claimed; the message's other recipients are."""
    await put(spool, b"x", BOB, CARL)
    (entry,) = await spool.claim(NOON, 10, without=frozenset({"example.org", 'a"b'}))
    assert [item.recipient.address for item in entry.recipients] == [CARL]


async def test_a_final_outcome_removes_and_the_last_takes_the_message(spool: SqliteSpool) -> None:
    """Each final outcome removes its recipient; with the last one the message is gone."""
    entry = await put(spool, b"x", BOB, CARL, claim=True)
    first, second = settled(entry)
    await spool.settle([first])
    (left,) = await spool.find(Filter())
    assert [item.recipient.address for item in left.recipients] == [CARL]
    await spool.settle([second])
    assert await spool.find(Filter()) == ()
    assert (await spool.stats()).messages == 0


async def test_a_deferral_counts_and_waits(spool: SqliteSpool) -> None:
    """A deferred recipient has its new time, one more attempt, and remembers the outcome."""
    entry = await put(spool, claim=True)
    (settlement,) = settled(entry, Fate.DEFERRED, due=NOON + 300)
    await spool.settle([replace(settlement, warned=True)])
    assert await spool.next_due() == NOON + 300
    assert await spool.claim(NOON + 299, 1) == ()
    (again,) = await spool.claim(NOON + 300, 1)
    (item,) = again.recipients
    assert (item.attempts, item.warned, item.due) == (1, True, NOON + 300)
    assert item.last == settlement.outcome
    await spool.settle([replace(settlement, due=NOON + 400, tried=False)])
    (found,) = await spool.find(Filter())
    assert (found.recipients[0].attempts, found.recipients[0].warned) == (1, True)


async def test_a_peers_strange_words_can_be_kept(spool: SqliteSpool) -> None:
    """A diagnostic with surrogates, NUL and line ends never fails a settlement."""
    entry = await put(spool, claim=True)
    strange = replace(outcome(Fate.DEFERRED), diagnostic="smtp; 451 \udc80\0\r\n'; DROP TABLE message", remote="\ud800")
    await spool.settle([Settlement(entry.message.id, 0, strange, NOON)])
    (found,) = await spool.find(Filter())
    assert found.recipients[0].last is not None
    assert "\\udc80\0\r\n'; DROP" in found.recipients[0].last.diagnostic


async def test_reports_are_committed_with_what_caused_them(spool: SqliteSpool) -> None:
    """A report comes back claimed, with its content in memory, beside the outcome it tells of."""
    entry = await put(spool, claim=True)
    report = NewMessage(envelope(ANNA, sender=None), b"Subject: failed\r\n\r\n", NOON + 5)
    (made,) = await spool.settle(settled(entry, Fate.FAILED), [report])
    assert made.message.content.octets == report.octets
    assert made.message.id > entry.message.id
    (found,) = await spool.find(Filter())
    assert found.message.id == made.message.id
    assert found.recipients[0].state is State.ACTIVE


async def test_settling_at_once_after_commit(spool: SqliteSpool) -> None:
    """A settlement may follow its commit immediately, many times over, all at once."""

    async def one(number: int) -> None:
        entry = await put(spool, b"%d" % number, claim=True)
        await spool.settle(settled(entry))

    await asyncio.gather(*[one(number) for number in range(200)])
    assert (await spool.stats()).messages == 0


async def test_settling_twice_or_unclaimed_changes_nothing(spool: SqliteSpool) -> None:
    """Only who holds the claim settles: what is deferred or gone is not touched."""
    entry = await put(spool, claim=False)
    await spool.settle(settled(entry))
    assert (await spool.stats()).messages == 1
    (claimed,) = await spool.claim(NOON, 1)
    await spool.settle(settled(claimed))
    await spool.settle(settled(claimed))
    await spool.settle(settled(claimed, Fate.DEFERRED, NOON))
    assert (await spool.stats()).messages == 0


async def test_release_gives_back_untried(spool: SqliteSpool) -> None:
    """A released claim is due as before, or when the caller says."""
    entry = await put(spool, claim=True)
    await spool.release([entry])
    assert await spool.next_due() == NOON
    claimed = await spool.claim(NOON, 1)
    await spool.release(claimed, due=NOON + 60)
    assert await spool.next_due() == NOON + 60
    (found,) = await spool.find(Filter())
    assert found.recipients[0].attempts == 0


async def test_a_restart_ends_claims_and_shifts_nothing(directory: Path) -> None:
    """What was claimed is deferred after a restart, with the time it had."""
    spool = await opened(directory)
    await put(spool, b"a", claim=True, received=NOON + 7)
    held = await put(spool, b"b", received=NOON + 9)
    await spool.hold(Filter(messages=(held.message.id,)))
    await spool.close()
    spool = await opened(directory)
    stats = await spool.stats()
    assert stats.recipients == {State.ACTIVE: 0, State.DEFERRED: 1, State.HELD: 1, State.DAMAGED: 0}
    assert await spool.next_due() == NOON + 7
    await spool.close()


async def test_ids_never_repeat(directory: Path) -> None:
    """An id is not given again, though its message is gone, the store was closed and time stands still."""
    seen: list[str] = []
    for _ in range(3):
        spool = await opened(directory)
        for _ in range(3):
            entry = await put(spool, claim=True, received=NOON)
            seen.append(entry.message.id)
            await spool.settle(settled(entry))
        await spool.close()
    assert seen == sorted(set(seen))


async def test_a_caller_that_goes_away_leaves_no_claim(spool: SqliteSpool) -> None:
    """A commit whose caller was cancelled is kept, and is due as if nobody had claimed it."""
    draft = spool.draft()
    await draft.write(b"x")
    task = asyncio.create_task(spool.commit(draft, envelope(), received=NOON, claim=True))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5):
        while not await spool.claim(NOON, 1):
            await asyncio.sleep(0)


async def test_a_bad_text_fails_alone(spool: SqliteSpool) -> None:
    """An envelope that cannot be stored fails its own commit and no other of the same moment."""
    bad = envelope(replace(BOB, local_part="\udc80"))

    async def commit(given: Envelope) -> str:
        draft = spool.draft()
        await draft.write(b"x")
        return (await spool.commit(draft, given, received=NOON)).message.id

    results = await asyncio.gather(commit(envelope()), commit(bad), commit(envelope()), return_exceptions=True)
    assert [isinstance(item, ValueError) for item in results] == [False, True, False]
    assert (await spool.stats()).messages == 2


async def test_a_bad_text_leaves_no_file(spool: SqliteSpool, directory: Path) -> None:
    """A big message whose envelope cannot be stored leaves no content file."""
    draft = spool.draft()
    await draft.write(bytes(20_000))
    with pytest.raises(ValueError, match="surrogates"):
        await spool.commit(draft, envelope(replace(BOB, local_part="\udc80")), received=NOON)
    assert os.listdir(directory / "content") == []


async def test_a_request_the_database_refuses_fails_alone(spool: SqliteSpool) -> None:
    """When one request breaks the batch, the others are committed without it."""
    taken = await put(spool, b"first")
    twin = spool.draft()
    twin._number = int(taken.message.id, 32)
    await twin.write(b"twin")
    results = await asyncio.gather(
        put(spool, b"a"),
        spool.commit(twin, envelope(), received=NOON),
        put(spool, b"b"),
        return_exceptions=True,
    )
    assert [type(item) for item in results].count(SpoolUnfit) == 1
    assert (await spool.stats()).messages == 3
    await put(spool, b"c")


async def test_a_second_instance_is_refused_by_name(spool: SqliteSpool, directory: Path) -> None:
    """E9: a spool in use is refused, and the message names the process."""
    with pytest.raises(SpoolLocked, match=str(os.getpid())):
        await opened(directory)
    await put(spool)


async def test_after_close_nothing_is_taken(directory: Path) -> None:
    """A closed store raises SpoolClosed for every verb, and closes twice in peace."""
    spool = await opened(directory)
    entry = await put(spool, claim=True)
    draft = spool.draft()
    await draft.write(b"x")
    await asyncio.gather(spool.close(), spool.close())
    for deed in (
        spool.commit(draft, envelope(), received=NOON),
        spool.settle(settled(entry)),
        spool.claim(NOON, 1),
        spool.find(Filter()),
        spool.next_due(),
        spool.release([entry]),
    ):
        with pytest.raises(SpoolClosed):
            await deed


async def test_what_waits_at_close_is_still_done(directory: Path) -> None:
    """Commits under way when the store closes are made durable and answered."""
    spool = await opened(directory)
    tasks = [asyncio.create_task(put(spool, b"%d" % number)) for number in range(20)]
    await asyncio.sleep(0)
    await spool.close()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    kept = [item for item in results if not isinstance(item, BaseException)]
    spool = await opened(directory)
    assert (await spool.stats()).messages == len(kept)
    await spool.close()


# ── operators ──


async def test_find_filters_and_pages(spool: SqliteSpool) -> None:
    """Filters by address, domain, sender, id, age and state combine; pages follow each other."""
    one = await put(spool, b"1", BOB, CARL, received=NOON)
    two = await put(spool, b"2", CARL, sender=None, received=NOON + 1)
    three = await put(spool, b"3", BOB, sender=CARL, received=4e9)
    ids = {one.message.id: 1, two.message.id: 2, three.message.id: 3}

    async def found(**wanted: object) -> list[int]:
        return [ids[entry.message.id] for entry in await spool.find(Filter(**wanted))]  # type: ignore[arg-type]

    assert await found() == [1, 2, 3]
    assert await found(to="bob@EXAMPLE.org") == [1, 3]
    assert await found(to="@example.net") == [1, 2]
    assert await found(to="Bob@example.org") == []
    assert await found(sender="@example.test") == [1]
    assert await found(sender="<>") == [2]
    assert await found(sender="carl@example.net", to="@example.org") == [3]
    assert await found(messages=(two.message.id, "nonsense")) == [2]
    assert await found(older=3600.0) == [1, 2]
    assert await found(state=State.HELD) == []
    (only_carl, _) = await spool.find(Filter(to="@example.net"))
    assert [item.position for item in only_carl.recipients] == [1]
    page = await spool.find(Filter(), limit=2)
    assert [ids[entry.message.id] for entry in page] == [1, 2]
    rest = await spool.find(Filter(), limit=2, after=page[-1].message.id)
    assert [ids[entry.message.id] for entry in rest] == [3]


async def test_a_filter_that_is_no_address_is_an_error(spool: SqliteSpool) -> None:
    """What is typed is data: hostile text finds nothing or is refused as no address (case 79)."""
    with pytest.raises(AddressError):
        await spool.find(Filter(to="x' OR '1'='1"))
    assert await spool.find(Filter(sender='"x\'/**/UNION/**/SELECT"@example.test')) == ()


async def test_hold_and_unhold(spool: SqliteSpool) -> None:
    """Held recipients are not claimed until an operator frees them; claimed ones are not held."""
    entry = await put(spool, b"x")
    await put(spool, b"y", claim=True)
    assert await spool.hold(Filter()) == 1
    assert await spool.claim(NOON + 99, 9) == ()
    assert await spool.next_due() is None
    assert await spool.unhold(Filter(), NOON + 5) == 1
    (freed,) = await spool.claim(NOON + 5, 9)
    assert freed.message.id == entry.message.id


async def test_retry_makes_deferred_due(spool: SqliteSpool) -> None:
    """Retry brings the time forward for what matches."""
    await put(spool, b"x", BOB, received=NOON + 5000)
    await put(spool, b"y", CARL, received=NOON + 5000)
    assert await spool.retry(Filter(to="@example.org"), NOON) == 1
    (entry,) = await spool.claim(NOON, 9)
    assert entry.recipients[0].recipient.address == BOB


async def test_drop_forgets_what_is_not_claimed(spool: SqliteSpool) -> None:
    """Dropped recipients are gone, their message with the last; claimed ones stay."""
    await put(spool, b"x", BOB, CARL)
    await put(spool, b"y", claim=True)
    assert await spool.drop(Filter(to="@example.net")) == 1
    assert (await spool.stats()).messages == 2
    assert await spool.drop(Filter()) == 1
    assert (await spool.stats()).recipients[State.ACTIVE] == 1
    assert (await spool.stats()).messages == 1


async def test_reroute_changes_the_next_hop(spool: SqliteSpool) -> None:
    """A rerouted recipient is due now and carries its next hop; empty takes it back."""
    await put(spool, received=NOON + 5000)
    assert await spool.reroute(Filter(), "smtp://[192.0.2.1]:25", NOON) == 1
    (entry,) = await spool.claim(NOON, 1)
    assert entry.recipients[0].next_hop == "smtp://[192.0.2.1]:25"
    await spool.release([entry])
    assert await spool.reroute(Filter(), "", NOON) == 1
    (found,) = await spool.find(Filter())
    assert found.recipients[0].next_hop == ""


async def test_seize_claims_due_or_not(spool: SqliteSpool) -> None:
    """Seize claims deferred and held recipients that match, whatever their time."""
    await put(spool, b"x", BOB, received=NOON + 5000)
    await put(spool, b"y", CARL)
    await spool.hold(Filter(to="@example.net"))
    seized = await spool.seize(Filter())
    assert len(seized) == 2
    assert {item.state for entry in seized for item in entry.recipients} == {State.ACTIVE}
    await spool.settle([item for entry in seized for item in settled(entry, Fate.FAILED)])
    assert (await spool.stats()).messages == 0


async def test_operations_reach_beyond_one_slice(spool: SqliteSpool) -> None:
    """An operation on more recipients than one slice holds reaches them all."""
    many = [replace(BOB, local_part=f"bob{number}") for number in range(2500)]
    await put(spool, b"x", *many)
    assert await spool.hold(Filter()) == 2500
    assert await spool.unhold(Filter(), NOON) == 2500
    assert await spool.drop(Filter()) == 2500
    assert (await spool.stats()).messages == 0


async def test_stats_count(spool: SqliteSpool) -> None:
    """Stats count messages, recipients by state, octets, the oldest and the domains."""
    await put(spool, b"12345", BOB, CARL, received=NOON + 1)
    await put(spool, b"123", BOB, received=NOON, claim=True)
    stats = await spool.stats()
    assert (stats.messages, stats.octets, stats.oldest) == (2, 8, NOON)
    assert stats.recipients == {State.ACTIVE: 1, State.DEFERRED: 2, State.HELD: 0, State.DAMAGED: 0}
    assert stats.domains == (("example.org", 2), ("example.net", 1))


async def test_group_commit_shares_syncs(directory: Path) -> None:
    """Commits that wait together are answered together: far fewer turns of the loop than messages."""
    spool = await opened(directory, settings=SETTINGS)
    answered: list[int] = []
    deliver = spool._writer._deliver

    def counting(batch: object) -> None:
        answered.append(len(batch.done))  # type: ignore[attr-defined]
        deliver(batch)  # type: ignore[arg-type]

    spool._writer._deliver = counting
    await asyncio.gather(*[put(spool, b"%d" % number) for number in range(300)])
    assert sum(answered) == 300
    assert len(answered) < 30
    await spool.close()
