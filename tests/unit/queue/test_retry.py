"""When a deferred recipient is tried again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eilpost.config.schema import DAY, HOUR, MINUTE, Duration, Queue
from eilpost.mail.address import Address
from eilpost.mail.outcome import Fate, Outcome
from eilpost.mail.status import status
from eilpost.queue import retry
from eilpost.queue.retry import ClockWatch, Due, Expired, WarningAllowance, next_attempt

DEFAULTS = Queue()
NOW = 1_700_000_000.0

schedules = st.builds(
    Queue,
    retry=st.lists(st.floats(1, DAY).map(Duration), min_size=1, max_size=8).map(tuple),
    expire=st.floats(1, 30 * DAY).map(Duration),
    jitter=st.floats(0, 1),
)
chances = st.floats(0, 1, exclude_max=True)


@given(schedules, st.integers(0, 100), st.floats(0, 40 * DAY), chances)
def test_never_before_its_time_and_never_beyond_expire(queue: Queue, attempts: int, age: float, jitter: float) -> None:
    """The next attempt keeps the schedule's wait, except that the last one is made at the expiry."""
    received = NOW - age
    match next_attempt(attempts=attempts, received=received, now=NOW, settings=queue, jitter=jitter):
        case Due(at):
            shortest = queue.retry[min(max(attempts, 1), len(queue.retry)) - 1]
            assert NOW < at <= received + queue.expire
            assert at >= min(NOW + shortest, received + queue.expire)
            assert at <= NOW + shortest * (1 + queue.jitter)
        case Expired():
            assert received + queue.expire <= NOW


@given(schedules, st.integers(1, 100), chances)
def test_waits_grow_with_a_growing_schedule(queue: Queue, attempts: int, jitter: float) -> None:
    """With a schedule that grows, a later attempt never waits for less."""
    growing = Queue(retry=tuple(sorted(queue.retry)), jitter=queue.jitter)
    assert retry.wait(attempts + 1, growing, jitter) >= retry.wait(attempts, growing, jitter)


@given(schedules, chances, chances, st.integers(1, 20))
def test_jitter_is_monotone(queue: Queue, one: float, other: float, attempts: int) -> None:
    """More jitter is never less wait."""
    low, high = sorted((one, other))
    assert retry.wait(attempts, queue, low) <= retry.wait(attempts, queue, high)


def test_f149_first_retry_passes_greylisting() -> None:
    """The first retry comes between 5 and 15 minutes after the first attempt."""
    due = next_attempt(attempts=1, received=NOW, now=NOW, settings=DEFAULTS, jitter=0.999)
    assert isinstance(due, Due)
    assert 5 * MINUTE <= due.at - NOW <= 15 * MINUTE


def test_a_whole_life_ends_at_the_expiry() -> None:
    """A recipient that is always deferred is tried at the moment of expiry for the last time."""
    now, attempts, times = NOW, 0, []
    while True:
        attempts += 1
        times.append(now)
        match next_attempt(attempts=attempts, received=NOW, now=now, settings=DEFAULTS, jitter=0.5):
            case Due(at):
                now = at
            case Expired():
                break
    assert now == NOW + DEFAULTS.expire
    assert 25 < len(times) < 40


def test_expired_keeps_the_last_reason() -> None:
    """An expired recipient's report says what went wrong last, as a permanent failure."""
    last = Outcome(Address("a", "b.test"), Fate.DEFERRED, status("4.4.1"), "smtp; 421 busy", "mx.b.test", NOW)
    final = retry.expired(last)
    assert (final.fate, str(final.status)) == (Fate.EXPIRED, "5.4.7")
    full = retry.expired(Outcome(Address("a", "b.test"), Fate.DEFERRED, status("4.2.2"), "", None, NOW))
    assert (str(full.status), full.diagnostic) == ("5.2.2", "no attempt was successful")
    assert (final.diagnostic, final.remote, final.recipient) == (last.diagnostic, last.remote, last.recipient)


@given(st.integers(1, 2000), schedules, chances)
def test_back_off_is_bounded(failures: int, queue: Queue, jitter: float) -> None:
    """A destination is left alone for at least the first wait and never for hours on end."""
    seconds = retry.back_off(failures, queue, jitter)
    assert seconds >= queue.retry[0]
    assert seconds <= max(queue.retry[0], HOUR / 2) * (1 + queue.jitter)


def test_delay_warning_is_given_once_and_not_too_early() -> None:
    """A warning is due after the configured age, once, and never when it is switched off."""
    old, young = NOW - 4 * HOUR, NOW - 4 * HOUR + 1
    after = retry.warning_after(DEFAULTS, None)
    assert retry.wants_warning(received=old, now=NOW, warned=False, after=after)
    assert not retry.wants_warning(received=young, now=NOW, warned=False, after=after)
    assert not retry.wants_warning(received=old, now=NOW, warned=True, after=after)
    never = Queue(delay_warning=Duration(0.0))
    assert not retry.wants_warning(received=0.0, now=NOW, warned=False, after=retry.warning_after(never, None))


def test_f165_warnings_are_spread() -> None:
    """Of 100,000 warnings that are due together only so many go out at once, the others later."""
    allowance = WarningAllowance(0.0)
    at_once = sum(allowance.take(0.0) for _ in range(100_000))
    assert at_once == 100
    assert sum(allowance.take(1.0) for _ in range(1000)) == 10
    assert sum(allowance.take(1e9) for _ in range(1000)) == 100


def test_e30_a_clock_set_forward_makes_ages_doubtful_for_hours() -> None:
    """After a jump forward nothing counts as expired until it was tried over some hours."""
    watch = ClockWatch(NOW, 0.0)
    assert watch.look(NOW + 10, 10.0, DEFAULTS) == 0.0
    assert watch.look(NOW + 10 * 365 * DAY, 20.0, DEFAULTS) > 9 * 365 * DAY
    assert watch.is_doubtful(20.0)
    assert watch.is_doubtful(20.0 + 3 * HOUR)
    assert not watch.is_doubtful(20.0 + 5 * HOUR)


def test_e30_a_clock_set_back_is_noticed_and_not_doubted() -> None:
    """A jump back makes mail look young, which harms nobody."""
    watch = ClockWatch(NOW, 0.0)
    assert watch.look(NOW - HOUR, 1.0, DEFAULTS) < -3000
    assert not watch.is_doubtful(1.0)


def test_slewing_is_no_jump() -> None:
    """Half a second a minute over days adds up and is never taken for a jump."""
    watch = ClockWatch(NOW, 0.0)
    assert not any(watch.look(NOW + minute * 60.5, minute * 60.0, DEFAULTS) for minute in range(10_000))


@given(schedules, st.integers(1, 50), chances)
def test_e32_a_time_that_no_schedule_gives_is_astray(queue: Queue, attempts: int, jitter: float) -> None:
    """What the schedule gives is never astray; what lies years ahead is."""
    assert not retry.is_astray(NOW + retry.wait(attempts, queue, jitter), NOW, queue)
    assert retry.is_astray(NOW + 365 * DAY, NOW, queue)
