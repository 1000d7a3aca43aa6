"""The drawings are of their sources."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from include.oms.testing.postgres import ROOT

DIAGRAMS = runpy.run_path(str(ROOT / ".ci/diagrams.py"))
SOURCES = DIAGRAMS["sources"]()


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_a_drawing_is_of_its_source(source: Path) -> None:
    assert DIAGRAMS["drawn_from"](source.with_suffix(".svg")) == DIAGRAMS["source_hash"](source), "run `make diagrams`"


def test_every_drawing_is_shown_on_a_page() -> None:
    pages = "\n".join(page.read_text("utf-8") for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    assert [it.stem for it in SOURCES if not re.search(rf"!\[[^]]+\]\([^)]*diagrams/{it.stem}\.svg\)", pages)] == []
