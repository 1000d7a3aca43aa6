"""The table on the terminal, and docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil
from rich.table import Table

from include.local.bench.figures import Figure, Section
from include.local.settings import ROOT

FILE = ROOT / "docs" / "benchmarks.md"
COLUMNS = ("What", "Measured", "Beside it", "Ratio", "Aim", "")
PACKAGES = ("apache-airflow", "gunicorn", "flask", "psycopg", "aiohttp", "confluent-kafka")
HEAD = """# Benchmarks

`make bench` writes this page. Each figure stands beside its limit. Both were measured in turn, in the same run on the
same machine. Compare the ratios: the absolute numbers depend on the machine and the day.
`make bench ARGS="--only intake"` measures one part, and leaves the figures of the other parts unchanged.
"""


def table(section: Section) -> Table:
    """The section's figures as a table for the terminal."""
    shown = Table(*COLUMNS, title=section.title, title_justify="left")
    for figure in section.figures:
        shown.add_row(*_cells(figure))
    return shown


def write(section: Section, load_before: float, file: Path = FILE) -> None:
    """Replace the section's figures in the file. The other sections do not change."""
    kept = _sections(file.read_text(encoding="utf-8")) if file.exists() else {}
    kept[section.title] = _markdown(section, load_before)
    file.write_text("\n".join([HEAD, *kept.values()]), encoding="utf-8")


def machine(load_before: float) -> str:
    """Date, cores, memory, versions, and the load of the machine before the bench began."""
    memory = psutil.virtual_memory().total / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB, "
        f"{platform.system()} {platform.release()}; Python {platform.python_version()}, {versions}. "
        f"Load average before it began: {load_before:.1f}."
    )


def _markdown(section: Section, load_before: float) -> str:
    rows = [_row(COLUMNS), _row(["---"] * len(COLUMNS)), *(_row(_cells(figure)) for figure in section.figures)]
    return "\n".join([f"## {section.title}", "", section.how, "", *rows, "", f"*{machine(load_before)}*", ""])


def _sections(text: str) -> dict[str, str]:
    """The sections of the file by title, in their order."""
    parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    return {part.splitlines()[0]: f"## {part.rstrip()}\n" for part in parts}


def _cells(figure: Figure) -> Sequence[str]:
    mark = {None: "", True: "✓", False: "not met"}[figure.is_met]
    return figure.what, figure.ours, figure.beside, figure.ratio, figure.aim, mark


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
