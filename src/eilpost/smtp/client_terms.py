"""What must be said so that this peer takes this content, or why it cannot go there (decisions).

RFC 6152 §3, RFC 3030 §3, RFC 6531 §3.2 and RFC 1870 §6: content is sent as it is or not at all.
A peer that lacks what the content needs is no reason to alter it, and no reason to hope.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from eilpost.mail.envelope import (
    NO_RCPT_PARAMETERS,
    NULL_REVERSE_PATH,
    Body,
    ByMode,
    MailParameters,
    RcptParameters,
    Recipient,
    ReversePath,
)
from eilpost.mail.status import Status, status
from eilpost.mail.value import value
from eilpost.smtp.client_offer import Offer
from eilpost.smtp.content import find_fault


@value(frozen=True, slots=True)
class Traits:
    """What decides how content may travel; ``size`` is octets.

    ``is_binary``: line ends are not all CRLF, or there is a NUL. ``has_8bit_header``: an octet of
    the header is above 127.
    """

    size: int
    has_8bit: bool
    has_8bit_header: bool = False
    is_binary: bool = False


@value(frozen=True, slots=True)
class Terms:
    """How a message goes: MAIL's parameters, and whether by BDAT.

    ``dsn``: RCPT may say who wants which report; ``rrvs``: since when the mailbox must be its owner's.
    """

    parameters: MailParameters
    by_chunks: bool
    dsn: bool
    rrvs: bool = False

    def recipient_parameters(self, parameters: RcptParameters) -> RcptParameters:
        """What RCPT may say of these wishes."""
        if parameters.valid_since is None or self.rrvs:
            if self.dsn:
                return parameters
            since = parameters.valid_since
            return NO_RCPT_PARAMETERS if since is None else RcptParameters(valid_since=since)
        return replace(parameters, valid_since=None) if self.dsn else NO_RCPT_PARAMETERS


@value(frozen=True, slots=True)
class Unsuitable:
    """This peer cannot be given this message, or this recipient."""

    status: Status
    text: str


_NOT_8BIT: Final = Unsuitable(status("5.6.3"), "the content has 8-bit octets and the next server takes 7 bits only")
_NOT_BINARY: Final = Unsuitable(status("5.6.3"), "the content is binary and the next server takes text only")
_NOT_UTF8: Final = Unsuitable(status("5.6.7"), "the message has an address or a header beyond ASCII, and the next "
                              "server does not offer SMTPUTF8")  # fmt: skip
_NOT_UTF8_RECIPIENT: Final = Unsuitable(
    status("5.6.7"), "the address is beyond ASCII and the next server does not offer SMTPUTF8"
)

_NOT_DELIVERBY: Final = Unsuitable(  # RFC 2852 §4.1.4.2
    status("5.3.3"), "the message has a deadline and the next server does not promise to keep it (DELIVERBY)"
)
_NOT_REQUIRETLS: Final = Unsuitable(  # RFC 8689 §4.2.1
    status("5.7.30"), "the message must stay encrypted and the next server does not promise it (REQUIRETLS)"
)
_NOT_RRVS: Final = Unsuitable(  # RFC 7293 §5.2.1
    status("5.7.19"), "whether the mailbox is still its owner's is asked, and the next server cannot tell (RRVS)"
)


def traits_of(octets: bytes) -> Traits:
    """The traits of content that is all at hand."""
    has_8bit = not octets.isascii()
    header_end = octets.find(b"\r\n\r\n") if has_8bit else -1
    return Traits(
        size=len(octets),
        has_8bit=has_8bit,
        has_8bit_header=has_8bit and not (octets if header_end < 0 else octets[:header_end]).isascii(),
        is_binary=find_fault(octets) is not None,
    )


def negotiate(
    offer: Offer, reverse_path: ReversePath, wanted: MailParameters, traits: Traits, *, utf8_recipients: bool = False
) -> Terms | Unsuitable:
    """How the message may go to a server with this offer.

    ``wanted`` is what the message came with; ``utf8_recipients`` tells that one of the recipients
    is beyond ASCII (a peer without SMTPUTF8 refuses those alone, see ``suits``).
    """
    if offer.size is not None and traits.size > offer.size:
        text = f"the message has {traits.size} octets and the next server takes {offer.size}"
        return Unsuitable(status("5.3.4"), text)  # RFC 1870 §6.1
    body = _body(offer, wanted, traits)
    if isinstance(body, Unsuitable):
        return body
    utf8 = _utf8(offer, reverse_path, wanted, traits, utf8_recipients=utf8_recipients)
    if isinstance(utf8, Unsuitable):
        return utf8
    keywords = offer.keywords
    dsn = "DSN" in keywords
    parameters = MailParameters(
        traits.size if "SIZE" in keywords else None,
        body,
        utf8,
        wanted.ret if dsn else None,
        wanted.envid if dsn else None,
    )
    if _has_wishes(wanted):
        if (unmet := _unmet(offer, wanted)) is not None:
            return unmet
        parameters = _with_wishes(parameters, offer, wanted)
    return Terms(parameters, "CHUNKING" in keywords, dsn, "RRVS" in keywords)


def _has_wishes(wanted: MailParameters) -> bool:
    return (
        wanted.priority is not None
        or wanted.deliver_by is not None
        or wanted.require_tls
        or bool(wanted.solicit)
        or wanted.auth is not None
    )


def _body(offer: Offer, wanted: MailParameters, traits: Traits) -> Body | Unsuitable | None:
    if traits.is_binary:
        return Body.BINARY if {"BINARYMIME", "CHUNKING"} <= offer.keywords else _NOT_BINARY
    if "8BITMIME" not in offer.keywords:
        return _NOT_8BIT if traits.has_8bit else None
    if traits.has_8bit:
        return Body.EIGHT_BIT
    # All octets have 7 bits, whatever was declared; a declaration that is true is passed on.
    return Body.EIGHT_BIT if wanted.body is Body.BINARY else wanted.body


def _utf8(
    offer: Offer, reverse_path: ReversePath, wanted: MailParameters, traits: Traits, *, utf8_recipients: bool
) -> bool | Unsuitable:
    must = reverse_path.mailbox is not None and not reverse_path.mailbox.is_ascii
    must = must or (wanted.smtputf8 and traits.has_8bit_header)
    if "SMTPUTF8" in offer.keywords:
        return must or wanted.smtputf8 or utf8_recipients
    return _NOT_UTF8 if must else False


def _unmet(offer: Offer, wanted: MailParameters) -> Unsuitable | None:
    """What a server must be able to do, or the message goes back."""
    if wanted.require_tls and "REQUIRETLS" not in offer.keywords:
        return _NOT_REQUIRETLS
    by = wanted.deliver_by
    if by is not None and by.mode is ByMode.RETURN and "DELIVERBY" not in offer.keywords:
        return _NOT_DELIVERBY
    return None


def _with_wishes(parameters: MailParameters, offer: Offer, wanted: MailParameters) -> MailParameters:
    """What else is passed on to a server that knows it (RFC 2852 §4.1.4, RFC 6710 §4.4, RFC 3865 §3).

    Who submitted the message is somebody's claim by now: a server that asks for logins is told that nobody
    vouches for it (RFC 4954 §5).
    """
    keywords = offer.keywords
    return replace(
        parameters,
        auth=NULL_REVERSE_PATH if wanted.auth is not None and "AUTH" in keywords else None,
        priority=wanted.priority if "MT-PRIORITY" in keywords else None,
        deliver_by=wanted.deliver_by if "DELIVERBY" in keywords else None,
        require_tls=wanted.require_tls,
        solicit=wanted.solicit if "NO-SOLICITING" in keywords else (),
    )


def suits(offer: Offer, recipient: Recipient) -> Unsuitable | None:
    """Why this recipient cannot be named to a server with this offer; None if it can."""
    if not recipient.address.is_ascii and "SMTPUTF8" not in offer:
        return _NOT_UTF8_RECIPIENT
    since = recipient.parameters.valid_since
    if since is not None and not since.may_continue and "RRVS" not in offer:
        return _NOT_RRVS
    return None
