"""What a result means: fate, enhanced status and diagnostic (a table; decisions).

The first digit decides the fate (RFC 5321 §4.2.1). The peer's enhanced code is taken where it gave
one; else the tables below give what RFC 3463 and RFC 5321 §4.2.2 say of the reply code, which may
depend on the command that it answered. Whatever is no reply is a reason to try again.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from eilpost.mail.envelope import Recipient
from eilpost.mail.outcome import Fate, Outcome
from eilpost.mail.reply import Reply
from eilpost.mail.status import Status, status
from eilpost.mail.value import value
from eilpost.smtp.client_results import Answered, Cause, Lost, Result, Stage
from eilpost.smtp.client_terms import Unsuitable


@value(frozen=True, slots=True)
class Meaning:
    """The fields of an Outcome that a result decides."""

    fate: Fate
    status: Status
    diagnostic: str


_BY_STAGE: Final[Mapping[tuple[int, Stage], tuple[int, int]]] = MappingProxyType({
    (450, Stage.RCPT): (2, 0),
    (450, Stage.MAIL): (7, 1),
    (451, Stage.RCPT): (7, 1),  # most often greylisting
    (452, Stage.RCPT): (5, 3),  # RFC 5321 §4.5.3.1.10
    (550, Stage.RCPT): (1, 1),
    (550, Stage.MAIL): (1, 8),
    (550, Stage.END): (7, 1),
    (552, Stage.RCPT): (2, 2),
    (552, Stage.MAIL): (3, 4),
    (552, Stage.END): (3, 4),
    (553, Stage.RCPT): (1, 3),
    (553, Stage.MAIL): (1, 7),
    (554, Stage.GREETING): (3, 2),  # RFC 5321 §3.1
    (554, Stage.RCPT): (7, 1),
    (554, Stage.MAIL): (7, 1),
    (554, Stage.END): (6, 0),
})  # fmt: skip
"""Subject and detail of a code without an enhanced code, where the command matters."""

_BY_CODE: Final[Mapping[int, tuple[int, int]]] = MappingProxyType({
    421: (3, 2), 432: (7, 12), 450: (2, 0), 451: (3, 0), 452: (3, 1), 454: (7, 0), 455: (5, 4),
    500: (5, 2), 501: (5, 4), 502: (5, 1), 503: (5, 1), 504: (5, 4), 521: (3, 2), 530: (7, 0),
    534: (7, 9), 535: (7, 8), 538: (7, 11), 550: (7, 1), 551: (1, 6), 552: (3, 4), 553: (1, 0),
    554: (0, 0), 555: (5, 4), 556: (1, 10),
})  # fmt: skip
"""The same, where it does not."""

_DELIVERED: Final = status("2.0.0")
_UNKNOWN: Final = (0, 0)

_BY_CAUSE: Final[Mapping[Cause, Status]] = MappingProxyType({
    Cause.UNREACHABLE: status("4.4.1"),
    Cause.TIMEOUT: status("4.4.2"),
    Cause.DROPPED: status("4.4.2"),
    Cause.PROTOCOL: status("4.5.0"),  # F146, F147
    Cause.TLS: status("4.7.5"),  # F037, F039: what must be encrypted waits
    Cause.UNFIT: status("4.7.0"),
})  # fmt: skip


def meaning(result: Result, success: Fate) -> Meaning:
    """What ``result`` means; ``success`` is the fate that a positive reply gives."""
    match result:
        case Answered(Stage.LOGIN | Stage.STARTTLS as stage, reply):
            # Our credentials, or their keys, are wrong, not the mail: it waits until they are mended.
            refused = _status(stage, reply)
            return Meaning(Fate.DEFERRED, Status(4, refused.subject, refused.detail), f"smtp; {reply}")
        case Answered(stage, reply):
            return Meaning(_fate(reply, success), _status(stage, reply), f"smtp; {reply}")
        case Lost(stage, cause, text):
            return Meaning(Fate.DEFERRED, _lost_status(stage, cause), _lost_text(result, stage, text))
        case Unsuitable(reason, text):
            return Meaning(Fate.DEFERRED if reason.klass == 4 else Fate.FAILED, reason, text)


def outcome_of(
    recipient: Recipient, result: Result, *, success: Fate, remote: str | None, when: float, dsn: bool = False
) -> Outcome:
    """The outcome that a result is for a recipient; ``dsn``: the host was given the sender's wishes."""
    found = meaning(result, success)
    return Outcome(
        recipient.address,
        found.fate,
        found.status,
        found.diagnostic,
        None if isinstance(result, Unsuitable) else remote,
        when,
        dsn_passed_on=dsn and found.fate is success,
    )


def _fate(reply: Reply, success: Fate) -> Fate:
    if reply.is_positive:
        return success
    return Fate.FAILED if reply.is_permanent else Fate.DEFERRED


def _status(stage: Stage, reply: Reply) -> Status:
    if reply.status is not None:
        return reply.status
    if reply.is_positive:
        return _DELIVERED
    subject, detail = _BY_STAGE.get((reply.code, stage)) or _BY_CODE.get(reply.code, _UNKNOWN)
    return Status(reply.code // 100, subject, detail)


def _lost_status(stage: Stage, cause: Cause) -> Status:
    # RFC 3463 §3.5: 4.4.1 until the host answers, 4.4.2 once it did.
    return _BY_CAUSE[Cause.UNREACHABLE if stage is Stage.CONNECT else cause]


def _lost_text(lost: Lost, stage: Stage, text: str) -> str:
    told = f"{text} while {stage.value}"
    return f"{told}; the message may be delivered more than once" if lost.may_be_delivered else told
