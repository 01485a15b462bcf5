"""The figures as a table for people and as a document for machines (words)."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Any

from bench.rows import IDLE_TARGET, Contender, Row


@dataclass(slots=True)
class Figure:
    """The rates of one row, a list for each contender, in the order of the rounds."""

    row: Row
    rates: dict[Contender, list[float]] = field(default_factory=dict)

    def median(self, contender: Contender) -> float:
        """Messages a second."""
        return statistics.median(self.rates[contender])

    def ratios(self) -> list[tuple[Contender, float, float]]:
        """Against whom, how many times as fast, and the target."""
        if Contender.EILPOST not in self.rates:
            return []
        mine = self.median(Contender.EILPOST)
        return [
            (t.against, mine / self.median(t.against), t.ratio) for t in self.row.targets if t.against in self.rates
        ]

    def conditions(self) -> str:
        """What the figure holds for."""
        connection = "kept" if self.row.kept else "new for each message"
        return f"{self.row.octets} octets, 1 recipient, {self.row.sessions} sessions, connection {connection}"


@dataclass(frozen=True, slots=True)
class IdleFigure:
    """Memory of a held connection, a value for each round."""

    connections: int
    octets_each: tuple[float, ...]

    @property
    def median(self) -> float:
        """Octets."""
        return statistics.median(self.octets_each)


def table(figures: list[Figure], idle: IdleFigure | None, conditions: dict[str, str]) -> str:
    """Lines for a terminal, 110 columns wide."""
    columns = [c for c in Contender if any(c in figure.rates for figure in figures)]
    head = ["messages a second: median (lowest to highest)", *(f"{c.value:>24}" for c in columns)]
    lines = ["".join((f"{head[0]:<48}", *head[1:]))]
    for figure in figures:
        cells = [f"{_spread(figure.rates.get(contender, [])):>24}" for contender in columns]
        lines.append(f"{figure.row.title:<48}" + "".join(cells))
        lines.append(f"  {figure.conditions()}; {figure.row.destination.value}")
        lines += [f"  {_verdict(*ratio)}" for ratio in figure.ratios()]
    if idle is not None:
        word = "met" if idle.median <= IDLE_TARGET else "MISSED"
        lines.append(f"idle connections: {idle.connections} held, {idle.median / 1000:.2f} KB each")
        lines.append(f"  target at most {IDLE_TARGET / 1000:.0f} KB: {word}")
    lines.append("")
    lines += [f"{name}: {value}" for name, value in conditions.items()]
    return "\n".join(lines)


def _spread(rates: list[float]) -> str:
    if not rates:
        return "-"
    return f"{statistics.median(rates):,.0f} ({min(rates):,.0f}-{max(rates):,.0f})"


def _verdict(against: Contender, ratio: float, target: float) -> str:
    return f"{ratio:.1f} x {against.value}, target {target:g}: {'met' if ratio >= target else 'MISSED'}"


def document(figures: list[Figure], idle: IdleFigure | None, conditions: dict[str, str]) -> dict[str, Any]:
    """The same as JSON's values."""
    return {
        "conditions": conditions,
        "rows": [
            {
                "name": figure.row.name,
                "title": figure.row.title,
                "conditions": figure.conditions(),
                "counted": figure.row.destination.value,
                "unit": "messages/s",
                "rates": {c.value: [round(rate, 1) for rate in rates] for c, rates in figure.rates.items()},
                "medians": {c.value: round(figure.median(c), 1) for c in figure.rates},
                "ratios": [
                    {"against": against.value, "ratio": round(ratio, 2), "target": target, "met": ratio >= target}
                    for against, ratio, target in figure.ratios()
                ],
            }
            for figure in figures
        ],
        "idle": None
        if idle is None
        else {
            "connections": idle.connections,
            "octets_each": [round(octets) for octets in idle.octets_each],
            "target": IDLE_TARGET,
            "met": idle.median <= IDLE_TARGET,
        },
    }
