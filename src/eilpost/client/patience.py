"""How long a client waits, and how a session ends before its time (words)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from eilpost.smtp.client_results import Answered, Lost, Stage

QUIT_PATIENCE: Final = 5.0  # seconds; nothing depends on the answer


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each wait may take, in seconds; the defaults are those of RFC 5321 §4.5.3.2."""

    connect: float = 30.0
    command: float = 300.0
    data: float = 120.0
    block: float = 180.0
    end: float = 600.0

    def of(self, stage: Stage) -> float:
        """The limit of one stage."""
        match stage:
            case Stage.CONNECT:
                return self.connect
            case Stage.DATA:
                return self.data
            case Stage.CONTENT:
                return self.block
            case Stage.END:
                return self.end
            case Stage.QUIT:
                return min(self.command, QUIT_PATIENCE)
            case _:
                return self.command


RFC_TIMEOUTS: Final = Timeouts()


class Broken(Exception):
    """The session is over; ``result`` is what everybody gets who has none yet."""

    def __init__(self, result: Answered | Lost) -> None:
        super().__init__()
        self.result = result
