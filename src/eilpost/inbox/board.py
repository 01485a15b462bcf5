"""The rules of faults that are set now, and what they remember (a deed)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

from eilpost.inbox.fault_rules import rule_of_address
from eilpost.inbox.faults import NOTHING, Effect, Facts, Memory, Rule, Stage, judge


class Board:
    """Holds rules; ``by_address`` lets addresses like ``anna+550@`` ask for their own."""

    def __init__(
        self,
        rules: Sequence[Rule] = (),
        *,
        by_address: bool = True,
        clock: Callable[[], float] = time.monotonic,
        roll: Callable[[], float] = random.random,
    ) -> None:
        self.by_address = by_address
        self._rules = tuple(rules)
        self._stages = frozenset(rule.stage for rule in rules)
        self._memory = Memory()
        self._clock = clock
        self._roll = roll
        self._count = 0

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules in the order in which they are asked."""
        return self._rules

    @property
    def count(self) -> int:
        """How many steps had a fault."""
        return self._count

    def set(self, rules: Sequence[Rule]) -> None:
        """Replaces all rules and forgets what the old ones remembered; holds for open sessions too."""
        self._rules = tuple(rules)
        self._stages = frozenset(rule.stage for rule in rules)
        self._memory.forget()

    def holds_at(self, stage: Stage) -> bool:
        """True when any rule is about this stage: without, nothing more needs to be known."""
        return stage in self._stages

    def ask(self, facts: Facts, more: Sequence[Rule] = ()) -> Effect:
        """What is done at this step; ``more`` are rules that this transaction's addresses ask for."""
        if not more and facts.stage not in self._stages:
            return NOTHING
        effect = judge((*self._rules, *more), facts, self._memory, self._clock(), self._roll)
        if effect is not NOTHING:
            self._count += 1
        return effect

    def of_address(self, address: str, stage: Stage | None = None) -> Rule | None:
        """The fault that an address asks for, when addresses may."""
        return rule_of_address(address, stage) if self.by_address and "+" in address else None
