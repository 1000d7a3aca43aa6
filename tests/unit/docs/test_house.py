"""Pages name files that exist, the index has every page, and there is one version everywhere."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml

from include.oms.testing.postgres import ROOT

CODE_PATH = re.compile(r"`((?:include|docs|dags|plugins|oms_intake|tests|\.ci)/[\w./-]+)`")


PAGES = sorted(it.relative_to(ROOT).as_posix() for it in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES)
def test_the_files_that_a_page_names_are_there(page: str) -> None:
    named = CODE_PATH.findall((ROOT / page).read_text("utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs/README.md").read_text("utf-8")
    assert [it.name for it in (ROOT / "docs").glob("*.md") if it.name not in index and it.name != "README.md"] == []


def test_the_version_is_the_same_everywhere() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    chart = yaml.safe_load((ROOT / "include/deploy/helm/oms/Chart.yaml").read_text("utf-8"))
    newest = re.search(r"^## \[(\d[\d.]+)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert newest
    assert {newest[1], chart["version"], chart["appVersion"]} == {version}
