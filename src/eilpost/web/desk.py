"""What the page and the API stand on: one running inbox with its faults and its releases (words)."""

from __future__ import annotations

from dataclasses import dataclass

from eilpost.inbox.board import Board
from eilpost.inbox.release import Releaser
from eilpost.inbox.store import Inbox


@dataclass(frozen=True, slots=True)
class Desk:
    """``server`` is where mail is taken, as ``host:port``; ``smtp`` and ``pop3`` likewise, empty when there is none."""

    inbox: Inbox
    board: Board
    releaser: Releaser
    version: str
    server: str = ""
    database: str = "memory"
