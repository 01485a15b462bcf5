"""A progress bar on standard error for long work (a deed)."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Bar:
    """``total`` steps, or an unknown time when it is None; gone when the work is done."""

    def __init__(self, what: str, total: int | None) -> None:
        counts = (MofNCompleteColumn(), TimeRemainingColumn()) if total is not None else (TimeElapsedColumn(),)
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), *counts, console=Console(stderr=True), transient=True
        )
        self._task = self._progress.add_task(what, total=total)

    def __enter__(self) -> Self:
        """Shows it."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Takes it away."""
        self._progress.stop()

    def advance(self) -> None:
        """One step is done."""
        self._progress.advance(self._task)
