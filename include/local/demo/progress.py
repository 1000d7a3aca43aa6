"""How the requests pass through the states: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from types import TracebackType
from typing import Self

from rich import progress

from include.local.console import console

STATES = {"QUEUED": "white", "PROCESSING": "cyan", "COMPLETED": "green", "FAILED": "red", "STOPPED": "yellow"}
LINE_SECONDS = 2


class Progress:
    """A context manager; ``show`` what the intake has just counted."""

    def __init__(self, total: int) -> None:
        self._bars = progress.Progress(
            "{task.description:<11}",
            progress.BarColumn(bar_width=50),
            "{task.completed:.0f}",
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks = {
            state: self._bars.add_task(f"[{colour}]{state}", total=total) for state, colour in STATES.items()
        }
        self._started = time.monotonic()
        self._told = 0.0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bars.stop()

    def show(self, counts: Counter[str]) -> None:
        """Requests by status."""
        for state, task in self._tasks.items():
            self._bars.update(task, completed=counts[state])
        seconds = time.monotonic() - self._started
        if self._bars.disable and seconds >= self._told + LINE_SECONDS:
            self._told = seconds
            console.print(f"{seconds:5.0f} s", *(f"{counts[state]} {state}" for state in STATES if counts[state]))
