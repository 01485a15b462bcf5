"""Rows of the store to values and back, each under a checksum (a grammar).

The columns that never change after commit are covered by ``row_check``, the last outcome by its
own. A row that does not match is damaged: it is set aside, never guessed at. Text comes out of
the store as octets, so that one flipped bit in it damages one row and no query.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, Final, NoReturn
from zlib import crc32

import msgspec

from eilpost.mail.address import Address
from eilpost.mail.envelope import (
    NO_MAIL_PARAMETERS,
    NO_RCPT_PARAMETERS,
    NULL_REVERSE_PATH,
    Body,
    ByMode,
    DeliverBy,
    MailParameters,
    Notify,
    RcptParameters,
    Recipient,
    Ret,
    ReversePath,
    ValidSince,
)
from eilpost.mail.outcome import Fate, Outcome
from eilpost.mail.status import status
from eilpost.mail.value import value
from eilpost.spool.contract import State

Row = tuple[Any, ...]

STATES: Final = (State.ACTIVE, State.DEFERRED, State.HELD, State.DAMAGED)
"""A state's number in the store is its place here."""
NUMBER_OF: Final = {state: number for number, state in enumerate(STATES)}
ACTIVE: Final = NUMBER_OF[State.ACTIVE]
DEFERRED: Final = NUMBER_OF[State.DEFERRED]
HELD: Final = NUMBER_OF[State.HELD]
DAMAGED: Final = NUMBER_OF[State.DAMAGED]


class _Mail(msgspec.Struct, array_like=True):
    """The parameters of MAIL in the store: what a row of an older version lacks was not given."""

    size: int | None
    body: Body | None
    smtputf8: bool
    ret: Ret | None
    envid: str | None
    auth: tuple[str, str] | str | None = None  # a mailbox, or an empty text for <>
    priority: int | None = None
    deliver_by: tuple[int, ByMode, bool] | None = None
    require_tls: bool = False
    solicit: tuple[str, ...] = ()


class _Rcpt(msgspec.Struct, array_like=True):
    """The parameters of RCPT in the store, and the address that was given."""

    notify: list[Notify] | None
    orcpt: str | None
    local: str | None
    domain: str | None
    valid_since: tuple[datetime, bool] | None = None


_MAIL: Final = msgspec.json.Decoder(_Mail)
_RCPT: Final = msgspec.json.Decoder(_Rcpt)
_OUTCOME: Final = msgspec.json.Decoder(tuple[str, str, Fate, str, str, str | None, float, bool])
_CHECK_LENGTH: Final = 8
# What the wrong types and texts in a row raise when it is taken for a sound one.
_NOT_A_RECORD: Final = (AttributeError, OverflowError, TypeError, ValueError)
_MOST_ATTEMPTS: Final = 1 << 31


class RecordDamaged(ValueError):
    """The row is not what was committed; the message says what is wrong with it."""


@value(frozen=True, slots=True)
class MessageRecord:
    """What a message's row says; ``in_file``: the body lies in a file named by the id, not in the database."""

    number: int
    received: float
    size: int
    has_8bit: bool
    reverse_path: ReversePath
    account: str
    session: str
    message_id: str
    parameters: MailParameters
    in_file: bool
    content_check: int


@value(frozen=True, slots=True)
class RecipientRecord:
    """What a recipient's row says."""

    message: int
    position: int
    state: State
    due: float
    attempts: int
    warned: bool
    next_hop: str
    recipient: Recipient
    last: Outcome | None


def content_check(body_check: int, prefix: bytes) -> int:
    """The checksum of a content whose body was summed while it arrived, before its prefix was known."""
    return crc32(prefix, body_check) if prefix else body_check


# ── messages ──


def encode_message(record: MessageRecord) -> Row:
    """The row of a message; UnicodeEncodeError when a text cannot be stored."""
    mailbox = record.reverse_path.mailbox
    local, domain = (None, None) if mailbox is None else (mailbox.local_part, mailbox.domain)
    parameters = None if record.parameters == NO_MAIL_PARAMETERS else _encode_mail(record.parameters)
    whole = (
        f"{record.number}\0{record.received!r}\0{record.size}\0{int(record.has_8bit)}\0{int(record.in_file)}\0"
        f"{record.content_check}\0{'' if local is None else '+' + local}\0{domain or ''}\0{record.account}\0"
        f"{record.session}\0{record.message_id}\0{parameters or ''}"
    )
    check = crc32(whole.encode())
    return (
        record.number, record.received, record.size, int(record.has_8bit), int(record.in_file), record.content_check,
        local, domain, record.account, record.session, record.message_id, parameters, check,
    )  # fmt: skip


def _encode_mail(parameters: MailParameters) -> str:
    first = MailParameters(parameters.size, parameters.body, parameters.smtputf8, parameters.ret, parameters.envid)
    fields: tuple[object, ...] = (first.size, first.body, first.smtputf8, first.ret, first.envid)
    if parameters != first:
        auth, by = parameters.auth, parameters.deliver_by
        who = None if auth is None else auth.mailbox
        fields += (
            ("" if auth is not None else None) if who is None else (who.local_part, who.domain),
            parameters.priority, None if by is None else (by.seconds, by.mode, by.trace), parameters.require_tls,
            parameters.solicit,
        )  # fmt: skip
    return msgspec.json.encode(fields).decode()


def _decode_mail(octets: bytes) -> MailParameters:
    stored = _MAIL.decode(octets)
    auth = stored.auth
    return MailParameters(
        stored.size,
        stored.body,
        stored.smtputf8,
        stored.ret,
        stored.envid,
        auth=(NULL_REVERSE_PATH if isinstance(auth, str) else None if auth is None else ReversePath(Address(*auth))),
        priority=stored.priority,
        deliver_by=None if stored.deliver_by is None else DeliverBy(*stored.deliver_by),
        require_tls=stored.require_tls,
        solicit=stored.solicit,
    )


def decode_message(row: Row) -> MessageRecord:
    """What ``encode_message`` was given; RecordDamaged if the row is not its work."""
    try:
        return _decode_message(row)
    except _NOT_A_RECORD as error:
        _damaged("message", error)


def _decode_message(row: Row) -> MessageRecord:
    number, received, size, has_8bit, in_file, content, local, domain, account, session, message_id, mail, check = row
    # As text, not by %d: that would take 0.5 for 0.
    figures = f"{number}\0{received!r}\0{size}\0{has_8bit}\0{in_file}\0{content}\0".encode()
    sender = (b"" if local is None else b"+" + local, domain or b"")
    whole = figures + b"\0".join((*sender, account, session, message_id, mail or b""))
    if crc32(whole) != check:
        raise RecordDamaged("the checksum differs")
    return MessageRecord(
        number=number,
        received=received,
        size=size,
        has_8bit=bool(has_8bit),
        reverse_path=NULL_REVERSE_PATH if local is None else ReversePath(Address(local.decode(), domain.decode())),
        account=account.decode(),
        session=session.decode(),
        message_id=message_id.decode(),
        parameters=NO_MAIL_PARAMETERS if mail is None else _decode_mail(mail),
        in_file=bool(in_file),
        content_check=content,
    )


# ── recipients ──


def encode_recipient(message: int, position: int, recipient: Recipient, state: int, due: float, rank: int = 0) -> Row:
    """The row of a new recipient; UnicodeEncodeError when a text cannot be stored."""
    address = recipient.address
    wishes = None
    if recipient.given is not None or recipient.parameters != NO_RCPT_PARAMETERS:
        wishes = _encode_wishes(recipient)
    check = crc32(f"{message}\0{position}\0{address.local_part}\0{address.domain}\0{wishes or ''}".encode())
    return (message, position, state, due, 0, 0, address.local_part, address.domain, "", wishes, check, None, rank)


def _encode_wishes(recipient: Recipient) -> str:
    notify, given = recipient.parameters.notify, recipient.given
    fields: tuple[object, ...] = (
        None if notify is None else sorted(item.value for item in notify),
        recipient.parameters.orcpt,
        None if given is None else given.local_part,
        None if given is None else given.domain,
    )
    since = recipient.parameters.valid_since
    if since is not None:
        fields += ((since.moment, since.may_continue),)
    return msgspec.json.encode(fields).decode()


def decode_recipient(row: Row) -> RecipientRecord:
    """What ``encode_recipient`` was given and what became of it; RecordDamaged if it cannot be."""
    try:
        return _decode_recipient(row)
    except _NOT_A_RECORD as error:
        _damaged("recipient", error)


def _decode_recipient(row: Row) -> RecipientRecord:
    message, position, state, due, attempts, warned, local, domain, next_hop, wishes, check, last = row
    whole = f"{message}\0{position}\0".encode() + b"\0".join((local, domain, wishes or b""))
    if crc32(whole) != check:
        raise RecordDamaged("the checksum differs")
    if type(state) is not int or not 0 <= state < len(STATES):
        raise RecordDamaged("the state is unknown")
    if type(attempts) is not int or not 0 <= attempts < _MOST_ATTEMPTS:
        raise RecordDamaged("the count of attempts is impossible")
    if type(due) is not float or not math.isfinite(due):
        raise RecordDamaged("the time is impossible")
    return RecipientRecord(
        message=message,
        position=position,
        state=STATES[state],
        due=due,
        attempts=attempts,
        warned=bool(warned),
        next_hop=next_hop.decode(),
        recipient=_recipient(Address(local.decode(), domain.decode()), wishes),
        last=None if last is None else decode_outcome(last),
    )


def _recipient(address: Address, wishes: bytes | None) -> Recipient:
    if wishes is None:
        return Recipient(address)
    stored = _RCPT.decode(wishes)
    parameters = RcptParameters(
        None if stored.notify is None else frozenset(stored.notify),
        stored.orcpt,
        None if stored.valid_since is None else ValidSince(*stored.valid_since),
    )
    given = None if stored.local is None or stored.domain is None else Address(stored.local, stored.domain)
    return Recipient(address, parameters, given)


# ── outcomes ──


def encode_outcome(outcome: Outcome) -> str:
    """An outcome as one text; what cannot be stored of a peer's words is escaped, never refused."""
    fields = (
        storable(outcome.recipient.local_part), outcome.recipient.domain, outcome.fate, str(outcome.status),
        storable(outcome.diagnostic), None if outcome.remote is None else storable(outcome.remote),
        outcome.when, outcome.dsn_passed_on,
    )  # fmt: skip
    text = msgspec.json.encode(fields)
    return f"{crc32(text):08x}{text.decode()}"


def decode_outcome(text: bytes) -> Outcome:
    """What ``encode_outcome`` was given; RecordDamaged if it cannot be."""
    try:
        return _decode_outcome(text)
    except _NOT_A_RECORD as error:
        _damaged("outcome", error)


def _decode_outcome(text: bytes) -> Outcome:
    body = text[_CHECK_LENGTH:]
    if b"%08x" % crc32(body) != text[:_CHECK_LENGTH]:
        raise RecordDamaged("the checksum of the last outcome differs")
    local, domain, fate, code, diagnostic, remote, when, dsn = _OUTCOME.decode(body)
    return Outcome(Address(local, domain), fate, status(code), diagnostic, remote, when, dsn)


def storable(text: str) -> str:
    """The text itself, or with backslashes where it holds what UTF-8 cannot."""
    return text.encode("utf-8", "backslashreplace").decode()


def _damaged(what: str, error: Exception) -> NoReturn:
    why = str(error) if isinstance(error, RecordDamaged) else f"{type(error).__name__} in a field"
    raise RecordDamaged(f"the {what}'s row is damaged: {why}") from error


# ── what is shown of damaged rows ──

_NOBODY: Final = Address("damaged", "invalid")


def shown_message(number: int) -> MessageRecord:
    """Stands in lists for a message whose row cannot be read."""
    return MessageRecord(number, number / 1e6, 0, False, NULL_REVERSE_PATH, "", "", "", NO_MAIL_PARAMETERS, False, 0)


def shown_recipient(row: Row) -> RecipientRecord:
    """Stands in lists for a recipient whose row cannot be read: whatever of it is text."""
    local, domain = row[6], row[7]
    address = _NOBODY
    if isinstance(local, bytes) and isinstance(domain, bytes):
        address = Address(local.decode("utf-8", "backslashreplace"), domain.decode("utf-8", "backslashreplace"))
    return RecipientRecord(row[0], row[1], State.DAMAGED, 0.0, 0, False, "", Recipient(address), None)
