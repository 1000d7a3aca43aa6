"""Whatever can turn red or be told has a runbook, and no link leads nowhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from include.oms.upkeep.deadlines import OpenState
from include.oms.upkeep.discrepancies import Kind

ROOT = Path(__file__).resolve().parents[3]
RUNBOOKS = ROOT / "docs/runbooks"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")


@pytest.mark.parametrize("state", OpenState)
def test_each_alert_has_its_place(state: OpenState) -> None:
    assert f"\n## {state.lower()}\n" in (RUNBOOKS / "late.md").read_text("utf-8")


@pytest.mark.parametrize("kind", Kind)
def test_each_kind_that_does_not_add_up_has_its_place(kind: Kind) -> None:
    assert f"\n| {kind} |" in (RUNBOOKS / "reconciliation.md").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_leads_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text("utf-8")):
        if "://" in target:
            continue
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), target
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there), f"{target}#{anchor}"


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    heads = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_each_runbook_is_in_the_index() -> None:
    index = (RUNBOOKS / "README.md").read_text("utf-8")
    for page in RUNBOOKS.glob("*.md"):
        assert page.name == "README.md" or f"]({page.name})" in index
