"""When a deferred recipient is tried again, and when it is given up (decisions).

The waits of ``queue.retry`` follow each other, the last one repeats, and each is made longer by a
random part so that what was deferred together does not come back together. RFC 5321 §4.5.4.1
wants at least 30 minutes between attempts in the long run and a give-up time of 4 to 5 days; the
defaults keep that, with two early attempts for greylisting. What is due is an absolute time in
the spool: a restart shifts nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from eilpost.config.schema import HOUR, MINUTE, Queue
from eilpost.mail.envelope import ByMode, DeliverBy
from eilpost.mail.outcome import Fate, Outcome
from eilpost.mail.value import value
from eilpost.report.notices import final_status

_JUMP: Final = MINUTE  # a clock that NTP slews never differs so much between two looks
_LONGEST_DOUBT: Final = 4 * HOUR
_LONGEST_BACK_OFF: Final = HOUR / 2
_WARNINGS_A_SECOND: Final = 10.0
_WARNINGS_AT_ONCE: Final = 100.0
_AT_ONCE: Final = 0.001


@value(frozen=True, slots=True)
class Due:
    """The next attempt is to be made at this Unix time, not before."""

    at: float


@value(frozen=True, slots=True)
class Expired:
    """The message is too old to be tried again."""


def next_attempt(
    *, attempts: int, received: float, now: float, settings: Queue, jitter: float, by: DeliverBy | None = None
) -> Due | Expired:
    """What follows after ``attempts`` attempts; ``jitter`` is a random number from 0 to below 1.

    The last attempt is made when the message expires, however long the wait would have been. ``by`` is its sender's
    deadline: at that moment it is looked at, to be returned or to be told of (RFC 2852 §4.1).
    """
    end = received + settings.expire
    if by is not None:
        deadline = received + by.seconds
        if by.mode is ByMode.RETURN or now < deadline:
            end = min(end, deadline)
    if now >= end:
        return Expired()
    return Due(min(now + wait(attempts, settings, jitter), end))


def wait(attempts: int, settings: Queue, jitter: float) -> float:
    """Seconds until the next attempt, after ``attempts`` attempts."""
    schedule = settings.retry
    return schedule[min(max(attempts, 1), len(schedule)) - 1] * (1.0 + settings.jitter * jitter)


def expired(outcome: Outcome) -> Outcome:
    """The final outcome of a recipient whose last one was ``outcome``; its reason is kept."""
    final = replace(outcome, fate=Fate.EXPIRED, diagnostic=outcome.diagnostic or "no attempt was successful")
    return replace(final, status=final_status(final))


def back_off(failures: int, settings: Queue, jitter: float) -> float:
    """Seconds for which a destination is left alone that was not reached ``failures`` times in a row."""
    first = settings.retry[0]
    longest = max(first, min(_LONGEST_BACK_OFF, settings.retry[-1]))
    return min(first * 2.0 ** min(failures - 1, 16), longest) * (1.0 + settings.jitter * jitter)


def is_too_late(received: float, by: DeliverBy, now: float) -> bool:
    """Whether its sender would have it back rather than delivered now (RFC 2852 §4.1)."""
    return by.mode is ByMode.RETURN and now >= received + by.seconds


def warning_after(settings: Queue, by: DeliverBy | None) -> float:
    """The age in seconds from which a delay is told; 0 is never. A sender may have wished to know sooner."""
    if by is None or by.mode is ByMode.RETURN:
        return settings.delay_warning
    wished = max(float(by.seconds), _AT_ONCE)
    return min(wished, settings.delay_warning) if settings.delay_warning else wished


def wants_warning(*, received: float, now: float, warned: bool, after: float) -> bool:
    """Whether the sender is to be told that a recipient's mail still waits."""
    return not warned and 0 < after <= now - received


def is_astray(due: float, now: float, settings: Queue) -> bool:
    """True for a time that no schedule gives: the wall clock was set back since it was written."""
    return due - now > max(settings.retry) * (1.0 + settings.jitter) + _JUMP


class ClockWatch:
    """Notices that the wall clock jumped, by a steady clock that counts suspended time too.

    A jump forward makes all mail look old. Until it has been tried over some hours more, nothing
    expires: an operator can mend the clock before senders are told nonsense.
    """

    __slots__ = ("_doubtful_until", "_offset")

    def __init__(self, now: float, steady: float) -> None:
        self._offset = now - steady
        self._doubtful_until = float("-inf")

    def look(self, now: float, steady: float, settings: Queue) -> float:
        """By how many seconds the wall clock jumped since the last look; 0.0 for none."""
        jump = now - steady - self._offset
        if abs(jump) < _JUMP:
            self._offset += jump  # slewing adds up over months and is no jump
            return 0.0
        self._offset = now - steady
        if jump > 0:
            self._doubtful_until = steady + min(sum(settings.retry), _LONGEST_DOUBT)
        return jump

    def is_doubtful(self, steady: float) -> bool:
        """True while ages are not to be believed."""
        return steady < self._doubtful_until


class WarningAllowance:
    """Bounds how many delay reports go out at once, so that the end of an outage is no storm (case 165).

    Who is refused is warned after a later attempt: attempts are spread, so warnings are.
    """

    __slots__ = ("_left", "_since")

    def __init__(self, steady: float) -> None:
        self._left = _WARNINGS_AT_ONCE
        self._since = steady

    def take(self, steady: float) -> bool:
        """Whether one more report may be made now."""
        self._left = min(_WARNINGS_AT_ONCE, self._left + max(0.0, steady - self._since) * _WARNINGS_A_SECOND)
        self._since = steady
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
