"""Asks who an address is, for RCPT, VRFY and EXPN (a deed).

The directory answers from memory; what the answer means is for route and policy to say.
"""

from __future__ import annotations

from typing import NamedTuple

from eilpost.mail.address import Address, AddressError, parse_address
from eilpost.mail.envelope import NO_RCPT_PARAMETERS, RcptParameters, Recipient
from eilpost.mail.reply import Reply, reply
from eilpost.mail.value import value
from eilpost.policy import verdicts
from eilpost.policy.facts import Standing
from eilpost.route.expand import Elsewhere, Expanded, Homes, Lookup, Unknown, expand


class Answer(NamedTuple):
    """Where an address leads, and to whom when it leads anywhere."""

    standing: Standing
    recipients: tuple[Recipient, ...] = ()


_UNKNOWN = Answer(Standing.UNKNOWN)
_UNDECIDED = Answer(Standing.UNDECIDED)


@value(frozen=True, slots=True)
class Inquiry:
    """The directory with the table of our domains."""

    homes: Homes
    lookup: Lookup

    def recipient(self, address: Address, parameters: RcptParameters) -> Answer:
        """Who would get mail for ``address``."""
        match expand(address, parameters, self.homes, self.lookup):
            case Expanded(recipients):
                return Answer(Standing.HERE, recipients)
            case Elsewhere(other):
                return Answer(Standing.ELSEWHERE, (Recipient(other, parameters),))
            case Unknown():
                return _UNKNOWN
            case _:
                return _UNDECIDED

    def verify(self, name: str) -> Reply:
        """VRFY's answer to somebody who may ask (RFC 5321 §3.5.1)."""
        found = [address for address in self._meant(name) if self._is_here(address)]
        if len(found) == 1:
            return reply(250, "2.1.5", f"<{found[0]}>")
        if found:
            return reply(553, "5.1.4", "Ambiguous; it may be", *(f"<{address}>" for address in found))
        if any(address.domain not in self.homes.domains for address in self._meant(name)):
            return verdicts.ELSEWHERE
        return verdicts.NO_SUCH_MAILBOX

    def expand(self, name: str) -> Reply:
        """EXPN's answer to somebody who may ask (RFC 5321 §3.5.2)."""
        members = [
            recipient.address
            for address in self._meant(name)
            for recipient in self._expanded(address)
            if recipient.address != address
        ]
        if not members:
            return verdicts.EMPTY_LIST
        return reply(250, "2.1.5", *(f"<{member}>" for member in members))

    def _meant(self, name: str) -> list[Address]:
        """A whole address, or a local part at any of our domains."""
        name = name.strip().removeprefix("<").removesuffix(">")
        try:
            if "@" in name:
                return [parse_address(name)]
            return [parse_address(f"{name}@{domain}") for domain in self.homes.domains]
        except AddressError:
            return []

    def _expanded(self, address: Address) -> tuple[Recipient, ...]:
        found = expand(address, NO_RCPT_PARAMETERS, self.homes, self.lookup)
        return found.recipients if isinstance(found, Expanded) else ()

    def _is_here(self, address: Address) -> bool:
        return bool(self._expanded(address))
