"""Delivery status notifications, written and read (a grammar).

RFC 3464 says what the machine-readable part holds, RFC 6522 how the three parts stand together,
RFC 6533 how all this is done beyond ASCII. Every text that came from a peer is cut, folded and
freed of control characters here (F163). What is returned of the message is bounded by the caller.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final

from eilpost.mail.address import Address
from eilpost.mail.status import Status, status
from eilpost.mail.value import value
from eilpost.message.fields import field, one_line
from eilpost.message.header import Header, scan

MAX_DIAGNOSTIC: Final = 1000  # characters
MAX_ADDRESS: Final = 600
MAX_RECIPIENTS: Final = 1000
MAX_PARTS: Final = 10
_MAX_LINE: Final = 998  # RFC 5322 §2.1.1

_TYPED: Final = re.compile(r"\s*([A-Za-z0-9.+\-]{1,40})\s*;\s*(.*)", re.DOTALL)
_STATUS: Final = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})", re.ASCII)
_PARAMETER: Final = re.compile(r';\s*([A-Za-z\-]{1,40})\s*=\s*(?:"((?:[^"\\]|\\.){0,200})"|([^\s;"]{1,200}))')
_SPECIAL: Final = re.compile(r"[\\+= ]")
_SPELLED: Final = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")


class Action(Enum):
    """What was done for a recipient, RFC 3464 §2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@value(frozen=True, slots=True)
class RecipientStatus:
    """What became of one recipient, RFC 3464 §2.3.

    Addresses are ``type;address``. ``diagnostic`` is ``type; text``. Dates are as in RFC 5322.
    An empty text means: no such field.
    """

    final_recipient: str
    action: Action
    status: Status
    original_recipient: str = ""
    remote_mta: str = ""
    diagnostic: str = ""
    last_attempt: str = ""
    will_retry_until: str = ""


@value(frozen=True, slots=True)
class DeliveryStatus:
    """The machine-readable part: the fields of the message and those of each recipient."""

    reporting_mta: str
    recipients: tuple[RecipientStatus, ...]
    envid: str = ""
    received_from: str = ""
    arrival: str = ""


@value(frozen=True, slots=True)
class Returned:
    """What comes back of the message: all of it, or its header alone."""

    octets: bytes
    whole: bool


@value(frozen=True, slots=True)
class Multipart:
    """A report's body with the value of its Content-Type; ``is_8bit`` tells whether it needs 8BITMIME."""

    content_type: str
    octets: bytes
    is_8bit: bool


@value(frozen=True, slots=True)
class Report:
    """A report that was read: its text for people, its status, and what it returns."""

    text: bytes
    status: DeliveryStatus
    returned: Header | None


def typed_address(address: Address) -> str:
    """The address with its type: ``rfc822``, or ``utf-8`` beyond ASCII (RFC 6533 §3)."""
    return f"{'rfc822' if address.is_ascii else 'utf-8'};{address}"


# ── writing ──────────────────────────────────────────────────────────────────────────────────


def multipart(
    text: str, report: DeliveryStatus, returned: Returned, *, token: str, smtputf8: bool = False
) -> Multipart:
    """The three parts of a report, RFC 6522 §3; ``token`` makes the boundary its own.

    ``smtputf8``: the report itself goes with SMTPUTF8, so that parts beyond ASCII may go as they are.
    """
    parts = (_text_part(text), _status_part(report, smtputf8=smtputf8), _returned_part(returned, smtputf8=smtputf8))
    octets = [part for _, part in parts]
    boundary = _boundary(token, octets)
    delimiter = f"--{boundary}".encode()
    body = b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in octets) + delimiter + b"--\r\n"
    content_type = f'multipart/report; report-type=delivery-status; boundary="{boundary}"'
    return Multipart(content_type, body, any(is_8bit for is_8bit, _ in parts))


def _boundary(token: str, parts: list[bytes]) -> str:
    """A boundary that no part holds; ``=_`` cannot occur in quoted-printable or base64."""
    number = 0
    while any(f"=_{token}_{number}".encode() in part for part in parts):
        number += 1
    return f"=_{token}_{number}"


def _part(content_type: str, octets: bytes, encoding: str) -> tuple[bool, bytes]:
    head = field("Content-Type", content_type) + field("Content-Transfer-Encoding", encoding) + "\r\n"
    return encoding == "8bit", head.encode() + octets


def _text_part(text: str) -> tuple[bool, bytes]:
    octets = text.replace("\r", "").replace("\n", "\r\n").encode("utf-8", "replace")
    if octets.isascii() and _has_plain_lines(octets):
        return _part("text/plain; charset=us-ascii", octets, "7bit")
    return _part("text/plain; charset=utf-8", _quoted_printable(octets), "quoted-printable")


def _status_part(report: DeliveryStatus, *, smtputf8: bool) -> tuple[bool, bytes]:
    octets = encode_status(report)
    if octets.isascii():
        return _part("message/delivery-status", octets, "7bit")
    return _global_part("message/global-delivery-status", octets, smtputf8=smtputf8)  # RFC 6533 §4.1


def _global_part(kind: str, octets: bytes, *, smtputf8: bool) -> tuple[bool, bytes]:
    """RFC 6533 §4.5: on the way to a server without SMTPUTF8 these types are encoded."""
    if not _has_plain_lines(octets):
        return _part(kind, _base64(octets), "base64")
    return _part(kind, octets, "8bit") if smtputf8 else _part(kind, _quoted_printable(octets), "quoted-printable")


def _returned_part(returned: Returned, *, smtputf8: bool) -> tuple[bool, bytes]:
    """RFC 6522 §4; with a header beyond ASCII RFC 6533 §4.2 and §4.3."""
    header = scan(returned.octets)
    beyond_ascii = not header.octets.isascii() and _is_utf8(header.octets)
    if returned.whole and _has_plain_lines(returned.octets):
        if beyond_ascii:
            return _global_part("message/global", returned.octets, smtputf8=smtputf8)
        return _part("message/rfc822", returned.octets, "7bit" if returned.octets.isascii() else "8bit")
    octets = header.octets
    if beyond_ascii:
        return _global_part("message/global-headers", octets, smtputf8=smtputf8)
    if not _has_plain_lines(octets):
        return _part("text/rfc822-headers", _base64(octets), "base64")
    if octets.isascii():
        return _part("text/rfc822-headers", octets, "7bit")
    return _part("text/rfc822-headers; charset=unknown-8bit", _quoted_printable(octets), "quoted-printable")


def _has_plain_lines(octets: bytes) -> bool:
    """Whether a server without BINARYMIME takes these octets: lines that end in CR LF, not too long, no NUL."""
    if b"\0" in octets:
        return False
    lines = octets.split(b"\r\n")
    return max(map(len, lines)) <= _MAX_LINE and len(lines) - 1 == octets.count(b"\r") == octets.count(b"\n")


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


def _quoted_printable(octets: bytes) -> bytes:
    # Python breaks long lines by the line end that it finds first, and there may be none.
    return binascii.b2a_qp(octets.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")


def _base64(octets: bytes) -> bytes:
    pieces = (octets[start : start + 57] for start in range(0, len(octets), 57))
    return b"".join(binascii.b2a_base64(piece, newline=False) + b"\r\n" for piece in pieces)


def encode_status(report: DeliveryStatus) -> bytes:
    """The machine-readable part; it is UTF-8 only when an address is beyond ASCII (RFC 6533 §4.1)."""
    utf8 = not all(item.final_recipient.isascii() and item.original_recipient.isascii() for item in report.recipients)
    groups = [_message_fields(report, utf8=utf8)]
    groups += [_recipient_fields(item, utf8=utf8) for item in report.recipients]
    return "\r\n".join("".join(group) for group in groups).encode()


def _message_fields(report: DeliveryStatus, *, utf8: bool) -> Iterator[str]:
    """RFC 3464 §2.2; the order is the one of its grammar."""
    if report.envid:
        yield field("Original-Envelope-Id", one_line(report.envid, 100, utf8=utf8))
    yield field("Reporting-MTA", f"dns; {one_line(report.reporting_mta, 255)}")
    if report.received_from:
        yield field("Received-From-MTA", f"dns; {one_line(report.received_from, 255)}")
    if report.arrival:
        yield field("Arrival-Date", report.arrival)


def _recipient_fields(item: RecipientStatus, *, utf8: bool) -> Iterator[str]:
    """RFC 3464 §2.3."""
    if item.original_recipient:
        yield _address_field("Original-Recipient", item.original_recipient, utf8=utf8)
    yield _address_field("Final-Recipient", item.final_recipient, utf8=utf8)
    yield field("Action", item.action.value)
    yield field("Status", str(item.status))
    if item.remote_mta:
        yield field("Remote-MTA", f"dns; {one_line(item.remote_mta, 255)}")
    if item.diagnostic:
        yield field("Diagnostic-Code", _diagnostic(item.diagnostic))
    if item.last_attempt:
        yield field("Last-Attempt-Date", item.last_attempt)
    if item.will_retry_until:
        yield field("Will-Retry-Until", item.will_retry_until)


def _address_field(name: str, typed: str, *, utf8: bool) -> str:
    kind, _, address = typed.partition(";")
    if not utf8 and kind.lower() == "utf-8":  # RFC 6533 §3: then the form of seven bits
        address = _SPECIAL.sub(lambda found: f"\\x{{{ord(found[0]):02X}}}", address)
    return field(name, f"{one_line(kind, 40)};{one_line(address, MAX_ADDRESS, utf8=utf8)}")


def _diagnostic(text: str) -> str:
    """RFC 3464 §2.3.6: a peer's reply has its type; other words are ours, under a type of our own.

    In ASCII even beside UTF-8 addresses, as the grammar of RFC 6533 §4.1 has it.
    """
    found = _TYPED.fullmatch(text)
    kind, words = (found[1], found[2]) if found else ("x-eilpost", text)
    return f"{kind}; {one_line(words, MAX_DIAGNOSTIC)}"


# ── reading ──────────────────────────────────────────────────────────────────────────────────


def parse_report(content: bytes) -> Report | None:
    """The report that a message is; None if it is none, or holds no status that can be read."""
    header = scan(content)
    kind, parameters = _content_type(header)
    if kind != "multipart/report" or parameters.get("report-type", "").lower() != "delivery-status":
        return None
    text, found, returned = b"", None, None
    for part in _parts(content[header.body :], parameters.get("boundary", "")):
        head = scan(part)
        octets = _decoded(head, part[head.body :])
        match _content_type(head)[0]:
            case "message/delivery-status" | "message/global-delivery-status":
                found = found or decode_status(octets)
            case "message/rfc822" | "message/global" | "text/rfc822-headers" | "message/global-headers":
                returned = returned or scan(octets)
            case _:
                text = text or octets
    return None if found is None else Report(text, found, returned)


def _content_type(header: Header) -> tuple[str, dict[str, str]]:
    value = (header.first(b"content-type") or b"").decode("utf-8", "replace")[:2000]
    kind, semicolon, rest = value.partition(";")
    found = _PARAMETER.finditer(semicolon + rest)
    return kind.strip().lower(), {item[1].lower(): item[2] if item[2] is not None else item[3] for item in found}


def _parts(body: bytes, boundary: str) -> Iterator[bytes]:
    """RFC 2046 §5.1.1, at most ten parts."""
    if not boundary:
        return
    delimiter = f"\r\n--{boundary}".encode()
    for piece in (b"\r\n" + body).split(delimiter, MAX_PARTS + 1)[1 : MAX_PARTS + 1]:
        if piece.startswith(b"--"):
            return
        line_end = piece.find(b"\r\n")
        yield piece[line_end + 2 :] if line_end >= 0 else b""


def _decoded(header: Header, octets: bytes) -> bytes:
    decode = _DECODERS.get((header.first(b"content-transfer-encoding") or b"").lower())
    if decode is None:
        return octets
    try:
        return decode(octets)
    except binascii.Error:
        return b""


_DECODERS: Final[dict[bytes, Callable[[bytes], bytes]]] = {
    b"base64": binascii.a2b_base64,
    b"quoted-printable": binascii.a2b_qp,
}


def decode_status(octets: bytes) -> DeliveryStatus | None:
    """The machine-readable part as values; None without a recipient that can be read."""
    groups = [scan(group + b"\r\n") for group in octets.split(b"\r\n\r\n", MAX_RECIPIENTS + 1) if group.strip()]
    if len(groups) < 2:
        return None
    head, rest = groups[0], groups[1 : MAX_RECIPIENTS + 1]
    recipients = tuple(item for item in map(_decode_recipient, rest) if item is not None)
    if not recipients:
        return None
    return DeliveryStatus(
        reporting_mta=_untyped(_text(head, b"reporting-mta")),
        recipients=recipients,
        envid=_text(head, b"original-envelope-id"),
        received_from=_untyped(_text(head, b"received-from-mta")),
        arrival=_text(head, b"arrival-date"),
    )


def _decode_recipient(header: Header) -> RecipientStatus | None:
    action = _ACTIONS.get(_text(header, b"action").partition(" ")[0].lower())
    code = _STATUS.match(_text(header, b"status"))
    address = _typed(_text(header, b"final-recipient"))
    if action is None or code is None or not address:
        return None
    return RecipientStatus(
        final_recipient=address,
        action=action,
        status=status(code[1]),
        original_recipient=_typed(_text(header, b"original-recipient")),
        remote_mta=_untyped(_text(header, b"remote-mta")),
        diagnostic=_text(header, b"diagnostic-code"),
        last_attempt=_text(header, b"last-attempt-date"),
        will_retry_until=_text(header, b"will-retry-until"),
    )


_ACTIONS: Final = {action.value: action for action in Action}


def _text(header: Header, name: bytes) -> str:
    return one_line((header.first(name) or b"").decode("utf-8", "replace"), MAX_DIAGNOSTIC + 100, utf8=True)


def _typed(text: str) -> str:
    """``type;address`` in one spelling; empty if it is none."""
    found = _TYPED.fullmatch(text)
    if found is None:
        return ""
    kind = found[1].lower()
    return f"{kind};{_respell(found[2]) if kind == 'utf-8' else found[2]}"


def _untyped(text: str) -> str:
    found = _TYPED.fullmatch(text)
    return found[2] if found else text


def _respell(address: str) -> str:
    """The characters that RFC 6533 §3 spells ``\\x{HEX}``; those that are none stay as they are."""

    def character(found: re.Match[str]) -> str:
        number = int(found[1], 16)
        return chr(number) if number < 0x110000 and chr(number).isprintable() else found[0]

    return _SPELLED.sub(character, address)
