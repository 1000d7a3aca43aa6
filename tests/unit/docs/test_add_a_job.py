"""What docs/add-a-job.md shows is what the repository has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/add-a-job.md").read_text("utf-8")
FILES = (
    "include/migrations/versions/0060_document_archive.py",
    "include/oms/upkeep/archive.sql",
    "include/oms/upkeep/archive.py",
    "include/jobs/archive.py",
    "dags/document_archive.py",
    "tests/integration/jobs/test_archive.py",
    "docs/examples/check_configuration.py",
)
BLOCKS = re.findall(r"^```(?:python|sql)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.strip().splitlines()[0][:40])
def test_each_block_is_in_the_repository(block: str) -> None:
    assert any(block in (ROOT / file).read_text("utf-8") for file in FILES), block


@pytest.mark.parametrize("file", FILES)
def test_each_file_is_named(file: str) -> None:
    assert file.removeprefix("docs/") in PAGE
