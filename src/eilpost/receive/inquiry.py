"""Asks who an address is, for RCPT, VRFY and EXPN (a deed).

The directory answers from memory; what the answer means is for route and policy to say.
"""

from __future__ import annotations

from typing import NamedTuple

from eilpost.directory.store import DirectoryError
from eilpost.journal import Journal, Warned
from eilpost.mail.address import Address, AddressError, parse_address
from eilpost.mail.envelope import NO_RCPT_PARAMETERS, RcptParameters, Recipient
from eilpost.mail.reply import Reply, reply
from eilpost.mail.value import value
from eilpost.policy import verdicts
from eilpost.policy.facts import Standing
from eilpost.route.expand import Elsewhere, Expanded, Expansion, Homes, Lookup, Unknown, expand


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
    journal: Journal

    def recipient(self, address: Address, parameters: RcptParameters) -> Answer:
        """Who would get mail for ``address``."""
        match self._expand(address, parameters):
            case Expanded(recipients):
                return Answer(Standing.HERE, recipients)
            case Elsewhere(other):
                return Answer(Standing.ELSEWHERE, (Recipient(other, parameters),))
            case Unknown():
                return _UNKNOWN
            case _:
                return _UNDECIDED

    def _expand(self, address: Address, parameters: RcptParameters) -> Expansion | None:
        """None when the directory fails: our own trouble, which must cost nobody's mail (P9, I13)."""
        try:
            return expand(address, parameters, self.homes, self.lookup)
        except DirectoryError as error:
            self.journal(Warned("the directory cannot be asked", str(error)))
            return None

    def verify(self, name: str, *, utf8: bool = False) -> Reply:
        """VRFY's answer to somebody who may ask (RFC 5321 §3.5.1); ``utf8``: it may go beyond ASCII."""
        meant = self._meant(name)
        answers = [self.recipient(address, NO_RCPT_PARAMETERS).standing for address in meant]
        found = [address for address, standing in zip(meant, answers, strict=True) if standing is Standing.HERE]
        if not utf8 and not all(address.is_ascii for address in found):
            return verdicts.BEYOND_ASCII  # RFC 6531 §3.7.4.2; a question mark in it would name another mailbox
        if len(found) == 1:
            return reply(250, "2.1.5", f"<{found[0]}>")
        if found:
            return reply(553, "5.1.4", "Ambiguous; it may be", *(f"<{address}>" for address in found))
        if Standing.UNDECIDED in answers:
            return verdicts.UNDECIDED
        return verdicts.ELSEWHERE if Standing.ELSEWHERE in answers else verdicts.NO_SUCH_MAILBOX

    def expand(self, name: str, *, utf8: bool = False) -> Reply:
        """EXPN's answer to somebody who may ask (RFC 5321 §3.5.2); ``utf8``: it may go beyond ASCII."""
        answers = [(address, self.recipient(address, NO_RCPT_PARAMETERS)) for address in self._meant(name)]
        members = [
            recipient.address
            for address, answer in answers
            if answer.standing is Standing.HERE
            for recipient in answer.recipients
            if recipient.address != address
        ]
        if not members:
            undecided = any(answer.standing is Standing.UNDECIDED for _, answer in answers)
            return verdicts.UNDECIDED if undecided else verdicts.EMPTY_LIST
        if not utf8 and not all(member.is_ascii for member in members):
            return verdicts.BEYOND_ASCII
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
