"""What senders wish of the queue: priority, release at a time, a deadline; durable, and free where not used."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from eilpost.mail.envelope import (
    NULL_REVERSE_PATH,
    ByMode,
    DeliverBy,
    Envelope,
    MailParameters,
    RcptParameters,
    Recipient,
    ReversePath,
    ValidSince,
)
from eilpost.mail.outcome import Fate
from eilpost.spool import schema
from eilpost.spool.contract import Entry, Filter, Settlement
from eilpost.spool.sqlite import SqliteSpool
from eilpost.testing.spool import MemorySpool
from tests.unit.spool.sample import ANNA, BOB, NOON, opened, outcome

Store = SqliteSpool | MemorySpool


async def wish(spool: Store, parameters: MailParameters, due: float | None = None, received: float = NOON) -> str:
    """Commits a message with these wishes; its id."""
    draft = spool.draft()
    await draft.write(b"x")
    what = Envelope(ReversePath(ANNA), (Recipient(BOB),), parameters)
    return (await spool.commit(draft, what, received=received, due=due)).message.id


def ids(entries: tuple[Entry, ...]) -> list[str]:
    return [entry.message.id for entry in entries]


async def test_rfc6710_what_is_urgent_is_claimed_first(spool: SqliteSpool) -> None:
    """A higher priority goes before what waits for longer, a lower one behind it, in the store and in its double."""
    for store in (spool, MemorySpool(lambda: NOON)):
        slow = await wish(store, MailParameters(priority=-4), received=NOON - 9)
        usual = [await wish(store, MailParameters(size=n), received=NOON - n) for n in (3, 2)]
        urgent = await wish(store, MailParameters(priority=6))
        assert ids(await store.claim(NOON, 3)) == [urgent, *usual]
        assert ids(await store.claim(NOON, 3)) == [slow]


async def test_rfc4865_mail_that_is_to_wait_waits(spool: SqliteSpool) -> None:
    """It is not claimed before its time, wakes nobody, and is no sign that the clock was set back."""
    for store in (spool, MemorySpool(lambda: NOON)):
        held = await wish(store, MailParameters(hold=90_000, priority=3), due=NOON + 90_000)
        assert await store.next_due() is None
        assert await store.claim(NOON + 80_000, 9) == ()
        assert await store.retry(Filter(), NOON) == 0
        (entry,) = await store.claim(NOON + 90_000, 9)
        assert entry.message.id == held
        await store.settle([Settlement(held, 0, outcome(Fate.DEFERRED), due=NOON + 90_300)])
        assert await store.next_due() == NOON + 90_300  # from its first attempt on it is mail like any other


async def test_an_operator_may_release_it(spool: SqliteSpool) -> None:
    """Whoever names the message means it, also while it is to wait."""
    for store in (spool, MemorySpool(lambda: NOON)):
        held = await wish(store, MailParameters(hold=90_000), due=NOON + 90_000)
        assert await store.retry(Filter(messages=(held,)), NOON) == 1
        assert ids(await store.claim(NOON, 9)) == [held]


async def test_wishes_survive_a_restart(tmp_path: Path) -> None:
    """What MAIL and RCPT asked for is what the next start finds."""
    parameters = MailParameters(
        auth=NULL_REVERSE_PATH,
        priority=-9,
        deliver_by=DeliverBy(-120, ByMode.NOTIFY, trace=True),
        require_tls=True,
        solicit=("net.example:ADV",),
    )
    since = RcptParameters(valid_since=ValidSince(datetime(2026, 1, 2, tzinfo=UTC), may_continue=True))
    spool = await opened(tmp_path)
    draft = spool.draft()
    await spool.commit(draft, Envelope(ReversePath(ANNA), (Recipient(BOB, since),), parameters), received=NOON)
    await spool.close()
    spool = await opened(tmp_path)
    (entry,) = await spool.find(Filter())
    await spool.close()
    assert entry.message.parameters == parameters
    assert entry.recipients[0].recipient.parameters == since


async def test_a_store_of_the_first_version_is_migrated(tmp_path: Path) -> None:
    """Mail that waits in an older store is claimed as before, and its rows are read."""
    spool = await opened(tmp_path)
    kept = await wish(spool, MailParameters(size=1))
    await spool.close()
    with closing(sqlite3.connect(tmp_path / schema.DATABASE, isolation_level=None)) as connection:
        connection.execute("DROP INDEX due")
        connection.execute("ALTER TABLE recipient DROP COLUMN rank")
        connection.execute("CREATE INDEX due ON recipient (due, domain, state) WHERE state = 1")
        connection.execute("PRAGMA user_version = 1")
    spool = await opened(tmp_path)
    assert ids(await spool.claim(NOON, 9)) == [kept]
    await spool.close()
