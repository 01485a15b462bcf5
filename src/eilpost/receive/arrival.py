"""The content has arrived: facts, verdict, trace, commit, and only then the reply (a deed).

"250" means that the message is durable here. SpoolFull and SpoolClosed go to the caller, who has
other words for them.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from eilpost.journal import Accepted
from eilpost.mail.encryption import Security
from eilpost.mail.reply import Reply
from eilpost.mail.status import status
from eilpost.message import submission, trace
from eilpost.message.header import Header
from eilpost.policy import content as content_policy
from eilpost.policy import sender as sender_policy
from eilpost.policy import wishes
from eilpost.policy.facts import Client
from eilpost.receive.house import House
from eilpost.receive.roles import RoleRow
from eilpost.receive.transaction import Mend, Transaction
from eilpost.smtp.commands import Dialect
from eilpost.spool.contract import Entry

_QUEUED: Final = status("2.0.0")


@dataclass(slots=True)
class Guest:
    """What a session knows of its client: the trace and the log tell it."""

    session: str
    role: RoleRow
    client: Client
    helo: str = ""
    extended: bool = False
    security: Security | None = None
    name: asyncio.Task[str] | None = None

    @property
    def verified_name(self) -> str:
        """The client's name in DNS, if it is known by now."""
        name = self.name
        return name.result() if name is not None and name.done() and not name.cancelled() else ""


def mending(house: House, transaction: Transaction, id: str) -> Mend:
    """What completes a new message of this transaction (RFC 6409 §8)."""

    def mend(header: Header) -> submission.Repairs:
        return submission.repairs(
            header,
            date=house.date(time.time()),
            message_id=submission.message_id(id, house.hostname),
            author=transaction.reverse_path.mailbox,
        )

    return mend


async def take_in(house: House, guest: Guest, transaction: Transaction, size: int) -> Reply:
    """The reply to the end of a content that the grammar found no fault with."""
    header = await transaction.finish()
    verdict = content_policy.judge(guest.client, house.limits, transaction.facts(size))
    if not verdict.is_positive:
        return verdict
    if guest.client.logged_in and house.logins.rules.own_addresses:
        owns = house.logins.ownership.owns_author(guest.client.account, header, house.inquiry)
        verdict = sender_policy.author(owns)
        if not verdict.is_positive:
            return verdict
    draft, repairs = transaction.draft, transaction.repairs
    assert draft is not None
    now = time.time()
    envelope = transaction.envelope()
    due = house.ways.waits_until(envelope.recipients)
    if envelope.parameters.hold is not None:
        due = max(due or now, wishes.release(envelope.parameters.hold, now))
    entry = await house.ways.spool.commit(
        draft,
        envelope,
        received=now,
        account=guest.client.account,
        session=guest.session,
        message_id=_message_id(header) or repairs.message_id,
        prefix=trace.received(_hop(house, guest, transaction, draft.id, now)) + _mark(house, guest) + repairs.prefix,
        claim=due is None,
        due=due,
    )
    _note(house, guest, entry, size)
    house.ways.accept(entry)
    return Reply(250, _QUEUED, (f"Ok: queued as {entry.message.id}",))


def _hop(house: House, guest: Guest, transaction: Transaction, id: str, now: float) -> trace.Hop:
    recipients = transaction.recipients
    single = recipients[0] if len(recipients) == 1 else None
    return trace.Hop(
        helo=guest.helo,
        peer=guest.client.address,
        by=house.hostname,
        protocol=trace.protocol(
            extended=guest.extended,
            lmtp=guest.role.dialect is Dialect.LMTP,
            tls=guest.security is not None,
            login=guest.client.logged_in,
            utf8=transaction.parameters.smtputf8,
        ),
        id=id,
        date=house.date(now),
        name=guest.verified_name,
        security=guest.security,
        recipient=(single.given or single.address) if single is not None else None,
    )


def _mark(house: House, guest: Guest) -> bytes:
    """Who sent it, where the operator wants everybody to read it."""
    client = guest.client
    return trace.authenticated(client.account) if client.logged_in and house.logins.rules.x_authenticated else b""


def _message_id(header: Header) -> str:
    found = header.first(b"message-id")
    return found.decode("utf-8", "backslashreplace") if found else ""


def _note(house: House, guest: Guest, entry: Entry, size: int) -> None:
    message = entry.message
    house.journal(
        Accepted(
            guest.session,
            message.id,
            guest.role.name,
            guest.client.address,
            guest.helo,
            str(message.reverse_path),
            len(entry.recipients),
            size,
            message.message_id,
            message.account,
            str(guest.security) if guest.security is not None else "",
        )
    )
