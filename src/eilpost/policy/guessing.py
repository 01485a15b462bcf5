"""May this client try a password now? (decisions)

Failed logins are counted by address (an IPv6 /64 counts as one), by network (/24, /48) and by
account. Who guesses from one place is refused there, and nowhere else. An account is never closed:
else anybody could lock its owner out. When too many have failed on it, from wherever, each try from
a network that has not logged in to it before is slow; its owner at home notices nothing, and far
from home waits some seconds (F107).

A count is of a calendar minute or day of the clock it is given; two numbers a key are enough.
"""

from __future__ import annotations

import ipaddress
from enum import Enum
from typing import Final

from eilpost.config.schema import DAY, MINUTE, Auth
from eilpost.mail.value import value

NETWORK_FACTOR: Final = 3
"""How many addresses' guesses a network may make."""


class Pace(Enum):
    """How a try goes on."""

    AT_ONCE = "at once"
    SLOWLY = "slowly"
    NOT_NOW = "not now"


@value(frozen=True, slots=True)
class Tally:
    """Failures of one key, in the minute and the day that are numbered."""

    minute: int = 0
    in_minute: int = 0
    day: int = 0
    in_day: int = 0


UNKNOWN: Final = Tally()


@value(frozen=True, slots=True)
class Places:
    """What a client's tries are counted by; both empty where nobody else can call from."""

    address: str
    network: str


def places(address: str) -> Places:
    """Of a canonical address; an empty one is a local socket."""
    if not address:
        return Places("", "")
    ip = ipaddress.ip_address(address)
    if ip.version == 4:
        return Places(address, str(ipaddress.ip_network((ip, 24), strict=False)))
    return Places(str(ipaddress.ip_network((ip, 64), strict=False)), str(ipaddress.ip_network((ip, 48), strict=False)))


def counted(tally: Tally, now: float, in_minute: int, in_day: int) -> Tally:
    """The tally with so many failures more, or with negative numbers fewer."""
    tally = current(tally, now)
    return Tally(tally.minute, max(0, tally.in_minute + in_minute), tally.day, max(0, tally.in_day + in_day))


def current(tally: Tally, now: float) -> Tally:
    """What of it counts still."""
    minute, day = int(now // MINUTE), int(now // DAY)
    return Tally(minute, tally.in_minute if tally.minute == minute else 0, day, tally.in_day if tally.day == day else 0)


def judge(
    rules: Auth, now: float, *, address: Tally, network: Tally, account: Tally, trusted: bool, at_home: bool
) -> Pace:
    """``trusted`` clients speak for many, as a web mail does: only accounts count there.

    ``at_home``: this account has logged in from this network before.
    """
    if not trusted and (
        _spent(rules, current(address, now), 1) or _spent(rules, current(network, now), NETWORK_FACTOR)
    ):
        return Pace.NOT_NOW
    if current(account, now).in_day >= rules.guesses_per_account and not at_home:
        return Pace.SLOWLY
    return Pace.AT_ONCE


def _spent(rules: Auth, tally: Tally, factor: int) -> bool:
    return tally.in_minute >= rules.guesses_per_minute * factor or tally.in_day >= rules.guesses_per_day * factor
