"""From what a program has to what is sent: octets and envelope (a grammar).

A program has an ``EmailMessage``, text, or octets, and may leave the envelope to the header:
sender from Sender or From, recipients from To, Cc and Bcc, and from the Resent fields where there
are any (RFC 5322 §3.6.6). Bcc is never sent. Octets go as they are; only a message without any
CRLF, as it lies in a Unix file, has its line ends turned into CRLF.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from email import policy
from email.generator import BytesGenerator
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.utils import getaddresses
from io import BytesIO
from typing import Any, Final

from eilpost.client.receipt import MessageError
from eilpost.mail.address import Address, AddressError, parse_address
from eilpost.mail.envelope import (
    NO_MAIL_PARAMETERS,
    NULL_REVERSE_PATH,
    MailParameters,
    Recipient,
    ReversePath,
)
from eilpost.smtp.client_terms import traits_of
from eilpost.smtp.client_transaction import Parcel

Given = EmailMessage | Message | bytes | str
"""What can be sent; text is a whole message, header and all."""

_HEADER_END: Final = b"\r\n\r\n"
_BCC: Final = re.compile(rb"^(?:Resent-)?Bcc[ \t]*:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*\r\n", re.IGNORECASE | re.MULTILINE)
_LINE_END: Final = re.compile(r"\r\n|\r|\n")


def prepare(
    given: Given,
    sender: str | Address | None,
    recipients: Iterable[str | Address | Recipient] | None,
    parameters: MailParameters = NO_MAIL_PARAMETERS,
) -> Parcel:
    """One transaction's parcel; MessageError when there is no sender, no recipient, or a bad address."""
    octets = _octets(given)
    header = None
    if sender is None or recipients is None:
        header = given if isinstance(given, Message) else _parse_header(octets)
    reverse_path = _reverse_path(_sender(header) if sender is None and header is not None else sender)
    named = _recipients(header) if recipients is None and header is not None else recipients
    chosen = tuple(_recipient(item) for item in ([named] if isinstance(named, str | Address) else named or ()))
    if not chosen:
        raise MessageError("the message has no recipient")
    octets = _without_bcc(octets)
    traits = traits_of(octets)
    if traits.has_8bit_header and not parameters.smtputf8:
        parameters = MailParameters(
            size=parameters.size, body=parameters.body, smtputf8=True, ret=parameters.ret, envid=parameters.envid
        )
    return Parcel(reverse_path, chosen, parameters, traits, octets, verified=not traits.is_binary)


def _octets(given: Given) -> bytes:
    match given:
        case bytes():
            return given if b"\r\n" in given or b"\r" in given else given.replace(b"\n", b"\r\n")
        case str():
            return _LINE_END.sub("\r\n", given).encode()
        case _:
            return _flatten(given)


def _flatten(message: Message) -> bytes:
    """The octets of a message object; headers beyond ASCII stay so only where its addresses need it."""
    stream = BytesIO()
    changes: dict[str, Any] = {"linesep": "\r\n"}
    if isinstance(message, EmailMessage) and not _has_ascii_addresses(message):
        changes["utf8"] = True  # RFC 6532; such a message cannot go another way
    rules = message.policy.clone(**changes)
    BytesGenerator(stream, mangle_from_=False, policy=rules).flatten(message, linesep="\r\n")
    octets = stream.getvalue()
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"


def _has_ascii_addresses(message: Message) -> bool:
    names = ("From", "Sender", "To", "Cc", "Reply-To")
    return all(address.isascii() for name in names for address in _addresses(message, name))


def _parse_header(octets: bytes) -> Message:
    return BytesParser(policy=policy.SMTPUTF8).parsebytes(
        octets.partition(_HEADER_END)[0] + _HEADER_END, headersonly=True
    )


def _addresses(header: Message, name: str) -> list[str]:
    """The addresses of all fields of a name, as they stand; encoded words are never decoded in them (F072)."""
    found: list[str] = []
    for value in header.get_all(name, []):
        entries = getattr(value, "addresses", None)
        if entries is None:
            found += [address for _, address in getaddresses([str(value)]) if address]
        else:
            found += [entry.addr_spec for entry in entries]
    return found


def _is_resent(header: Message) -> bool:
    dates = header.get_all("Resent-Date", [])
    if len(dates) > 1:
        raise MessageError("the message was resent more than once: say who sends it to whom")
    return bool(dates)


def _sender(header: Message) -> str:
    prefix = "Resent-" if _is_resent(header) else ""
    for name in (prefix + "Sender", prefix + "From"):
        found = _addresses(header, name)
        if found:
            return found[0]
    raise MessageError("the message has no sender: neither Sender nor From")


def _recipients(header: Message) -> Sequence[str]:
    prefix = "Resent-" if _is_resent(header) else ""
    found = [address for name in ("To", "Cc", "Bcc") for address in _addresses(header, prefix + name)]
    return tuple(dict.fromkeys(found))


def _reverse_path(sender: str | Address | None) -> ReversePath:
    if isinstance(sender, Address):
        return ReversePath(sender)
    if sender in ("", "<>"):
        return NULL_REVERSE_PATH
    return ReversePath(_address(sender or ""))


def _recipient(item: str | Address | Recipient) -> Recipient:
    if isinstance(item, Recipient):
        return item
    return Recipient(item if isinstance(item, Address) else _address(item))


def _address(text: str) -> Address:
    try:
        return parse_address(text.strip().removeprefix("<").removesuffix(">"))
    except AddressError as error:
        raise MessageError(f"{text!r} is no address: {error}") from None


def _without_bcc(octets: bytes) -> bytes:
    header, end, body = octets.partition(_HEADER_END)
    if b"bcc" not in header.lower():
        return octets
    kept = _BCC.sub(b"", header if header.endswith(b"\r\n") else header + b"\r\n")
    return kept + (end[2:] + body if end else b"")
