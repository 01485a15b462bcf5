"""What the results of an attempt mean for its recipients, and what is tried next (decisions).

What a result means for its recipient stands in ``smtp.client_meaning``. Three questions remain for
who delivers, and RFC 5321 §5.1 and §4.5.4.1 answer them: may another host do better, may the same host take
the recipient in a new transaction, and which of two hosts' results is the one to tell?
"""

from __future__ import annotations

from typing import Final

from eilpost.mail.next_hop import Unroutable
from eilpost.mail.outcome import Fate
from eilpost.mail.status import Status, status
from eilpost.smtp.client_meaning import meaning
from eilpost.smtp.client_results import Answered, Cause, Lost, Result, Stage
from eilpost.smtp.client_terms import Unsuitable

_BEFORE_CONTENT: Final = frozenset(
    {Stage.CONNECT, Stage.GREETING, Stage.HELLO, Stage.STARTTLS, Stage.LOGIN, Stage.RESET, Stage.MAIL, Stage.RCPT,
     Stage.DATA}
)  # fmt: skip
_OF_THE_SESSION: Final = frozenset(
    {Stage.CONNECT, Stage.GREETING, Stage.HELLO, Stage.STARTTLS, Stage.LOGIN, Stage.RESET}
)

_TOO_MANY: Final = frozenset({None, (5, 3)})
"""What 452 and 552 to RCPT say when the limit is the transaction's: nothing, or X.5.3."""

_LOCAL: Final = status("4.3.0")

NEEDS_TLS: Final = status("5.7.30")

UNSIGNED: Final = Unsuitable(  # RFC 8689 §4.2.1, step 2
    NEEDS_TLS, "the message must stay encrypted, and the domain's mail servers are named by unsigned DNS alone"
)


def unroutable(trouble: Unroutable) -> Unsuitable:
    """The result of having no host to go to."""
    return Unsuitable(trouble.status, trouble.text)


def unreadable(error: Exception) -> Unsuitable:
    """The result of content that our own disk does not give us now."""
    return Unsuitable(_LOCAL, f"the content cannot be read ({error})")


def may_go_elsewhere(result: Result) -> bool:
    """True when another host may take what this one did not (F148).

    Nothing goes elsewhere once content was under way: it may have arrived. A recipient refused for
    now waits: the other hosts of the domain will say the same (F149).
    """
    match result:
        case Lost(stage):
            return stage in _BEFORE_CONTENT
        case Answered(stage, reply):
            if stage in _OF_THE_SESSION:
                return True
            return reply.is_transient and (stage is Stage.MAIL or (reply.code == 421 and stage in _BEFORE_CONTENT))
        case Unsuitable(reason):
            return reason == NEEDS_TLS  # RFC 8689 §4.2.1: another host may keep the promise


def is_too_many(result: Result) -> bool:
    """True when the host wants this recipient in another transaction (F145, RFC 5321 §4.5.3.1.10)."""
    if not isinstance(result, Answered) or result.stage is not Stage.RCPT:
        return False
    return result.reply.code in (452, 552) and _subject(result.reply.status) in _TOO_MANY


def _subject(found: Status | None) -> tuple[int, int] | None:
    return None if found is None else (found.subject, found.detail)


def to_tell(earlier: Result | None, later: Result) -> Result:
    """Which of two hosts' results counts: one that leaves hope, else the later one."""
    if earlier is None:
        return later
    is_final = meaning(later, Fate.RELAYED).fate is Fate.FAILED
    return earlier if is_final and meaning(earlier, Fate.RELAYED).fate is Fate.DEFERRED else later


def demanding(result: Answered | Lost) -> Result:
    """What no session means for mail that demands an encrypted way: no hope where there is no TLS (RFC 8689 §4.2.1)."""
    if isinstance(result, Lost) and result.cause is Cause.TLS:
        return Unsuitable(NEEDS_TLS, f"the message must stay encrypted, and {result.text}")
    return result
