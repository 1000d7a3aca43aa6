"""What the pages under docs/ hold, for tests that hold them to it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from include.oms.testing.postgres import ROOT


class Example(NamedTuple):
    """A fenced block."""

    language: str
    text: str


def page(name: str) -> str:
    """The text of a page."""
    return Path(ROOT, "docs", name).read_text("utf-8")


def examples(text: str) -> list[Example]:
    """The fenced blocks, in order."""
    return [Example(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]


def rows(text: str, first: str) -> list[list[str]]:
    """The cells of every table row whose first cell fits the pattern, without backticks."""
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [[cell.replace("`", "").strip() for cell in row] for row in cells if re.fullmatch(first, row[0].strip("` "))]
