"""What is left to do in one attempt: recipients without a final result, and what was tried (decisions)."""

from __future__ import annotations

from collections.abc import Sequence

from eilpost.deliver.meaning import is_too_many, may_go_elsewhere, to_tell
from eilpost.mail.envelope import Recipient
from eilpost.mail.outcome import Fate, Outcome
from eilpost.mail.value import value
from eilpost.smtp.client_meaning import outcome_of
from eilpost.smtp.client_offer import Offer
from eilpost.smtp.client_results import Result


@value(frozen=True, slots=True)
class _Final:
    result: Result
    remote: str | None
    dsn: bool


class Errand:
    """The recipients of one job, on their way to an outcome each.

    ``pending`` holds the positions that may yet be tried, here or elsewhere; ``reached`` tells
    that a host was ready to talk.
    """

    __slots__ = ("_final", "pending", "reached", "recipients")

    def __init__(self, recipients: Sequence[Recipient]) -> None:
        self.recipients = recipients
        self.reached = False
        self.pending = list(range(len(recipients)))
        self._final: dict[int, _Final] = {}

    def batch(self, offer: Offer, most: int) -> list[int]:
        """The recipients of the next transaction, as many as both sides want (RFC 9422)."""
        limit = most if offer.rcpt_max is None else min(most, offer.rcpt_max)
        if offer.rcpt_domain_max is None:
            return self.pending[:limit]
        domains: set[str] = set()
        chosen = []
        for position in self.pending:
            domain = self.recipients[position].address.domain
            if domain in domains or len(domains) < offer.rcpt_domain_max:
                domains.add(domain)
                chosen.append(position)
        return chosen[:limit]

    def note(self, batch: Sequence[int], results: Sequence[Result], *, remote: str, dsn: bool) -> None:
        """A transaction's results. Who may go elsewhere, or again here, stays pending."""
        # Where all are refused so, it was no limit of the transaction, and trying again would not end.
        partly = not all(map(is_too_many, results))
        for position, result in zip(batch, results, strict=True):
            if (partly and is_too_many(result)) or may_go_elsewhere(result):
                self._tell(position, result, remote)
            else:
                self._final[position] = _Final(result, remote, dsn)
                self.pending.remove(position)  # at or near the front: batches are taken from there

    def give_up(self, result: Result, *, remote: str | None) -> None:
        """A host, or the whole attempt, came to nothing for all that are pending."""
        for position in self.pending:
            self._tell(position, result, remote)

    def _tell(self, position: int, result: Result, remote: str | None) -> None:
        earlier = self._final.get(position)
        if earlier is None or to_tell(earlier.result, result) is result:
            self._final[position] = _Final(result, remote, dsn=False)

    def outcomes(self, success: Fate, when: float) -> tuple[Outcome, ...]:
        """One for each recipient, in order; everybody has a result by now."""
        final = [self._final[position] for position in range(len(self.recipients))]
        return tuple([
            outcome_of(recipient, found.result, success=success, remote=found.remote, when=when, dsn=found.dsn)
            for recipient, found in zip(self.recipients, final, strict=True)
        ])  # fmt: skip
