"""Tables for people: in a task's log, in an approval, in a report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

LONGEST_CELL = 200


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table that reads well as plain text, too. Cells are bounded and stay within their row."""
    cells = [list(head), *([_cell(it) for it in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    ruler = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], ruler, *lines[1:]])


def _cell(it: object) -> str:
    text = "" if it is None else f"{it:,}" if type(it) is int else str(it)
    return " ".join(text.replace("|", "/").split())[:LONGEST_CELL]


def age_text(seconds: float) -> str:
    """A time span as people say it: 45 s, 12 min, 3.5 h, 2.0 days."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"
