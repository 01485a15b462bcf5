"""A notice as a message: RFC 3464 for machines, plain words for people, the message for memory (a grammar)."""

from __future__ import annotations

import re
from typing import Final

from eilpost.mail.envelope import NULL_REVERSE_PATH, Body, Envelope, MailParameters, Recipient
from eilpost.message import dates, dsn, encoded_words
from eilpost.message.fields import field
from eilpost.message.header import Header, scan
from eilpost.message.submission import message_id
from eilpost.report import wording
from eilpost.report.notices import RETURN_LIMIT, Kind, Notice, RecipientFacts, final_status

_MESSAGE_ID: Final = re.compile(r"<[!-;=?-~]{1,250}>")


def compose(notice: Notice, *, hostname: str, now: float, token: str, content: bytes) -> tuple[Envelope, bytes]:
    """The report and its envelope, ready to commit; ValueError for a null reverse-path.

    ``token`` comes never twice: it makes the Message-ID and the MIME boundary. ``content`` is what
    the store has of the message, at least its first ``RETURN_LIMIT`` octets.
    """
    mailbox = notice.message.reverse_path.mailbox
    if mailbox is None:
        raise ValueError("nothing is reported to the null reverse-path")  # RFC 5321 §4.5.5
    header = scan(content)
    body = dsn.multipart(
        wording.text(notice, hostname=hostname, now=now, subject=header.first(b"subject") or b""),
        _status(notice, hostname),
        _returned(notice, header, content),
        token=token,
        smtputf8=not mailbox.is_ascii,
    )
    head = (
        field("From", f"Mail delivery system <mailer-daemon@{hostname}>"),
        field("To", f"<{mailbox}>"),
        field("Subject", encoded_words.encode(wording.subject(notice))),
        field("Date", dates.format(now)),
        field("Message-ID", message_id(token, hostname)),
        _references(header),
        field("Auto-Submitted", "auto-replied"),  # RFC 3834 §5
        field("MIME-Version", "1.0"),
        field("Content-Type", body.content_type),
    )
    utf8 = not mailbox.is_ascii
    parameters = MailParameters(
        body=Body.EIGHT_BIT if utf8 or body.is_8bit else Body.SEVEN_BIT,
        smtputf8=utf8,
        require_tls=notice.message.parameters.require_tls,  # RFC 8689 §5: it tells of what had to stay encrypted
    )
    envelope = Envelope(NULL_REVERSE_PATH, (Recipient(mailbox),), parameters)
    return envelope, "".join(head).encode() + b"\r\n" + body.octets


def _references(header: Header) -> str:
    """RFC 5322 §3.6.4, so that a reader shows the report beside the message."""
    found = _MESSAGE_ID.fullmatch((header.first(b"message-id") or b"").decode("utf-8", "replace"))
    return field("In-Reply-To", found[0]) + field("References", found[0]) if found else ""


def _status(notice: Notice, hostname: str) -> dsn.DeliveryStatus:
    message = notice.message
    return dsn.DeliveryStatus(
        reporting_mta=hostname,
        recipients=tuple(_recipient(notice.kind, item) for item in notice.recipients),
        envid=message.parameters.envid or "",
        arrival=dates.format(message.received),
    )


def _recipient(kind: Kind, item: RecipientFacts) -> dsn.RecipientStatus:
    outcome = item.outcome
    waits = kind is Kind.DELAYED and item.will_retry_until is not None
    return dsn.RecipientStatus(
        final_recipient=dsn.typed_address(item.recipient.address),
        action=dsn.Action(kind.value),
        status=final_status(outcome),
        original_recipient=item.recipient.parameters.orcpt or "",
        remote_mta=outcome.remote or "",
        diagnostic=outcome.diagnostic,
        last_attempt=dates.format(outcome.when),
        will_retry_until=dates.format(item.will_retry_until) if waits and item.will_retry_until else "",
    )


def _returned(notice: Notice, header: Header, content: bytes) -> dsn.Returned:
    """The whole message when it is small and wanted, else its header up to the limit (F159)."""
    if notice.returns_content and len(content) >= notice.message.size:
        return dsn.Returned(content, whole=True)
    octets = header.octets[:RETURN_LIMIT]
    return dsn.Returned(octets[: octets.rfind(b"\r\n") + 2], whole=False)
