"""The report of a worker on its slice, for its task's log and colour."""

from __future__ import annotations

from dataclasses import dataclass, field

from include.oms.ending.final_status import End


@dataclass
class SliceReport:
    """``counts`` are for the log alone, in the order of their first use.

    ``ended_red`` counts the requests that this worker brought to FAILED or STOPPED. ``red_ends`` are the requests that
    stand there because of the slice, whichever worker ended them. ``label`` is the slice's new label if it claimed more
    than it was cut with.
    """

    counts: dict[str, int] = field(default_factory=dict)
    ended_red: int = 0
    red_ends: list[End] = field(default_factory=list)
    stopped_early: str | None = None
    label: str | None = None
    red_label: str | None = None  # its name in the grid if requests of it need a person

    def count(self, what: str, n: int = 1) -> None:
        """Add to one of the counts."""
        if n:
            self.counts[what] = self.counts.get(what, 0) + n
