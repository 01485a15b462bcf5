"""Values of the contract made from records, and records from values (decisions)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from eilpost.mail.envelope import NO_MAIL_PARAMETERS, Envelope, MailParameters
from eilpost.spool import records
from eilpost.spool.contract import Content, Entry, QueuedMessage, QueuedRecipient, Settlement, State
from eilpost.spool.numbers import to_number, to_text
from eilpost.spool.records import MessageRecord, RecipientRecord, Row
from eilpost.spool.schema import LATER
from eilpost.spool.statements import Key


def new_entry(
    record: MessageRecord, envelope: Envelope, content: Content, state: State, due: float | None = None
) -> Entry:
    """The entry of a message that is committed now; without ``due`` its recipients are due at once."""
    due = record.received if due is None else due
    recipients = tuple(
        [QueuedRecipient(position, recipient, state, 0, due) for position, recipient in enumerate(envelope.recipients)]
    )
    return Entry(_message(record, content), recipients)


def stored_entry(
    record: MessageRecord, recipients: Iterable[RecipientRecord], content: Content, state: State | None = None
) -> Entry:
    """The entry of rows that were read; ``state`` is what they are now, None: what the rows say."""
    return Entry(_message(record, content), tuple([_recipient(item, state or item.state) for item in recipients]))


def _message(record: MessageRecord, content: Content) -> QueuedMessage:
    return QueuedMessage(
        to_text(record.number),
        record.reverse_path,
        record.parameters,
        record.received,
        record.size,
        record.has_8bit,
        content,
        record.account,
        record.session,
        record.message_id,
    )


def _recipient(record: RecipientRecord, state: State) -> QueuedRecipient:
    return QueuedRecipient(
        record.position,
        record.recipient,
        state,
        record.attempts,
        record.due,
        record.warned,
        record.next_hop,
        record.last,
    )


def recipient_rows(record: MessageRecord, entry: Entry, state: int) -> list[Row]:
    """The rows of all recipients of a new message."""
    number, rank = record.number, _rank(record.parameters, state)
    return [
        records.encode_recipient(number, item.position, item.recipient, state, item.due, rank)
        for item in entry.recipients
    ]


def _rank(parameters: MailParameters, state: int) -> int:
    """What orders it among what is due: by its sender's wish, RFC 6710 §4.3 and RFC 4865 §4."""
    if parameters is NO_MAIL_PARAMETERS:
        return 0
    later = LATER if parameters.hold is not None and state == records.DEFERRED else 0
    return later - (parameters.priority or 0)


def sort_settlements(settlements: Sequence[Settlement]) -> tuple[list[Key], list[Row]]:
    """The keys that are settled for good, and the rows of those deferred."""
    settled: list[Key] = []
    deferred: list[Row] = []
    for item in settlements:
        outcome, number = item.outcome, to_number(item.message)
        if outcome.fate.is_final:
            settled.append((number, item.position))
            continue
        due = outcome.when if item.due is None else item.due
        deferred.append(
            (number, item.position, storable_time(due), int(item.tried), int(item.warned),
             records.encode_outcome(outcome))
        )  # fmt: skip
    return settled, deferred


def keys_of(entries: Iterable[Entry]) -> list[Key]:
    """What names the recipients of these entries."""
    return [(to_number(entry.message.id), item.position) for entry in entries for item in entry.recipients]


def claimed_only(entries: Iterable[Entry], claimed: Callable[[Key], bool]) -> tuple[Entry, ...]:
    """The entries with only those recipients that the store let us have."""
    kept = []
    for entry in entries:
        number = to_number(entry.message.id)
        recipients = tuple(item for item in entry.recipients if claimed((number, item.position)))
        if recipients:
            kept.append(Entry(entry.message, recipients))
    return tuple(kept)


def storable_time(time: float) -> float:
    """Unix time as the store takes it; what is no time at all is 1970: due at once."""
    return float(time) if math.isfinite(time) else 0.0
