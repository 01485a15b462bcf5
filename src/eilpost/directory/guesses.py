"""What is remembered of failed logins, in bounded memory; the rules stand in ``policy.guessing`` (a deed)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, TypeVar

from eilpost.config.schema import Auth
from eilpost.policy.guessing import UNKNOWN, Pace, Places, Tally, counted, current, judge

KEPT: Final = 100_000
"""Keys of each kind; the one not heard of for longest is forgotten first (F135)."""

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Guesses:
    """Counts every try as a failure until it turns out to be none, so that tries at once count too."""

    __slots__ = ("_homes", "_pairs", "_tallies", "rules")

    def __init__(self, rules: Auth) -> None:
        self.rules = rules
        self._tallies: OrderedDict[str, Tally] = OrderedDict()
        self._pairs: OrderedDict[tuple[str, str], Tally] = OrderedDict()
        self._homes: OrderedDict[tuple[str, str], None] = OrderedDict()

    def begin(self, where: Places, account: str, now: float, *, trusted: bool) -> Pace:
        """Whether to try; what is refused is not counted, so that a refused client gets in when its time comes."""
        pace = judge(
            self.rules,
            now,
            address=self._tallies.get(where.address, UNKNOWN),
            network=self._tallies.get(where.network, UNKNOWN),
            account=self._tallies.get(account, UNKNOWN),
            trusted=trusted or not where.address,
            at_home=(where.network, account) in self._homes,
        )
        if pace is not Pace.NOT_NOW:
            self._count(where, account, now, 1, 1)
        return pace

    def forgive(self, where: Places, account: str, now: float) -> None:
        """The try was no guess: it was broken off, or we could not answer."""
        self._count(where, account, now, -1, -1)

    def succeeded(self, where: Places, account: str, now: float) -> None:
        """Its owner mistyped: what failed on this account from this address counts no more, and nothing else."""
        pair = current(self._pairs.get((where.address, account), UNKNOWN), now)
        self._count(where, account, now, -pair.in_minute, -pair.in_day)
        self._pairs.pop((where.address, account), None)
        _put(self._homes, (where.network, account), None)

    def _count(self, where: Places, account: str, now: float, in_minute: int, in_day: int) -> None:
        for key in (where.address, where.network, account):
            _put(self._tallies, key, counted(self._tallies.get(key, UNKNOWN), now, in_minute, in_day))
        pair = (where.address, account)
        _put(self._pairs, pair, counted(self._pairs.get(pair, UNKNOWN), now, in_minute, in_day))


def _put(table: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > KEPT:
        table.popitem(last=False)
