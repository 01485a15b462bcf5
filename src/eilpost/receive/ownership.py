"""Whose address is that? What a user who has logged in may send as (a deed).

Theirs are the account with its sub-addresses, every alias that leads to it alone, and what
``[[sender]]`` grants.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from eilpost.config.schema import Sender
from eilpost.directory.names import fold
from eilpost.directory.store import DirectoryError
from eilpost.mail.address import Address, AddressError, parse_address
from eilpost.mail.envelope import NO_RCPT_PARAMETERS
from eilpost.mail.value import value
from eilpost.message.header import Header
from eilpost.message.mailboxes import addresses
from eilpost.policy.facts import Standing
from eilpost.receive.inquiry import Inquiry

_Key = tuple[str, str]


@value(frozen=True, slots=True)
class Ownership:
    """The table of grants; who gets whose mail is asked of the inquiry, which may be a new one at each call."""

    granted: Mapping[_Key, frozenset[_Key]]
    delimiter: str

    def owns(self, account: str, address: Address, inquiry: Inquiry) -> bool | None:
        """None: the directory cannot say now."""
        owner, wanted = _key(parse_address(account)), _key(address)
        granted = self.granted.get(owner, frozenset())
        if wanted == owner or wanted in granted or ("", address.domain) in granted:
            return True
        try:
            answer = inquiry.recipient(address, NO_RCPT_PARAMETERS)
            if answer.standing is Standing.UNDECIDED:
                return None
            leads = [self._is(owner, recipient.address, inquiry) for recipient in answer.recipients]
            return answer.standing is Standing.HERE and all(leads)
        except DirectoryError:
            return None

    def _is(self, owner: _Key, address: Address, inquiry: Inquiry) -> bool:
        """The owner, or a sub-address that is no account of its own."""
        if _key(address) == owner:
            return True
        base, found, _ = address.local_part.partition(self.delimiter) if self.delimiter else ("", "", "")
        return bool(found) and _key(Address(base, address.domain)) == owner and inquiry.lookup(address) is None

    def owns_author(self, account: str, header: Header, inquiry: Inquiry) -> bool | None:
        """Whether every author in From is theirs; one that cannot be read is not (F117)."""
        answers = [self._owns_text(account, text, inquiry) for text in _authors(header)]
        if False in answers:
            return False
        return None if None in answers else True

    def _owns_text(self, account: str, text: str, inquiry: Inquiry) -> bool | None:
        try:
            return self.owns(account, parse_address(text), inquiry)
        except AddressError:
            return False


def ownership(senders: Iterable[Sender], delimiter: str) -> Ownership:
    """The table that the settings spell."""
    granted: dict[_Key, set[_Key]] = {}
    for row in senders:
        mine = granted.setdefault(_key(parse_address(row.account)), set())
        for text in row.addresses:
            mine.add(("", parse_address(f"x{text}").domain) if text.startswith("@") else _key(parse_address(text)))
    return Ownership({owner: frozenset(addresses) for owner, addresses in granted.items()}, delimiter)


def _key(address: Address) -> _Key:
    return fold(address.local_part), address.domain


def _authors(header: Header) -> list[str]:
    found: list[str] = []
    for body in header.all(b"from"):
        found += addresses(body.decode("utf-8", "surrogateescape"))
    return found
